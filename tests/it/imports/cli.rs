//! The built binary: exit codes, files, standard output.

use super::{fixture, row_of_grids, written};
use std::path::Path;
use std::process::{Command, Output};

fn wangge(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wangge")).args(arguments).current_dir(folder).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_city_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let towns = fixture("jurong/jurong_townships_gcj02.geojson");
    let scheme = fixture("import/towns.toml");
    let (towns, scheme) = (towns.to_str().unwrap(), scheme.to_str().unwrap());
    let plain = ["import", "grids", towns, "--data", "city.gpkg", "--scheme", scheme, "--map", "code=name", "--crs", "gcj02"];

    let refused = wangge(folder.path(), &[&plain[..], &["--report", "r.json", "--faults", "faults.gpkg"]].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(!folder.path().join("city.gpkg").exists(), "a refused import leaves no empty city behind");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(report["status"], "refused");
    assert!(report["faults"].as_array().is_some_and(|faults| faults.len() > 100));
    let magic = std::fs::read(folder.path().join("faults.gpkg")).unwrap();
    assert!(magic.starts_with(b"SQLite format 3\0"));

    let accepted = wangge(folder.path(), &[&plain[..], &["--accept", "gaps-as-void,overlap-to-least-code"]].concat());
    assert_eq!(accepted.status.code(), Some(0), "{}", told(&accepted));
    let again = wangge(folder.path(), &plain);
    assert_eq!(again.status.code(), Some(0), "{}", told(&again));
    assert!(told(&again).contains("same 17"), "{}", told(&again));

    let checked = wangge(folder.path(), &["check", "--data", "city.gpkg"]);
    assert_eq!(checked.status.code(), Some(0), "{}", told(&checked));
    assert!(told(&checked).contains("17 grids"), "{}", told(&checked));

    std::fs::write(folder.path().join("p.csv"), "name,lon,lat\na,119.16,31.95\nb,0,0\nc,x,1\n").unwrap();
    let located = wangge(folder.path(), &["locate", "--data", "city.gpkg", "--crs", "gcj02", "p.csv"]);
    assert_eq!(located.status.code(), Some(1), "one row has no position: {}", told(&located));
    let out = String::from_utf8(located.stdout).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "name,lon,lat,grid,error");
    assert!(lines[1].ends_with(','), "{out}");
    assert_eq!(lines[2], "b,0,0,,outside_coverage");
    assert!(lines[3].contains("bad_point: lon is not a number"), "{out}");

    // Nothing runs beside it: a backup, and back.
    let copied = wangge(folder.path(), &["backup", "--data", "city.gpkg", "copy.gpkg"]);
    assert_eq!(copied.status.code(), Some(0), "{}", told(&copied));
    let restored = wangge(folder.path(), &["restore", "copy.gpkg", "--data", "city.gpkg"]);
    assert_eq!(restored.status.code(), Some(0), "{}", told(&restored));
    assert_eq!(wangge(folder.path(), &["check", "--data", "city.gpkg"]).status.code(), Some(0));
}

#[test]
fn two_sets_are_linked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| wangge(folder.path(), arguments);
    let ours = written("grids.geojson", row_of_grids("330902002001", 4, 122.0, 30.0, 0.01));
    // Two police grids of one and a half grids each: the second grid is split, the fourth lies in neither.
    let theirs = written("police.geojson", row_of_grids("J", 2, 122.0, 30.0, 0.015));
    let (ours, theirs) = (ours.path.to_str().unwrap(), theirs.path.to_str().unwrap());
    let grids = run(&["import", "grids", ours, "--data", "city.gpkg", "--crs", "cgcs2000"]);
    assert!(grids.status.success(), "{}", told(&grids));
    let none = run(&["link", "--data", "city.gpkg", "--to", "police"]);
    assert!(none.status.code() == Some(1) && told(&none).contains("no boundaries of the grid set police"), "{}", told(&none));
    let police = run(&["import", "grids", theirs, "--data", "city.gpkg", "--crs", "cgcs2000", "--set", "police"]);
    assert!(police.status.success(), "{}", told(&police));
    let link = run(&["link", "--data", "city.gpkg", "--to", "police", "--range", "2-15", "--report", "links.json"]);
    assert_eq!(link.status.code(), Some(1), "one grid is unlinked: {}", told(&link));
    for line in
        ["4 grids of governance (epoch 1) over 2 of police (epoch 2): 1 to 2 each", "1 split", "unlinked: 330902002001004"]
    {
        assert!(told(&link).contains(line), "{line}: {}", told(&link));
    }
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("links.json")).unwrap()).unwrap();
    assert_eq!(
        (&report["splits"][0]["code"], &report["splits"][0]["parts"][0]["share"]),
        (&"330902002001002".into(), &0.5.into())
    );
    assert_eq!(report["outside_range"].as_array().map(Vec::len), Some(1), "{report}");
    let back = run(&["link", "--data", "city.gpkg", "--from", "police", "--to", "governance"]);
    assert!(back.status.success() && told(&back).contains("2 split"), "{}", told(&back));
    let checked = run(&["check", "--data", "city.gpkg"]);
    assert!(checked.status.success() && told(&checked).contains("2 grids of set police"), "{}", told(&checked));
    for wrong in [&["link", "--data", "city.gpkg", "--to", "governance"][..], &["link", "--data", "city.gpkg", "--to", "P!"]] {
        assert_eq!(run(wrong).status.code(), Some(2));
    }
}

#[test]
fn a_geopackage_is_read_with_the_crs_it_states() {
    let folder = tempfile::tempdir().unwrap();
    let grids = written("grids.geojson", row_of_grids("330902002001", 2, 122.0, 30.0, 0.01));
    let grids = grids.path.to_str().unwrap().to_owned();
    // The first city's own file is a GeoPackage; a copy of it is what others hand back.
    let made = wangge(folder.path(), &["import", "grids", &grids, "--data", "a.gpkg", "--crs", "cgcs2000"]);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    assert_eq!(wangge(folder.path(), &["backup", "--data", "a.gpkg", "copy.gpkg"]).status.code(), Some(0));
    let several = wangge(folder.path(), &["import", "grids", "copy.gpkg", "--data", "b.gpkg"]);
    assert_eq!(several.status.code(), Some(1));
    assert!(told(&several).contains("several layers"), "{}", told(&several));
    let taken = wangge(folder.path(), &["import", "grids", "copy.gpkg", "--layer", "grids", "--data", "b.gpkg"]);
    assert_eq!(taken.status.code(), Some(0), "{}", told(&taken));
    assert!(told(&taken).contains("new 2") && told(&taken).contains("cgcs2000"), "{}", told(&taken));
}

#[test]
fn files_are_tried_out_on_a_map_and_leave_nothing() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    std::fs::write(folder.path().join("g.geojson"), row_of_grids("330902002001", 3, 122.0, 30.0, 0.01)).unwrap();
    std::fs::write(folder.path().join("f.csv"), "category,name,lon,lat\n01037,灯,122.005,30.005\n").unwrap();
    let start = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wangge"));
        command.arg("try").args(arguments).current_dir(folder.path()).env("TMPDIR", &temporary);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    };
    // Without a CRS nothing is guessed.
    let refused = start(&["f.csv", "--no-browser"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("taken as facilities") && told(&refused).contains("--crs wgs84"), "{}", told(&refused));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    let mut program = start(&["f.csv", "g.geojson", "--crs", "cgcs2000", "--no-browser"]).spawn().unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("http://")).collect();
    assert!(said[0].contains("g.geojson: taken as grids") && said[1].contains("f.csv: taken as facilities"), "{said:?}");
    assert!(said.iter().any(|line| line.contains("3 grids, 1 facilities")), "{said:?}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1);
    let interrupted = Command::new("kill").args(["-INT", &program.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(program.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left of it");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["import"][..],
        &["import", "grids", "x", "--data", "y", "--crs", "mars"],
        &["import", "grids", "x", "--data", "y", "--accept", "everything"],
        &["import", "grids", "x", "--data", "y", "--scheme", "no-such-file"],
        &["frobnicate"],
    ] {
        let output = wangge(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
    }
    // Wrong words are told before a file is made, and a file without records makes none.
    std::fs::write(folder.path().join("p.csv"), "category,lon,lat\n").unwrap();
    let rubbish =
        wangge(folder.path(), &["import", "grids", "p.csv", "--data", "new.gpkg", "--crs", "wgs84", "--from", "rubbish"]);
    assert_eq!(rubbish.status.code(), Some(2), "{}", told(&rubbish));
    let empty = wangge(folder.path(), &["import", "facilities", "p.csv", "--data", "new.gpkg", "--crs", "wgs84"]);
    assert_eq!(empty.status.code(), Some(1), "{}", told(&empty));
    assert!(!folder.path().join("new.gpkg").exists());
    let missing = wangge(folder.path(), &["check", "--data", "no-such-file.gpkg"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(told(&missing).contains("does not exist"), "{}", told(&missing));
}

#[test]
fn addresses_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let grids = written("grids.geojson", row_of_grids("330902002001", 4, 122.0, 30.0, 0.01));
    let imported =
        wangge(folder.path(), &["import", "grids", grids.path.to_str().unwrap(), "--data", "city.gpkg", "--crs", "cgcs2000"]);
    assert_eq!(imported.status.code(), Some(0), "{}", told(&imported));
    std::fs::write(folder.path().join("q.csv"), "地址\n解放路 三號\n没有的路1号\n").unwrap();
    let none = wangge(folder.path(), &["locate", "--data", "city.gpkg", "q.csv"]);
    assert!(none.status.code() != Some(0) && told(&none).contains("no addresses"), "{}", told(&none));
    std::fs::write(folder.path().join("a.csv"), "address,lon,lat\n解放路1号,122.005,30.005\n解放路3号,122.015,30.005\n").unwrap();
    let imported = wangge(folder.path(), &["import", "addresses", "a.csv", "--data", "city.gpkg", "--crs", "wgs84"]);
    assert_eq!(imported.status.code(), Some(0), "{}", told(&imported));
    let located = wangge(folder.path(), &["locate", "--data", "city.gpkg", "q.csv"]);
    assert_eq!(located.status.code(), Some(1), "one address is not known: {}", told(&located));
    let out = String::from_utf8(located.stdout).unwrap();
    let expected = "地址,grid,kind,score,lon,lat,candidates,error\n\
        解放路 三號,330902002001002,exact,1,122.0150000,30.0050000,1,\n没有的路1号,,,,,,,not_found\n";
    assert_eq!(out, expected);
    let checked = wangge(folder.path(), &["check", "--data", "city.gpkg"]);
    assert!(checked.status.code() == Some(0) && told(&checked).contains("2 addresses"), "{}", told(&checked));
}
