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

/// Of which one is ended: what it has said to be done has to be done. Nothing is safe from a machine that ends.
const DURABLE: &str = "-c fsync=off -c synchronous_commit=on -c max_connections=100";

/// Nothing of it outlives the tests, so it need not be safe.
const UNSAFE: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300";

/// As somebody would run it: what is committed is on the disk.
#[allow(dead_code, reason = "a bench uses it")]
const SAFE: &str = "-c shared_buffers=512MB -c max_wal_size=4GB -c maintenance_work_mem=256MB";

impl Cluster {
    fn start(options: &str) -> Self {
        let cluster = Self::made(options, |cluster| {
            let mut initdb = as_user(stand_in(), &cluster.programs.join("initdb"));
            initdb
                .args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D"])
                .arg(cluster.data());
            done(initdb.current_dir("/"), "making a cluster");
        });
        cluster.sql("postgres", &format!("CREATE DATABASE {TEMPLATE}"));
        cluster.sql(TEMPLATE, "CREATE EXTENSION postgis");
        cluster
    }

    /// Another one that repeats everything that this one does.
    fn standby(&self) -> Self {
        Self::made(DURABLE, |cluster| {
            let mut copy = as_user(stand_in(), &self.programs.join("pg_basebackup"));
            copy.arg("-h")
                .arg(&self.folder)
                .args(["-U", "postgres", "-c", "fast", "-X", "stream", "-R", "-D"])
                .arg(cluster.data());
            done(copy.current_dir("/"), "copying a cluster");
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn made(options: &str, data: impl FnOnce(&Self)) -> Self {
        let programs = programs();
        let user = stand_in();
        let folder = tempfile::Builder::new().prefix("wangge-pg-").tempdir().unwrap().keep();
        if let Some(user) = user {
            done(Command::new("chown").arg(user).arg(&folder), "giving the cluster its folder");
        }
        let stop = format!(
            "read _; {} \"$0\" -D \"$1\" -m immediate -w -t 10 stop >/dev/null 2>&1; rm -rf \"$2\"",
            match user {
                None => String::new(),
                Some(user) => format!("setpriv --reuid={user} --regid={} --clear-groups", group_of(user)),
            }
        );
        let undertaker = Command::new("sh")
            .args(["-c", &stop])
            .args([&programs.join("pg_ctl"), &folder.join("data"), &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // What ends the tests as a group does not end it.
            .process_group(0)
            .spawn()
            .unwrap();
        let cluster = Self { folder, programs, _undertaker: undertaker };
        data(&cluster);
        cluster.begin(options);
        cluster
    }

    fn begin(&self, options: &str) {
        let options = format!("-k {} -c listen_addresses= {options}", self.folder.display());
        self.control(&["-l", &self.folder.join("log").display().to_string(), "-o", &options, "-w", "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        let mut control = as_user(stand_in(), &self.programs.join("pg_ctl"));
        control.arg("-D").arg(self.data()).args(arguments);
        // Its output would stay open as long as the server runs.
        let status = control.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(status.success(), "pg_ctl {arguments:?}: {log}");
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("-h").arg(&self.folder).args(["-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        done(&mut psql, sql)
    }
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(UNSAFE))
}

/// PgBouncer before the cluster.
struct Pooler {
    folder: PathBuf,
    _program: Child,
    /// As that of the cluster.
    _undertaker: Child,
}

fn pooler() -> &'static Pooler {
    static POOLER: OnceLock<Pooler> = OnceLock::new();
    POOLER.get_or_init(|| {
        let cluster = cluster();
        // In the folder of the cluster, with which it goes.
        let folder = cluster.folder.join("pooler");
        std::fs::create_dir(&folder).unwrap();
        let settings = format!(
            "[databases]\n* = host={} port=5432\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {}\nauth_type = any\n\
             pool_mode = transaction\nignore_startup_parameters = extra_float_digits\nmax_client_conn = 1000\ndefault_pool_size = 8\n\
             server_idle_timeout = 5\nlogfile = {}\n",
            cluster.folder.display(),
            folder.display(),
            folder.join("log").display(),
        );
        // auth_type=any logs everybody in as the user of the database.
        let settings = settings.replace("port=5432", "port=5432 user=postgres");
        std::fs::write(folder.join("pgbouncer.ini"), settings).unwrap();
        let user = stand_in();
        if let Some(user) = user {
            done(Command::new("chown").args(["-R", user]).arg(&folder), "giving the pooler its folder");
        }
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(PathBuf::from).into_iter().find(|path| path.exists());
        let mut pooler = as_user(user, &program.expect("the tests of the store in PostGIS need Debian's package pgbouncer"));
        pooler.arg("-q").arg(folder.join("pgbouncer.ini")).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        let mut program = pooler.stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let undertaker = Command::new("sh")
            .args(["-c", "read _; kill \"$0\"", &program.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while !folder.join(".s.PGSQL.6432").exists() {
            let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(program.try_wait().unwrap().is_none(), "PgBouncer has ended: {}", log());
            assert!(begun.elapsed().as_secs() < 30, "PgBouncer does not listen: {}", log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Pooler { folder, _program: program, _undertaker: undertaker }
    })
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

    /// Its URL by way of a pooler that shares connections between transactions: nothing is prepared there, and nobody is notified.
    pub(crate) fn pooled_url(&self) -> String {
        let Pooler { folder, .. } = pooler();
        format!("postgres://postgres@localhost:6432/{}?host={}&prepared=off&notify=off", self.name, folder.display())
    }

    /// The socket that the cluster listens on, and the URL of this database by way of another port of this machine.
    pub(crate) fn by_way_of(&self, port: u16) -> (PathBuf, String) {
        (cluster().socket(), format!("postgres://postgres@127.0.0.1:{port}/{}?sslmode=disable", self.name))
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

/// A cluster whose commits are safe, to be measured.
#[allow(dead_code, reason = "a bench uses it")]
pub(crate) struct Safe(Cluster);

#[allow(dead_code, reason = "a bench uses it")]
impl Safe {
    pub(crate) fn start() -> Self {
        Self(Cluster::start(SAFE))
    }

    /// The URL of an empty database, instead of the one before.
    pub(crate) fn emptied(&self) -> String {
        self.0.sql("postgres", "DROP DATABASE IF EXISTS city");
        self.0.sql("postgres", &format!("CREATE DATABASE city TEMPLATE {TEMPLATE}"));
        format!("postgres://postgres@localhost/city?host={}", self.0.folder.display())
    }
}

/// A primary with a standby, and a database in both.
pub(crate) struct Pair {
    primary: Cluster,
    standby: Cluster,
}

impl Pair {
    /// `synchronous`: a commit is answered when the standby has it.
    pub(crate) fn start(synchronous: bool) -> Self {
        let primary = Cluster::start(UNSAFE);
        primary.control(&["-m", "fast", "-w", "stop"]);
        primary.begin(DURABLE);
        primary.sql("postgres", &format!("CREATE DATABASE city TEMPLATE {TEMPLATE}"));
        let standby = primary.standby();
        if synchronous {
            primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
            primary.sql("postgres", "SELECT pg_reload_conf()");
        }
        let begun = std::time::Instant::now();
        while primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "1\n" {
            assert!(begun.elapsed().as_secs() < 30, "the standby does not follow");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { primary, standby }
    }

    /// Where the primary listens, and where the standby.
    pub(crate) fn sockets(&self) -> [PathBuf; 2] {
        [self.primary.socket(), self.standby.socket()]
    }

    /// The URL of the city by way of a port of this machine, or of several of which one leads to whoever takes writes.
    pub(crate) fn url(ports: &[u16]) -> String {
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("postgres://postgres@{}/city?sslmode=disable", hosts.join(","))
    }

    /// The standby hears nothing any more.
    pub(crate) fn deafen(&self) {
        self.standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'");
        self.standby.sql("postgres", "SELECT pg_reload_conf()");
        let begun = std::time::Instant::now();
        while self.primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication") != "0\n" {
            assert!(begun.elapsed().as_secs() < 30, "the standby still follows");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The primary ends in the middle of everything.
    pub(crate) fn kill_primary(&self) {
        self.primary.control(&["-m", "immediate", "-w", "stop"]);
    }

    /// The old primary comes back as one, as after a reboot.
    pub(crate) fn revive_primary(&self) {
        self.primary.begin(DURABLE);
    }

    pub(crate) fn promote(&self) {
        self.standby.control(&["-w", "promote"]);
    }

    /// Statements at the standby, after its promotion.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.standby.sql("city", sql)
    }
}
