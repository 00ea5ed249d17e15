//! `wangge serve`.

use super::{Failure, Outcome, out};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, base_url, tile_cache_bytes};
use crate::http;
use crate::store::{Access, Store, StoreError};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// The map, the API and the tiles of one city. While it runs the data file is its own: `wangge import` goes through its HTTP interface;
/// check, locate and backup read beside it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Settings as a TOML file; what the command line says comes before what stands there. docs/configuration.md lists them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The city's data file [default: city.gpkg].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Where to listen: a loopback address, until there is access control [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
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
    /// What is logged, to standard error: error, warn, info or debug, also by module. `wangge::access=debug` gives a line a request.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

pub(super) async fn run(args: Args) -> Outcome {
    let config = config(&args)?;
    let filter = EnvFilter::try_new(&args.log).map_err(|error| Failure::Usage(format!("--log {:?}: {error}", args.log)))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    // The socket first: an address that is taken or refused is told before a large city is loaded.
    let listener = http::bind(config.listen, config.callers.is_some())
        .await
        .map_err(|error| Failure::Failed(format!("{}: {error}", config.listen)))?;
    let address = listener.local_addr()?;
    let store =
        Store::open(&config.data, Access::Serve).await.map_err(|error| match (&error, Store::announced(&config.data)) {
            (StoreError::InUse(path), Some(other)) => {
                Failure::Failed(format!("{} is served already, at http://{other}", path.display()))
            }
            _ => error.into(),
        })?;
    let app = Arc::new(App::open(store, config, Clock::System).await?);
    app.sweep_uploads();
    app.store.announce(&address.to_string())?;
    answer(app, listener, address).await
}

/// Says where the city is to be seen, and answers until the process is asked to end.
pub(super) async fn answer(app: Arc<App>, listener: tokio::net::TcpListener, address: SocketAddr) -> Outcome {
    let city = app.published.load();
    out::note(&format!(
        "{}{}: epoch {}, {} grids, {} facilities, {} open cases\nhttp://{address}",
        city.about.title,
        if city.about.synthetic { " (演示数据, synthetic)" } else { "" },
        city.epoch(),
        city.territory.grids.len(),
        city.facilities.len(),
        city.cases.len(),
    ));
    let ahead = Arc::clone(&app);
    tokio::spawn(async move { ahead.draw_ahead().await });
    let closing = Arc::clone(&app);
    let stop = async move {
        stopped().await;
        // They would not end by themselves.
        closing.end_streams();
    };
    let uploads = app.config.uploads();
    http::serve(listener, http::router(app), stop).await;
    // Reports of this run; what is kept of them is in the store.
    let _ = std::fs::remove_dir_all(uploads);
    Ok(true)
}

fn config(args: &Args) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| Failure::Usage(error.to_string()))?,
        None => Config::new(PathBuf::from("city.gpkg")),
    };
    config.data = args.data.clone().unwrap_or(config.data);
    config.listen = args.listen.unwrap_or(config.listen);
    if let Some(mb) = args.tile_cache_mb {
        config.tile_cache_bytes = tile_cache_bytes(mb).map_err(|why| Failure::Usage(format!("--tile-cache-mb: {why}")))?;
    }
    if let Some(url) = &args.base_url {
        config.base_url = Some(base_url(url).map_err(|why| Failure::Usage(format!("--base-url: {why}")))?);
    }
    config.upload_limit_bytes = args.upload_limit_mb.map_or(config.upload_limit_bytes, |mb| mb.saturating_mul(1 << 20));
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
