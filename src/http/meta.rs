//! `GET /api/v1/meta`: what a viewer needs to know first.

use super::caller::Caller;
use super::error::Answer;
use super::json::json;
use super::outside::BasemapShape;
use super::query::{NoQuery, Query};
use super::shapes::{self, CountsShape};
use crate::app::view::View;
use crate::app::{Actor, App, AppError};
use crate::config::{FacilityGroup, Wall};
use crate::domain::category::CategoryKind;
use crate::domain::id::Unit;
use crate::geom::LatticeBox;
use crate::territory::Territory;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The city in one answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Meta<'a> {
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries in force; 0 before the first publication.
    epoch: u64,
    /// Title of the platform.
    title: &'a str,
    /// Made up for a demonstration: every screen says so.
    synthetic: bool,
    /// Whose data this is; to be drawn on the map.
    attribution: Vec<&'a str>,
    /// The number under which the map was approved (审图号); to be drawn on the map. Null: none was told.
    map_approval: Option<&'a str>,
    /// The zone in which a date begins.
    time_zone: &'a str,
    /// The code scheme.
    scheme: SchemeShape<'a>,
    /// Codes of the regions that have none above that the caller may see.
    root: Vec<&'a str>,
    /// Codes of the grids that have none above that the caller may see.
    root_grids: Vec<&'a str>,
    /// `[west, south, east, north]` of all land that the caller may see; null without any.
    bbox: Option<[f64; 4]>,
    /// Sums over all that the caller may see.
    counts: CountsShape,
    /// Facilities that stand outside every grid.
    facilities_outside: u32,
    /// What is drawn at once when a grid is selected.
    default_facility_groups: Vec<Group<'a>>,
    /// The wall that shows the city; null when nobody said.
    wall: Option<WallShape>,
    /// Grid sets in force, the hierarchy's own (`governance`) first: what `set=` takes.
    grid_sets: Vec<SetShape<'a>>,
    /// Maps that may lie under ours.
    basemaps: Vec<BasemapShape<'a>>,
    /// How many thematic layers `/api/v1/layers` tells of.
    layers: usize,
    /// Address of land that is not the city's, as GeoJSON; null when there is none.
    background: Option<&'static str>,
}

/// A splice of screens and the room it stands in.
#[derive(Debug, Serialize, ToSchema)]
pub struct WallShape {
    /// Screens side by side.
    cols: u8,
    /// Screens one above the other.
    rows: u8,
    /// How far the farthest reader stands, in metres.
    distance_m: Option<f64>,
    /// From pixel to pixel, in millimetres.
    pitch_mm: Option<f64>,
}

/// A grid set: a partition of its own over the same land.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetShape<'a> {
    /// `governance`, `police` …
    set: &'a str,
    /// Its boundaries in force.
    epoch: u64,
    /// How many grids.
    grids: usize,
    /// First zoom at which tiles hold its grids; null when it has none.
    minzoom: Option<u8>,
    /// `[west, south, east, north]` of its grids; null when it has none.
    bbox: Option<[f64; 4]>,
}

impl<'a> SetShape<'a> {
    /// A set as far as the caller sees it.
    fn of(view: &View, territory: &'a Territory) -> Self {
        let bbox = view.grids().map(|(_, grid)| grid.bbox).reduce(LatticeBox::union);
        Self {
            set: territory.set.as_str(),
            epoch: territory.epoch.0,
            grids: view.grids().count(),
            minzoom: territory.level_zooms()[territory.scheme.grid_level()].map(|(first, _)| first),
            bbox: bbox.map(shapes::bbox),
        }
    }
}

/// The code scheme.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchemeShape<'a> {
    /// `cn`, or a file's own name.
    name: &'a str,
    /// From the top down; the last is the level of grids.
    levels: Vec<LevelShape<'a>>,
}

/// One level.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevelShape<'a> {
    /// `city`, `county` …
    name: &'a str,
    /// First zoom at which tiles hold it; null when the level has no regions.
    minzoom: Option<u8>,
    /// Last zoom at which tiles hold it.
    maxzoom: Option<u8>,
    /// Regions or grids of this level.
    count: usize,
}

/// Facilities that are shown together.
#[derive(Debug, Serialize, ToSchema)]
pub struct Group<'a> {
    /// Stable name.
    id: &'a str,
    /// Chinese name.
    name: &'a str,
    /// English name.
    name_en: &'a str,
    /// Its icon.
    icon: &'a str,
    /// Component categories of the profile in force that belong to it.
    categories: Vec<&'a str>,
}

/// The city: title, levels, extent, sums, defaults of the viewer.
#[utoipa::path(get, path = "/api/v1/meta", tag = "city", params(NoQuery), responses((status = 200, body = Meta)))]
pub async fn get(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>) -> Answer<Response> {
    let view = app.view(&actor);
    let compute = app.compute.clone();
    Ok(compute.run(move || json(&meta(&app, &actor, &view))).await.map_err(AppError::from)?)
}

fn meta<'a>(app: &'a App, actor: &Actor, view: &'a View) -> Meta<'a> {
    let (city, territory) = (&view.city, &view.territory);
    let (mut root, mut root_grids) = (Vec::new(), Vec::new());
    for unit in view.tops() {
        match unit {
            Unit::Region(ix) => root.push(territory.region(ix).code.as_str()),
            Unit::Grid(ix) => root_grids.push(territory.grid(ix).code.as_str()),
        }
    }
    let sets = std::iter::once(territory).chain(city.others.values()).filter_map(|territory| {
        let shape = SetShape::of(&View::new(Arc::clone(city), Arc::clone(territory), actor), territory);
        (shape.grids > 0 || view.sees_all() || territory.set.is_governance()).then_some(shape)
    });
    Meta {
        revision: city.revision.0,
        epoch: territory.epoch.0,
        title: &city.about.title,
        synthetic: city.about.synthetic,
        attribution: app.config.attribution(&city.about.attribution),
        map_approval: app.config.map_approval.as_deref(),
        time_zone: &city.about.time_zone,
        scheme: scheme(view),
        root,
        root_grids,
        bbox: view.bbox().map(shapes::bbox),
        counts: view.counts().into(),
        facilities_outside: outside(view),
        default_facility_groups: {
            let groups = app.config.facility_groups.iter().map(|known| group(view, known));
            groups.filter(|group| !group.categories.is_empty() || !view.hides()).collect()
        },
        wall: app.config.wall.map(|Wall { cols, rows, distance_m, pitch_mm }| WallShape { cols, rows, distance_m, pitch_mm }),
        grid_sets: sets.collect(),
        basemaps: app.outside.basemaps.iter().map(BasemapShape::of).collect(),
        layers: app.layers(actor).count(),
        background: city.about.background.as_ref().map(|_| "/background.geojson"),
    }
}

/// Facilities outside every grid, as far as the caller sees them.
fn outside(view: &View) -> u32 {
    if view.sees_all() && !view.hides() {
        return view.city.facilities.outside();
    }
    let grid = |leaf: Option<Unit>| leaf.and_then(Unit::grid);
    view.city.facilities.iter().filter(|row| grid(row.leaf).is_none() && view.sees_facility(row)).count() as u32
}

fn scheme(view: &View) -> SchemeShape<'_> {
    let territory = &view.territory;
    let levels = territory.scheme.levels().iter().enumerate();
    SchemeShape {
        name: territory.scheme.name(),
        levels: levels
            .map(|(at, level)| {
                let count = if at == territory.scheme.grid_level() {
                    view.grids().count()
                } else {
                    view.regions().filter(|(_, region)| region.level == at).count()
                };
                let zooms = territory.level_zooms()[at];
                LevelShape {
                    name: &level.name,
                    minzoom: zooms.map(|(first, _)| first),
                    maxzoom: zooms.map(|(_, last)| last),
                    count,
                }
            })
            .collect(),
    }
}

fn group<'a>(view: &'a View, group: &'a FacilityGroup) -> Group<'a> {
    let profile = &view.city.about.profile;
    let known = |code: &&str| {
        let position = profile.position(CategoryKind::Component, code);
        position.is_some_and(|category| view.sees_category(category))
    };
    Group {
        id: &group.id,
        name: &group.name,
        name_en: &group.name_en,
        icon: &group.icon,
        categories: group.categories.iter().map(String::as_str).filter(known).collect(),
    }
}
