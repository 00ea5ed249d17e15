//! All tiles of some layers in one file.

use super::ground::{epoch_of, within_of};
use super::{ExportError, Order, Report, Step, Watch, usage};
use crate::app::{AppError, load};
use crate::city::{Change, City, Sight};
use crate::compute::Compute;
use crate::domain::id::{GridIx, Unit};
use crate::domain::scope::{Hidden, Scope};
use crate::geom::mercator::{MercatorPoint, PixelGrid};
use crate::geom::{LatticeBox, LatticePoint, TileId};
use crate::interchange::outgoing::pmtiles::{About, PmtilesWriter, gzip, number};
use crate::store::Store;
use crate::territory::Territory;
use crate::tiles::layer::Layer;
use crate::tiles::tilejson::{TileJson, bounds, bounds_of};
use crate::tiles::{Fields, Layers, TileRequest, build};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Tiles that one job builds.
const TOGETHER: usize = 32;
/// Jobs at a time.
const JOBS: usize = 16;

pub(super) async fn write(
    store: &Store,
    order: &Order,
    layers: Layers,
    path: &Path,
    now: Timestamp,
    watch: &Watch,
) -> Result<Report, ExportError> {
    watch(Step::Opening);
    let compute = Compute::new(JOBS);
    let city = Arc::new(city(store, order, now, &compute).await?);
    let sight = Sight::of(&city.territory, &city.about.profile, &order.actor.scope, &order.actor.hidden);
    let (scope, within) = match &order.within {
        None => (order.actor.scope.clone(), None),
        Some(code) => (Scope::Within(vec![code.clone()]), Some(within_of(&city.territory, &sight, code)?)),
    };
    let nothing = || usage(format!("there is nothing to draw in the layers {layers}"));
    let (first, last) = layers.zooms(&city).ok_or_else(nothing)?;
    let seen = |grid: GridIx| sight.grid(grid) && within.as_ref().is_none_or(|within| within.holds(Unit::Grid(grid)));
    let around = match scope {
        Scope::All => bounds(&city),
        Scope::Within(_) => bounds_of(&city.territory, seen),
    };
    let around = around.ok_or_else(nothing)?;
    let zooms = (order.zooms.0.map_or(first, |zoom| zoom.max(first)), order.zooms.1.map_or(last, |zoom| zoom.min(last)));
    if zooms.0 > zooms.1 {
        return Err(usage(format!("the layers {layers} have the zooms {first} to {last}")));
    }
    let own = path.to_owned();
    let mut writer = tokio::task::spawn_blocking(move || PmtilesWriter::new(&own, File::create_new(&own)?)).await??;
    let mut written = 0;
    for zoom in zooms.0..=zooms.1 {
        let asked = Arc::clone(&city);
        let tiles = tokio::task::spawn_blocking(move || candidates(&asked, layers, zoom)).await?;
        for some in tiles.chunks(TOGETHER * JOBS) {
            let jobs = some.chunks(TOGETHER).map(|some| {
                let (city, some) = (Arc::clone(&city), some.to_vec());
                let sees = (scope.clone(), order.actor.hidden.clone());
                compute.run(move || built(&city, layers, &sees, some))
            });
            let built = try_join_all(jobs).await.map_err(AppError::from)?;
            (writer, written) = tokio::task::spawn_blocking(move || {
                for (tile, bytes) in built.into_iter().flatten() {
                    writer.tile(tile, &bytes?)?;
                    written += 1;
                }
                Ok::<_, crate::interchange::outgoing::WriteError>((writer, written))
            })
            .await??;
            watch(Step::Writing { layer: "tiles", rows: written, total: None });
        }
    }
    let about = About { metadata: metadata(&city, layers, zooms), zooms, bounds: around };
    let counted = tokio::task::spawn_blocking(move || writer.finish(&about)).await??;
    Ok(Report {
        revision: city.revision.0,
        epoch: city.territory.epoch.0,
        layers: vec![("tiles".to_owned(), counted.tiles), ("contents".to_owned(), counted.contents)],
        notes: Vec::new(),
    })
}

/// The city in the boundaries asked for.
async fn city(store: &Store, order: &Order, now: Timestamp, compute: &Compute) -> Result<City, ExportError> {
    let snapshot = store.snapshot(now).await?;
    let in_force = snapshot.epoch.as_ref().map(|record| record.epoch);
    let record = epoch_of(&store.epochs().await?, order.as_of, now)?;
    let past = match record.filter(|record| Some(record.epoch) != in_force) {
        Some(record) => store.boundaries_at(record.epoch).await?.map(|set| (record.epoch, set)),
        None => None,
    };
    let city = compute.run(move || load::city(snapshot, &Scope::All)).await.map_err(AppError::from)??;
    let Some((epoch, set)) = past else { return Ok(city) };
    let built = compute.run(move || Territory::build(epoch, &set)).await.map_err(AppError::from)?;
    let territory = Arc::new(built.map_err(|faults| AppError::Damaged { epoch, faults })?);
    Ok(compute.run(move || city.after(city.revision, &Change::Boundaries(territory))).await.map_err(AppError::from)?)
}

type Built = (TileId, std::io::Result<Vec<u8>>);

fn built(city: &City, layers: Layers, (scope, hidden): &(Scope, Hidden), tiles: Vec<TileId>) -> Vec<Built> {
    tiles
        .into_iter()
        .filter_map(|tile| {
            let bytes =
                build(city, &TileRequest { tile, layers, fields: Fields::ALL, scope: scope.clone(), hidden: hidden.clone() });
            (!bytes.is_empty()).then(|| (tile, gzip(&bytes)))
        })
        .collect()
}

/// Tiles of a zoom that may have something in them, in the order of their numbers: those that meet the box of a leaf, or hold a point.
fn candidates(city: &City, layers: Layers, zoom: u8) -> Vec<TileId> {
    let grid = PixelGrid::of_zoom(zoom);
    let mut tiles = Vec::new();
    let mut add = |bounds: LatticeBox| {
        let [one, other] = [bounds.min, bounds.max].map(|corner| grid.pixel(MercatorPoint::of(corner)));
        let (low, high) = ([0, 1].map(|at| one[at].min(other[at])), [0, 1].map(|at| one[at].max(other[at])));
        let (columns, rows) = grid.tiles_meeting(low, high);
        let found = columns.flat_map(|x| rows.clone().filter_map(move |y| TileId::new(zoom, x, y).ok()));
        tiles.extend(found.map(|tile| (number(tile), tile)));
    };
    let territory = &city.territory;
    territory.grids.iter().for_each(|grid| add(grid.bbox));
    territory.regions.iter().filter(|region| region.owner.is_some()).filter_map(|region| region.bbox).for_each(&mut add);
    let mut point = |at: LatticePoint| add(LatticeBox { min: at, max: at });
    if layers.holds(Layer::Facilities) {
        city.facilities.iter().for_each(|row| point(row.at));
    }
    if layers.holds(Layer::Cases) {
        city.cases.iter().filter_map(|case| case.record.at).for_each(&mut point);
    }
    tiles.sort_unstable_by_key(|(number, _)| *number);
    tiles.dedup();
    tiles.into_iter().map(|(_, tile)| tile).collect()
}

/// What TileJSON says about the layers, as PMTiles has it.
fn metadata(city: &City, layers: Layers, zooms: (u8, u8)) -> Value {
    let told = TileJson::new(city, layers, String::new()).and_then(|told| serde_json::to_value(told).ok()).unwrap_or_default();
    let mut metadata = json!({
        "name": told["name"],
        "description": format!("revision {}, boundaries of epoch {}", city.revision, city.territory.epoch),
        "type": "overlay",
        "vector_layers": told["vector_layers"],
        "levels": told["levels"],
        "revision": city.revision.0,
        "epoch": city.territory.epoch.0,
        "minzoom": zooms.0,
        "maxzoom": zooms.1,
    });
    if told["attribution"].is_string() {
        metadata["attribution"] = told["attribution"].clone();
    }
    metadata
}
