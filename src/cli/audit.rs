//! `wangge audit`: the chain of who did what, checked and written out.

use super::client::Server;
use super::token::{Ground, ground};
use super::{Failure, Outcome, out};
use crate::app::access::audit::{Filter, read_in, verified};
use crate::clock::Clock;
use crate::domain::audit::{Action, AuditRow, Deed};
use crate::domain::percent::encoded;
use crate::domain::secret::Digest;
use crate::interchange::audit_log;
use crate::store::{Access, Store};
use jiff::Timestamp;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

/// Rows that are asked for at once.
const PAGE: usize = 10_000;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Goes through the whole chain and tells where it is broken first, if it is. Works beside a running server: it only reads.
    Verify(VerifyArgs),
    /// Writes rows out, oldest first. That is noted too, as a row of its own.
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// A row that must be in the chain, as an earlier verify, the server's log or an export told it: only a row that is kept elsewhere shows
    /// that the end was cut off, or that all was computed anew.
    #[arg(long, value_name = "NUMBER:HASH", value_parser = known)]
    last: Option<(u64, Digest)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One row a line, with a line of columns (RFC 4180).
    Csv,
    /// One message a line (RFC 5424).
    Syslog,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// How rows are written.
    #[arg(long, value_enum)]
    format: Format,
    /// Where to; standard output when absent. Must not exist.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// From this instant on: 2026-11-01T00:00:00+08:00.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Before this instant.
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
    /// Of this actor only.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Of this kind only: log_in, log_in_failed, denied …
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<Action>,
    /// Only rows behind this number: to go on from the last export.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
}

fn known(text: &str) -> Result<(u64, Digest), String> {
    let parts =
        text.split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, Digest::try_from(hash.to_owned()).ok()?)));
    parts.ok_or_else(|| "takes the number of a row and its hash: 812:9f86d081…".to_owned())
}

fn action(text: &str) -> Result<Action, String> {
    Action::named(text).ok_or_else(|| format!("there are {}", Action::words().collect::<Vec<_>>().join(", ")))
}

pub(super) async fn run(command: Command) -> Outcome {
    match command {
        Command::Verify(args) => verify(args).await,
        Command::Export(args) => export(args).await,
    }
}

async fn verify(args: VerifyArgs) -> Outcome {
    let store = Store::open(&args.data, Access::Read).await?;
    let outcome = verified(&store, args.last).await?;
    match outcome {
        Ok((rows, (number, hash))) => {
            out::say(&format!("{rows} rows, none was changed; the last is {number}:{hash}"));
            Ok(true)
        }
        Err(broken) => {
            out::say(&broken.to_string());
            Ok(false)
        }
    }
}

async fn export(args: ExportArgs) -> Outcome {
    let filter = Filter { actor: args.actor.clone(), action: args.action, from: args.from, until: args.until };
    let mut to: Box<dyn Write + Send> = match &args.out {
        None => Box::new(std::io::stdout()),
        Some(path) => {
            let file = std::fs::File::create_new(path);
            Box::new(file.map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?)
        }
    };
    if args.format == Format::Csv {
        to.write_all(audit_log::csv_head().as_bytes())?;
    }
    let mut write = |rows: Vec<AuditRow>| -> Result<u64, Failure> {
        for row in &rows {
            match args.format {
                Format::Csv => to.write_all(audit_log::csv(row).as_bytes())?,
                Format::Syslog => writeln!(to, "{}", audit_log::syslog(row))?,
            }
        }
        Ok(rows.len() as u64)
    };
    let mut count = 0;
    match ground(&args.data).await? {
        Ground::File(store) => {
            let mut after = Some(args.after);
            while let Some(from) = after {
                let (rows, next) = read_in(&store, &filter, from, PAGE, Clock::System.now()).await?;
                count += write(rows)?;
                after = next;
            }
            store.close().await?;
        }
        Ground::Server(server) => {
            // What is noted of this export itself is not part of it.
            let until = args.until.unwrap_or_else(|| Clock::System.now());
            let mut after = Some(args.after);
            while let Some(from) = after {
                let (rows, next) = page(&server, &Filter { until: Some(until), ..filter.clone() }, from).await?;
                count += write(rows)?;
                after = next;
            }
        }
    }
    to.flush()?;
    out::note(&format!("{count} rows"));
    Ok(true)
}

/// A page of rows from a server, and where the next one begins.
async fn page(server: &Server, filter: &Filter, after: u64) -> Result<(Vec<AuditRow>, Option<u64>), Failure> {
    let mut path = format!("/api/v1/audit?after={after}&limit={PAGE}");
    let mut also = |name: &str, value: Option<String>| {
        path.extend(value.map(|value| format!("&{name}={}", encoded(&value))));
    };
    also("actor", filter.actor.clone());
    also("action", filter.action.map(|action| action.as_str().to_owned()));
    also("from", filter.from.map(|from| from.to_string()));
    also("until", filter.until.map(|until| until.to_string()));
    let server = server.clone();
    let answer = tokio::task::spawn_blocking(move || server.get(&path)?.ok()).await??;
    let items = answer["items"].as_array().ok_or_else(|| Failure::Failed("the server gave no list of rows".to_owned()))?;
    let odd = || Failure::Failed("the server gave a row that does not read".to_owned());
    let rows = items.iter().map(|item| row(item).ok_or_else(odd)).collect::<Result<_, _>>()?;
    Ok((rows, answer["next_after"].as_u64()))
}

fn row(item: &Value) -> Option<AuditRow> {
    let text = |name: &str| item[name].as_str().map(str::to_owned);
    let deed = Deed {
        at: item["at"].as_str()?.parse().ok()?,
        actor: text("actor")?,
        address: text("address"),
        action: Action::named(item["action"].as_str()?)?,
        object: text("object")?,
        detail: item["detail"].clone(),
    };
    Some(AuditRow { number: item["number"].as_u64()?, deed, hash: Digest::try_from(text("hash")?).ok()? })
}
