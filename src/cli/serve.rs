//! `wangge serve`.

use super::{Failure, Outcome, machine, out};
use crate::app::{Actor, App};
use crate::clock::Clock;
use crate::config::tls::Tls;
use crate::config::{Config, base_url, database_url, part, tile_cache_bytes};
use crate::domain::audit::Action;
use crate::http::tls::Tls as Certificate;
use crate::http::{self, Door, Room};
use crate::store::{Access, Store, StoreError};
use serde_json::json;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// The map, the API and the tiles of one city. While it runs the data file is its own: `wangge import` goes through its HTTP interface;
/// check, locate and backup read beside it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Settings as a TOML file; what the command line says comes before what stands there. docs/configuration.md lists them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The city's data file, or the URL of its database (postgres://…) [default: city.gpkg].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The city in a database with PostGIS, instead of a file: postgres://user@host/database; docs/postgis.md. The password is better kept
    /// in PGPASSWORD or a password file: others of this machine see command lines.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    database: Option<String>,
    /// A standby of that database, which may lag: it is read when the server starts, and for boundaries of the past. Where it is away the
    /// database itself is read.
    #[arg(long, value_name = "URL")]
    database_read: Option<String>,
    /// Only what lies at or below these codes of the city (3309,330212), for one server of several over a large database. Nobody is shown
    /// more; imports and publications are done where the whole is; docs/scaling.md.
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    within: Vec<String>,
    /// Where to listen. Another address than this machine's own needs [access] in the settings, and TLS or --behind-proxy
    /// [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The certificate for TLS, as PEM, with what leads to its authority behind it; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The certificate of the authority, as PEM, that people may take from /ca (wangge cert make).
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// A proxy in front has TLS, and nobody else reaches this address.
    #[arg(long)]
    behind_proxy: bool,
    /// What links begin with when a proxy stands in front, for example https://map.example/wangge. Others see such a map: the settings
    /// must tell its approval number (map_approval) and whose it is (attribution).
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Most megabytes of memory that finished tiles may take [default: 256].
    #[arg(long, value_name = "MB")]
    tile_cache_mb: Option<usize>,
    /// Most megabytes of the files of one import [default: 2048].
    #[arg(long, value_name = "MB")]
    upload_limit_mb: Option<u64>,
    /// What is logged, to standard error: error, warn, info or debug, also by module. `wangge::access=debug` gives a line a request. Of
    /// other people's parts of the program only warnings are told, whatever is asked for: the rest could hold secrets.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

pub(super) async fn run(args: Args) -> Outcome {
    let mut config = config(&args)?;
    let filter = EnvFilter::try_new(&args.log).map_err(|error| Failure::Usage(format!("--log {:?}: {error}", args.log)))?;
    // What others' crates say in detail may hold whatever passes through them: heads with secrets, bodies with positions.
    let of_ours = filter_fn(|about| about.target().starts_with("wangge") || *about.level() <= Level::WARN);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(filter.and(of_ours))).init();
    let (open_files, spare) = (machine::raise_open_files(), 256);
    let (mut all, of_one) = config.connections;
    if let Some(files) = open_files.and_then(|files| usize::try_from(files).ok()).filter(|files| *files < all + spare) {
        all = files.saturating_sub(spare).max(16);
        tracing::warn!(files, connections = all, "the system allows few open files (ulimit -n), and so fewer connections");
    }
    let tls = match &config.tls {
        Some(Tls { cert, key }) => Some(Certificate::open(cert, key).map_err(|error| Failure::Usage(error.to_string()))?),
        None => None,
    };
    if let Some(ca) = &config.tls_ca {
        http::tls::facts(ca).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    // The socket first: an address that is taken or refused is told before a large city is loaded.
    let listener = http::bind(config.listen, config.callers.is_some())
        .await
        .map_err(|error| Failure::Failed(format!("{}: {error}", config.listen)))?;
    let address = listener.local_addr()?;
    let store =
        Store::open(&config.data, Access::Serve).await.map_err(|error| match (&error, Store::announced(&config.data)) {
            (StoreError::InUse(path), Some(other)) => {
                Failure::Failed(format!("{} is served already, at http://{}", path.display(), other.address))
            }
            _ => error.into(),
        })?;
    // Held as long as the program runs: so others know that the folder is in use.
    let _lock = match store.is_shared() {
        true => {
            let (folder, lock) = machine::folder_of_ones_own(&config.uploads())?;
            config.own_uploads = Some(folder);
            Some(lock)
        }
        false => None,
    };
    let app = Arc::new(App::open(store, config, Clock::System).await?);
    app.sweep_uploads();
    let tells_apart = !app.config.behind_proxy && app.config.callers.as_ref().is_none_or(|callers| callers.proxies.is_empty());
    let mut doors = vec![Door { listener, tls, tells_apart }];
    let mut own = address;
    if doors[0].tls.is_some() || !address.ip().is_loopback() {
        // For the other commands of this program, which speak plain HTTP and know no name of this machine.
        let listener = http::bind(SocketAddr::from(([127, 0, 0, 1], 0)), true).await?;
        own = listener.local_addr()?;
        doors.push(Door { listener, tls: None, tells_apart: true });
    }
    let secret = app.access().map(|access| access.local().text());
    app.store.announce(&own.to_string(), secret.as_deref())?;
    answer_within(app, doors, address, Room { all, of_one: of_one.min(all) }).await
}

/// How long the end of the program waits for the store.
const CLOSING: Duration = Duration::from_secs(10);

/// Says where the city is to be seen, and answers until the process is asked to end.
pub(super) async fn answer(app: Arc<App>, doors: Vec<Door>, address: SocketAddr) -> Outcome {
    answer_within(app, doors, address, Room::default()).await
}

/// The city in a line, as far as this server knows it.
fn headline(app: &App, actor: &Arc<Actor>) -> String {
    let view = app.view(&app.here(actor));
    let (about, counts) = (&view.city.about, view.counts());
    format!(
        "{}{}: epoch {}, {} grids, {} facilities, {} open cases",
        about.title,
        if about.synthetic { " (演示数据, synthetic)" } else { "" },
        view.city.epoch(),
        counts.grids,
        counts.facilities,
        counts.open_cases,
    )
}

async fn answer_within(app: Arc<App>, doors: Vec<Door>, address: SocketAddr, room: Room) -> Outcome {
    let scheme = app.config.scheme();
    let local = Arc::new(Actor::local());
    out::note(&format!("{}\n{scheme}://{address}", headline(&app, &local)));
    let about = json!({ "version": env!("CARGO_PKG_VERSION"), "listen": address.to_string() });
    app.noted(&local, None, Action::Server, "start", about).await?;
    let ahead = Arc::clone(&app);
    tokio::spawn(async move { ahead.draw_ahead().await });
    if let Some(limit) = app.config.memory_limit_bytes {
        tokio::spawn(http::pressure::watch_memory(limit));
    }
    tokio::spawn(Arc::clone(&app).follow());
    tokio::spawn(Arc::clone(&app).keep_sources());
    tokio::spawn(Arc::clone(&app).keep_sinks());
    let keeping = Arc::clone(&app);
    tokio::spawn(async move { keeping.keep_sessions().await });
    let closing = Arc::clone(&app);
    let stop = async move {
        stopped().await;
        // They would not end by themselves.
        closing.end_streams();
    };
    let uploads = app.config.uploads();
    http::serve_all(doors, room, http::router(Arc::clone(&app)), stop).await;
    if let Err(error) = app.sessions_keep().await {
        tracing::warn!(%error, "when sessions were used last is not stored");
    }
    app.noted(&local, None, Action::Server, "end", json!({})).await?;
    match tokio::time::timeout(CLOSING, app.close()).await {
        Ok(closed) => closed?,
        Err(_) => tracing::warn!("the store was not closed in time; nothing is lost by that"),
    }
    // Reports of this run; what is kept of them is in the store.
    let _ = std::fs::remove_dir_all(&uploads);
    let _ = std::fs::remove_file(uploads.with_extension("lock"));
    Ok(true)
}

fn config(args: &Args) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| Failure::Usage(error.to_string()))?,
        None => Config::new(PathBuf::from("city.gpkg")),
    };
    config.data = args.data.clone().unwrap_or(config.data);
    if let Some(url) = &args.database {
        config.data = PathBuf::from(database_url(url).map_err(|why| Failure::Usage(format!("--database: {why}")))?);
    }
    if let Some(url) = &args.database_read {
        let url = database_url(url).map_err(|why| Failure::Usage(format!("--database-read: {why}")))?;
        config.database_read = Some(PathBuf::from(url));
    }
    if config.database_read.is_some() && config.data.to_str().is_none_or(|data| database_url(data).is_err()) {
        return Err(Failure::Usage("--database-read is for a city in a database".to_owned()));
    }
    if !args.within.is_empty() {
        config.within = part(args.within.iter().map(String::as_str)).map_err(|why| Failure::Usage(format!("--{why}")))?;
    }
    config.listen = args.listen.unwrap_or(config.listen);
    if let Some(mb) = args.tile_cache_mb {
        config.tile_cache_bytes = tile_cache_bytes(mb).map_err(|why| Failure::Usage(format!("--tile-cache-mb: {why}")))?;
    }
    if let Some(url) = &args.base_url {
        config.base_url = Some(base_url(url).map_err(|why| Failure::Usage(format!("--base-url: {why}")))?);
    }
    config.upload_limit_bytes = args.upload_limit_mb.map_or(config.upload_limit_bytes, |mb| mb.saturating_mul(1 << 20));
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        config.tls = Some(Tls { cert: cert.clone(), key: key.clone() });
    }
    config.tls_ca = args.tls_ca.clone().or(config.tls_ca);
    config.behind_proxy |= args.behind_proxy;
    config.may_listen().map_err(|error| Failure::Usage(error.to_string()))?;
    config.may_be_seen().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(config)
}

/// Returns when the process is asked to end.
pub(super) async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler can be set at start-up");
        tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
}
