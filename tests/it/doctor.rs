//! `wangge doctor`: what is well is said, what is wrong has a reason and a way to mend it.

use super::crash::{told, wangge};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;

/// The findings and the exit code.
fn findings(folder: &Path, more: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = wangge(folder, &[&["doctor", "--json", "--config", "wangge.toml"][..], more].concat()).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)));
    let findings = answer["findings"].as_array().unwrap().clone();
    for finding in &findings {
        let well = finding["state"] == "ok";
        assert!(!finding["found"].as_str().unwrap().is_empty(), "{finding}");
        for member in ["why", "mend"] {
            assert_eq!(finding[member].as_str().unwrap().is_empty(), well, "{finding}");
        }
    }
    let wrong = findings.iter().any(|finding| finding["state"] == "wrong");
    assert_eq!(output.status.code(), Some(i32::from(wrong)), "{}", told(&output));
    (findings, output.status.code())
}

fn state<'a>(findings: &'a [Value], what: &str, found: &str) -> &'a str {
    let of = findings.iter().find(|finding| finding["what"] == what && finding["found"].as_str().unwrap().contains(found));
    of.unwrap_or_else(|| panic!("{what} {found}: {findings:#?}"))["state"].as_str().unwrap()
}

#[test]
fn each_thing_is_looked_at_and_what_is_wrong_is_told_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings = |text: &str| std::fs::write(folder.join("wangge.toml"), text).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = format!("data = \"city.gpkg\"\nlisten = \"{free}\"\n");
    settings(&base);
    let (found, _) = findings(folder, &[]);
    assert_eq!((state(&found, "data", "city.gpkg"), state(&found, "port", "is free")), ("wrong", "ok"));

    std::fs::write(folder.join("grids.geojson"), super::imports::row_of_grids("330902002001", 2, 122.0, 30.0, 0.01)).unwrap();
    let import = ["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"];
    let made = wangge(folder, &import).output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    let made = wangge(folder, &["cert", "make", "--host", "map.example", "--out", "tls"]).output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    std::fs::write(folder.join("shared"), "0123456789012345678901234567890123456789").unwrap();
    std::fs::create_dir(folder.join("copies")).unwrap();
    let made = wangge(folder, &["backup", "--data", "city.gpkg", "copies/a.gpkg"]).output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    #[cfg(unix)]
    for (file, mode) in [("city.gpkg", 0o640), ("shared", 0o644)] {
        std::fs::set_permissions(folder.join(file), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let tls = "[tls]\ncert = \"tls/server.pem\"\nkey = \"tls/server.key\"\n";
    let access = "[access]\n[jwt]\nissuer = \"i\"\naudience = \"a\"\nsecret_file = \"shared\"\n";
    settings(&format!("{base}backup_folder = \"copies\"\n{access}{tls}"));
    let (found, _) = findings(folder, &[]);
    for (what, text) in [
        ("settings", "wangge.toml"),
        ("access", "told apart"),
        ("map_approval", "none"),
        ("disk", "MB are free"),
        ("data", "revision"),
        ("clock", "Asia/Shanghai"),
        ("port", "is free"),
        ("certificate", "lasts 39"),
        ("backup", "a.gpkg is 0 hours old"),
        ("open_files", "files"),
    ] {
        assert_ne!(state(&found, what, text), "wrong", "{what}");
    }
    #[cfg(unix)]
    assert_eq!(state(&found, "permissions", "shared has the mode 644"), "wrong");

    // The other way round.
    let held = TcpListener::bind(free).unwrap();
    std::fs::write(folder.join("tls/server.key"), std::fs::read(folder.join("tls/ca.key")).unwrap()).unwrap();
    std::fs::remove_file(folder.join("copies/a.gpkg")).unwrap();
    settings(&format!("{base}base_url = \"https://other.example\"\nbackup_folder = \"copies\"\n{access}{tls}"));
    let (found, code) = findings(folder, &[]);
    assert_eq!(code, Some(1));
    for (what, text) in
        [("map_approval", "审图号"), ("port", &free.to_string()), ("certificate", "does not belong"), ("backup", "holds no copy")]
    {
        assert_eq!(state(&found, what, text), "wrong", "{what}");
    }
    drop(held);
    settings("listen = \"0.0.0.0:80\"\n[tls]\nkey = \"x\"\n");
    assert_eq!(state(&findings(folder, &[]).0, "settings", "[tls] needs both"), "wrong");
    settings(&format!("{}listen = \"0.0.0.0:0\"\n", "data = \"city.gpkg\"\n"));
    assert_eq!(state(&findings(folder, &[]).0, "access", "loopback"), "wrong");

    // For people: one line each, with what mends it below.
    let output = wangge(folder, &["doctor", "--config", "wangge.toml"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("WRONG") && text.contains("to mend it: ") && output.status.code() == Some(1), "{text}");
}

#[test]
fn a_server_that_runs_has_its_port_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("grids.geojson"), super::imports::row_of_grids("330902002001", 2, 122.0, 30.0, 0.01)).unwrap();
    let import = ["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"];
    assert!(wangge(folder, &import).output().unwrap().status.success());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(folder.join("wangge.toml"), format!("data = \"city.gpkg\"\nlisten = \"{free}\"\n")).unwrap();
    let arguments = ["serve", "--config", "wangge.toml", "--log", "error"];
    let mut server = wangge(folder, &arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufReader::new(server.stderr.take().unwrap());
    let listens = std::io::BufRead::lines(lines).map_while(Result::ok).any(|line| line.starts_with("http://"));
    let outcome = std::panic::catch_unwind(|| {
        assert!(listens);
        assert_eq!(state(&findings(folder, &[]).0, "port", "and it answers"), "ok");
        assert_eq!(state(&findings(folder, &["--starting"]).0, "port", &free.to_string()), "wrong");
    });
    server.kill().unwrap();
    server.wait().unwrap();
    outcome.unwrap();
}

#[test]
fn sources_and_sinks_are_tried_and_nothing_is_brought_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let database = crate::postgres::Database::new();
    database.sql(
        "CREATE ROLE looks_only LOGIN; CREATE TABLE lamps (gid int, kind text, geom geometry(Point, 4490));
         INSERT INTO lamps SELECT n, '01037', ST_SetSRID(ST_MakePoint(122, 30), 4490) FROM generate_series(1, 300) n",
    );
    std::fs::create_dir(folder.join("drop")).unwrap();
    std::fs::write(folder.join("drop/a.csv"), "id,category,lon,lat\n1,01037,122,30\n").unwrap();
    std::fs::write(folder.join("url"), database.url()).unwrap();
    let source = |id: &str, rest: &str| format!("[[source]]\nid = \"{id}\"\nkind = \"facilities\"\n{rest}\n");
    let table = |more: &str| format!("database_file = \"url\"\ntable = \"lamps\"\nkey = \"gid\"\n{more}");
    let text = [
        source("well", &table("map = [\"category=kind\"]")),
        source("column", &table("map = [\"category=art\"]")),
        source("away", "database = \"postgres://w:geheim@127.0.0.1:1/a\"\ntable = \"a\""),
        source("files", "folder = \"drop\"\ncrs = \"wgs84\""),
        source("nowhere", "folder = \"drop\""),
        "[[sink]]\nid = \"gis\"\ndatabase_file = \"url\"\n".to_owned(),
        format!("[[sink]]\nid = \"nobody\"\ndatabase = \"{}\"\n", database.url_of("looks_only")),
    ];
    std::fs::write(folder.join("wangge.toml"), text.concat()).unwrap();
    let (found, _) = findings(folder, &[]);
    for (what, text, wanted) in [
        ("source", "well: postgres://", "ok"),
        ("source", "columns gid, kind, geom in EPSG:4490", "ok"),
        ("source", "column: ", "warning"),
        ("source", "away: postgres://127.0.0.1:1/a", "warning"),
        ("source", "files: 1 files in", "ok"),
        ("source", "nowhere: ", "warning"),
        ("sink", "answers, has PostGIS, and may be written", "ok"),
        ("sink", "nobody: ", "warning"),
    ] {
        assert_eq!(state(&found, what, text), wanted, "{text}");
    }
    let all = serde_json::to_string(&found).unwrap();
    assert!(all.contains("no CRS") && all.contains("art") && !all.contains("geheim"), "{all}");
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    // What makes no sense keeps the server from starting.
    std::fs::write(folder.join("wangge.toml"), source("bad", "folder = \"drop\"\nset = \"police\"")).unwrap();
    let (found, _) = findings(folder, &[]);
    assert_eq!(state(&found, "source", "[[source]] \"bad\": set, within"), "wrong");
}
