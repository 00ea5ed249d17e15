//! What the program is told when it starts, parsed into types: a TOML file, and the command line, which has the last word. Of the
//! environment only the variables are read that the file names for keys.

pub mod access;
pub mod layers;
pub mod outside;
pub mod sources;
pub mod tls;

use crate::domain::code::Code;
use crate::domain::hash::hash64;
use crate::domain::scope::Scope;
use access::{AccessKeys, Callers, CasKeys, JwtKeys, OidcKeys, ProxyKeys, Tables, UserKeys};
use layers::{Layer, LayerKeys};
use outside::{Basemap, BasemapKeys};
use serde::Deserialize;
use sources::{Sink, SinkKeys, Source, SourceKeys};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tls::{Tls, TlsKeys};

/// What `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The city's file.
    pub data: PathBuf,
    /// A standby of the city's database, which is read whole when the server starts, and for boundaries of the past.
    pub database_read: Option<PathBuf>,
    /// How much of the city this server has.
    pub within: Scope,
    /// Where to listen; see [`Config::may_listen`].
    pub listen: SocketAddr,
    /// The certificate that is shown; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// The certificate of the authority behind it, which callers may take from here.
    pub tls_ca: Option<PathBuf>,
    /// Where this server alone keeps its uploads, when several run over one database.
    pub own_uploads: Option<PathBuf>,
    /// A proxy in front has TLS, and all connections come from it.
    pub behind_proxy: bool,
    /// How many connections there may be: at one time, and of one address.
    pub connections: (usize, usize),
    /// Files of the settings that hold secrets: nobody but the server reads them.
    pub secret_files: Vec<PathBuf>,
    /// Where backups are put, for those who look whether there are any.
    pub backup_folder: Option<PathBuf>,
    /// From so many bytes of memory on requests are put off; `None`: never.
    pub memory_limit_bytes: Option<u64>,
    /// What links begin with behind a proxy, without a slash at the end; absent: `http://<Host>`.
    pub base_url: Option<String>,
    /// Most bytes of the tile cache.
    pub tile_cache_bytes: usize,
    /// Most bytes of a request body that is read whole.
    pub body_limit_bytes: usize,
    /// Most bytes of the files of one import.
    pub upload_limit_bytes: u64,
    /// What the card draws at once.
    pub facility_groups: Vec<FacilityGroup>,
    /// The wall that shows the city, when there is one; an address can say otherwise for its own screen.
    pub wall: Option<Wall>,
    /// Whose map this is, besides what the data says; drawn on it.
    pub attribution: Vec<String>,
    /// The number under which the map was approved (审图号); drawn on it.
    pub map_approval: Option<String>,
    /// Maps that may lie under ours, in the order they are offered.
    pub basemaps: Vec<Basemap>,
    /// Things of others that are drawn on the map, in the order they are listed.
    pub layers: Vec<Layer>,
    /// Data that is brought in again and again.
    pub sources: Vec<Source>,
    /// Databases of others that have the boundaries in force.
    pub sinks: Vec<Sink>,
    /// Most bytes of tiles of others that are kept in memory.
    pub map_cache_bytes: usize,
    /// Where such tiles are kept over restarts too, and most bytes of it.
    pub map_cache_folder: Option<(PathBuf, u64)>,
    /// Certificates that are trusted beside the usual ones when other servers are asked, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether others see the map, where the operator says so; see [`Config::may_be_seen`].
    pub public: Option<bool>,
    /// How callers are told apart; `None`: not at all, and everybody on this machine may do everything.
    pub callers: Option<Callers>,
}

/// Facilities that are shown together when a grid is selected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacilityGroup {
    /// Stable name.
    pub id: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Icon in `styles/icons`.
    pub icon: String,
    /// Component categories that belong to it.
    pub categories: Vec<String>,
}

/// A splice of screens and the room it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wall {
    /// Screens side by side.
    pub cols: u8,
    /// Screens one above the other.
    pub rows: u8,
    /// How far the farthest reader stands, in metres.
    pub distance_m: Option<f64>,
    /// From pixel to pixel, in millimetres.
    pub pitch_mm: Option<f64>,
}

impl Default for Wall {
    fn default() -> Self {
        Self { cols: 1, rows: 1, distance_m: None, pitch_mm: None }
    }
}

/// Why a file of settings is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// It is not there, or not to be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It is no TOML, or holds a key that nobody knows.
    #[error("{0}: {1}")]
    Syntax(PathBuf, String),
    /// A value that cannot be.
    #[error("{0}: {1}")]
    Value(PathBuf, String),
}

/// A city in PostgreSQL with PostGIS.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: String,
    read: Option<String>,
}

/// The URL of a database. What is wrong with one is told without it: it may hold a password.
pub fn database_url(url: &str) -> Result<&str, &'static str> {
    let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
    known.then_some(url).ok_or("the URL of a database begins with postgres://")
}

/// The part of a city that lies at or below some codes.
pub fn part<'a>(codes: impl IntoIterator<Item = &'a str>) -> Result<Scope, String> {
    let codes = codes.into_iter().map(|code| Code::new(code.trim()).map_err(|error| format!("within: {error}")));
    match Scope::within(codes.collect::<Result<Vec<_>, _>>()?) {
        Scope::Within(codes) if codes.is_empty() => Err("within names no code: leave it out to have the whole city".to_owned()),
        scope => Ok(scope),
    }
}

/// A file of settings, as people write it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data: Option<PathBuf>,
    database: Option<Database>,
    within: Option<Vec<String>>,
    listen: Option<SocketAddr>,
    base_url: Option<String>,
    tile_cache_mb: Option<usize>,
    body_limit_mb: Option<usize>,
    upload_limit_mb: Option<u64>,
    wall: Option<Wall>,
    facility_group: Option<Vec<FacilityGroup>>,
    attribution: Vec<String>,
    map_approval: Option<String>,
    public: Option<bool>,
    basemap: Vec<BasemapKeys>,
    layer: Vec<LayerKeys>,
    source: Vec<SourceKeys>,
    sink: Vec<SinkKeys>,
    map_cache_mb: Option<usize>,
    map_cache_folder: Option<PathBuf>,
    map_cache_folder_mb: Option<u64>,
    ca_file: Option<PathBuf>,
    access: Option<AccessKeys>,
    user: Vec<UserKeys>,
    jwt: Option<JwtKeys>,
    proxy: Option<ProxyKeys>,
    oidc: Option<OidcKeys>,
    cas: Option<CasKeys>,
    tls: TlsKeys,
    behind_proxy: bool,
    connections: Option<usize>,
    connections_of_one_address: Option<usize>,
    memory_limit_mb: Option<u64>,
    backup_folder: Option<PathBuf>,
}

/// Most screens of a splice in a row or a column.
const MOST_SCREENS: u8 = 24;
/// Most megabytes of a tile cache: a tebibyte.
const MOST_CACHE_MB: usize = 1 << 20;
/// Most megabytes of a body that is read whole.
const MOST_BODY_MB: usize = 1024;

/// Cameras, lighting, manhole covers, hydrants: what Yichang's wall shows at a click (GB/T 47678.5 codes, then CJ/T 214).
pub fn default_facility_groups() -> Vec<FacilityGroup> {
    let group = |id: &str, name: &str, name_en: &str, icon: &str, categories: &[&str]| FacilityGroup {
        id: id.to_owned(),
        name: name.to_owned(),
        name_en: name_en.to_owned(),
        icon: icon.to_owned(),
        categories: categories.iter().map(|code| (*code).to_owned()).collect(),
    };
    let lighting = ["01037", "01038", "01039", "0118", "0119", "0120"];
    let manholes = [
        "01001", "01002", "01003", "01005", "01006", "01007", "01008", "01009", "01010", "01011", "01012", "01023", "0101",
        "0102", "0103", "0105", "0106", "0107", "0108", "0109", "0110", "0111", "0112", "0114",
    ];
    vec![
        group("camera", "监控", "Cameras", "camera", &["01050", "0136"]),
        group("lighting", "照明", "Lighting", "lamp", &lighting),
        group("manhole", "井盖", "Manhole covers", "manhole", &manholes),
        group("hydrant", "消防设施", "Hydrants", "hydrant", &["01013", "0113"]),
    ]
}

impl Config {
    /// Folder for files that are being imported, beside the data file, and complete reports; emptied when the server starts. Of a city in
    /// a database it is where the server was started, with a name that has nothing of the password in it.
    pub fn uploads(&self) -> PathBuf {
        if let Some(own) = &self.own_uploads {
            return own.clone();
        }
        if let Some(url) = self.data.to_str().filter(|data| database_url(data).is_ok()) {
            let schema = url.split(['?', '&']).find_map(|part| part.strip_prefix("schema=")).unwrap_or_default();
            let place = url.rsplit_once('@').map_or(url, |(_, place)| place).split('?').next().unwrap_or_default();
            let name = format!("{place} {schema}");
            return PathBuf::from(format!("wangge-{:016x}.uploads", hash64(name.as_bytes())));
        }
        let mut path = self.data.clone().into_os_string();
        path.push(".uploads");
        path.into()
    }

    /// Defaults for a file.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            database_read: None,
            within: Scope::All,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            tls_ca: None,
            own_uploads: None,
            behind_proxy: false,
            connections: (4096, 512),
            secret_files: Vec::new(),
            backup_folder: None,
            memory_limit_bytes: None,
            base_url: None,
            tile_cache_bytes: 256 << 20,
            body_limit_bytes: 8 << 20,
            upload_limit_bytes: 2 << 30,
            facility_groups: default_facility_groups(),
            wall: None,
            attribution: Vec::new(),
            map_approval: None,
            public: None,
            basemaps: Vec::new(),
            layers: Vec::new(),
            sources: Vec::new(),
            sinks: Vec::new(),
            map_cache_bytes: 64 << 20,
            map_cache_folder: None,
            ca_file: None,
            callers: None,
        }
    }

    /// Reads a file of settings. Paths in it are relative to its folder.
    pub fn read(path: &Path) -> Result<Self, BadConfig> {
        let text = std::fs::read_to_string(path).map_err(|error| BadConfig::Unreadable(path.to_owned(), error))?;
        let file: File = toml::from_str(&text).map_err(|error| BadConfig::Syntax(path.to_owned(), told(&error, &text)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::of(file, folder).map_err(|why| BadConfig::Value(path.to_owned(), why))
    }

    fn of(file: File, folder: &Path) -> Result<Self, String> {
        let read = file.database.as_ref().and_then(|database| database.read.as_deref());
        let database_read = read.map(|url| database_url(url).map(PathBuf::from)).transpose()?;
        let data = match (file.data, file.database) {
            (Some(_), Some(_)) => return Err("data and [database] are two places; one city is in one of them".to_owned()),
            (None, Some(Database { url, .. })) => PathBuf::from(database_url(&url)?),
            (Some(data), None) if data.to_str().is_some_and(|data| database_url(data).is_ok()) => data,
            (data, None) => folder.join(data.unwrap_or_else(|| PathBuf::from("city.gpkg"))),
        };
        let default = Self::new(data);
        let body = file.body_limit_mb.unwrap_or(default.body_limit_bytes >> 20);
        if !(1..=MOST_BODY_MB).contains(&body) {
            return Err(format!("body_limit_mb is {body}; it may be 1 to {MOST_BODY_MB}"));
        }
        let tables =
            Tables { access: file.access, user: file.user, jwt: file.jwt, proxy: file.proxy, oidc: file.oidc, cas: file.cas };
        let (tls, tls_ca) = file.tls.told(folder)?;
        let keys = file.basemap.iter().filter_map(BasemapKeys::key_file).chain(file.layer.iter().filter_map(LayerKeys::key_file));
        let urls =
            file.source.iter().filter_map(SourceKeys::secret_file).chain(file.sink.iter().filter_map(SinkKeys::secret_file));
        let secret_files = tables.secret_files().chain(keys).chain(urls).map(|path| folder.join(path)).collect();
        Ok(Self {
            database_read,
            secret_files,
            backup_folder: file.backup_folder.map(|path| folder.join(path)),
            tls,
            tls_ca,
            own_uploads: None,
            behind_proxy: file.behind_proxy,
            connections: connections(file.connections, file.connections_of_one_address, default.connections)?,
            memory_limit_bytes: file.memory_limit_mb.map(memory_limit_bytes).transpose()?,
            within: file.within.map_or(Ok(default.within), |codes| part(codes.iter().map(String::as_str)))?,
            listen: file.listen.unwrap_or(default.listen),
            base_url: file.base_url.as_deref().map(base_url).transpose()?,
            tile_cache_bytes: file.tile_cache_mb.map_or(Ok(default.tile_cache_bytes), tile_cache_bytes)?,
            body_limit_bytes: body << 20,
            upload_limit_bytes: file.upload_limit_mb.map_or(default.upload_limit_bytes, |mb| mb.saturating_mul(1 << 20)),
            facility_groups: file.facility_group.map_or(Ok(default.facility_groups), groups)?,
            wall: file.wall.map(wall).transpose()?,
            attribution: file.attribution.into_iter().filter(|text| !text.trim().is_empty()).collect(),
            map_approval: file.map_approval.as_deref().map(map_approval).transpose()?,
            public: file.public,
            basemaps: outside::basemaps(file.basemap, folder)?,
            layers: layers::layers(file.layer, folder)?,
            sources: sources::sources(file.source, folder)?,
            sinks: sources::sinks(file.sink, folder)?,
            map_cache_bytes: file.map_cache_mb.map_or(Ok(default.map_cache_bytes), map_cache_bytes)?,
            map_cache_folder: map_cache_folder(file.map_cache_folder, file.map_cache_folder_mb, folder)?,
            ca_file: file.ca_file.map(|path| folder.join(path)),
            callers: access::callers(tables, folder)?,
            data: default.data,
        })
    }
}

/// A map that others see lacks what the law wants on it (地图管理条例, articles 15 and 22).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}, so others see the map: it needs {}; set public = false when only the office itself can reach it", .missing.join(" and "))]
pub struct NotApproved {
    why: String,
    missing: Vec<&'static str>,
}

impl Config {
    /// Whose map it is: what its data say, then what the operator says.
    pub fn attribution<'a>(&'a self, of_data: &'a [String]) -> Vec<&'a str> {
        let own = self.attribution.iter().filter(|owner| !of_data.contains(owner));
        of_data.iter().chain(own).map(String::as_str).collect()
    }

    /// The same with the approval number as one line, to be drawn on a map; empty when there is nothing to say.
    pub fn credits(&self, of_data: &[String]) -> String {
        let approval = self.map_approval.as_ref().map(|number| format!("审图号 {number}"));
        self.attribution(of_data).into_iter().map(str::to_owned).chain(approval).collect::<Vec<_>>().join(" · ")
    }

    /// Refuses a map that others see without its number and its owners. Others see it when its links name another host than this machine,
    /// when it listens on another address than this machine's own, or when the operator says so.
    pub fn may_be_seen(&self) -> Result<(), NotApproved> {
        let abroad = self.base_url.as_deref().filter(|base| !is_loopback(host(base)));
        let reached = !self.listen.ip().to_canonical().is_loopback();
        let why = match (self.public, abroad) {
            (Some(false), _) => return Ok(()),
            (Some(true), _) => "public is true".to_owned(),
            (None, Some(base)) => format!("base_url is {base}"),
            (None, None) if reached => format!("listen is {}", self.listen),
            (None, None) => return Ok(()),
        };
        let approval = self.map_approval.is_none().then_some("map_approval (审图号, the number under which it was approved)");
        let owners = self.attribution.is_empty().then_some("attribution (whose map it is)");
        let missing: Vec<_> = approval.into_iter().chain(owners).collect();
        if missing.is_empty() { Ok(()) } else { Err(NotApproved { why, missing }) }
    }
}

/// The host of an `http` address, without user, port and brackets.
pub fn host(address: &str) -> &str {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Connections at one time and of one address.
fn connections(all: Option<usize>, of_one: Option<usize>, default: (usize, usize)) -> Result<(usize, usize), String> {
    let all = all.unwrap_or(default.0);
    let of_one = of_one.unwrap_or(default.1.min(all));
    if !(16..=1 << 20).contains(&all) || of_one < 4 || of_one > all {
        return Err(format!(
            "connections is {all} and connections_of_one_address {of_one}; they may be 16 to {}, and 4 up to that",
            1 << 20
        ));
    }
    Ok((all, of_one))
}

/// Bytes of memory from which on requests are put off.
fn memory_limit_bytes(mb: u64) -> Result<u64, String> {
    if !(16..=MOST_CACHE_MB as u64).contains(&mb) {
        return Err(format!("memory_limit_mb is {mb}; it may be 16 to {MOST_CACHE_MB}"));
    }
    Ok(mb << 20)
}

/// Bytes of a tile cache of so many megabytes.
pub fn tile_cache_bytes(mb: usize) -> Result<usize, String> {
    if mb > MOST_CACHE_MB {
        return Err(format!("tile_cache_mb is {mb}; it may be 0 to {MOST_CACHE_MB}"));
    }
    Ok(mb << 20)
}

/// Bytes of a cache of other people's tiles of so many megabytes.
fn map_cache_bytes(mb: usize) -> Result<usize, String> {
    if mb > MOST_CACHE_MB {
        return Err(format!("map_cache_mb is {mb}; it may be 0 to {MOST_CACHE_MB}"));
    }
    Ok(mb << 20)
}

/// The folder for other people's tiles and its bound: a gigabyte when nothing is said.
fn map_cache_folder(path: Option<PathBuf>, mb: Option<u64>, folder: &Path) -> Result<Option<(PathBuf, u64)>, String> {
    match (path, mb) {
        (None, Some(_)) => Err("map_cache_folder_mb needs map_cache_folder".to_owned()),
        (_, Some(mb)) if !(1..=MOST_CACHE_MB as u64).contains(&mb) => {
            Err(format!("map_cache_folder_mb is {mb}; it may be 1 to {MOST_CACHE_MB}"))
        }
        (path, mb) => Ok(path.map(|path| (folder.join(path), mb.unwrap_or(1024) << 20))),
    }
}

/// A number under which a map was approved, as it is drawn: `GS(2024)1234号`, `浙S(2023)12号`, `GS京(2023)0456号`, `京审字(2016)G第0012号`. The
/// word 审图号 in front of it, brackets of any kind, full-width signs and spaces are as people copy it.
pub fn map_approval(text: &str) -> Result<String, String> {
    let plain = text.trim().trim_start_matches("审图号").trim_start_matches([':', '：']);
    let plain: String = plain.chars().filter(|c| !c.is_whitespace()).collect();
    let plain = plain.replace(['（', '[', '【', '〔', '［'], "(").replace(['）', ']', '】', '〕', '］'], ")");
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts =
        plain.split_once('(').and_then(|(office, rest)| rest.split_once(')').map(|(year, number)| (office, year, number)));
    let fits = parts.is_some_and(|(office, year, number)| {
        (office.contains('S') || office.contains('审'))
            && office.chars().count() <= 6
            && year.len() == 4
            && digits(year)
            && number.strip_suffix('号').is_some_and(|number| digits(number.trim_start_matches(['G', '第'])))
    });
    if fits { Ok(plain) } else { Err(format!("map_approval {text:?} is no approval number: like GS(2024)1234号")) }
}

/// What is wrong with a file, in which line and at which name; what stands behind the name may be a secret and is not told.
fn told(error: &toml::de::Error, text: &str) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return error.message().to_owned() };
    let number = before.matches('\n').count();
    let name = text.lines().nth(number).and_then(|line| line.split_once('=')).map_or("", |(name, _)| name.trim());
    let name = if name.is_empty() { String::new() } else { format!(", {name}") };
    format!("line {}{name}: {}", number + 1, error.message())
}

/// What links begin with, without a slash at the end.
pub fn base_url(text: &str) -> Result<String, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(format!("base_url {text:?} begins with neither http:// nor https://"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn wall(wall: Wall) -> Result<Wall, String> {
    let screens = 1..=MOST_SCREENS;
    if !screens.contains(&wall.cols) || !screens.contains(&wall.rows) {
        return Err(format!("[wall] has {} cols and {} rows; 1 to {MOST_SCREENS} may be", wall.cols, wall.rows));
    }
    match (wall.distance_m, wall.pitch_mm) {
        (Some(distance), _) if !(0.5..=200.0).contains(&distance) => {
            Err(format!("[wall] distance_m {distance} is not 0.5 to 200"))
        }
        (_, Some(pitch)) if !(0.05..=50.0).contains(&pitch) => Err(format!("[wall] pitch_mm {pitch} is not 0.05 to 50")),
        _ => Ok(wall),
    }
}

fn groups(groups: Vec<FacilityGroup>) -> Result<Vec<FacilityGroup>, String> {
    for (at, group) in groups.iter().enumerate() {
        // The viewer puts ids into addresses and styles.
        let plain = group.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if group.id.is_empty() || !plain {
            return Err(format!("[[facility_group]] id {:?}: a to z, digits and _ may stand in it", group.id));
        }
        if groups[..at].iter().any(|before| before.id == group.id) {
            return Err(format!("[[facility_group]] {:?} stands twice", group.id));
        }
        if group.categories.is_empty() {
            return Err(format!("[[facility_group]] {:?} has no categories", group.id));
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_number_is_taken_as_people_copy_it() {
        for (told, drawn) in [
            ("GS(2024)1234号", Some("GS(2024)1234号")),
            ("审图号：GS（2019）1822号", Some("GS(2019)1822号")),
            ("浙S (2023) 12号", Some("浙S(2023)12号")),
            ("GS京(2023)0456号", Some("GS京(2023)0456号")),
            ("川S【2021】00059号", Some("川S(2021)00059号")),
            ("辽S[2021]279号", Some("辽S(2021)279号")),
            ("京审字〔2016〕G第0012号", Some("京审字(2016)G第0012号")),
            ("", None),
            ("GS(24)1234号", None),
            ("GS(2024)号", None),
            ("(2024)1234号", None),
            ("GS(2024)1234", None),
        ] {
            assert_eq!(map_approval(told).ok().as_deref(), drawn, "{told:?}");
        }
    }

    #[test]
    fn a_map_is_shown_to_others_only_with_its_number_and_its_owners() {
        let (number, owners) = ("map_approval = \"GS(2024)1234号\"\n", "attribution = [\"某局\"]\n");
        let seen = |text: &str| read(text).expect(text).may_be_seen().map_err(|error| error.to_string());
        for own in
            ["", "base_url = \"http://localhost:80/x\"", "base_url = \"http://127.0.0.1\"", "base_url = \"http://[::1]:8/\""]
        {
            assert_eq!(seen(own), Ok(()), "{own}");
        }
        for abroad in ["public = true\n", "base_url = \"https://map.example\"\n", "base_url = \"http://localhost@map.example\"\n"]
        {
            let both = seen(abroad).expect_err(abroad);
            assert!(both.contains("map_approval") && both.contains("attribution"), "{both}");
            let one = seen(&format!("{abroad}{number}")).expect_err("nobody's");
            assert!(!one.contains("map_approval") && one.contains("attribution"), "{one}");
            let other = seen(&format!("{abroad}{owners}")).expect_err("no number");
            assert!(other.contains("审图号") && !other.contains("whose map"), "{other}");
            assert_eq!(seen(&format!("{abroad}{number}{owners}")), Ok(()));
        }
        assert_eq!(seen("public = false\nbase_url = \"https://map.example\""), Ok(()), "the operator's word");
        assert!(seen("attribution = [\" \"]\npublic = true").is_err(), "blank is nobody");
    }

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wangge.toml");
        std::fs::write(&path, text).expect("a file");
        let config = Config::read(&path).map_err(|error| error.to_string())?;
        assert!(config.data.starts_with(folder.path()), "paths are relative to the file's folder");
        Ok(config)
    }

    #[test]
    fn a_city_is_in_a_file_or_in_a_database() {
        let read = |text: &str| {
            let file: File = toml::from_str(text).expect("settings");
            Config::of(file, Path::new("/etc/wangge"))
        };
        let config = read("[database]\nurl = \"postgres://w:geheim@db/city\"").expect("a database");
        assert_eq!(config.data, Path::new("postgres://w:geheim@db/city"), "no path of a folder");
        assert!(!config.uploads().to_string_lossy().contains("geheim"));
        assert!(read("data = \"a.gpkg\"\n[database]\nurl = \"postgres://db/city\"").is_err(), "two places");
        let wrong = read("[database]\nurl = \"mysql://w:geheim@db/city\"").expect_err("another kind of database");
        assert!(!wrong.contains("geheim"), "{wrong}");
    }

    #[test]
    fn a_file_says_what_differs_from_the_defaults() {
        let plain = read("").expect("nothing is said");
        assert!(plain.data.ends_with("city.gpkg") && plain.wall.is_none() && plain.facility_groups.len() == 4);
        let told = r#"
            data = "putuo.gpkg"
            listen = "127.0.0.1:9000"
            base_url = "https://map.example/wangge/"
            tile_cache_mb = 64
            [wall]
            cols = 4
            rows = 2
            distance_m = 8
            pitch_mm = 1.25
            [[facility_group]]
            id = "trees"
            name = "行道树"
            name_en = "Trees"
            icon = "tree"
            categories = ["04001"]
        "#;
        let told = read(told).expect("all of it is known");
        assert!(told.data.ends_with("putuo.gpkg") && told.listen.port() == 9000);
        assert_eq!((told.base_url.as_deref(), told.tile_cache_bytes), (Some("https://map.example/wangge"), 64 << 20));
        assert_eq!(told.wall, Some(Wall { cols: 4, rows: 2, distance_m: Some(8.0), pitch_mm: Some(1.25) }));
        assert_eq!(told.facility_groups.iter().map(|group| group.id.as_str()).collect::<Vec<_>>(), ["trees"]);
    }

    #[test]
    fn what_nobody_knows_and_what_cannot_be_is_refused_with_its_name() {
        for (text, why) in [
            ("lisen = \"127.0.0.1:1\"", "lisen"),
            ("listen = \"localhost\"", "listen"),
            ("base_url = \"map.example\"", "base_url"),
            ("body_limit_mb = 0", "body_limit_mb"),
            ("tile_cache_mb = 17592186044417", "tile_cache_mb"),
            ("[wall]\ncols = 25", "25 cols"),
            ("[wall]\npitch_mm = 0.0", "pitch_mm"),
            ("[wall]\ncolumns = 2", "columns"),
            ("[[facility_group]]\nid = \"A\"\nname = \"\"\nname_en = \"\"\nicon = \"\"\ncategories = [\"1\"]", "\"A\""),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(why) && refused.contains("wangge.toml"), "{text}: {refused}");
        }
        assert!(Config::read(Path::new("/nowhere/wangge.toml")).is_err());
    }
}
