//! Shapefiles (ESRI White Paper, July 1998), in a zip file with any number of them, or as files side by side. Shapes and attributes are
//! read one behind the other; the index (`.shx`) is not needed.

use super::archive::Archive;
use super::dbf::{DbfReader, Row};
use super::input::{Progress, read_fault};
use super::text::TextCode;
use super::{Notes, RawRecord, RawShape, Sink, StatedCrs, rings};
use crate::domain::fault::{Fault, FaultKind};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// First bytes of a `.shp`.
pub const MAGIC: &[u8] = &[0, 0, 0x27, 0x0A];

/// Largest text that is read whole: `.prj` and `.cpg`.
const MOST_TEXT: u64 = 64 << 10;
/// Most rings of one record; which lies in which is found pair by pair. China's coast has 11,000.
const MOST_RINGS: usize = 50_000;

/// The files of one layer, by their endings in lower case.
enum Parts {
    Folder(BTreeMap<String, PathBuf>),
    Zip(Archive, BTreeMap<String, String>),
}

impl Parts {
    fn open(&self, ending: &str, progress: Option<&Progress>) -> Result<Option<Box<dyn BufRead + Send>>, Fault> {
        match self {
            Self::Folder(files) => {
                let Some(path) = files.get(ending) else { return Ok(None) };
                let file = File::open(path).map_err(|error| read_fault(&error))?;
                Ok(Some(match progress {
                    Some(progress) => Box::new(BufReader::with_capacity(256 << 10, progress.count(file))),
                    None => Box::new(BufReader::with_capacity(256 << 10, file)),
                }))
            }
            Self::Zip(archive, files) => {
                let Some(entry) = files.get(ending).and_then(|name| archive.find(name)) else { return Ok(None) };
                archive.read(entry, progress).map(Some)
            }
        }
    }

    /// A small file as text; one that is none says nothing.
    fn text(&self, ending: &str) -> Result<Option<String>, Fault> {
        let Some(file) = self.open(ending, None)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MOST_TEXT).read_to_end(&mut bytes).map_err(|error| read_fault(&error))?;
        let text = TextCode::UTF8.read(&bytes).or_else(|_| TextCode::GBK.read(&bytes));
        Ok(text.ok().map(|text| text.into_owned()))
    }
}

/// An opened layer.
pub struct ShapefileReader {
    shapes: Box<dyn BufRead + Send>,
    table: DbfReader,
    crs: StatedCrs,
    notes: Notes,
    progress: Progress,
}

fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(FaultKind::BadSyntax, detail)
}

fn stem_and_ending(name: &str) -> Option<(&str, String)> {
    let (stem, ending) = name.rsplit_once('.')?;
    Some((stem, ending.to_lowercase()))
}

/// Layers of an archive: the path of the `.shp` without its ending → endings → names.
pub fn layers(archive: &Archive) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut layers: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let names = || archive.entries().iter().filter_map(|entry| stem_and_ending(&entry.name).map(|parts| (parts, &entry.name)));
    for ((stem, ending), _) in names() {
        if ending == "shp" {
            layers.entry(stem.to_owned()).or_default();
        }
    }
    for ((stem, ending), name) in names() {
        // Siblings may differ in case.
        let lower = stem.to_lowercase();
        for (_, files) in layers.iter_mut().filter(|(layer, _)| layer.to_lowercase() == lower) {
            files.insert(ending.clone(), name.clone());
        }
    }
    layers
}

/// The layer that is wanted, of those there are.
fn choose(names: Vec<&String>, wanted: Option<&str>) -> Result<String, Fault> {
    let told = |fault: String| Fault { field: Some("--layer".to_owned()), ..Fault::new(FaultKind::BadField, fault) };
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let list = names.iter().map(|name| last(name)).collect::<Vec<_>>().join(", ");
    let fits = |name: &&&String| wanted.is_none_or(|wanted| name.as_str() == wanted || last(name) == wanted);
    match (names.iter().filter(fits).collect::<Vec<_>>().as_slice(), wanted) {
        ([one], _) => Ok((**one).clone()),
        ([], Some(wanted)) => Err(told(format!("there is no layer {wanted:?}: {list}"))),
        ([], None) => Err(bad("there is no .shp in it")),
        (_, None) => Err(told(format!("there are several layers, say which: {list}"))),
        (_, Some(wanted)) => Err(told(format!("several layers are called {wanted:?}: say it with its folder"))),
    }
}

impl ShapefileReader {
    /// A layer of a zip file.
    pub fn in_zip(archive: Archive, layer: Option<&str>, progress: Progress) -> Result<Self, Fault> {
        let mut layers = layers(&archive);
        let layer = choose(layers.keys().collect(), layer)?;
        let files = layers.remove(&layer).expect("it was chosen of these");
        let notes = Notes::default();
        if archive.entries().iter().any(|entry| entry.gbk_name) {
            notes.add("the names in the zip file are GBK".to_owned());
        }
        Self::open(&Parts::Zip(archive, files), &layer, notes, progress)
    }

    /// A `.shp` with its siblings, or a folder with some.
    pub fn in_folder(path: &Path, layer: Option<&str>, progress: Progress) -> Result<Self, Fault> {
        let is_folder = path.is_dir();
        let folder = if is_folder { path } else { path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")) };
        let mut found: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|error| read_fault(&error))? {
            let file = entry.map_err(|error| read_fault(&error))?.path();
            let Some(name) = file.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
            if let Some((stem, ending)) = stem_and_ending(&name) {
                found.entry(stem.to_owned()).or_default().insert(ending, file);
            }
        }
        let own = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let own = own.rsplit_once('.').map_or(own.as_str(), |(stem, _)| stem);
        let shapes = found.iter().filter(|(_, files)| files.contains_key("shp")).map(|(stem, _)| stem);
        let stem = if is_folder { choose(shapes.collect(), layer)? } else { own.to_owned() };
        let lower = stem.to_lowercase();
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (_, siblings) in found.into_iter().filter(|(name, _)| name.to_lowercase() == lower) {
            files.extend(siblings);
        }
        if !is_folder {
            files.insert("shp".to_owned(), path.to_owned());
        }
        Self::open(&Parts::Folder(files), &stem, Notes::default(), progress)
    }

    fn open(parts: &Parts, layer: &str, notes: Notes, progress: Progress) -> Result<Self, Fault> {
        let name = layer.rsplit('/').next().unwrap_or(layer);
        let mut shapes = parts.open("shp", Some(&progress))?.ok_or_else(|| bad(format!("there is no {name}.shp")))?;
        let missing = || bad(format!("there is no {name}.dbf beside {name}.shp: without it no record has attributes"));
        let mut table = DbfReader::open(parts.open("dbf", None)?.ok_or_else(missing)?)?;
        let (code, why) = match (parts.text("cpg")?.as_deref().map(TextCode::named), TextCode::of_dbf(table.language)) {
            (Some(Some(code)), _) => (code, "says the .cpg"),
            (_, Some(code)) => (code, "says the .dbf's language byte"),
            (told, None) => {
                let guess = DbfReader::open(parts.open("dbf", None)?.ok_or_else(missing)?)?.guess();
                let unknown = if told.is_some() { "the .cpg names none that is known; " } else { "" };
                let code = guess.code();
                if code != TextCode::UTF8 {
                    notes.add(format!("{unknown}the text of {name}.dbf is {}: it is not valid UTF-8", code.name()));
                }
                (code, "")
            }
        };
        if !why.is_empty() && code != TextCode::UTF8 {
            notes.add(format!("the text of {name}.dbf is {}, {why}", code.name()));
        }
        table.set_code(code);
        let crs = parts.text("prj")?.map_or(StatedCrs::Nothing, |text| StatedCrs::of_wkt(&text));
        let mut head = [0; 100];
        shapes.read_exact(&mut head).map_err(|error| cut(&error, "in its header"))?;
        if !head.starts_with(MAGIC) {
            return Err(bad(format!("{name}.shp does not begin like a Shapefile")));
        }
        let kind = u32::from_le_bytes([head[32], head[33], head[34], head[35]]);
        if kind == 31 {
            return Err(bad(format!(
                "{name}.shp holds MultiPatch, surfaces in space: convert it first (ogr2ogr -nlt MULTIPOLYGON)"
            )));
        }
        match kind {
            11 | 13 | 15 | 18 => notes.add("heights and measures (Z, M) are left out".to_owned()),
            21 | 23 | 25 | 28 => notes.add("measures (M) are left out".to_owned()),
            _ => {}
        }
        Ok(Self { shapes, table, crs, notes, progress })
    }

    /// What the `.prj` says.
    pub fn stated_crs(&self) -> StatedCrs {
        self.crs.clone()
    }

    /// What was found out about the files.
    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// All records in order, numbered from 1; deleted ones are left out.
    pub fn for_each(mut self, sink: &mut Sink<'_>) {
        let mut number = 0_u64;
        let mut deleted = 0_u64;
        let ended = loop {
            number += 1;
            let shape = match self.shape(number) {
                Ok(Some(shape)) => shape,
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            };
            let row = self.table.row();
            let record = match (shape, row) {
                (_, Ok(Row::Deleted)) => {
                    deleted += 1;
                    continue;
                }
                (_, Ok(Row::End)) => {
                    let rows = number - 1;
                    break Some(bad(format!("the .shp goes on behind the {rows} rows of the .dbf: one of them is truncated")));
                }
                (_, Err(fault)) if fault.field.is_none() => break Some(fault),
                (Err(fault), _) | (Ok(_), Err(fault)) => Err(Fault { record: Some(number), ..fault }),
                (Ok(shape), Ok(Row::Values(fields))) => Ok(RawRecord { number, fields, shape }),
            };
            if sink(record).is_break() {
                return;
            }
        };
        let missing = u64::from(self.table.count).saturating_sub(number - 1);
        let fault = ended.or_else(|| {
            (missing > 0).then(|| bad(format!("the .shp ends {missing} records before the .dbf: one of them is truncated")))
        });
        if let Some(fault) = fault {
            let _ = sink(Err(Fault { record: Some(number), ..fault }));
        }
        if deleted > 0 {
            self.notes.add(format!("{deleted} rows of the .dbf are marked as deleted and were left out"));
        }
        self.progress.finish();
    }

    /// The next shape; `None` at the end. The outer fault ends the file, the inner one only the record.
    fn shape(&mut self, number: u64) -> Result<Option<Result<RawShape, Fault>>, Fault> {
        let mut head = [0; 8];
        let mut have = 0;
        while have < head.len() {
            match self.shapes.read(&mut head[have..]).map_err(|error| cut(&error, &format!("in record {number}")))? {
                0 if have == 0 => return Ok(None),
                0 => return Err(bad("the .shp ends in the middle of a record: it is truncated")),
                more => have += more,
            }
        }
        let words = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let length = u64::from(words) * 2;
        if !(4..=1 << 29).contains(&length) {
            return Err(bad(format!("the record says it has {length} bytes")));
        }
        let mut content = Vec::new();
        let read = self.shapes.by_ref().take(length).read_to_end(&mut content);
        read.map_err(|error| cut(&error, &format!("in record {number}")))?;
        if (content.len() as u64) < length {
            let detail = format!("the record says it has {length} bytes, the .shp ends after {}: it is truncated", content.len());
            return Err(bad(detail));
        }
        Ok(Some(parse(&content)))
    }
}

fn cut(error: &std::io::Error, place: &str) -> Fault {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => bad(format!("the .shp ends {place}: it is truncated")),
        _ => read_fault(error),
    }
}

/// The bytes of one record's shape. Heights and measures stand behind what is read here.
fn parse(content: &[u8]) -> Result<RawShape, Fault> {
    let int = |at: usize| Some(u32::from_le_bytes(content.get(at..at + 4)?.try_into().ok()?));
    let real = |at: usize| Some(f64::from_le_bytes(content.get(at..at + 8)?.try_into().ok()?));
    let position = |at: usize| Some([real(at)?, real(at + 8)?]);
    let short = || bad(format!("the shape does not fit into the {} bytes of its record", content.len()));
    let kind = int(0).ok_or_else(short)?;
    match kind {
        0 => Ok(RawShape::Absent),
        1 | 11 | 21 => position(4).map(RawShape::Point).ok_or_else(short),
        8 | 18 | 28 => match int(36).ok_or_else(short)? {
            1 => position(40).map(RawShape::Point).ok_or_else(short),
            _ => Ok(RawShape::Other("MultiPoint".to_owned())),
        },
        3 | 13 | 23 => Ok(RawShape::Other("PolyLine".to_owned())),
        5 | 15 | 25 => {
            let (parts, points) = (int(36).ok_or_else(short)? as usize, int(40).ok_or_else(short)? as usize);
            let points_at = 44 + parts.saturating_mul(4);
            if points_at.saturating_add(points.saturating_mul(16)) > content.len() {
                let told =
                    format!("{parts} rings with {points} positions do not fit into the {} bytes of the record", content.len());
                return Err(bad(told));
            }
            if parts > MOST_RINGS {
                return Err(Fault::new(FaultKind::TooManyVertices, format!("{parts} rings, more than {MOST_RINGS}")));
            }
            let starts: Option<Vec<usize>> = (0..parts).map(|part| int(44 + part * 4).map(|start| start as usize)).collect();
            let starts = starts.ok_or_else(short)?;
            let mut rings = Vec::with_capacity(parts);
            for (part, &start) in starts.iter().enumerate() {
                let end = starts.get(part + 1).copied().unwrap_or(points);
                if start > end || end > points {
                    return Err(bad(format!("ring {} runs from position {start} to {end} of {points}", part + 1)));
                }
                let ring: Option<Vec<_>> = (start..end).map(|point| position(points_at + point * 16)).collect();
                rings.push(ring.ok_or_else(short)?);
            }
            rings::polygons(rings).map(RawShape::Polygons)
        }
        31 => Ok(RawShape::Other("MultiPatch".to_owned())),
        other => Err(bad(format!("{other} is no type of shape"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::ops::ControlFlow;

    /// A record of the `.shp`.
    fn record(number: u32, content: &[u8]) -> Vec<u8> {
        let words = u32::try_from(content.len() / 2).expect("short");
        [&number.to_be_bytes()[..], &words.to_be_bytes(), content].concat()
    }

    fn point(x: f64, y: f64) -> Vec<u8> {
        [&1_u32.to_le_bytes()[..], &x.to_le_bytes(), &y.to_le_bytes()].concat()
    }

    fn shp(kind: u32, records: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 100];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[32..36].copy_from_slice(&kind.to_le_bytes());
        for (at, content) in records.iter().enumerate() {
            bytes.extend(record(u32::try_from(at).expect("few") + 1, content));
        }
        bytes
    }

    /// A table with a text of eight bytes.
    fn dbf(rows: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![3, 126, 1, 1];
        bytes.extend(u32::try_from(rows.len()).expect("few").to_le_bytes());
        bytes.extend([65, 0, 9, 0]);
        bytes.resize(32, 0);
        bytes.extend(b"NAME\0\0\0\0\0\0\0C\0\0\0\0\x08");
        bytes.resize(64, 0);
        bytes.push(0x0D);
        for row in rows {
            bytes.push(b' ');
            bytes.extend(*row);
            bytes.resize(bytes.len() + 8 - row.len(), b' ');
        }
        bytes.push(0x1A);
        bytes
    }

    type Read = (Vec<Result<RawRecord, Fault>>, Vec<String>);

    fn read(shp: &[u8], dbf: &[u8], others: &[(&str, &[u8])]) -> Result<Read, Fault> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in [("a.shp", shp), ("A.DBF", dbf)].iter().chain(others) {
            std::fs::write(folder.path().join(name), bytes).expect("written");
        }
        let reader = ShapefileReader::in_folder(&folder.path().join("a.shp"), None, Progress::of(0))?;
        let notes = reader.notes();
        let mut seen = Vec::new();
        reader.for_each(&mut |record| {
            seen.push(record);
            ControlFlow::Continue(())
        });
        Ok((seen, notes.take()))
    }

    #[test]
    fn texts_are_what_the_cpg_says_else_what_they_are() {
        let gbk: &[u8] = &[0xB1, 0xA6, 0xBB, 0xAA, 0xD5, 0xF2];
        let name = |dbf: &[u8], others: &[(&str, &[u8])]| {
            let (seen, notes) = read(&shp(1, &[point(1.0, 2.0)]), dbf, others).expect("a layer");
            (seen[0].as_ref().map(|record| record.fields[0].1.clone()).map_err(|fault| fault.to_string()), notes)
        };
        let (value, notes) = name(&dbf(&[gbk]), &[]);
        assert_eq!(value, Ok("宝华镇".into()));
        assert!(notes[0].contains("GBK") && notes[0].contains("not valid UTF-8"), "{notes:?}");
        let (value, notes) = name(&dbf(&["路灯".as_bytes()]), &[]);
        assert_eq!((value, notes.len()), (Ok("路灯".into()), 0));
        let (value, notes) = name(&dbf(&[gbk]), &[("a.cpg", b"GBK")]);
        assert_eq!(value, Ok("宝华镇".into()));
        assert!(notes[0].contains(".cpg"), "{notes:?}");
        let (value, _) = name(&dbf(&[gbk]), &[("a.cpg", b"UTF-8")]);
        assert!(value.expect_err("the .cpg is wrong").contains("GBK"));
        let mut marked = dbf(&[gbk]);
        marked[29] = 0x4D;
        let (value, notes) = name(&marked, &[]);
        assert_eq!(value, Ok("宝华镇".into()));
        assert!(notes[0].contains("language byte"), "{notes:?}");
        // Eight bytes cut the third character of three in UTF-8.
        let (value, _) = name(&dbf(&[&"宝华镇".as_bytes()[..8]]), &[]);
        assert_eq!(value, Ok("宝华".into()));
    }

    #[test]
    fn lengths_that_lie_are_faults_of_their_record() {
        let two = shp(1, &[point(1.0, 2.0), point(3.0, 4.0)]);
        let rows = dbf(&[b"a", b"b"]);
        let whole = read(&two, &rows, &[]).expect("a layer").0;
        assert!(whole.len() == 2 && whole.iter().all(Result::is_ok), "{whole:?}");
        let faulty = |shp: &[u8], dbf: &[u8]| {
            let seen = read(shp, dbf, &[]).expect("a layer").0;
            let fault = seen.into_iter().find_map(Result::err).expect("a fault");
            (fault.record, fault.detail)
        };
        for cut in [two.len() - 1, two.len() - 20, two.len() - 24] {
            let (record, detail) = faulty(&two[..cut], &rows);
            assert!(record == Some(2) && detail.contains("truncated"), "{cut}: {record:?} {detail}");
        }
        let (record, detail) = faulty(&two, &dbf(&[b"a"]));
        assert!(record == Some(2) && detail.contains("goes on"), "{detail}");
        let (record, detail) = faulty(&two, &rows[..rows.len() - 5]);
        assert!(record == Some(2) && detail.contains("middle of a row"), "{detail}");
        let mut huge = two.clone();
        huge[104..108].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(faulty(&huge, &rows).1.contains("bytes"));
        let mut many = point(0.0, 0.0);
        many[..4].copy_from_slice(&5_u32.to_le_bytes());
        many.resize(44, 0xFF);
        let (record, detail) = faulty(&shp(5, &[many, point(1.0, 2.0)]), &rows);
        assert!(record == Some(1) && detail.contains("do not fit"), "{detail}");
        assert!(read(&two[..50], &rows, &[]).is_err() && read(&two, &rows[..40], &[]).is_err() && read(b"", &rows, &[]).is_err());
    }

    #[test]
    fn null_shapes_do_not_end_the_reading() {
        let shapes = shp(1, &vec![0_u32.to_le_bytes().to_vec(); 10_002]);
        let seen = read(&shapes, &dbf(&vec![&b"a"[..]; 10_002]), &[]).expect("a layer").0;
        assert!(seen.len() == 10_002 && seen.iter().all(Result::is_ok), "columns may say where they are");
    }

    #[test]
    fn null_shapes_and_deleted_rows_keep_the_others_in_step() {
        let shapes = shp(11, &[point(1.0, 2.0), 0_u32.to_le_bytes().to_vec(), point(3.0, 4.0)]);
        let mut rows = dbf(&[b"gone", b"null", b"there"]);
        rows[65] = b'*';
        let (seen, notes) = read(&shapes, &rows, &[]).expect("a layer");
        let seen: Vec<RawRecord> = seen.into_iter().collect::<Result<_, _>>().expect("no fault here");
        assert_eq!((seen[0].number, &seen[0].shape), (2, &RawShape::Absent));
        assert_eq!((seen[1].number, &seen[1].fields[0].1), (3, &Value::from("there")));
        assert!(
            notes.iter().any(|note| note.contains("deleted")) && notes.iter().any(|note| note.contains("heights")),
            "{notes:?}"
        );
    }
}
