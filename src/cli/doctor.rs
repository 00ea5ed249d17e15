//! `wangge doctor`: what a server needs, thing by thing.

use super::machine::{self, disk, mode};
use super::{Outcome, chain, out};
use crate::clock::Clock;
use crate::config::{Config, database_url};
use crate::domain::id::GridSet;
use crate::domain::scope::Scope;
use crate::http;
use crate::store::{Access, Store, StoreError, epoch_at, others_at, place_shown};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::HashSet;
use std::fs::Metadata;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Free disk below which it is short, and below which it is nearly full.
const SHORT_BYTES: u64 = 2 << 30;
const FULL_BYTES: u64 = 200 << 20;
/// Days that a certificate should still last, and must.
const CERT_DAYS: i64 = 30;
const CERT_LEAST_DAYS: i64 = 7;
/// Hours after which a backup is old, and after which it is as good as none.
const BACKUP_HOURS: i64 = 48;
const BACKUP_MOST_HOURS: i64 = 24 * 8;
/// Files that a server with all its connections has open.
const OPEN_FILES: u64 = 4096 + 256;
/// How far a clock may be behind what was written last.
const BEHIND: SignedDuration = SignedDuration::from_mins(5);
/// How long the server may take to answer that it runs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Works beside a running server: it only reads.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Settings as a TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The city's data file, or the URL of its database (postgres://…) [default: as the settings say].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Before the start: the address must be free.
    #[arg(long)]
    starting: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    state: State,
    /// A word, the same from run to run.
    what: &'static str,
    /// How it is.
    found: String,
    /// Why that matters; empty when it is well.
    why: &'static str,
    /// What mends it; empty when it is well.
    mend: String,
}

/// All findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, what: &'static str, found: impl Into<String>) {
        self.0.push(Finding { state: State::Ok, what, found: found.into(), why: "", mend: String::new() });
    }

    fn bad(&mut self, state: State, what: &'static str, found: impl Into<String>, why: &'static str, mend: impl Into<String>) {
        self.0.push(Finding { state, what, found: found.into(), why, mend: mend.into() });
    }
}

pub(super) async fn run(args: Args) -> Outcome {
    let mut all = Findings::default();
    if let Some(config) = settings(&args, &mut all) {
        let now = Clock::System.now();
        permissions(&config, &mut all);
        // A database has disks of its own.
        if !is_database(&config.data) {
            disks(&config.data, &mut all);
        }
        data(&config, now, &mut all).await;
        listening(&config, args.starting, &mut all);
        certificate(&config, now, &mut all);
        backups(&config, now, &mut all);
        sources(&config, &mut all).await;
    }
    open_files(&mut all);
    fonts(&mut all);
    let worst = all.0.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    if args.json {
        out::say(&serde_json::to_string_pretty(&serde_json::json!({ "state": worst, "findings": all.0 }))?);
    } else {
        out::say(&all.0.iter().map(line).collect::<String>());
    }
    Ok(worst < State::Wrong)
}

fn line(finding: &Finding) -> String {
    let Finding { state, what, found, why, mend } = finding;
    let word = match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Wrong => "WRONG",
    };
    let rest = if why.is_empty() {
        String::new()
    } else {
        format!("\n                        {why}\n                        to mend it: {mend}")
    };
    format!("{word:8} {what:14} {found}{rest}\n")
}

fn settings(args: &Args, all: &mut Findings) -> Option<Config> {
    let why = "the server does not start without settings that read";
    let mut config = match &args.config {
        None => {
            all.ok("settings", "none: defaults");
            Config::new(PathBuf::from("city.gpkg"))
        }
        Some(path) => match Config::read(path) {
            Ok(config) => {
                all.ok("settings", path.display().to_string());
                config
            }
            Err(error) => {
                all.bad(State::Wrong, "settings", error.to_string(), why, "docs/configuration.md lists what may stand there");
                return None;
            }
        },
    };
    config.data = args.data.clone().unwrap_or(config.data);
    match config.may_listen() {
        Ok(()) => all.ok("access", if config.callers.is_some() { "callers are told apart" } else { "this machine's alone" }),
        Err(error) => all.bad(
            State::Wrong,
            "access",
            error.to_string(),
            "the server does not start like this",
            "docs/operation.md, Who reaches the server",
        ),
    }
    match config.may_be_seen() {
        Ok(()) => all.ok("map_approval", config.map_approval.clone().unwrap_or_else(|| "none is needed".to_owned())),
        Err(error) => all.bad(
            State::Wrong,
            "map_approval",
            error.to_string(),
            "the server does not start like this; 地图管理条例, articles 15 and 22",
            "map_approval and attribution in the settings, or public = false",
        ),
    }
    Some(config)
}

/// What nobody but the server reads, or writes.
fn permissions(config: &Config, all: &mut Findings) {
    let beside = |ending: &str| {
        let mut path = config.data.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let key = config.tls.iter().map(|tls| tls.key.clone());
    let secrets: Vec<PathBuf> = config.secret_files.iter().cloned().chain(key).chain([beside(".secret")]).collect();
    let (mut well, mut wrong) = (0, false);
    for path in secrets.iter().filter(|path| path.exists()) {
        let (found, why, mend) = match mode(path) {
            Ok(Some(mode)) if mode & 0o007 != 0 => (
                format!("{} has the mode {mode:03o}", path.display()),
                "every user of this machine can read that secret",
                format!("chmod 600 {}", path.display()),
            ),
            Ok(_) => {
                well += 1;
                continue;
            }
            Err(error) => (
                format!("{}: {error}", path.display()),
                "the server needs it",
                "run doctor as the user that the server runs as".to_owned(),
            ),
        };
        wrong = true;
        all.bad(State::Wrong, "permissions", found, why, mend);
    }
    if is_database(&config.data) {
        if !wrong {
            all.ok("permissions", format!("of {well} files with secrets"));
        }
        return;
    }
    match mode(&config.data) {
        Ok(Some(mode)) if mode & 0o002 != 0 => all.bad(
            State::Wrong,
            "permissions",
            format!("{} has the mode {mode:03o}", config.data.display()),
            "every user of this machine can change the city",
            format!("chmod 640 {}", config.data.display()),
        ),
        Ok(Some(mode)) if mode & 0o004 != 0 => all.bad(
            State::Warning,
            "permissions",
            format!("{} has the mode {mode:03o}", config.data.display()),
            "every user of this machine can read the city, with phones and places of cameras",
            format!("chmod 640 {}", config.data.display()),
        ),
        // What is wrong with the data itself is told where it is opened.
        _ if well == 0 => all.ok("permissions", "of the data file"),
        _ => all.ok("permissions", format!("of the data file and {well} files with secrets")),
    }
}

fn is_database(data: &Path) -> bool {
    data.to_str().is_some_and(|data| database_url(data).is_ok())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn disks(data: &Path, all: &mut Findings) {
    let place = folder(data);
    let (why, mend) =
        ("imports write tables anew and need as much again as the file has", "delete what is not needed, or move the data file");
    match disk(place) {
        Ok(disk) => {
            let size = std::fs::metadata(data).map_or(0, |known| known.len());
            let found = format!("{} MB are free in {}", disk.free >> 20, place.display());
            match disk.free {
                free if free < FULL_BYTES.max(size / 10) => all.bad(State::Wrong, "disk", found, why, mend),
                free if free < SHORT_BYTES.max(size.saturating_mul(2)) => all.bad(State::Warning, "disk", found, why, mend),
                _ => all.ok("disk", found),
            }
            match disk.kind {
                Some((kind, true)) => all.bad(
                    State::Wrong,
                    "file_system",
                    format!("{} is on {kind}", place.display()),
                    "files of other machines lack the locks and the shared memory that the store needs: the city can be damaged",
                    "put the data file on a disk of this machine, and copies (wangge backup) over there",
                ),
                Some((kind, false)) => all.ok("file_system", kind),
                None => all.ok("file_system", "of a kind that is not listed here"),
            }
        }
        Err(error) => all.bad(State::Wrong, "disk", format!("{}: {error}", place.display()), why, "the folder must be there"),
    }
}

/// The file opens, and the clock is behind nothing that was written.
async fn data(config: &Config, now: Timestamp, all: &mut Findings) {
    let path = &config.data;
    let opened = async {
        let store = Store::open(path, Access::Read).await?;
        let (meta, revision) = (store.meta().await?, store.revision().await?);
        let unknown = unknown_codes(&store, &config.within, now).await?;
        store.close().await?;
        Ok::<_, StoreError>((meta, revision, unknown))
    };
    let zone = match opened.await {
        Ok((meta, revision, unknown)) => {
            if !unknown.is_empty() {
                let found = format!("no boundaries in force have {}", unknown.join(", "));
                all.bad(
                    State::Wrong,
                    "within",
                    found,
                    "the server does not start like this",
                    "codes of regions or grids, or all of the city",
                );
            }
            all.ok("data", format!("{}: {}, revision {revision}", place_shown(path), meta.title));
            Some(meta.time_zone)
        }
        Err(error) => {
            let mend = match &error {
                StoreError::Missing(_) => "wangge import makes one, wangge restore puts a backup in its place",
                StoreError::Away { .. } | StoreError::Database { .. } | StoreError::Invalid(_) if is_database(path) => {
                    "docs/postgis.md: the URL, the password, the roles and what they need"
                }
                _ => "wangge check looks at all of it, wangge restore puts a backup in its place",
            };
            all.bad(State::Wrong, "data", format!("{}: {}", place_shown(path), chain(&error)), "there is no city to serve", mend);
            None
        }
    };
    let written = std::fs::metadata(path).and_then(|known| known.modified()).ok();
    let written = written.and_then(|at| Timestamp::try_from(at).ok());
    let why = "log-ins, tokens, certificates and the log of changes go by the clock";
    match written {
        Some(written) if now.saturating_add(BEHIND).is_ok_and(|later| later < written) => all.bad(
            State::Wrong,
            "clock",
            format!("it says {now}, and the data file was written at {written}"),
            why,
            "timedatectl set-ntp true, or the network's own time server",
        ),
        _ if now < Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::MIN) => {
            all.bad(
                State::Wrong,
                "clock",
                format!("it says {now}, before this program was written"),
                why,
                "timedatectl set-ntp true",
            );
        }
        _ => match zone.as_deref().map(|zone| (zone, jiff::tz::TimeZone::get(zone).is_ok())) {
            Some((zone, false)) => all.bad(
                State::Wrong,
                "clock",
                format!("the city's time zone {zone:?} does not exist"),
                "days begin somewhere",
                "an IANA name like Asia/Shanghai in the data file",
            ),
            Some((zone, true)) => all.ok("clock", format!("{now}, the city's zone is {zone}")),
            None => all.ok("clock", now.to_string()),
        },
    }
}

/// Codes that a server of a part of the city would have, and nothing has.
async fn unknown_codes(store: &Store, within: &Scope, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let Scope::Within(codes) = within else { return Ok(Vec::new()) };
    let epochs = store.epochs().await?;
    let governance = epoch_at(&epochs, &GridSet::default(), now);
    let mut known = HashSet::new();
    for record in governance.into_iter().chain(others_at(&epochs, now)) {
        if let Some(set) = store.boundaries_at(record.epoch).await? {
            known.extend(set.regions.iter().map(|region| region.code.clone()));
            known.extend(set.grids.iter().map(|grid| grid.code.clone()));
        }
    }
    Ok(codes.iter().filter(|code| !known.contains(*code)).map(ToString::to_string).collect())
}

fn listening(config: &Config, starting: bool, all: &mut Findings) {
    let free = TcpListener::bind(config.listen);
    let announced = Store::announced(&config.data);
    match (free, announced) {
        (Ok(_), _) => all.ok("port", format!("{} is free", config.listen)),
        (Err(error), Some(server)) if error.kind() == std::io::ErrorKind::AddrInUse && !starting => {
            match answers(&server.address) {
                Ok(()) => all.ok("port", format!("{} is this city's server, and it answers", config.listen)),
                Err(why) => all.bad(
                    State::Wrong,
                    "port",
                    format!(
                        "{} is taken, and the server of this city at {} does not answer: {why}",
                        config.listen, server.address
                    ),
                    "nobody is served",
                    "look at its log, and start it anew",
                ),
            }
        }
        (Err(error), _) => all.bad(
            State::Wrong,
            "port",
            format!("{}: {error}", config.listen),
            "the server cannot listen there",
            "another listen in the settings, or end what has the address: ss -ltnp",
        ),
    }
}

/// Whether a server of ours answers there.
fn answers(address: &str) -> Result<(), String> {
    let ask = || -> std::io::Result<Vec<u8>> {
        let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.take(1 << 16).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    let head = String::from_utf8_lossy(&answer);
    if head.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(head.lines().next().unwrap_or("nothing").to_owned()) }
}

fn certificate(config: &Config, now: Timestamp, all: &mut Findings) {
    let Some(tls) = &config.tls else {
        return match config.is_secure() {
            true => all.ok("certificate", "a proxy has it"),
            false if config.listen.ip().is_loopback() => all.ok("certificate", "none is needed on this machine alone"),
            false => all.bad(
                State::Warning,
                "certificate",
                "none, and base_url does not begin with https://",
                "browsers give positions and cookies of sessions to pages over TLS only",
                "base_url in the settings, as the proxy is called",
            ),
        };
    };
    let why = "browsers and phones refuse to connect";
    let mend = "wangge cert make, or the authority that made it; a running server takes new files by itself";
    if let Err(error) = http::tls::Tls::open(&tls.cert, &tls.key) {
        return all.bad(State::Wrong, "certificate", error.to_string(), "the server does not start like this", mend);
    }
    let facts = match http::tls::facts(&tls.cert) {
        Ok(facts) => facts,
        Err(error) => return all.bad(State::Wrong, "certificate", error.to_string(), why, mend),
    };
    let days = facts.ends_at.duration_since(now).as_hours() / 24;
    let found = format!("{} lasts {days} days, until {}", tls.cert.display(), facts.ends_at);
    match days {
        _ if facts.begins_at > now => {
            let found = format!("{} is good from {} on only", tls.cert.display(), facts.begins_at);
            all.bad(State::Wrong, "certificate", found, why, "set the clock, or wait");
        }
        days if days < CERT_LEAST_DAYS => all.bad(State::Wrong, "certificate", found, why, mend),
        days if days < CERT_DAYS => all.bad(State::Warning, "certificate", found, why, mend),
        _ => all.ok("certificate", found),
    }
    if facts.names.dns.is_empty() && facts.names.addresses.is_empty() {
        all.bad(State::Wrong, "certificate", "it stands for no name", why, mend);
    }
    if let Some(host) = config.base_url.as_deref().map(crate::config::host)
        && !facts.names.hold(host)
    {
        all.bad(State::Wrong, "certificate", format!("it does not stand for {host}, the host of base_url"), why, mend);
    }
}

/// The newest file of a folder that could be a copy of a city.
fn newest(folder: &Path) -> std::io::Result<Option<(PathBuf, Timestamp)>> {
    let is_copy = |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gpkg"));
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let at = std::fs::metadata(&path).and_then(|known: Metadata| known.modified()).ok();
        let at = at.and_then(|at| Timestamp::try_from(at).ok()).filter(|_| is_copy(&path));
        if let Some(at) = at
            && newest.as_ref().is_none_or(|(_, before)| *before < at)
        {
            newest = Some((path, at));
        }
    }
    Ok(newest)
}

fn backups(config: &Config, now: Timestamp, all: &mut Findings) {
    let (why, mend) =
        ("what is lost with the disk is lost", "wangge backup --data CITY.gpkg COPY.gpkg each night, onto another disk");
    let Some(folder) = &config.backup_folder else {
        if is_database(&config.data) {
            return all.ok("backup", "the database's own: pg_dump or base backups (docs/postgis.md)");
        }
        let mend = "backup_folder in the settings names the folder that wangge backup writes to";
        return all.bad(State::Warning, "backup", "nobody said where backups are", why, mend);
    };
    match newest(folder) {
        Ok(Some((path, at))) => {
            let hours = now.duration_since(at).as_hours();
            let found = format!("{} is {hours} hours old", path.display());
            match hours {
                hours if hours > BACKUP_MOST_HOURS => all.bad(State::Wrong, "backup", found, why, mend),
                hours if hours > BACKUP_HOURS => all.bad(State::Warning, "backup", found, why, mend),
                _ => all.ok("backup", found),
            }
        }
        Ok(None) => all.bad(State::Wrong, "backup", format!("{} holds no copy (*.gpkg)", folder.display()), why, mend),
        Err(error) => all.bad(State::Wrong, "backup", format!("{}: {error}", folder.display()), why, mend),
    }
}

/// A little of each source is read, nothing of it is brought in.
async fn sources(config: &Config, all: &mut Findings) {
    let (why, mend) = ("nothing of it comes into the city, which stays as it is", "docs/sources.md: how a source is read");
    for (id, found) in crate::app::sources::examine(config).await {
        match found {
            Ok(found) => all.ok("source", format!("{id}: {found}")),
            Err(error) => all.bad(State::Warning, "source", format!("{id}: {error}"), why, mend),
        }
    }
    let why = "the boundaries there stay as they are";
    for (id, found) in crate::app::sinks::examine(config).await {
        match found {
            Ok(found) => all.ok("sink", format!("{id}: {found}")),
            Err(error) => all.bad(State::Warning, "sink", format!("{id}: {error}"), why, "docs/sources.md: sinks"),
        }
    }
    // What makes no sense at all keeps the server from starting.
    if let Err(error) = crate::app::sources::Sources::of(config) {
        all.bad(State::Wrong, "source", error.to_string(), "the server does not start like this", "docs/sources.md");
    }
}

fn open_files(all: &mut Findings) {
    match machine::raise_open_files() {
        Some(files) if files < OPEN_FILES => all.bad(
            State::Warning,
            "open_files",
            format!("{files} files may be open"),
            "each connection is one, and fewer connections are taken",
            "LimitNOFILE=16384 in the unit, or ulimit -n",
        ),
        Some(files) => all.ok("open_files", format!("{files} files may be open")),
        None => all.ok("open_files", "the system does not tell"),
    }
}

fn fonts(all: &mut Findings) {
    match http::assets::embedded_files() {
        (fonts, true) if fonts > 0 => all.ok("fonts", format!("the viewer and {fonts} subsets of fonts are part of the program")),
        (fonts, page) => all.bad(
            State::Wrong,
            "fonts",
            format!("{fonts} subsets of fonts{}", if page { "" } else { " and no viewer" }),
            "names on the map would be empty boxes",
            "make viewer, then build again",
        ),
    }
}
