//! GDAL beside our own readers: counts, extents, attributes, and a search by box.

use super::{city, exported};
use crate::gdal::told;
use std::path::Path;
use wangge::app::exports::TextCode;

/// What `ogrinfo -so` says about a layer behind a word.
fn said<'a>(summary: &'a str, word: &str) -> &'a str {
    summary.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no {word} in {summary}")).trim()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || ".-+e".contains(c))).filter_map(|word| word.parse().ok()).collect()
}

/// A layer as GDAL's CSV; sorted lines.
fn table(file: &Path, layer: &str) -> Vec<String> {
    let header = ["--config", "OGR_XLSX_HEADERS", "FORCE", "-f", "CSV", "/vsistdout/"];
    let text = told("ogr2ogr", &[&header[..], &[file.to_str().unwrap(), layer]].concat());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1..].sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_reads_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let files: [(&str, &str, &str); 5] = [
        ("geojson", "grids", "out.geojson"),
        ("geojsonseq", "grids", "out.geojsonl"),
        ("flatgeobuf", "grids", "out.fgb"),
        ("shapefile", "grids", "out.zip"),
        ("gpkg", "grids", "out.gpkg"),
    ];
    for (word, layer, name) in files {
        let (file, _) = exported(&store, word, &[layer], folder.path().join(name), |_| {}).await;
        let path = file.to_str().unwrap();
        let path = if word == "shapefile" { format!("/vsizip/{path}") } else { path.to_owned() };
        let summary = told("ogrinfo", &["-so", "-al", "-ro", &path]);
        assert_eq!(said(&summary, "Feature Count:"), "5", "{word}: {summary}");
        let extent = numbers(said(&summary, "Extent:"));
        for (found, expected) in extent.iter().zip([122.0, 30.0, 122.02, 30.005]) {
            assert!((found - expected).abs() < 1e-9, "{word}: {extent:?}");
        }
        if matches!(word, "flatgeobuf" | "shapefile" | "gpkg") {
            assert!(summary.contains("China") && summary.contains("2000"), "{word}: {summary}");
        }
        let rows = told("ogrinfo", &["-al", "-ro", "-q", "-geom=NO", "-where", "code = '330902002001001'", &path]);
        assert!(
            rows.contains("甲网格") && rows.contains("= 120") && rows.contains("(String) = 330902002001001"),
            "{word}: {rows}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_finds_by_box_what_our_index_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::imports::city("");
    let rows: String = (0..3000)
        .map(|at| {
            format!(
                "{at},01037,{:.7},{:.7}\n",
                122.0 + f64::from(at * 7919 % 3001) / 5e4,
                30.0 + f64::from(at * 104_729 % 2999) / 5e4
            )
        })
        .collect();
    let grids = crate::imports::written("g.geojson", crate::imports::row_of_grids("330902002001", 4, 122.0, 30.0, 0.1));
    crate::imports::import(&store, crate::imports::order(wangge::app::imports::Kind::Grids, &grids.path, "cgcs2000")).await;
    let file = crate::imports::written("f.csv", format!("id,category,lon,lat\n{rows}"));
    crate::imports::import(&store, crate::imports::order(wangge::app::imports::Kind::Facilities, &file.path, "cgcs2000")).await;
    let (fgb, _) = exported(&store, "flatgeobuf", &["facilities"], folder.path().join("f.fgb"), |_| {}).await;
    let (gpkg, _) = exported(&store, "gpkg", &["facilities"], folder.path().join("f.gpkg"), |_| {}).await;
    for [west, south, east, north] in [
        [122.0, 30.0, 122.06, 30.06],
        [122.01, 30.02, 122.011, 30.03],
        [122.05, 30.0, 122.0501, 30.06],
        [123.0, 30.0, 124.0, 31.0],
    ] {
        let inside = |at: &wangge::domain::facility::FacilityRow| {
            let at = at.at.lonlat();
            (west..=east).contains(&at.lon()) && (south..=north).contains(&at.lat())
        };
        let facilities = store.snapshot(wangge::clock::Clock::System.now()).await.unwrap().facilities;
        let expected = facilities.iter().filter(|row| inside(row)).count().to_string();
        let bounds = [west, south, east, north].map(|number: f64| number.to_string());
        for path in [&fgb, &gpkg] {
            let mut arguments = vec!["-so", "-al", "-ro", "-spat"];
            arguments.extend(bounds.iter().map(String::as_str));
            arguments.push(path.to_str().unwrap());
            let summary = told("ogrinfo", &arguments);
            assert_eq!(said(&summary, "Feature Count:"), expected, "{} {bounds:?}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_reads_gbk_in_a_zone_and_the_sheets_of_a_workbook() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let (zip, _) = exported(&store, "shapefile", &["regions", "grids"], folder.path().join("zone.zip"), |order| {
        order.crs = Some("epsg:4549".parse().unwrap());
        order.code = Some(TextCode::GBK);
    })
    .await;
    let path = format!("/vsizip/{}", zip.display());
    let summary = told("ogrinfo", &["-so", "-ro", &path, "grids"]);
    assert!(summary.contains("CGCS2000_3_Degree_GK_CM_120E") || summary.contains("CM 120E"), "{summary}");
    let rows = told("ogr2ogr", &["-f", "CSV", "-t_srs", "EPSG:4490", "-lco", "GEOMETRY=AS_WKT", "/vsistdout/", &path, "grids"]);
    let first = rows.lines().find(|line| line.contains("330902002001001")).unwrap();
    assert!(first.contains("甲网格") && first.contains("POLYGON ((122") || first.contains("POLYGON ((121.9999"), "{first}");
    assert_eq!(rows.lines().count(), 6, "{rows}");

    let (xlsx, _) = exported(&store, "xlsx", &[], folder.path().join("city.xlsx"), |order| order.derived = true).await;
    for (sheet, rows, holds) in [
        ("regions", 5, "环南街道"),
        ("grids", 5, "丙 “网” 格,1"),
        ("facilities", 4, "007"),
        ("staff", 3, "13800000000"),
        ("households", 2, "330902002002002"),
        ("cases", 3, "井盖坏了"),
    ] {
        let lines = table(&xlsx, sheet);
        let text = lines.join("\n");
        assert!(text.contains(holds), "{sheet}: {text}");
        if sheet != "facilities" {
            assert_eq!(lines.len(), rows + 1, "{sheet}: {text}");
        }
    }
    let codes = told("ogrinfo", &["-so", "-ro", xlsx.to_str().unwrap(), "grids"]);
    assert!(codes.contains("code: String") && codes.contains("households: Integer"), "{codes}");
}
