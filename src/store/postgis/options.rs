//! Where the database is and how it is talked to: one URL, which may hold a password and is therefore never shown as it was given.
//!
//! It may name several hosts, `postgres://user@one,two:5433/city`: a primary and its standbys. Which of them is the primary is asked, as
//! PostgreSQL's own clients do with `target_session_attrs=primary`. Of two (an old one came back by itself) it is the one that was promoted last.

use super::sql::{Doing, said};
use crate::store::{Access, StoreError};
use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

/// What a URL can say beside what PostgreSQL's own clients know.
const OURS: &str = "schema, connections, timeout_s, prepared, notify, target_session_attrs";

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

/// How long a host of several may take to say what it is.
const PROBE: Duration = Duration::from_secs(3);

/// Of the database as it is written: a standby does not tell the one that it writes, since it writes none.
pub(super) const TIMELINE: &str = "CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id::bigint FROM pg_control_checkpoint())
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END";

/// A host that may have the database.
struct Host {
    connect: PgConnectOptions,
    name: String,
}

/// What a host said that has the database.
#[derive(Clone, Copy)]
struct Probed {
    is_standby: bool,
    system: i64,
    /// Counts its promotions.
    timeline: i64,
}

/// A host of several that is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    host: usize,
    /// The identifier that a primary and its standbys have in common, and the timeline; where there is one host nobody asks for them.
    past: Option<(i64, i64)>,
}

/// What a URL says.
pub(super) struct Options {
    /// At least one.
    hosts: Vec<Host>,
    /// Where the tables are.
    pub(super) schema: String,
    pub(super) connections: u32,
    /// How long a statement may take that does not write a whole import.
    pub(super) timeout: Duration,
    /// Whether statements are prepared once for each connection. Poolers that share connections between transactions cannot keep them.
    pub(super) prepared: bool,
    /// Whether a commit wakes those who `LISTEN`.
    pub(super) notify: bool,
    /// Whoever only reads takes a standby, where one answers.
    prefer_standby: bool,
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
        let (mut prepared, mut notify, mut prefer_standby) = (true, true, false);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| invalid("a parameter has no value"))?;
            match key {
                "schema" => schema = checked_schema(value)?,
                "connections" => connections = number(key, value, 3, 1000)?,
                "timeout_s" => timeout = number(key, value, 1, 86_400)?,
                "prepared" => prepared = switch(key, value)?,
                "notify" => notify = switch(key, value)?,
                "target_session_attrs" => {
                    prefer_standby = match value {
                        "primary" | "read-write" => false,
                        "prefer-standby" => true,
                        _ => return Err(invalid(format!("{key} is primary or prefer-standby, not {value:?}"))),
                    }
                }
                _ if THEIRS.contains(&key) => theirs.push(pair),
                _ => {
                    // Anything else than a plain word may be a part of a password.
                    let plain = key.len() <= 24 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                    let which = if plain { format!("the parameter {key}") } else { "a parameter".to_owned() };
                    return Err(invalid(format!("{which} is not known; {OURS}, {} are", THEIRS.join(", "))));
                }
            }
        }
        let rest = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
        let mut hosts = Vec::new();
        for url in each_host(&rest)? {
            let mut connect = PgConnectOptions::from_str(&url).map_err(invalid)?.disable_statement_logging();
            if !prepared {
                connect = connect.statement_cache_capacity(0);
            }
            if !query.contains("application_name=") {
                connect = connect.application_name("wangge");
            }
            let host = connect.get_socket().map_or_else(|| connect.get_host().to_owned(), |path| path.display().to_string());
            let name = format!("{host}:{}", connect.get_port());
            hosts.push(Host { connect, name });
        }
        let first = &hosts[0].connect;
        let database = first.get_database().unwrap_or(first.get_username()).to_owned();
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        let name = format!("postgres://{}/{database} (schema {schema})", names.join(","));
        let timeout = Duration::from_secs(timeout.into());
        Ok(Self { hosts, schema, connections, timeout, prepared, notify, prefer_standby, name })
    }

    /// The host to begin with: the one that takes writes; for who only reads also a standby, where there is no other. A pool would try
    /// again and again before it said why there is none.
    pub(super) async fn choose(&self, access: Access) -> Result<Chosen, StoreError> {
        if let [host] = &self.hosts[..] {
            let opened = host.connect.connect().await.doing(&format!("opening {}", self.name))?;
            opened.close().await.doing("closing a connection")?;
            return Ok(Chosen { host: 0, past: None });
        }
        let probed = self.probed().await;
        let systems: BTreeSet<i64> = writers(&probed).map(|(_, writer)| writer.system).collect();
        if systems.len() > 1 {
            return Err(invalid("several of its hosts take writes, and are no copies of each other"));
        }
        let writer = writers(&probed).rev().max_by_key(|(_, writer)| writer.timeline);
        let mut standbys = probed.iter().enumerate().filter_map(|(host, probed)| Some((host, probed.as_ref().ok()?)));
        let standby = standbys.find(|(_, probed)| probed.is_standby).filter(|_| access == Access::Read);
        let found = if self.prefer_standby { standby.or(writer) } else { writer.or(standby) };
        if let Some((host, probed)) = found {
            tracing::info!(
                host = self.hosts[host].name,
                is_standby = probed.is_standby,
                "of several hosts this one is talked to"
            );
            return Ok(Chosen { host, past: Some((probed.system, probed.timeline)) });
        }
        let each = self.hosts.iter().zip(&probed).map(|(host, probed)| match probed {
            Ok(_) => format!("{} is a standby", host.name),
            Err(why) => format!("{}: {why}", host.name),
        });
        let why = format!("no host takes writes; {}", each.collect::<Vec<_>>().join("; "));
        Err(StoreError::Away { doing: format!("opening {}", self.name), why })
    }

    /// The host to go on with, when it is another one: a primary of the same database, promoted after the present one if that is one, too.
    /// Never one of an earlier timeline, which is the past that was left.
    pub(super) async fn instead_of(&self, present: Chosen) -> Option<Chosen> {
        let past = present.past?;
        let probed = self.probed().await;
        let later = writers(&probed).filter(|(_, writer)| writer.system == past.0 && writer.timeline >= past.1);
        let (host, writer) = later.max_by_key(|(host, writer)| (writer.timeline, *host == present.host))?;
        (host != present.host).then_some(Chosen { host, past: Some((writer.system, writer.timeline)) })
    }

    /// What each host is, in their order; all are asked at once.
    async fn probed(&self) -> Vec<Result<Probed, String>> {
        join_all(self.hosts.iter().map(async |host| match tokio::time::timeout(PROBE, host.probed()).await {
            Ok(probed) => probed.map_err(|error| said(&error)),
            Err(_) => Err(format!("no answer within {} s", PROBE.as_secs())),
        }))
        .await
    }

    pub(super) fn host_name(&self, chosen: Chosen) -> &str {
        &self.hosts[chosen.host].name
    }

    /// Connections, made when they are needed.
    pub(super) fn pool_of(&self, chosen: Chosen, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .min_connections(0)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            // That it took long is no news: the store says when it is away.
            .acquire_slow_threshold(ACQUIRE)
            .connect_lazy_with(self.hosts[chosen.host].connect.clone())
    }
}

impl Host {
    async fn probed(&self) -> Result<Probed, sqlx::Error> {
        let mut connection = self.connect.connect().await?;
        let sql = format!("SELECT pg_is_in_recovery(), system_identifier, {TIMELINE} FROM pg_control_system()");
        let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(Probed { is_standby: row.try_get(0)?, system: row.try_get(1)?, timeline: row.try_get(2)? })
    }
}

/// Those that take writes, in their order.
fn writers(probed: &[Result<Probed, String>]) -> impl DoubleEndedIterator<Item = (usize, &Probed)> {
    let all = probed.iter().enumerate().filter_map(|(host, probed)| Some((host, probed.as_ref().ok()?)));
    all.filter(|(_, probed)| !probed.is_standby)
}

/// A URL for each host that stands before the name of the database.
fn each_host(url: &str) -> Result<Vec<String>, StoreError> {
    let Some((scheme, rest)) = url.split_once("://") else { return Ok(vec![url.to_owned()]) };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    if hosts.contains(',') && (hosts.split(',').any(str::is_empty) || path.contains("host=") || path.contains("hostaddr=")) {
        return Err(invalid("several hosts stand between commas before the database's name, and nowhere else"));
    }
    Ok(hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect())
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
        let several = Options::of("postgres://w:se%20cret,x@one,two:6543,[::1]:7/city?sslmode=require").unwrap();
        assert_eq!(several.name, "postgres://one:5432,two:6543,[::1]:7/city (schema wangge)");
        assert!(
            several.hosts.iter().all(|host| host.connect.get_username() == "w" && host.connect.get_database() == Some("city"))
        );
        let wrong = [
            "postgres://w:secret@one,,two/city",
            "postgres://w:secret@one,two/city?host=three",
            "postgres://w:secret@one,two:99999/city",
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
