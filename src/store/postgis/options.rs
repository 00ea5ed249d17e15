//! Where the database is and how it is talked to: one URL, which may hold a password and is therefore never shown as it was given.

use super::sql::Doing;
use crate::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;

/// What a URL can say beside what PostgreSQL's own clients know.
const OURS: &str = "schema, connections, timeout_s, prepared, notify";

/// Parameters that go on to the driver.
const THEIRS: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// How long one waits for a connection of the pool.
const ACQUIRE: Duration = Duration::from_secs(10);

/// What a URL says.
pub(super) struct Options {
    connect: PgConnectOptions,
    /// Where the tables are.
    pub(super) schema: String,
    pub(super) connections: u32,
    /// How long a statement may take that does not write a whole import.
    pub(super) timeout: Duration,
    /// Whether statements are prepared once for each connection. Poolers that share connections between transactions cannot keep them.
    pub(super) prepared: bool,
    /// Whether a commit wakes those who `LISTEN`.
    pub(super) notify: bool,
    /// How the database is called in messages: without the password.
    pub(super) name: String,
}

fn invalid(what: impl std::fmt::Display) -> StoreError {
    StoreError::Invalid(format!("the URL of the database: {what}"))
}

fn number(key: &str, value: &str, least: u32, most: u32) -> Result<u32, StoreError> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| invalid(format!("{key} is a number from {least} to {most}, not {value:?}")))
}

fn switch(key: &str, value: &str) -> Result<bool, StoreError> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(invalid(format!("{key} is on or off, not {value:?}"))),
    }
}

/// A name that needs no quotes in anybody's program.
fn checked_schema(name: &str) -> Result<String, StoreError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && !name.starts_with("pg_");
    if begins_well && name.len() <= 63 && name.chars().all(plain) {
        return Ok(name.to_owned());
    }
    Err(invalid(format!("schema {name:?}: at most 63 of a–z, 0–9 and _, beginning with a letter, not with pg_")))
}

impl Options {
    /// Reads a URL. What it leaves open is taken from the variables that PostgreSQL's own clients read (`PGPASSWORD`, `PGPASSFILE` …).
    pub(super) fn of(url: &str) -> Result<Self, StoreError> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        // What stands there may be a part of a password, so nothing of it is told.
        if query.contains('@') {
            return Err(invalid("signs of a password other than letters and digits are percent-encoded: ? is %3F, @ is %40"));
        }
        let mut theirs: Vec<&str> = Vec::new();
        let (mut schema, mut connections, mut timeout) = ("wangge".to_owned(), 10, 60);
        let (mut prepared, mut notify) = (true, true);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| invalid("a parameter has no value"))?;
            match key {
                "schema" => schema = checked_schema(value)?,
                "connections" => connections = number(key, value, 3, 1000)?,
                "timeout_s" => timeout = number(key, value, 1, 86_400)?,
                "prepared" => prepared = switch(key, value)?,
                "notify" => notify = switch(key, value)?,
                _ if THEIRS.contains(&key) => theirs.push(pair),
                _ => return Err(invalid(format!("a parameter is not known; {OURS}, {} are", THEIRS.join(", ")))),
            }
        }
        let rest = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
        let mut connect = PgConnectOptions::from_str(&rest).map_err(invalid)?.disable_statement_logging();
        if !prepared {
            connect = connect.statement_cache_capacity(0);
        }
        if !query.contains("application_name=") {
            connect = connect.application_name("wangge");
        }
        let database = connect.get_database().unwrap_or(connect.get_username()).to_owned();
        let host = connect.get_socket().map_or_else(|| connect.get_host().to_owned(), |path| path.display().to_string());
        let name = format!("postgres://{host}:{}/{database} (schema {schema})", connect.get_port());
        let timeout = Duration::from_secs(timeout.into());
        Ok(Self { connect, schema, connections, timeout, prepared, notify, name })
    }

    /// Whether the database answers at all. A pool would try again and again before it said why not.
    pub(super) async fn answers(&self) -> Result<(), StoreError> {
        let opened = self.connect.connect().await.doing(&format!("opening {}", self.name))?;
        opened.close().await.doing("closing a connection")
    }

    /// Connections, made when they are needed.
    pub(super) fn pool_of(&self, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .min_connections(0)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(self.connect.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how_and_its_password_is_never_shown() {
        let options = Options::of("postgres://w:se%20cret@db.city:6543/city?schema=wg_2&prepared=off&sslmode=require").unwrap();
        assert_eq!(options.name, "postgres://db.city:6543/city (schema wg_2)");
        assert_eq!((options.schema.as_str(), options.prepared, options.notify), ("wg_2", false, true));
        assert_eq!(options.timeout, Duration::from_secs(60));
        let wrong = [
            "postgres://w:secret@db/city?shema=a",
            "postgres://w:secret@db/city?schema=A%22",
            "postgres://w:secret@db/city?schema=pg_x",
            "postgres://w:secret@db/city?prepared=no",
            "postgres://w:secret@db/city?connections=1",
            "postgres://w:secret@db/city?notify",
            "postgres://w:secret@db:99999/city",
            "postgres://w:secret@db/city?sslmode=perhaps",
            "postgres://w:a?secret@db/city",
            "postgres://w:a?b=secret@db/city",
            "postgres://w:a@b?secret@db/city?schema=c",
        ];
        for url in wrong {
            let Err(error) = Options::of(url) else { panic!("{url} was taken") };
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
