//! Records in rows. Each layer is gone through twice: to find its columns and what does not fit, and to write it.

use super::ground::{City, Ground, Reading, Records};
use super::{ExportError, Kind, Order, Report, RowFormat, Step, TextCode, Watch};
use crate::geom::Outgoing;
use crate::interchange::outgoing::records::Rows;
use crate::interchange::outgoing::survey::{Sheet, Survey};
use crate::interchange::outgoing::{Row, Terms, WriteError, Writer};
use crate::store::Store;
use jiff::Timestamp;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What is done with each row.
type Each<'a> = &'a mut dyn FnMut(Row) -> Result<(), WriteError>;

/// Some records as rows.
fn rows_of(
    records: Records,
    kind: Kind,
    ground: &Ground,
    rows: &mut Rows,
    terms: &Terms,
    each: Each<'_>,
) -> Result<(), WriteError> {
    match records {
        Records::Regions(places) => places.into_iter().try_for_each(|at| {
            let (record, area, derived) = ground.region(at);
            each(rows.region(record, area, derived))
        }),
        Records::Grids(places) => places.into_iter().try_for_each(|at| {
            let record = &ground.set.grids[at];
            if kind == Kind::Households {
                return rows.households(record, ground.households(&record.code)).map_or(Ok(()), &mut *each);
            }
            each(rows.grid(record, ground.households(&record.code), ground.grid_label(&record.code)))
        }),
        Records::Voids(places) => places.into_iter().try_for_each(|at| each(rows.void(&ground.set.voids[at]))),
        Records::Facilities(some) => some.into_iter().try_for_each(|record| each(rows.facility(record, terms)?)),
        Records::Cases(some) => some.iter().try_for_each(|record| each(rows.case(record, terms)?)),
        Records::Organizations(some) => {
            some.iter().try_for_each(|record| each(rows.organization(record, ground.grid_of(record).as_ref(), terms)?))
        }
        Records::Buildings(some) => {
            some.into_iter().try_for_each(|record| each(rows.building(&record, ground.grid_of(&record).as_ref(), terms)?))
        }
        Records::Staff(some) => some.iter().try_for_each(|record| each(rows.staff(record))),
    }
}

/// A layer that was looked at.
struct Looked {
    kind: Kind,
    rows: Rows,
    sheet: Arc<Sheet>,
}

pub(super) async fn write(
    store: &Store,
    order: &Order,
    (format, outgoing): (RowFormat, Outgoing),
    path: &Path,
    now: Timestamp,
    watch: &Watch,
) -> Result<Report, ExportError> {
    let kinds = order.kinds()?;
    watch(Step::Opening);
    let mut city = City::open(store.view().await?, order, now).await?;
    let code = order.code.unwrap_or(TextCode::UTF8);
    let terms = Arc::new(Terms { outgoing, code, about: city.about() });
    let mut report = Report { revision: terms.about.revision, epoch: terms.about.epoch, layers: Vec::new(), notes: Vec::new() };
    let mut layers = Vec::new();
    let mut faults = Vec::new();
    for kind in kinds {
        let rows = Rows::new(kind, format, order.derived, order.system.clone());
        let survey = Survey::new(rows.layer(), format, code, order.shorten);
        match look(&mut city, kind, (rows, survey), &terms, watch).await? {
            Ok((looked, notes)) => {
                report.notes.extend(notes);
                layers.push(looked);
            }
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(WriteError::Unfit(faults).into());
    }
    let own = path.to_owned();
    let given = (*terms).clone();
    let mut writer = tokio::task::spawn_blocking(move || Writer::new(format, &own, File::create_new(&own)?, given)).await??;
    for Looked { kind, mut rows, sheet } in layers {
        let (mut written, total) = (0, sheet.rows);
        let mut reading = Reading::new(kind);
        let begun = Arc::clone(&sheet);
        writer = blocking(writer, move |writer| writer.begin(&begun)).await?;
        while let Some(records) = reading.next(&mut city).await? {
            let (ground, terms, sheet) = (Arc::clone(&city.ground), Arc::clone(&terms), Arc::clone(&sheet));
            ((writer, rows), written) = tokio::task::spawn_blocking(move || {
                let mut each = |row: Row| {
                    written += 1;
                    writer.row(&sheet, &row)
                };
                rows_of(records, kind, &ground, &mut rows, &terms, &mut each)?;
                Ok::<_, WriteError>(((writer, rows), written))
            })
            .await??;
            watch(Step::Writing { layer: kind.as_str(), rows: written, total: Some(total) });
        }
        let ended = Arc::clone(&sheet);
        writer = blocking(writer, move |writer| writer.end(&ended)).await?;
        report.layers.push((kind.as_str().to_owned(), sheet.rows));
        if sheet.unplaced > 0 && format == RowFormat::FlatGeobuf {
            report.notes.push(format!("{}: {} have no place, so the file has no index", kind.as_str(), sheet.unplaced));
        }
    }
    tokio::task::spawn_blocking(move || writer.finish()).await??;
    Ok(report)
}

async fn blocking(
    mut writer: Writer,
    work: impl FnOnce(&mut Writer) -> Result<(), WriteError> + Send + 'static,
) -> Result<Writer, ExportError> {
    let done = tokio::task::spawn_blocking(move || work(&mut writer).map(|()| writer)).await??;
    Ok(done)
}

type LookedAt = Result<(Looked, Vec<String>), Vec<crate::domain::fault::Fault>>;

/// Goes through a layer for the first time.
async fn look(
    city: &mut City,
    kind: Kind,
    (mut rows, mut survey): (Rows, Survey),
    terms: &Arc<Terms>,
    watch: &Watch,
) -> Result<LookedAt, ExportError> {
    let mut reading = Reading::new(kind);
    let mut seen = 0;
    while let Some(records) = reading.next(city).await? {
        let (ground, terms) = (Arc::clone(&city.ground), Arc::clone(terms));
        (rows, survey, seen) = tokio::task::spawn_blocking(move || {
            let mut each = |row: Row| {
                seen += 1;
                survey.see(&row);
                Ok(())
            };
            rows_of(records, kind, &ground, &mut rows, &terms, &mut each)?;
            Ok::<_, WriteError>((rows, survey, seen))
        })
        .await??;
        watch(Step::Looking { layer: kind.as_str(), rows: seen });
    }
    Ok(survey.finish().map(|(sheet, mut notes)| {
        notes.extend(rows.ids.choose(kind.as_str()));
        (Looked { kind, rows, sheet: Arc::new(sheet) }, notes)
    }))
}
