//! Formats that are not read here, known by their first bytes or their names, and the command that makes one of them that is.

use crate::domain::fault::{Fault, FaultKind};
use std::path::Path;

/// What GDAL makes of a file.
fn converted(path: &Path, what: &str, more: &str) -> Fault {
    let quoted = |name: &str| {
        let plain = name.chars().all(|c| c.is_alphanumeric() || "._-/+".contains(c));
        if plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
    };
    let name = path.to_string_lossy();
    let name = name.trim_end_matches('/');
    let target = path.with_extension("gpkg");
    let target = target.to_string_lossy();
    let detail = format!(
        "{name} is {what}, which is not read here. Convert it: ogr2ogr -f GPKG {} {}{more}",
        quoted(&target),
        quoted(name)
    );
    Fault::new(FaultKind::BadSyntax, detail)
}

fn not_ours(detail: String) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

/// A folder that is one.
pub fn folder(path: &Path) -> Option<Fault> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let is_database = ending.as_deref() == Some("gdb") || path.join("a00000001.gdbtable").exists();
    is_database.then(|| converted(path, "a File Geodatabase", " LAYER"))
}

/// An archive that is one, by the names in it.
pub fn archive<'a>(path: &Path, mut names: impl Iterator<Item = &'a str>) -> Option<Fault> {
    names.find_map(|name| match name.to_lowercase().rsplit('.').next() {
        Some("gdbtable") => Some(converted(path, "a zipped File Geodatabase", " LAYER")),
        Some("kml") => Some(converted(path, "a KMZ", "")),
        _ => None,
    })
}

/// A file that is one, by its first bytes.
pub fn file(path: &Path, first: &[u8]) -> Option<Fault> {
    let has = |at: usize, magic: &[u8]| first.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let start = first.trim_ascii_start();
    let head = &start[..start.len().min(4096)];
    let holds = |wanted: &[u8]| head.windows(wanted.len()).any(|window| window == wanted);
    let name = path.display();
    if has(4, b"Standard Jet DB") || has(4, b"Standard ACE DB") {
        Some(converted(path, "an Access database (.mdb)", " LAYER"))
    } else if has(0, b"AC10") {
        Some(converted(
            path,
            "an AutoCAD drawing (.dwg)",
            " (GDAL reads that of AutoCAD 2000: save it as such, or as DXF, first)",
        ))
    } else if has(0, b"AutoCAD Binary DXF") || is_dxf(start) {
        Some(converted(path, "a drawing for exchange (.dxf)", ""))
    } else if start.starts_with(b"!table") || start.starts_with(b"!Table") {
        Some(converted(path, "a MapInfo table (.tab)", ""))
    } else if start.starts_with(b"<") && holds(b"<kml") {
        Some(converted(path, "KML", ""))
    } else if start.starts_with(b"<") && holds(b"<osm") {
        Some(not_ours(format!("{name} is OpenStreetMap's XML: pack it first (osmium cat -o FILE.osm.pbf {name})")))
    } else if start.starts_with(b"<") && (holds(b"<gml") || holds(b"opengis.net/gml")) {
        Some(converted(path, "GML", ""))
    } else if has(0, &[0xD0, 0xCF, 0x11, 0xE0]) {
        Some(not_ours(format!("{name} is a workbook of Excel 97 to 2003 (.xls): save it as .xlsx")))
    } else if has(0, b"Rar!") || has(0, &[b'7', b'z', 0xBC, 0xAF]) {
        Some(not_ours(format!("{name} is packed (RAR or 7-Zip): unpack it first, or pack it as zip")))
    } else {
        None
    }
}

/// A group code 0 and `SECTION`, each on a line, after comments with code 999.
fn is_dxf(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    loop {
        match (lines.next(), lines.next()) {
            (Some(b"999"), Some(_)) => {}
            (Some(b"0"), Some(b"SECTION")) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_that_is_not_read_has_its_way_out() {
        for (name, first, word) in [
            ("a.mdb", &b"\0\x01\0\0Standard Jet DB\0"[..], "ogr2ogr -f GPKG a.gpkg a.mdb"),
            ("规划 图.dwg", b"AC1032\0\0", "ogr2ogr -f GPKG '规划 图.gpkg' '规划 图.dwg'"),
            ("a.dxf", b"  0\r\nSECTION\r\n", "ogr2ogr -f GPKG a.gpkg a.dxf"),
            ("a.tab", b"!table\n!version 300", "ogr2ogr -f GPKG a.gpkg a.tab"),
            ("a.kml", b"<?xml version=\"1.0\"?>\n<kml xmlns=\"x\">", "ogr2ogr -f GPKG a.gpkg a.kml"),
            ("a.osm", b"<?xml version='1.0'?>\n<osm version=\"0.6\">", "osmium"),
            ("a.xls", &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], "save it as .xlsx"),
            ("a.rar", b"Rar!\x1a\x07", "unpack"),
        ] {
            let fault = file(Path::new(name), first).expect(name);
            assert!(fault.detail.contains(word), "{fault}");
        }
        for first in [&b"0,SECTION\n"[..], b"lon,lat\n1,2\n", b"{\"type\":\"Feature\"}", b""] {
            assert_eq!(file(Path::new("a.csv"), first), None);
        }
        assert!(folder(Path::new("city.gdb/")).expect("by its name").detail.contains("ogr2ogr -f GPKG city.gpkg city.gdb LAYER"));
        assert!(archive(Path::new("a.kmz"), ["files/x.png", "doc.kml"].into_iter()).is_some());
        assert!(archive(Path::new("a.zip"), ["a.gdb/a00000001.gdbtable"].into_iter()).is_some());
        assert!(archive(Path::new("a.zip"), ["a.shp"].into_iter()).is_none());
    }
}
