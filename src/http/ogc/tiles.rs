//! OGC API – Tiles: the tiles of `/tiles` under the names of that standard. Rows come before columns.

use super::{Collection, JSON, Link, MVT, base};
use crate::app::App;
use crate::app::view::View;
use crate::geom::TileId;
use crate::geom::mercator::{self, MercatorPoint};
use crate::http::caller::Caller;
use crate::http::error::{Answer, Problem, ProblemCode};
use crate::http::json::json;
use crate::http::path::InPath;
use crate::http::query::{NoQuery, Query, clipped};
use crate::http::shapes;
use crate::http::tiles::{self, TileQuery};
use crate::tiles::{Layer, Layers, tilejson};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

pub(super) const REL_TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
pub(super) const REL_SCHEMES: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes";
const REL_SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";
const WEB_MERCATOR: &str = "http://www.opengis.net/def/crs/EPSG/0/3857";
/// The only tile matrix set.
const SET: &str = "WebMercatorQuad";
const SET_URI: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
/// Half the world's width in metres.
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;
/// Pixels across a tile.
const TILE_PIXELS: u32 = 256;
/// The pixel that scales are told for, in metres.
const PIXEL_M: f64 = 0.000_28;

/// Tile sets of a collection, or of everything.
#[derive(Debug, Serialize, ToSchema)]
pub struct TileSets {
    /// To this list.
    links: Vec<Link>,
    /// One: there is one tile matrix set.
    tilesets: Vec<TileSetItem>,
}

/// A tile set in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TileSetItem {
    /// For people.
    title: String,
    /// Always `vector`.
    data_type: &'static str,
    /// CRS of the tiles.
    crs: &'static str,
    /// The tile matrix set.
    #[serde(rename = "tileMatrixSetURI")]
    tile_matrix_set_uri: &'static str,
    /// To the tile set.
    links: Vec<Link>,
}

/// A tile set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TileSet {
    /// For people.
    title: String,
    /// Always `vector`.
    data_type: &'static str,
    /// CRS of the tiles.
    crs: &'static str,
    /// The tile matrix set.
    #[serde(rename = "tileMatrixSetURI")]
    tile_matrix_set_uri: &'static str,
    /// Which tiles can hold something.
    tile_matrix_set_limits: Vec<Limits>,
    /// What is in them.
    layers: Vec<LayerShape>,
    /// To the tiles.
    links: Vec<Link>,
}

/// The rows and columns of a zoom that can hold something.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The zoom.
    tile_matrix: String,
    /// Northernmost.
    min_tile_row: u32,
    /// Southernmost.
    max_tile_row: u32,
    /// Westernmost.
    min_tile_col: u32,
    /// Easternmost.
    max_tile_col: u32,
}

/// A layer of a tile set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerShape {
    /// Its name in tiles.
    id: &'static str,
    /// Always `vector`.
    data_type: &'static str,
    /// 0: points; 2: areas.
    geometry_dimension: u8,
    /// First zoom with features.
    min_tile_matrix: String,
    /// Last zoom.
    max_tile_matrix: String,
    /// JSON Schema of its attributes.
    #[schema(value_type = Object)]
    properties_schema: serde_json::Value,
}

/// How tiles are cut.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixSet {
    /// Its name in addresses.
    id: &'static str,
    /// For people.
    title: &'static str,
    /// Its definition.
    uri: &'static str,
    /// CRS of the tiles.
    crs: &'static str,
    /// The standard name of the same.
    well_known_scale_set: &'static str,
    /// One a zoom.
    tile_matrices: Vec<Matrix>,
}

/// A zoom.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// The zoom.
    id: String,
    /// Of pixels of 0.28 mm.
    scale_denominator: f64,
    /// Metres a pixel on the equator.
    cell_size: f64,
    /// Always `topLeft`.
    corner_of_origin: &'static str,
    /// North-west corner of the world in metres.
    point_of_origin: [f64; 2],
    /// Pixels.
    tile_width: u32,
    /// Pixels.
    tile_height: u32,
    /// Columns.
    matrix_width: u32,
    /// Rows.
    matrix_height: u32,
}

/// The tile matrix sets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixSets {
    /// One.
    tile_matrix_sets: Vec<MatrixSetItem>,
}

/// A tile matrix set in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatrixSetItem {
    /// Its name in addresses.
    id: &'static str,
    /// For people.
    title: &'static str,
    /// Its definition.
    uri: &'static str,
    /// To all of it.
    links: Vec<Link>,
}

/// The tile set of every layer together.
#[utoipa::path(get, path = "/ogc/tiles", tag = "ogc", params(NoQuery), responses((status = 200, body = TileSets)))]
pub async fn of_all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    Ok(json(&list(&app.view(&actor), None, &base(&app, &headers))))
}

/// The tile set of a collection.
#[utoipa::path(get, path = "/ogc/collections/{collection}/tiles", tag = "ogc", params(("collection" = String, Path, description = "regions, grids, facilities or cases"), NoQuery), responses((status = 200, body = TileSets)))]
pub async fn of_collection(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(collection): InPath<String>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    Ok(json(&list(&app.view(&actor), Some(Collection::named(&collection)?), &base(&app, &headers))))
}

/// All layers in one tile matrix set.
#[utoipa::path(get, path = "/ogc/tiles/{set}", tag = "ogc", params(("set" = String, Path, description = "WebMercatorQuad"), NoQuery), responses((status = 200, body = TileSet)))]
pub async fn set_of_all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(set): InPath<String>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    the_set(&set)?;
    Ok(json(&tile_set(&app.view(&actor), None, &base(&app, &headers))))
}

/// A collection in one tile matrix set.
#[utoipa::path(get, path = "/ogc/collections/{collection}/tiles/{set}", tag = "ogc", params(("collection" = String, Path, description = "regions, grids, facilities or cases"), ("set" = String, Path, description = "WebMercatorQuad"), NoQuery), responses((status = 200, body = TileSet)))]
pub async fn set_of_collection(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath((collection, set)): InPath<(String, String)>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    the_set(&set)?;
    Ok(json(&tile_set(&app.view(&actor), Some(Collection::named(&collection)?), &base(&app, &headers))))
}

/// One tile with all layers that have features at its zoom.
#[utoipa::path(get, path = "/ogc/tiles/{set}/{z}/{row}/{column}", tag = "ogc", params(("set" = String, Path, description = "WebMercatorQuad"), ("z" = u8, Path, description = "Zoom"), ("row" = u32, Path, description = "From the north"), ("column" = u32, Path, description = "From the west"), NoQuery), responses((status = 200, content_type = "application/vnd.mapbox-vector-tile", body = [u8]), (status = 204, description = "Nothing in it"), (status = 304, description = "The client has it")))]
pub async fn tile_of_all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath((set, z, row, column)): InPath<(String, String, String, String)>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    the_set(&set)?;
    let tile = tiles::tile_named(&z, &column, &row)?;
    tiles::answer(&app, &actor, layers(None), tile, &TileQuery::default(), &headers).await
}

/// One tile of a collection.
#[utoipa::path(get, path = "/ogc/collections/{collection}/tiles/{set}/{z}/{row}/{column}", tag = "ogc", params(("collection" = String, Path, description = "regions, grids, facilities or cases"), ("set" = String, Path, description = "WebMercatorQuad"), ("z" = u8, Path, description = "Zoom"), ("row" = u32, Path, description = "From the north"), ("column" = u32, Path, description = "From the west"), NoQuery), responses((status = 200, content_type = "application/vnd.mapbox-vector-tile", body = [u8]), (status = 204, description = "Nothing in it"), (status = 304, description = "The client has it")))]
pub async fn tile_of_collection(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath((collection, set, z, row, column)): InPath<(String, String, String, String, String)>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let collection = Collection::named(&collection)?;
    the_set(&set)?;
    let tile = tiles::tile_named(&z, &column, &row)?;
    tiles::answer(&app, &actor, layers(Some(collection)), tile, &TileQuery::default(), &headers).await
}

/// The tile matrix sets: one.
#[utoipa::path(get, path = "/ogc/tileMatrixSets", tag = "ogc", params(NoQuery), responses((status = 200, body = MatrixSets)))]
pub async fn matrix_sets(State(app): State<Arc<App>>, _: Query<NoQuery>, headers: HeaderMap) -> Response {
    let href = format!("{}/tileMatrixSets/{SET}", base(&app, &headers));
    let links = vec![Link::new("self", JSON, href, "Its zooms")];
    json(&MatrixSets { tile_matrix_sets: vec![MatrixSetItem { id: SET, title: "Web Mercator", uri: SET_URI, links }] })
}

/// The zooms of a tile matrix set.
#[utoipa::path(get, path = "/ogc/tileMatrixSets/{set}", tag = "ogc", params(("set" = String, Path, description = "WebMercatorQuad"), NoQuery), responses((status = 200, body = MatrixSet)))]
pub async fn matrix_set(InPath(set): InPath<String>, _: Query<NoQuery>) -> Answer<Response> {
    the_set(&set)?;
    let matrix = |zoom: u8| {
        let width = 1_u32 << zoom;
        let cell_size = 2.0 * HALF_WORLD_M / f64::from(width) / f64::from(TILE_PIXELS);
        Matrix {
            id: zoom.to_string(),
            scale_denominator: cell_size / PIXEL_M,
            cell_size,
            corner_of_origin: "topLeft",
            point_of_origin: [-HALF_WORLD_M, HALF_WORLD_M],
            tile_width: TILE_PIXELS,
            tile_height: TILE_PIXELS,
            matrix_width: width,
            matrix_height: width,
        }
    };
    Ok(json(&MatrixSet {
        id: SET,
        title: "Web Mercator",
        uri: SET_URI,
        crs: WEB_MERCATOR,
        well_known_scale_set: "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        tile_matrices: (0..=crate::geom::tile_id::MAX_ZOOM).map(matrix).collect(),
    }))
}

fn the_set(set: &str) -> Answer<()> {
    match set {
        SET => Ok(()),
        other => Err(Problem::new(ProblemCode::NotFound, format!("{:?} is no tile matrix set; there is {SET}", clipped(other)))
            .with("allowed", vec![SET])),
    }
}

fn layers(collection: Option<Collection>) -> Layers {
    match collection {
        Some(collection) => collection.layer().into(),
        None => Layer::ALL.into_iter().map(Layers::from).reduce(Layers::and).expect("there are layers"),
    }
}

fn address(collection: Option<Collection>, base: &str) -> String {
    match collection {
        Some(collection) => format!("{base}/collections/{}/tiles", collection.as_str()),
        None => format!("{base}/tiles"),
    }
}

fn title(view: &View, collection: Option<Collection>) -> String {
    collection.map_or_else(|| view.city.about.title.clone(), |collection| collection.title().to_owned())
}

fn list(view: &View, collection: Option<Collection>, base: &str) -> TileSets {
    let here = address(collection, base);
    let item = TileSetItem {
        title: title(view, collection),
        data_type: "vector",
        crs: WEB_MERCATOR,
        tile_matrix_set_uri: SET_URI,
        links: vec![
            Link::new("self", JSON, format!("{here}/{SET}"), "This tile set"),
            Link::new(REL_SCHEME, JSON, format!("{base}/tileMatrixSets/{SET}"), "How it is cut"),
        ],
    };
    TileSets { links: vec![Link::new("self", JSON, here, "This list")], tilesets: vec![item] }
}

fn tile_set(view: &View, collection: Option<Collection>, base: &str) -> TileSet {
    let here = format!("{}/{SET}", address(collection, base));
    let layers = layers(collection);
    let shape = |layer: Layer| {
        let (first, last) = layer.zooms(&view.city)?;
        let kinds: BTreeMap<&str, serde_json::Value> =
            layer.fields().iter().map(|(field, kind)| (field.as_str(), schema(kind))).collect();
        Some(LayerShape {
            id: layer.as_str(),
            data_type: "vector",
            geometry_dimension: if matches!(layer, Layer::Regions | Layer::Grids) { 2 } else { 0 },
            min_tile_matrix: first.to_string(),
            max_tile_matrix: last.to_string(),
            properties_schema: serde_json::json!({ "type": "object", "properties": kinds }),
        })
    };
    let land = match view.sees_all() {
        true => tilejson::bounds(&view.city),
        false => view.bbox().map(shapes::bbox),
    };
    let zooms = layers.zooms(&view.city).zip(land);
    TileSet {
        title: title(view, collection),
        data_type: "vector",
        crs: WEB_MERCATOR,
        tile_matrix_set_uri: SET_URI,
        tile_matrix_set_limits: zooms.map(|((first, last), land)| limits(first, last, land)).unwrap_or_default(),
        layers: layers.iter().filter_map(shape).collect(),
        links: vec![
            Link::new("self", JSON, here.clone(), "This tile set"),
            Link::new(REL_SCHEME, JSON, format!("{base}/tileMatrixSets/{SET}"), "How it is cut"),
            Link::new("item", MVT, format!("{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"), "A tile").templated(),
        ],
    }
}

/// JSON Schema of a TileJSON field's description (`String`, `Number`, `Boolean`, and what it means).
fn schema(kind: &str) -> serde_json::Value {
    let word = match kind {
        _ if kind.starts_with("Number") => "integer",
        _ if kind.starts_with("Boolean") => "boolean",
        _ => "string",
    };
    serde_json::json!({ "type": word, "description": kind })
}

/// The tiles of each zoom that meet the land.
fn limits(first: u8, last: u8, [west, south, east, north]: [f64; 4]) -> Vec<Limits> {
    let at = |lon: f64, lat: f64, zoom: u8| {
        let there = crate::geom::LonLat::new(lon, lat).map(crate::geom::LatticePoint::nearest);
        there.map_or_else(|_| TileId::new(zoom, 0, 0).ok(), |p| Some(mercator::tile_at(MercatorPoint::of(p), zoom)))
    };
    let limits = |zoom: u8| {
        let (min, max) = (at(west, north, zoom)?, at(east, south, zoom)?);
        Some(Limits {
            tile_matrix: zoom.to_string(),
            min_tile_row: min.y(),
            max_tile_row: max.y(),
            min_tile_col: min.x(),
            max_tile_col: max.x(),
        })
    };
    (first..=last).filter_map(limits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_zoom_is_that_of_the_standard() {
        let cell = 2.0 * HALF_WORLD_M / f64::from(TILE_PIXELS);
        assert!((cell - 156_543.033_928_041).abs() < 1e-6);
        assert!((cell / PIXEL_M - 559_082_264.028_717).abs() < 1e-3);
    }

    #[test]
    fn limits_hold_the_land_and_nothing_else() {
        let found = limits(0, 10, [122.0, 29.9, 122.3, 30.1]);
        assert_eq!(
            found[0],
            Limits { tile_matrix: "0".to_owned(), min_tile_row: 0, max_tile_row: 0, min_tile_col: 0, max_tile_col: 0 }
        );
        let Limits { min_tile_row, max_tile_row, min_tile_col, max_tile_col, .. } = found[10];
        // https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames: 122°E 30.1°N and 122.3°E 29.9°N
        assert_eq!((min_tile_col, max_tile_col, min_tile_row, max_tile_row), (859, 859, 422, 422));
    }
}
