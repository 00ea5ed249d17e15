//! The files of an order, record by record. Runs on a thread that may block.

use super::report::Report;
use super::{Job, Order, Step, file_name};
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::geom::file_crs::{FileCrs, Frame, NamedCrs, Positions, candidates};
use crate::geom::{Crs, LonLat};
use crate::interchange::fields::{Columns, Field, Kind};
use crate::interchange::own::Origin;
use crate::interchange::points::{Catalogue, Outcome};
use crate::interchange::tags::TagRules;
use crate::interchange::{RawRecord, RawShape, Reader, Reading, StatedCrs, Terms};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Records between two words of progress. A guess; nothing depends on it.
const TELL_EVERY: u64 = 2048;

/// Faults after which nobody reads on.
const MOST_FAULTS: usize = 200_000;

/// What is told about the records of one kind before they are read.
struct Rules {
    columns: Columns,
    tags: Option<TagRules>,
    /// Which areas of OpenStreetMap are wanted with their outline.
    outlines: Option<&'static str>,
}

impl Rules {
    /// Checks `--map` and the tag rules against the kind and the city's profile.
    fn of(order: &Order, profile: &CodeProfile) -> Result<Self, Fault> {
        let mut columns = Columns::new(order.kind, &order.map)?;
        let tags = order.tags.as_deref().map(|name| TagRules::load(name, profile)).transpose()?;
        match (&tags, order.kind) {
            (Some(tags), Kind::Facilities | Kind::Cases | Kind::Organizations) => {
                columns.also(Field::Id, tags.id_columns());
                columns.also(Field::Name, tags.name_columns());
            }
            (Some(_), kind) => {
                let detail = format!("{} have no categories", kind.as_str());
                return Err(Fault { field: Some("--profile".to_owned()), ..Fault::new(FaultKind::BadField, detail) });
            }
            (None, _) => {}
        }
        let outlines = (order.kind == Kind::Buildings).then_some("building");
        if outlines.is_some() {
            columns.also(Field::Id, &["osm_id".to_owned()]);
        }
        Ok(Self { columns, tags, outlines })
    }
}

/// Gets a record that could be read, answers with what is wrong with it.
pub(super) type Each<'a> = dyn FnMut(RawRecord, &mut Columns, &Terms, &mut Report) -> Vec<Fault> + 'a;

/// Reads all files. `each` gets every record that could be read and answers with what is wrong with it; those faults, and the faults
/// of reading, go into the report, which counts the records.
pub(super) fn read(job: &Job, report: &mut Report, each: &mut Each<'_>) {
    match Rules::of(&job.order, &job.meta.profile) {
        Ok(mut rules) => read_by(&mut rules, job, report, each),
        Err(fault) => report.refuse(fault),
    }
}

fn read_by(rules: &mut Rules, job: &Job, report: &mut Report, each: &mut Each<'_>) {
    let order = &job.order;
    let needs_crs = !matches!(order.kind, Kind::Staff | Kind::Households);
    let system = order.system.clone().or_else(|| rules.tags.as_ref().and_then(|tags| tags.system.clone()));
    let total: u64 = order.files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum();
    let mut before = 0;
    let mut crs_seen = BTreeSet::new();
    for file in &order.files {
        let name: Option<Arc<str>> = (order.files.len() > 1).then(|| file_name(file).into());
        let prefix = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let told = |mut fault: Fault| {
            fault.detail.insert_str(0, &prefix);
            fault
        };
        let reader = match Reader::open(file, &reading(order, rules)) {
            Ok(reader) => reader,
            Err(fault) => {
                report.refuse(told(fault));
                continue;
            }
        };
        report.format = Some(reader.format_name().to_owned());
        // A table of names without outlines has no positions.
        let needs_crs = needs_crs && !(order.kind == Kind::Regions && matches!(reader.format_name(), "csv" | "xlsx"));
        let crs = match settle_crs(order, reader.stated_crs(), &mut report.notes) {
            Ok(Some(crs)) => crs,
            Ok(None) if !needs_crs => Crs::Cgcs2000.into(),
            Ok(None) => {
                let sample = first_position(file, order, rules);
                report.refuse(told(missing_crs(reader.format_name(), sample)));
                continue;
            }
            // A table without positions may well say something else about them.
            Err(_) if !needs_crs => Crs::Cgcs2000.into(),
            Err(fault) => {
                report.refuse(told(fault));
                continue;
            }
        };
        if needs_crs {
            crs_seen.insert(crs.to_string());
        }
        let terms = Terms {
            positions: crs.ready(),
            zone: job.zone.clone(),
            system: system.clone().unwrap_or_else(|| match reader.format_name() {
                "osm.pbf" => "osm".to_owned(),
                _ => "source".to_owned(),
            }),
            source: order.source.clone(),
            source_date: order.source_date,
            max_vertices: order.max_vertices,
            own: reader.is_own(),
            file: name,
        };
        rules.columns.set_own(terms.own);
        let progress = reader.progress();
        let notes = reader.notes();
        reader.for_each(&mut |record| {
            report.tally.records += 1;
            if report.tally.records.is_multiple_of(TELL_EVERY) {
                job.tell(Step::Reading { read: before + progress.read(), total });
            }
            let faults = match record {
                Ok(record) => match rules.columns.spoiled(&record) {
                    spoiled if !spoiled.is_empty() => spoiled,
                    _ => each(record, &mut rules.columns, &terms, report),
                },
                Err(fault) => vec![fault],
            };
            let mended = rules.columns.take_repairs();
            report.tally.repaired += mended.len() as u64;
            report
                .repairs
                .extend(mended.into_iter().map(|mended| Repair { detail: format!("{prefix}{}", mended.detail), ..mended }));
            if !faults.is_empty() {
                report.tally.refused += 1;
                report.faults.extend(faults.into_iter().map(told));
            }
            if report.faults.len() < MOST_FAULTS {
                return ControlFlow::Continue(());
            }
            report.refuse(Fault::new(FaultKind::BadSyntax, format!("more than {MOST_FAULTS} faults: reading ended there")));
            ControlFlow::Break(())
        });
        report.notes.extend(notes.take().into_iter().map(|note| format!("{prefix}{note}")));
        before += progress.total;
        job.tell(Step::Reading { read: before, total });
    }
    report.crs = (!crs_seen.is_empty()).then(|| crs_seen.into_iter().collect::<Vec<_>>().join(", "));
    if report.tally.records == 0 && report.tally.refused == 0 {
        report.refuse(Fault::new(FaultKind::BadSyntax, "there is no record in it"));
    }
    if report.tally.records > 0 {
        let unseen = rules.columns.unseen();
        report.tally.refused += unseen.len() as u64;
        report.faults.extend(unseen);
    }
    report.columns = rules.columns.used().into_iter().map(|(field, columns)| (field.to_owned(), columns)).collect();
    report.other_columns = rules.columns.ignored();
    report.notes.extend(rules.columns.withheld().into_iter().map(|(field, column)| {
        format!("column {column:?} is not stored, it may hold persons: if it holds names of places, say --map {field}={column}")
    }));
}

/// A record with a category, and its number.
pub(super) struct Point<R> {
    pub(super) number: u64,
    pub(super) record: R,
    /// When it comes from a copy of our own data.
    pub(super) origin: Option<Origin>,
}

/// What is done with each record; the answer is what else is wrong with it.
pub(super) type EachPoint<'a, R> = dyn FnMut(Point<R>, &Terms, &mut Report) -> Vec<Fault> + 'a;

/// How a raw record becomes one with a category.
pub(super) type Make<R> = fn(RawRecord, &mut Columns, &Catalogue<'_>, &Terms) -> Outcome<R>;

/// Reads records that have a category. `each` gets every one that could be made and answers with what else is wrong with it.
pub(super) fn read_points<R>(job: &Job, kind: CategoryKind, report: &mut Report, make: Make<R>, each: &mut EachPoint<'_, R>) {
    let mut rules = match Rules::of(&job.order, &job.meta.profile) {
        Ok(rules) => rules,
        Err(fault) => return report.refuse(fault),
    };
    let tags = rules.tags.clone();
    let catalogue = match Catalogue::new(&job.meta.profile, kind, tags.as_ref(), job.order.accept.unmapped_as.clone()) {
        Ok(catalogue) => catalogue,
        Err(fault) => return report.refuse(fault),
    };
    read_by(&mut rules, job, report, &mut |raw, columns, terms, report| {
        let number = raw.number;
        match make(raw, columns, &catalogue, terms) {
            Outcome::Made { record, origin } => return each(Point { number, record, origin }, terms, report),
            Outcome::Skipped => report.tally.skipped += 1,
            Outcome::Unmapped { word, place } => report.unmapped(number, word, place),
            Outcome::Faulty(faults) => return faults,
        }
        Vec::new()
    });
}

/// How many records the files have, readable or not.
pub fn counted(order: &Order, profile: &CodeProfile) -> Result<u64, Fault> {
    let rules = Rules::of(order, profile)?;
    let mut records = 0;
    for file in &order.files {
        Reader::open(file, &reading(order, &rules))?.for_each(&mut |_| {
            records += 1;
            ControlFlow::Continue(())
        });
    }
    Ok(records)
}

/// Whether the files can be read: their CRS is known, the first of their records are well formed, and the columns that the order names are
/// there.
pub fn tried(order: &Order) -> Result<(), Fault> {
    const SOME: u64 = 1000;
    let order = Order { tags: None, ..order.clone() };
    let mut rules = Rules::of(&order, &CodeProfile::new(String::new(), []))?;
    let (mut first, mut left) = (None, SOME);
    for file in &order.files {
        let reader = Reader::open(file, &reading(&order, &rules))?;
        let crs = settle_crs(&order, reader.stated_crs(), &mut Vec::new());
        if !matches!(order.kind, Kind::Staff | Kind::Households) && crs?.is_none() {
            let sample = first_position(file, &order, &rules);
            return Err(missing_crs(reader.format_name(), sample));
        }
        reader.for_each(&mut |record| match record {
            Ok(record) => {
                rules.columns.sort_out(record);
                left = left.saturating_sub(1);
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Err(fault) => {
                first = Some(fault);
                ControlFlow::Break(())
            }
        });
    }
    first.or_else(|| rules.columns.unseen().into_iter().next().filter(|_| left > 0)).map_or(Ok(()), Err)
}

/// What is told and what the file states must not contradict each other. WGS 84 and CGCS2000 are taken as one.
fn settle_crs(order: &Order, stated: StatedCrs, notes: &mut Vec<String>) -> Result<Option<FileCrs>, Fault> {
    let bad = |detail: String| Fault { field: Some("crs".to_owned()), ..Fault::new(FaultKind::BadField, detail) };
    let named = match (order.crs, stated) {
        (Some(told), StatedCrs::Known(stated)) if !is_same(told, stated) => {
            return Err(bad(format!("--crs says {told}, the file states {stated}: one of them is wrong")));
        }
        (Some(told), StatedCrs::Other(what)) => {
            notes.push(format!("the CRS that the file states is not known here ({what}); --crs {told} was taken"));
            told
        }
        (Some(told), _) | (None, StatedCrs::Known(told)) => told,
        (None, StatedCrs::Other(what)) => {
            return Err(bad(format!(
                "the file states a CRS that is not taken ({what}): convert it to EPSG:4490 (ogr2ogr -t_srs EPSG:4490)"
            )));
        }
        (None, StatedCrs::Nothing) => return Ok(None),
    };
    if let (Some(_), Frame::Position(_)) = (order.helmert, named.frame) {
        return Err(bad(format!("--helmert is for Xian 1980 and Beijing 1954; the file is in {named}")));
    }
    let crs = named.settle(order.helmert).map_err(|error| bad(format!("{named}: {error}")))?;
    Ok(Some(if order.swap_xy { crs.with_axes_exchanged() } else { crs }))
}

fn is_same(told: NamedCrs, stated: NamedCrs) -> bool {
    let geodetic = |crs: NamedCrs| matches!(crs.frame, Frame::Position(Crs::Wgs84 | Crs::Cgcs2000));
    told.plane == stated.plane && (told.frame == stated.frame || geodetic(told) && geodetic(stated))
}

/// The first position of a file, to show where it would land. Reads it anew, up to there.
fn first_position(file: &Path, order: &Order, rules: &Rules) -> Option<[f64; 2]> {
    let reader = Reader::open(file, &reading(order, rules)).ok()?;
    let mut columns = rules.columns.clone();
    let mut found = None;
    let mut left = 1000;
    reader.for_each(&mut |record| {
        left -= 1;
        found = record.ok().and_then(|record| {
            let fields = columns.sort_out(record);
            match &fields.shape {
                RawShape::Point(at) => Some(*at),
                RawShape::Polygons(parts) => parts.iter().flatten().flatten().next().copied(),
                _ => Some([fields.degrees(Field::Lon).ok()??, fields.degrees(Field::Lat).ok()??]),
            }
        });
        if found.is_some() || left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found
}

fn missing_crs(format: &str, sample: Option<[f64; 2]>) -> Fault {
    let why = match format {
        "geojson" | "geojsonseq" => "GeoJSON does not say whether it holds WGS 84 or shifted positions (GCJ-02, BD-09)",
        "gpkg" => "the layer's srs_id is undefined",
        "shapefile" => "there is no .prj",
        "flatgeobuf" => "the file names none",
        _ => "the file cannot state one",
    };
    let mut detail = format!("no CRS: {why}; say --crs {}, or a Gauss-Krüger plane like epsg:4549", Crs::NAMES.join("|"));
    if let Some([x, y]) = sample {
        let _ = write!(detail, ". Its first position [{x}, {y}] ");
        detail.push_str(&landing([x, y]));
    }
    Fault { field: Some("crs".to_owned()), ..Fault::new(FaultKind::BadField, detail) }
}

/// Every CRS in which two numbers are a place in China, and the place.
fn landing(raw: [f64; 2]) -> String {
    let place = |at: LonLat| format!("{:.5},{:.5}", at.lon(), at.lat());
    let found = candidates(raw);
    let mut words = Vec::new();
    for candidate in &found {
        if candidate.crs.plane.is_some() {
            words.push(format!("--crs {}{}: {}", candidate.crs, exchanged(candidate.swapped), place(candidate.at)));
            continue;
        }
        for crs in [Crs::Wgs84, Crs::Gcj02, Crs::Bd09] {
            let told = if candidate.swapped { [raw[1], raw[0]] } else { raw };
            if let Ok(at) = Positions::from(crs).position(told) {
                words.push(format!("--crs {crs}{}: {}", exchanged(candidate.swapped), place(at)));
            }
        }
    }
    match words.as_slice() {
        [] => "lies in China in none of them".to_owned(),
        words => format!("would land, by longitude and latitude, with {}", words.join("; ")),
    }
}

fn exchanged(swapped: bool) -> &'static str {
    if swapped { " --swap-xy (its axes are exchanged: latitude or northing first)" } else { "" }
}

/// What a reader needs to know besides the file.
fn reading<'a>(order: &'a Order, rules: &'a Rules) -> Reading<'a> {
    Reading { layer: order.layer.as_deref(), columns: Some(&rules.columns), tags: rules.tags.as_ref(), outlines: rules.outlines }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(told: &str, stated: &str, helmert: &str) -> Result<Option<String>, String> {
        let mut order = Order::new(Kind::Grids, Vec::new());
        order.crs = (!told.is_empty()).then(|| told.parse().expect(told));
        order.helmert = (!helmert.is_empty()).then(|| helmert.parse().expect(helmert));
        let stated = match stated {
            "" => StatedCrs::Nothing,
            "?" => StatedCrs::Other("Lambert".to_owned()),
            known => StatedCrs::Known(known.parse().expect(known)),
        };
        let mut notes = Vec::new();
        match settle_crs(&order, stated, &mut notes) {
            Ok(crs) => Ok(crs.map(|crs| format!("{crs}{}", if notes.is_empty() { "" } else { " noted" }))),
            Err(fault) => Err(fault.detail),
        }
    }

    #[test]
    fn a_crs_is_told_or_stated_and_never_contradicted() {
        let is = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(settled("", "", ""), Ok(None));
        assert_eq!(settled("gcj02", "", ""), is("gcj02"));
        assert_eq!(settled("", "cgcs2000", ""), is("cgcs2000"));
        assert_eq!(settled("wgs84", "cgcs2000", ""), is("wgs84"));
        assert_eq!(settled("", "epsg:4529", ""), is("epsg:4529"));
        assert_eq!(settled("epsg:4529", "wgs84:tm:cm=123,fe=41500000", ""), is("epsg:4529"));
        assert_eq!(settled("epsg:4529", "?", ""), is("epsg:4529 noted"));
        for (told, stated, helmert, word) in [
            ("gcj02", "wgs84", "", "one of them is wrong"),
            ("epsg:4529", "epsg:4528", "", "one of them is wrong"),
            ("", "?", "", "Lambert"),
            ("", "epsg:4610", "", "--helmert"),
            ("", "epsg:4529", "1,2,3,0,0,0,0", "is for Xian 1980"),
        ] {
            let why = settled(told, stated, helmert).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
        assert_eq!(settled("", "epsg:2365", "1,2,3,0,0,0,0"), is("epsg:2365 with helmert 1,2,3,0,0,0,0"));
    }

    #[test]
    fn without_a_crs_every_one_that_fits_is_told_with_its_place() {
        let zone = missing_crs("shapefile", Some([41_413_160.55, 3_320_454.43])).detail;
        assert!(zone.contains("no .prj") && zone.contains("--crs epsg:4529: 122.10000,30.00000"), "{zone}");
        let exchanged = missing_crs("csv", Some([3_320_454.43, 41_413_160.55])).detail;
        assert!(exchanged.contains("--crs epsg:4529 --swap-xy") && exchanged.contains("122.10000,30.00000"), "{exchanged}");
        let bare = missing_crs("csv", Some([413_160.55, 3_320_454.43])).detail;
        assert!(bare.contains("epsg:4550: 122.10000,30.00000") && bare.contains("epsg:4549: 119.10000,30.00000"), "{bare}");
        let degrees = missing_crs("csv", Some([122.1, 30.0])).detail;
        assert!(degrees.contains("--crs wgs84: 122.10000,30.00000") && degrees.contains("--crs bd09: 122.0"), "{degrees}");
        assert!(missing_crs("csv", Some([5.0, 5e9])).detail.contains("in none of them"));
    }
}
