//! What is refused, and with which words.

use super::{city, export, exported, format};
use wangge::app::exports::{ExportError, Order, TextCode};
use wangge::app::history::AsOf;
use wangge::domain::id::Epoch;
use wangge::interchange::outgoing::WriteError;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_format_cannot_hold_is_refused_in_words_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let to = folder.path().join("out");
    type How = fn(&mut Order);
    let cases: &[(&str, &[&str], How, &str)] = &[
        ("geojson", &[], |_| {}, "--layers"),
        ("csv", &["grids", "staff"], |_| {}, "one layer"),
        ("gpkg", &["households"], |_| {}, "columns of the layer grids"),
        ("flatgeobuf", &["staff"], |_| {}, "no layer \"staff\""),
        ("geojson", &["grids"], |order| order.crs = Some("epsg:4529".parse().unwrap()), "degrees"),
        ("geojson", &["grids"], |order| order.crs = Some("epsg:4610".parse().unwrap()), "Xian 1980"),
        ("gpkg", &["grids"], |order| order.crs = Some("gcj02".parse().unwrap()), "as it is stored"),
        ("shapefile", &["grids"], |order| order.crs = Some("bd09".parse().unwrap()), "no name"),
        ("csv", &["regions"], |order| order.level = Some("ward".to_owned()), "one of province, city"),
        ("csv", &["regions"], |order| order.within = Some("99".parse().unwrap()), "no region or grid has the code"),
        ("csv", &["regions"], |order| order.as_of = AsOf::Epoch(Epoch(77)), "no epoch 77"),
        ("csv", &["grids"], |order| order.zooms = (Some(1), None), "--minzoom"),
        ("pmtiles", &["staff"], |_| {}, "staff"),
        ("pmtiles", &["grids"], |order| order.zooms = (Some(20), None), "zooms"),
        ("shapefile", &["grids"], |order| order.crs = Some("epsg:4535".parse().unwrap()), "78"),
    ];
    for (word, layers, how, expected) in cases {
        let mut order = Order::new(format(word), layers);
        how(&mut order);
        let refused = export(&store, &order, &to).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{word} {layers:?}: {refused}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name.to_string_lossy().starts_with("city.gpkg")), "{word}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_is_told_with_its_row_and_cut_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = city(folder.path()).await;
    let to = folder.path().join("gbk.zip");
    let mut order = Order::new(format("shapefile"), &["facilities"]);
    order.code = Some(TextCode::GBK);
    let Err(ExportError::Write(WriteError::Unfit(faults))) = export(&store, &order, &to).await else {
        panic!("é is not in GBK")
    };
    assert_eq!((faults.len(), faults[0].record, faults[0].field.as_deref()), (1, Some(3), Some("long_name_of_it")), "{faults:?}");
    assert!(faults[0].detail.contains("U+20BB7") && faults[0].detail.contains("UTF-8"), "{faults:?}");

    let long = "很长的说明".repeat(40);
    let table = format!("id,category,lon,lat,note\nz,01037,122.001,30.001,{long}\n");
    let file = crate::imports::written("long.csv", table);
    crate::imports::import(&store, crate::imports::order(wangge::app::imports::Kind::Facilities, &file.path, "wgs84")).await;
    let order = Order::new(format("shapefile"), &["facilities"]);
    let Err(ExportError::Write(WriteError::Unfit(faults))) = export(&store, &order, &to).await else { panic!("600 bytes") };
    assert_eq!((faults.len(), faults[0].field.as_deref()), (1, Some("note")), "{faults:?}");
    let (_, report) = exported(&store, "shapefile", &["facilities"], to, |order| order.shorten = true).await;
    assert!(report.notes.iter().any(|note| note.contains("1 texts were cut")), "{:?}", report.notes);
    assert!(
        report.notes.iter().any(|note| note.contains("\"census\"") && note.contains("left out: 1 of \"source\"")),
        "{:?}",
        report.notes
    );
}

#[test]
fn the_program_replaces_no_file_unless_told_and_never_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { city(folder.path()).await.close().await.unwrap() });
    let run = |arguments: &[&str]| {
        let program =
            std::process::Command::new(env!("CARGO_BIN_EXE_wangge")).args(arguments).current_dir(folder.path()).output();
        let output = program.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let grids = ["export", "geojson", "out.geojson", "--data", "city.gpkg", "--layers", "grids"];
    let (code, told, _) = run(&grids);
    assert_eq!((code, told.as_str()), (Some(0), "out.geojson: grids 5 as of revision 5, boundaries of epoch 2\n"));
    let first = std::fs::read(folder.path().join("out.geojson")).unwrap();
    let (code, _, told) = run(&grids);
    assert!(code == Some(1) && told.contains("--force"), "{told}");
    let (code, _, told) = run(&[&grids[..], &["--force"]].concat());
    assert_eq!((code, std::fs::read(folder.path().join("out.geojson")).unwrap() == first), (Some(0), true), "{told}");
    let (code, _, told) = run(&["export", "gpkg", "city.gpkg", "--data", "city.gpkg", "--force"]);
    assert!(code == Some(2) && told.contains("the data file itself"), "{told}");
    let (code, _, told) = run(&["export", "csv", "x.csv", "--data", "city.gpkg", "--layers", "grids", "--encoding", "latin1"]);
    assert!(code == Some(2) && told.contains("utf-8 or gbk"), "{told}");
}
