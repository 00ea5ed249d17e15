//! Who may name whom, read from the sources themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module → what it may name. An arrow includes what its target may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("geom", &[]),
    ("clock", &[]),
    ("compute", &[]),
    ("config", &["domain"]),
    ("upstream", &[]),
    ("domain", &["geom"]),
    ("territory", &["domain"]),
    ("city", &["territory"]),
    ("tiles", &["city", "compute"]),
    ("interchange", &["domain"]),
    ("store", &["domain", "interchange"]),
    ("live", &["domain"]),
    ("app", &["tiles", "interchange", "store", "live", "clock", "config", "compute", "upstream"]),
    ("demo", &["app"]),
    ("http", &["app"]),
    ("cli", &["config", "http", "app", "demo", "store"]),
    ("main", &["cli"]),
];

/// What `http` could reach through `app` but must not name.
const NEVER: &[(&str, &str)] = &[("http", "store"), ("demo", "store"), ("demo", "http"), ("tiles", "clock"), ("tiles", "config")];

/// Outside crate → the files or folders (without `.rs`) that may name it. What is not listed may be named anywhere.
const ONE_PLACE: &[(&str, &[&str])] = &[
    ("arc_swap", &["city/published"]),
    ("axum", &["http"]),
    ("calamine", &["interchange/xlsx"]),
    ("clap", &["cli"]),
    ("csv", &["interchange"]),
    ("encoding_rs", &["interchange/text"]),
    ("flate2", &["interchange"]),
    ("geo", &["geom/measure"]),
    ("h3o", &["geom/hex"]),
    ("http_body_util", &["upstream"]),
    ("hyper", &["http/listen", "upstream"]),
    ("hyper_rustls", &["upstream"]),
    ("hyper_util", &["http", "upstream"]),
    ("indicatif", &["cli"]),
    ("libdeflater", &["tiles/cache"]),
    ("libm", &["geom"]),
    ("metrics", &["http"]),
    ("metrics_exporter_prometheus", &["http"]),
    ("libmimalloc_sys", &["main"]),
    ("mimalloc", &["main"]),
    ("pinyin", &["domain/pinyin"]),
    ("rayon", &["compute", "geom/planar", "territory", "interchange"]),
    ("rcgen", &["cli/cert"]),
    ("rstar", &["territory/nearest"]),
    ("rust_embed", &["http"]),
    ("rustix", &["cli/machine"]),
    ("rustls", &["http/tls", "upstream"]),
    // What others keep in PostgreSQL is read and written where other people's servers are asked.
    ("sqlx", &["store", "interchange/gpkg", "upstream/database", "upstream/tables", "upstream/sink"]),
    ("tokio_rustls", &["http/tls"]),
    ("toml", &["config", "interchange"]),
    ("tracing_subscriber", &["cli"]),
    ("utoipa", &["http"]),
    ("utoipa_axum", &["http"]),
    ("webpki_roots", &["upstream"]),
    ("x509_parser", &["http/tls"]),
    ("zstd", &["tiles/cache"]),
];

struct Source {
    /// `territory/locate`
    path: String,
    /// Code without comments, texts and tests.
    code: String,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or(&self.path)
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let without_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or(&text).to_owned();
            let code = without_tests.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
            let path = path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().replace('\\', "/");
            Source { path, code }
        })
        .collect()
}

/// Everything a module may name, its own name included.
fn allowed(module: &str) -> BTreeSet<&'static str> {
    let table: BTreeMap<&str, &[&str]> = MAY_NAME.iter().copied().collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&'static str> = MAY_NAME.iter().map(|(name, _)| *name).filter(|name| *name == module).collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(table[next]);
        }
    }
    for (from, target) in NEVER {
        if *from == module {
            reached.remove(target);
        }
    }
    reached
}

/// Names that follow `prefix` in the code.
fn names_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).map(move |(at, _)| {
        let rest = &code[at + prefix.len()..];
        &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())]
    })
}

#[test]
fn modules_name_only_what_the_table_allows() {
    let known: BTreeSet<&str> = MAY_NAME.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        if source.path == "lib" {
            continue;
        }
        let module = source.module();
        assert!(known.contains(module), "module {module} is not in the table");
        let allowed = allowed(module);
        let named = names_after(&source.code, "crate::").chain(names_after(&source.code, "wangge::"));
        for name in named.filter(|name| known.contains(name)) {
            if !allowed.contains(name) {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "against the table of directions:\n{}", wrong.join("\n"));
}

#[test]
fn each_outside_crate_is_named_in_one_place() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, places) in ONE_PLACE {
            let path = format!("{name}::");
            let starts =
                |at: usize| at == 0 || !source.code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            let names_it = source.code.match_indices(&path).any(|(at, _)| starts(at));
            let in_place = places.iter().any(|place| source.path == *place || source.path.starts_with(&format!("{place}/")));
            if names_it && !in_place {
                wrong.push(format!("{} names {name}; its place is {}", source.path, places.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_config_reads_the_environment_and_only_the_clock_reads_the_time() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.code.contains("env::var") && source.module() != "config" {
            wrong.push(format!("{} reads the environment", source.path));
        }
        let reads_time = source.code.contains("Timestamp::now") || source.code.contains("SystemTime::now");
        if reads_time && source.module() != "clock" {
            wrong.push(format!("{} reads the time", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_sql_outside_the_store_and_no_status_below_http() {
    let mut wrong = Vec::new();
    for source in sources() {
        let sql = ["SELECT ", "INSERT INTO ", "CREATE TABLE "].iter().any(|word| source.code.contains(word));
        // A GeoPackage from elsewhere is a foreign file whose format is SQL, and other people's databases are asked in it.
        let foreign = ["interchange/gpkg", "upstream/database", "upstream/tables", "upstream/sink"];
        if sql && source.module() != "store" && !foreign.iter().any(|place| source.path.starts_with(place)) {
            wrong.push(format!("{} knows SQL", source.path));
        }
        if source.code.contains("StatusCode") && source.module() != "http" {
            wrong.push(format!("{} knows an HTTP status", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_has_no_ring() {
    for (module, direct) in MAY_NAME {
        for target in *direct {
            assert!(!allowed(target).contains(module), "{module} and {target} name each other");
        }
    }
}
