//! Databases of others: how one is reached, and what is told when it does not answer. No error and no log holds a password.

use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Transaction};
use std::str::FromStr;
use std::time::Duration;

/// Parameters that go on to the driver.
const THEIRS: [&str; 11] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "dbname", "user", "application_name", "options"];

/// How long a statement may take when nothing is said: tables are read and written whole.
const TIMEOUT: Duration = Duration::from_secs(600);

/// How long a connection may take to be there.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How much longer than its statements may take all of it may take.
const SILENT: Duration = Duration::from_secs(60);

/// Longest text of what is wrong.
const MOST_WHY: usize = 300;

/// A database of others, not connected yet.
#[derive(Clone)]
pub(super) struct Foreign {
    connect: PgConnectOptions,
    timeout: Duration,
    name: String,
}

impl Foreign {
    /// Reads a URL. `timeout_s` says how long a statement may take; `password` is taken in front of the host alone.
    pub(super) fn of(url: &str) -> Result<Self, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("the URL of the database: {what}");
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        // What stands there may be a part of a password, so nothing of it is told.
        if query.contains('@') {
            return Err(wrong(&"signs of a password other than letters and digits are percent-encoded: ? is %3F, @ is %40"));
        }
        let (mut timeout, mut theirs) = (TIMEOUT, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("timeout_s", value)) => {
                    let seconds = value.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
                    timeout = Duration::from_secs(seconds.ok_or_else(|| wrong(&"timeout_s is a number from 1 to 86400"))?);
                }
                Some((key, _)) if THEIRS.contains(&key) => theirs.push(pair),
                _ => return Err(wrong(&format_args!("a parameter is not known; timeout_s, {} are", THEIRS.join(", ")))),
            }
        }
        let rest = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
        let mut connect = PgConnectOptions::from_str(&rest).map_err(|error| wrong(&error))?.disable_statement_logging();
        // Behind a pooler that shares connections nothing can be kept prepared.
        connect = connect.statement_cache_capacity(0);
        if !query.contains("application_name=") {
            connect = connect.application_name("wangge");
        }
        let database = connect.get_database().unwrap_or(connect.get_username()).to_owned();
        let host = connect.get_socket().map_or_else(|| connect.get_host().to_owned(), |path| path.display().to_string());
        let name = format!("postgres://{host}:{}/{database}", connect.get_port());
        Ok(Self { connect, timeout, name })
    }

    /// A connection.
    pub(super) async fn connected(&self) -> Result<PgConnection, String> {
        match tokio::time::timeout(CONNECT_LIMIT, self.connect.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(format!("{}: {}", self.name, told(&error))),
            Err(_) => Err(format!("{}: no connection within {} s", self.name, CONNECT_LIMIT.as_secs())),
        }
    }

    /// What takes longer than its statements may is given up: a connection that went silent says nothing itself.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let most = self.timeout * 2 + SILENT;
        let given_up = || Err(format!("{}: no end after {} s", self.name, most.as_secs()));
        tokio::time::timeout(most, work).await.unwrap_or_else(|_| given_up())
    }

    /// Begins a transaction; everything that would otherwise be said to the session is said to it.
    pub(super) async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
        mode: &str,
    ) -> Result<Transaction<'c, Postgres>, String> {
        let limit = self.timeout.as_millis();
        let begin = format!(
            "BEGIN {mode}; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = 30000; \
             SET LOCAL idle_in_transaction_session_timeout = {limit}"
        );
        connection.begin_with(AssertSqlSafe(begin)).await.map_err(|error| format!("{}: {}", self.name, told(&error)))
    }
}

/// What the database says, as all may read it.
pub(super) fn told(error: &sqlx::Error) -> String {
    let why = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    why.chars().take(MOST_WHY).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A name as SQL has it, whatever it is made of.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The schema that PostGIS is in, quoted; `None`: it is not there.
pub(super) async fn home_of_postgis(tx: &mut PgConnection) -> Result<Option<String>, String> {
    let sql =
        "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'";
    let found: Option<String> =
        sqlx::query_scalar(sql).persistent(false).fetch_optional(tx).await.map_err(|error| told(&error))?;
    Ok(found.map(|name| quoted(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_its_password() {
        let foreign = Foreign::of("postgres://w:se%20cret@db.city:6543/assets?timeout_s=5&sslmode=require").unwrap();
        assert_eq!((foreign.name.as_str(), foreign.timeout.as_secs()), ("postgres://db.city:6543/assets", 5));
        for url in [
            "postgres://w:secret@db/a?timeout_s=0",
            "postgres://w:secret@db/a?password=secret",
            "postgres://w:secret@db/a?x",
            "postgres://w:secret@db:99999/a",
            "postgres://w:a?secret@db/a",
            "postgres://w:secret@db/a?sslmode=perhaps",
        ] {
            let Err(error) = Foreign::of(url) else { panic!("{url} was taken") };
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
