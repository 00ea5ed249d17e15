//! A PostgreSQL with PostGIS of our own: one cluster for the test process, in a temporary directory, and a database for each test. Whoever
//! ends the process, the cluster is stopped and its directory removed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const PLEASE: &str = "the tests of the store in PostGIS need Debian's package postgresql-postgis";

/// Whose cluster it is where the tests run as root, which PostgreSQL refuses: the first of them that there is.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// What every database is copied from.
const TEMPLATE: &str = "with_postgis";

struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// Removes everything as soon as its standard input ends, which is when this process does.
    _undertaker: Child,
}

/// The newest server that is installed.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let programs = entry.path().join("bin");
        if let (Some(version), true) =
            (entry.file_name().to_str().and_then(|name| name.parse().ok()), programs.join("initdb").exists())
        {
            found.push((version, programs));
        }
    }
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&in_path).find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists());
    found.into_iter().max().map(|(_, programs)| programs).or(in_path).expect(PLEASE)
}

/// The user that the cluster runs as, when this is root.
fn stand_in() -> Option<&'static str> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().expect("id is there");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if id(&["-u"]).as_deref() != Some("0") {
        return None;
    }
    let found = USERS.into_iter().find(|user| id(&["-u", user]).is_some());
    Some(found.expect("PostgreSQL does not run as root, and neither postgres nor nobody is a user here"))
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={}", group_of(user))).arg("--clear-groups").arg(program);
    command
}

fn group_of(user: &str) -> String {
    let output = Command::new("id").args(["-g", user]).output().expect("id is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn done(command: &mut Command, what: &str) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{what}: {error}; {PLEASE}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{what}: {said}{}\n{PLEASE}", String::from_utf8_lossy(&output.stderr));
    said
}

impl Cluster {
    fn start() -> Self {
        let programs = programs();
        let user = stand_in();
        let folder = tempfile::Builder::new().prefix("wangge-pg-").tempdir().unwrap().keep();
        if let Some(user) = user {
            done(Command::new("chown").arg(user).arg(&folder), "giving the cluster its folder");
        }
        let data = folder.join("data");
        let stop = format!(
            "read _; {} \"$0\" -D \"$1\" -m immediate -w -t 10 stop >/dev/null 2>&1; rm -rf \"$2\"",
            match user {
                None => String::new(),
                Some(user) => format!("setpriv --reuid={user} --regid={} --clear-groups", group_of(user)),
            }
        );
        let undertaker = Command::new("sh")
            .args(["-c", &stop])
            .args([&programs.join("pg_ctl"), &data, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // What ends the tests as a group does not end it.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb.args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(&data);
        done(initdb.current_dir("/"), "making a cluster");
        let options = format!(
            "-k {} -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300",
            folder.display()
        );
        let mut start = as_user(user, &programs.join("pg_ctl"));
        start.arg("-D").arg(&data).arg("-l").arg(folder.join("log")).args(["-o", &options, "-w", "start"]);
        // Its output would stay open as long as the server runs.
        let status = start.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(status.success(), "the cluster does not start: {}", log());
        let cluster = Self { folder, programs, _undertaker: undertaker };
        cluster.sql("postgres", &format!("CREATE DATABASE {TEMPLATE}"));
        cluster.sql(TEMPLATE, "CREATE EXTENSION postgis");
        cluster
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("-h").arg(&self.folder).args(["-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        done(&mut psql, sql)
    }
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// A database of its own for one test.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// A new one, with PostGIS in the schema `public`.
    pub(crate) fn new() -> Self {
        Self::like(TEMPLATE)
    }

    /// A new one without PostGIS.
    pub(crate) fn plain() -> Self {
        Self::like("template0")
    }

    fn like(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        cluster().sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { name }
    }

    /// Its URL for the user that owns everything.
    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Its URL for another user.
    pub(crate) fn url_of(&self, user: &str) -> String {
        format!("postgres://{user}@localhost/{}?host={}", self.name, cluster().folder.display())
    }

    /// Where others find it, as libpq reads it.
    pub(crate) fn conninfo(&self) -> String {
        format!("host={} user=postgres dbname={}", cluster().folder.display(), self.name)
    }

    /// What `psql` says to some statements: a line for each row, columns between `|`.
    pub(crate) fn sql(&self, sql: &str) -> String {
        cluster().sql(&self.name, sql)
    }
}
