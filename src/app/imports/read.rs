//! The files of an order, record by record. Runs on a thread that may block.

use super::report::Report;
use super::{Job, Step, file_name};
use crate::domain::category::CategoryKind;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::geom::Crs;
use crate::interchange::fields::{Columns, Field, Kind};
use crate::interchange::own::Origin;
use crate::interchange::points::{Catalogue, Outcome};
use crate::interchange::tags::TagRules;
use crate::interchange::{RawRecord, Reader, Terms};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Records between two words of progress. A guess; nothing depends on it.
const TELL_EVERY: u64 = 2048;

/// What is told about the records of one kind before they are read.
struct Rules {
    columns: Columns,
    tags: Option<TagRules>,
}

impl Rules {
    /// Checks `--map` and the tag rules against the kind and the city's profile.
    fn of(job: &Job) -> Result<Self, Fault> {
        let mut columns = Columns::new(job.order.kind, &job.order.map)?;
        let tags = job.order.tags.as_deref().map(|name| TagRules::load(name, &job.meta.profile)).transpose()?;
        match (&tags, job.order.kind) {
            (Some(tags), Kind::Facilities | Kind::Cases) => {
                columns.also(Field::Id, tags.id_columns());
                columns.also(Field::Name, tags.name_columns());
            }
            (Some(_), kind) => {
                let detail = format!("{} have no categories", kind.as_str());
                return Err(Fault { field: Some("--profile".to_owned()), ..Fault::new(FaultKind::BadField, detail) });
            }
            (None, _) => {}
        }
        Ok(Self { columns, tags })
    }
}

/// Gets a record that could be read, answers with what is wrong with it.
pub(super) type Each<'a> = dyn FnMut(RawRecord, &mut Columns, &Terms, &mut Report) -> Vec<Fault> + 'a;

/// Reads all files. `each` gets every record that could be read and answers with what is wrong with it; those faults, and the faults
/// of reading, go into the report, which counts the records.
pub(super) fn read(job: &Job, report: &mut Report, each: &mut Each<'_>) {
    match Rules::of(job) {
        Ok(mut rules) => read_by(&mut rules, job, report, each),
        Err(fault) => report.refuse(fault),
    }
}

fn read_by(rules: &mut Rules, job: &Job, report: &mut Report, each: &mut Each<'_>) {
    let order = &job.order;
    let needs_crs = !matches!(order.kind, Kind::Staff | Kind::Households);
    let system = order
        .system
        .clone()
        .or_else(|| rules.tags.as_ref().and_then(|tags| tags.system.clone()))
        .unwrap_or_else(|| "source".to_owned());
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
        let reader = match Reader::open(file, order.layer.as_deref()) {
            Ok(reader) => reader,
            Err(fault) => {
                report.refuse(told(fault));
                continue;
            }
        };
        report.format = Some(reader.format_name().to_owned());
        // A table of names without outlines has no positions.
        let needs_crs = needs_crs && !(order.kind == Kind::Regions && reader.format_name() == "csv");
        let crs = match settle_crs(order.crs, reader.stated_crs()) {
            Ok(Some(crs)) => crs,
            Ok(None) if !needs_crs => Crs::Cgcs2000,
            Ok(None) => {
                report.refuse(told(missing_crs(reader.format_name())));
                continue;
            }
            Err(fault) => {
                report.refuse(told(fault));
                continue;
            }
        };
        if needs_crs {
            crs_seen.insert(crs.name());
        }
        let terms = Terms {
            crs,
            zone: job.zone.clone(),
            system: system.clone(),
            source: order.source.clone(),
            source_date: order.source_date,
            max_vertices: order.max_vertices,
            own: reader.is_own(),
            file: name,
        };
        rules.columns.set_own(terms.own);
        let progress = reader.progress();
        reader.for_each(&mut |record| {
            report.tally.records += 1;
            if report.tally.records.is_multiple_of(TELL_EVERY) {
                job.tell(Step::Reading { read: before + progress.read(), total });
            }
            let faults = match record {
                Ok(record) => each(record, &mut rules.columns, &terms, report),
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
            ControlFlow::Continue(())
        });
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
    report.columns = rules.columns.used();
    report.other_columns = rules.columns.ignored();
}

/// A record with a category, and its number.
pub(super) struct Point<R> {
    pub(super) number: u64,
    pub(super) record: R,
    /// When it comes from a copy of our own data.
    pub(super) origin: Option<Origin>,
}

/// How a raw record becomes one with a category.
pub(super) type Make<R> = fn(RawRecord, &mut Columns, &Catalogue<'_>, &Terms) -> Outcome<R>;

/// Reads records that have a category. `each` gets every one that could be made and answers with what else is wrong with it.
pub(super) fn read_points<R>(
    job: &Job,
    kind: CategoryKind,
    report: &mut Report,
    make: Make<R>,
    each: &mut dyn FnMut(Point<R>, &Terms, &mut Report) -> Vec<Fault>,
) {
    let mut rules = match Rules::of(job) {
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

/// What is told and what the file states must not contradict each other. WGS 84 and CGCS2000 are taken as one.
fn settle_crs(told: Option<Crs>, stated: Option<Crs>) -> Result<Option<Crs>, Fault> {
    let geodetic = |crs: Crs| matches!(crs, Crs::Wgs84 | Crs::Cgcs2000);
    match (told, stated) {
        (Some(told), Some(stated)) if told != stated && !(geodetic(told) && geodetic(stated)) => {
            let detail = format!("--crs says {told}, the file states {stated}: one of them is wrong");
            Err(Fault { field: Some("crs".to_owned()), ..Fault::new(FaultKind::BadField, detail) })
        }
        (told, stated) => Ok(told.or(stated)),
    }
}

fn missing_crs(format: &str) -> Fault {
    let why = match format {
        "geojson" | "geojsonseq" => "GeoJSON does not say whether it holds WGS 84 or shifted positions (GCJ-02, BD-09)",
        "gpkg" => "the layer's srs_id is undefined",
        _ => "the file cannot state one",
    };
    let detail = format!("no CRS: {why}; say --crs {}", Crs::NAMES.join("|"));
    Fault { field: Some("crs".to_owned()), ..Fault::new(FaultKind::BadField, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crs_is_told_or_stated_and_never_contradicted() {
        assert_eq!(settle_crs(None, None), Ok(None));
        assert_eq!(settle_crs(Some(Crs::Gcj02), None), Ok(Some(Crs::Gcj02)));
        assert_eq!(settle_crs(None, Some(Crs::Cgcs2000)), Ok(Some(Crs::Cgcs2000)));
        assert_eq!(settle_crs(Some(Crs::Wgs84), Some(Crs::Cgcs2000)), Ok(Some(Crs::Wgs84)));
        assert!(settle_crs(Some(Crs::Gcj02), Some(Crs::Wgs84)).is_err());
    }
}
