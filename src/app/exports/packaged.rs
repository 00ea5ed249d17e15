//! A GeoPackage with layers as in the data file.

use super::ground::{City, Reading, Records};
use super::{ExportError, Kind, Order, Report, Step, Watch};
use crate::domain::id::GridSet;
use crate::store::{HandedOut, Store};
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;

pub(super) async fn write(
    store: &Store,
    order: &Order,
    path: &Path,
    now: Timestamp,
    watch: &Watch,
) -> Result<Report, ExportError> {
    let kinds = order.kinds()?;
    watch(Step::Opening);
    let mut city = City::open(store.view().await?, order, now).await?;
    let about = city.about();
    let mut report = Report { revision: about.revision, epoch: about.epoch, layers: Vec::new(), notes: Vec::new() };
    let mut out = HandedOut::create(path).await?;
    for kind in kinds {
        out.begin(kind.as_str(), &about.sentence()).await?;
        let rows = layer(&mut city, kind, &mut out, watch).await?;
        out.end().await?;
        report.layers.push((kind.as_str().to_owned(), rows));
    }
    out.finish().await?;
    Ok(report)
}

async fn layer(city: &mut City, kind: Kind, out: &mut HandedOut, watch: &Watch) -> Result<u64, ExportError> {
    let (set, epoch) = (GridSet::default(), city.epoch);
    let mut reading = Reading::new(kind);
    let mut rows = 0;
    while let Some(records) = reading.next(city).await? {
        let ground = Arc::clone(&city.ground);
        rows += match records {
            Records::Regions(places) => {
                let regions = tokio::task::spawn_blocking(move || {
                    let each = places.into_iter().map(|at| ground.region(at));
                    each.map(|(record, area, _)| (record.clone(), area)).collect::<Vec<_>>()
                })
                .await?;
                out.regions(&regions, &set, epoch).await?;
                regions.len()
            }
            Records::Grids(places) => {
                let grids: Vec<_> = places.into_iter().map(|at| ground.set.grids[at].clone()).collect();
                out.grids(&grids, &set, epoch).await?;
                grids.len()
            }
            Records::Voids(places) => {
                let voids: Vec<_> = places.into_iter().map(|at| ground.set.voids[at].clone()).collect();
                out.voids(&voids, &set, epoch).await?;
                voids.len()
            }
            Records::Facilities(some) => {
                out.facilities(&some).await?;
                some.len()
            }
            Records::Cases(some) => {
                out.cases(&some).await?;
                some.len()
            }
            Records::Organizations(some) => {
                out.organizations(&some).await?;
                some.len()
            }
            Records::Buildings(some) => {
                out.buildings(&some).await?;
                some.len()
            }
            Records::Staff(some) => {
                out.staff(&some).await?;
                some.len()
            }
        } as u64;
        watch(Step::Writing { layer: kind.as_str(), rows, total: None });
    }
    Ok(rows)
}
