//! `wangge token`: through the server that has the data file, or in the file when none has.

use super::client::Server;
use super::{Failure, Outcome, out};
use crate::app::AppError;
use crate::app::access::audit::noted_in;
use crate::app::access::tokens::{self, Wanted};
use crate::clock::Clock;
use crate::domain::audit::Action;
use crate::domain::code::Code;
use crate::domain::scope::{Role, Scope};
use crate::http::tokens::TokenShape;
use crate::store::{Access, Store, StoreError};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Makes a token. Its secret is printed once, to standard output; only its hash is kept.
    Add(AddArgs),
    /// Lists all tokens that ever were, without their secrets.
    List(ListArgs),
    /// Revokes a token: the next request with it is refused, streams and sessions that began with it end.
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Whose it is; stands in the change log and in the audit.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What its bearer is: viewer, officer, operator, planner, admin, auditor; comma-separated or again.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',', required = true)]
    roles: Vec<Role>,
    /// The codes at or below which its bearer sees everything, comma-separated or again; '*': the whole city.
    #[arg(long, value_name = "CODE", value_delimiter = ',', required = true)]
    within: Vec<String>,
    /// The last day on which it is good, in the city's zone, or an instant: 2026-12-31, or 2026-12-31T18:00:00+08:00. Absent: until
    /// it is revoked.
    #[arg(long, value_name = "DAY|INSTANT")]
    expires: Option<String>,
    /// The name of the screen that it is for: such a token only reads.
    #[arg(long, value_name = "NAME")]
    screen: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Print the list as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The city's data file, or the URL of its database (postgres://…).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Its number, as the list says.
    #[arg(value_name = "ID")]
    id: i64,
}

/// Where tokens are kept.
pub(super) enum Ground {
    /// A file that nobody else has.
    File(Store),
    /// The server that has the file.
    Server(Server),
}

/// Opens the data file, or finds the server that has it.
pub(super) async fn ground(data: &Path) -> Result<Ground, Failure> {
    match Store::open(data, Access::Import).await {
        Ok(store) => Ok(Ground::File(store)),
        Err(StoreError::InUse(path)) => match Store::announced(&path) {
            Some(announced) => Ok(Ground::Server(Server::of(announced)?)),
            None => Err(StoreError::InUse(path).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Notes a deed of this machine where the data file is.
pub(super) async fn noted(data: &Path, at: Timestamp, action: Action, object: &str) -> Result<(), Failure> {
    match ground(data).await? {
        Ground::File(store) => {
            let noted = noted_in(&store, at, action, object, json!({})).await;
            store.close().await?;
            Ok(noted?)
        }
        Ground::Server(server) => {
            let body = json!({ "action": action, "object": object });
            asked(server, "POST", "/api/v1/audit".to_owned(), Some(body)).await.map(drop)
        }
    }
}

/// A token in one line, without its secret.
fn line(token: &TokenShape) -> String {
    let within = token.within.as_ref().map_or_else(|| "*".to_owned(), |codes| codes.join(","));
    let screen = token.screen.as_ref().map(|screen| format!(", screen {screen}")).unwrap_or_default();
    let end = match (&token.revoked_at, &token.ends_at) {
        (Some(at), _) => format!(", revoked {at}"),
        (None, Some(at)) => format!(", until {at}"),
        (None, None) => String::new(),
    };
    format!(
        "{:>4}  {}: {} within {within}{screen}{end}; made {} by {}",
        token.id,
        token.name,
        token.roles.join(","),
        token.made_at,
        token.made_by
    )
}

pub(super) async fn run(command: Command) -> Outcome {
    match command {
        Command::Add(args) => add(args).await,
        Command::List(args) => list(args).await,
        Command::Revoke(args) => revoke(args).await,
    }
}

fn refused(error: AppError) -> Failure {
    match error {
        AppError::Refused { field, detail } => Failure::Usage(format!("{field} {detail}")),
        other => other.into(),
    }
}

async fn asked(server: Server, method: &'static str, path: String, body: Option<Value>) -> Result<Value, Failure> {
    tokio::task::spawn_blocking(move || server.ask(method, &path, body.as_ref())?.ok()).await?
}

async fn add(args: AddArgs) -> Outcome {
    let scope = match args.within.iter().any(|code| code == "*") {
        true => Scope::All,
        false => {
            let codes = args.within.iter().map(|code| Code::new(code.trim()));
            Scope::within(codes.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Usage(format!("--within: {error}")))?)
        }
    };
    let made: TokenShape = match ground(&args.data).await? {
        Ground::File(store) => {
            let zone = store.meta().await?.time_zone;
            let ends_at = args.expires.as_deref().map(|text| end_of(text, &zone)).transpose()?;
            let wanted = Wanted { name: args.name, roles: args.roles, scope, screen: args.screen, ends_at };
            let made = tokens::made_in(&store, wanted, Clock::System.now()).await;
            store.close().await?;
            let (record, secret) = made.map_err(refused)?;
            TokenShape::of(record, Some(secret.text()))
        }
        Ground::Server(server) => {
            let zone = Store::open(&args.data, Access::Read).await?.meta().await?.time_zone;
            let ends_at = args.expires.as_deref().map(|text| end_of(text, &zone)).transpose()?;
            let within = match &scope {
                Scope::All => Value::Null,
                Scope::Within(codes) => json!(codes.iter().map(ToString::to_string).collect::<Vec<_>>()),
            };
            let body = json!({
                "name": args.name,
                "roles": args.roles,
                "within": within,
                "screen": args.screen,
                "ends_at": ends_at.map(|end| end.to_string()),
            });
            serde_json::from_value(asked(server, "POST", "/api/v1/tokens".to_owned(), Some(body)).await?)?
        }
    };
    out::note(&line(&made));
    out::note("the secret, which is told this once:");
    out::say(made.token.as_deref().unwrap_or_default());
    Ok(true)
}

async fn list(args: ListArgs) -> Outcome {
    let items: Vec<TokenShape> = match ground(&args.data).await? {
        Ground::File(store) => {
            let mut all = store.tokens().await?;
            store.close().await?;
            all.sort_by_key(|token| token.id);
            all.into_iter().map(|record| TokenShape::of(record, None)).collect()
        }
        Ground::Server(server) => {
            let answer = asked(server, "GET", "/api/v1/tokens".to_owned(), None).await?;
            serde_json::from_value(answer["items"].clone())?
        }
    };
    if args.json {
        out::say(&serde_json::to_string_pretty(&items)?);
    } else {
        out::say(&items.iter().map(|token| format!("{}\n", line(token))).collect::<String>());
    }
    Ok(true)
}

async fn revoke(args: RevokeArgs) -> Outcome {
    let revoked = match ground(&args.data).await? {
        Ground::File(store) => {
            let revoked = tokens::revoked_in(&store, args.id, Clock::System.now()).await;
            store.close().await?;
            TokenShape::of(revoked.map_err(refused)?, None)
        }
        Ground::Server(server) => {
            let path = format!("/api/v1/tokens/{}", args.id);
            serde_json::from_value(asked(server, "DELETE", path, None).await?)?
        }
    };
    out::say(&line(&revoked));
    Ok(true)
}

/// The end of a day in a zone, or an instant.
fn end_of(text: &str, zone: &str) -> Result<Timestamp, Failure> {
    let bad = || Failure::Usage(format!("--expires {text:?} is no time: 2026-12-31, or 2026-12-31T18:00:00+08:00"));
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    // A day alone: a time of day without an offset is nobody's instant.
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-12-31".len()).ok_or_else(bad)?;
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let next = day.tomorrow().and_then(|next| next.to_zoned(zone));
    next.map(|next| next.timestamp()).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_the_end_of_its_last_day() {
        let end = |text: &str| end_of(text, "Asia/Shanghai").ok().map(|end| end.to_string());
        assert_eq!(end("2026-12-31").as_deref(), Some("2026-12-31T16:00:00Z"));
        assert_eq!(end("2026-12-31T18:00:00+08:00").as_deref(), Some("2026-12-31T10:00:00Z"));
        for bad in ["", "2026-13-01", "tomorrow", "2026-12-31T18:00:00"] {
            assert_eq!(end(bad), None, "{bad}");
        }
    }
}
