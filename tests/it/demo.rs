//! `wangge demo`, through the program itself.

use std::path::Path;
use std::process::{Command, Output};

fn wangge(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wangge")).args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_small_city_comes_in_whole_and_its_files_bring_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| wangge(folder.path(), arguments);
    let made = run(&["demo", "--preset", "small", "--data", "city.gpkg", "--files", "files"]);
    assert!(made.status.success(), "{}", said(&made));
    let checked = run(&["check", "--data", "city.gpkg"]);
    assert!(checked.status.success() && said(&checked).contains("every invariant holds"), "{}", said(&checked));
    for (kind, file) in [
        ("grids", "grids.geojson"),
        ("regions", "regions.csv"),
        ("facilities", "facilities.csv"),
        ("staff", "staff.csv"),
        ("households", "households.csv"),
        ("cases", "cases.csv"),
        ("addresses", "addresses.csv"),
        ("organizations", "organizations.csv"),
        ("buildings", "buildings.geojson"),
    ] {
        let path = format!("files/{file}");
        let again = run(&["import", kind, &path, "--data", "city.gpkg", "--crs", "wgs84", "--system", "demo"]);
        assert!(again.status.success() && said(&again).contains("nothing to do"), "{kind}: {}", said(&again));
    }
}

#[test]
fn a_demo_city_of_today_is_not_renewed_and_another_file_never() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("city.gpkg");
    let run = |arguments: &[&str]| wangge(folder.path(), arguments);
    let renew = || {
        let output = run(&["demo", "--renew", "--preset", "small", "--data", "city.gpkg"]);
        assert!(output.status.success(), "{}", said(&output));
        std::fs::metadata(&data).unwrap().modified().unwrap()
    };
    let made = renew();
    assert_eq!(renew(), made, "a city of today stays");
    std::fs::write(&data, "mine").unwrap();
    renew();
    assert_eq!(std::fs::read(&data).unwrap(), b"mine");
}

#[test]
fn the_demo_leaves_a_data_file_that_is_there_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("city.gpkg"), "mine").unwrap();
    let refused = wangge(folder.path(), &["demo", "--preset", "small", "--data", "city.gpkg"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert_eq!(std::fs::read(folder.path().join("city.gpkg")).unwrap(), b"mine");
}
