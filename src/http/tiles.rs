//! `/tiles…`: the catalogue, TileJSON, vector tiles.

use super::asof::{self, Moment};
use super::assets::{accepts, matches};
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::json::{base_url, json};
use super::path::InPath;
use super::query::{NoQuery, Query, Word, clipped, given, query};
use crate::app::view::View;
use crate::app::{Actor, App};
use crate::city::City;
use crate::domain::id::TileTag;
use crate::geom::TileId;
use crate::tiles::cache::Encoding;
use crate::tiles::layer::BadList;
use crate::tiles::tilejson::TileJson;
use crate::tiles::{Fields, Layer, Layers};
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Which boundaries and attributes.
    #[derive(Default)]
    pub struct TileQuery {
        ..set,
        /// Boundaries in force then, for `regions`, `grids`, `labels`: a date (00:00 in the city's zone) or RFC 3339 with offset.
        #[param(value_type = Option<String>)]
        at: Option<Moment>,
        /// Boundaries of this epoch, for `regions`, `grids`, `labels`; such a tile never changes.
        epoch: Option<u64>,
        /// Attributes, comma-separated; all when absent.
        #[param(value_type = Option<String>)]
        fields: Option<Fields>,
    }
}

given!(Fields);

impl Word for Fields {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        Self::parse(text).map_err(|error| Problem::bad_parameter(field, error))
    }
}

/// What there is to draw.
#[derive(Debug, Serialize, ToSchema)]
pub struct Catalogue<'a> {
    /// By name of the layer.
    tiles: BTreeMap<&'static str, CatalogueLayer>,
    /// The change log's number up to which it is true.
    revision: u64,
    /// The boundaries in force.
    epoch: u64,
    /// Title of the platform.
    title: &'a str,
}

/// A layer of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueLayer {
    /// Of its tiles.
    content_type: &'static str,
    /// Address of its TileJSON.
    url: String,
    /// First zoom with tiles.
    minzoom: u8,
    /// Last zoom with tiles; clients show deeper zooms from it.
    maxzoom: u8,
}

/// Vector tiles (Mapbox Vector Tile 2.1).
pub(super) const MEDIA_TYPE: &str = "application/vnd.mapbox-vector-tile";

/// The layers of this city. Several can be joined with commas, in the order of this list.
#[utoipa::path(get, path = "/tiles", tag = "map", params(NoQuery), responses((status = 200, body = Catalogue)))]
pub async fn catalogue(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = app.view(&actor);
    let base = base_url(&app.config, &headers);
    let layer = |layer: Layer| {
        let (minzoom, maxzoom) = layer.zooms(&view.city)?;
        let url = format!("{base}/tiles/{}", layer.as_str());
        Some((layer.as_str(), CatalogueLayer { content_type: MEDIA_TYPE, url, minzoom, maxzoom }))
    };
    Ok(json(&Catalogue {
        tiles: Layer::ALL.into_iter().filter_map(layer).collect(),
        revision: view.city.revision.0,
        epoch: view.territory.epoch.0,
        title: &view.city.about.title,
    }))
}

/// TileJSON 3.0 of one or several layers. What is asked for here (`at`, `epoch`, `fields`) is asked for in its tiles.
#[utoipa::path(get, path = "/tiles/{layers}", tag = "map", params(("layers" = String, Path, description = "Comma-joined: regions, grids, labels, facilities, cases, organizations, buildings"), TileQuery), responses((status = 200, body = Object)))]
pub async fn tilejson(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(layers): InPath<String>,
    Query(query): Query<TileQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let layers = layers_named(&layers)?;
    only_boundaries(layers, &query)?;
    let view = asof::boundaries!(query).view(&app, &actor).await?;
    let passed_on = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let template = format!("{}/tiles/{layers}/{{z}}/{{x}}/{{y}}{passed_on}", base_url(&app.config, &headers));
    let drawn = City { territory: Arc::clone(&view.territory), ..City::clone(&view.city) };
    let tilejson = TileJson::new(&drawn, layers, template);
    let tilejson = match view.sees_all() {
        true => tilejson,
        false => tilejson.map(|tilejson| tilejson.within(view.bbox())),
    };
    match tilejson {
        Some(tilejson) => Ok(json(&tilejson.credited(app.config.credits(&view.city.about.attribution)))),
        None => Err(Problem::new(ProblemCode::OutsideZooms, format!("the city has nothing to draw in {layers} yet"))),
    }
}

/// One tile. 204 when there is nothing in it; its weak ETag is the hash of its content.
#[utoipa::path(
    get, path = "/tiles/{layers}/{z}/{x}/{y}", tag = "map",
    params(
        ("layers" = String, Path, description = "Comma-joined: regions, grids, labels, facilities, cases, organizations, buildings"),
        ("z" = u8, Path, description = "Zoom"), ("x" = u32, Path, description = "Column from the west"), ("y" = u32, Path, description = "Row from the north"),
        TileQuery
    ),
    responses(
        (status = 200, content_type = "application/vnd.mapbox-vector-tile", body = [u8]),
        (status = 204, description = "Nothing in it"), (status = 304, description = "The client has it")
    )
)]
pub async fn tile(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath((layers, z, x, y)): InPath<(String, String, String, String)>,
    Query(query): Query<TileQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let layers = layers_named(&layers)?;
    answer(&app, &actor, layers, tile_named(&z, &x, &y)?, &query, &headers).await
}

/// A tile, or that the client has it, or that nothing is in it.
pub(super) async fn answer(
    app: &App,
    actor: &Actor,
    layers: Layers,
    tile: TileId,
    query: &TileQuery,
    headers: &HeaderMap,
) -> Answer<Response> {
    only_boundaries(layers, query)?;
    let view = asof::boundaries!(query).view(app, actor).await?;
    in_zooms(&view, layers, tile)?;
    let asked = app.ask_tile(actor, &view, tile, layers, query.fields.unwrap_or(Fields::ALL));
    let current = |tag: TileTag| matches(headers, &etag(tag));
    if let Some(tag) = app.tile_tag(&asked).filter(|tag| current(*tag)) {
        return Ok(headed(StatusCode::NOT_MODIFIED, Body::empty(), tag, query));
    }
    let (encoding, coding) = preferred(headers);
    let tile = app.tile(&asked, encoding).await?;
    if current(tile.tag) {
        return Ok(headed(StatusCode::NOT_MODIFIED, Body::empty(), tile.tag, query));
    }
    if tile.body.is_empty() {
        return Ok(headed(StatusCode::NO_CONTENT, Body::empty(), tile.tag, query));
    }
    let mut response = headed(StatusCode::OK, Body::from(tile.body), tile.tag, query);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(coding) = coding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    Ok(response)
}

fn layers_named(text: &str) -> Answer<Layers> {
    Layers::parse(text).map_err(|error| {
        let problem = Problem::new(ProblemCode::UnknownLayer, error.to_string()).with("given", clipped(text));
        match error {
            BadList::Unknown { .. } => problem.with("allowed", Layer::ALL.map(Layer::as_str).as_slice()),
            BadList::Order { canonical, .. } => problem.with("canonical", canonical),
        }
    })
}

pub(super) fn tile_named(z: &str, x: &str, y: &str) -> Answer<TileId> {
    let bad = |field: &str, detail: String| Problem::new(ProblemCode::BadPath, detail).with("field", field);
    let number = |field: &str, text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse::<u32>().ok() } else { None };
        number.ok_or_else(|| bad(field, format!("{field}: {:?} is not a whole number", clipped(text))))
    };
    let (z, x, y) = (number("z", z)?, number("x", x)?, number("y", y)?);
    let zoom = u8::try_from(z).map_err(|_| bad("z", format!("z: {z} is deeper than any tile")))?;
    TileId::new(zoom, x, y).map_err(|error| bad("z/x/y", error.to_string()))
}

/// Facilities, cases, organizations and buildings have no past, and belong to no grid set.
fn only_boundaries(layers: Layers, query: &TileQuery) -> Answer<()> {
    let other_set = query.set.as_ref().is_some_and(|set| !set.is_governance());
    let elsewhere = query.at.is_some() || query.epoch.is_some() || other_set;
    match layers.iter().find(|layer| !layer.is_boundaries()).filter(|_| elsewhere) {
        Some(layer) => {
            let detail = format!(
                "at, epoch and set ask for boundaries of other times or grid sets; {} are drawn as they are now",
                layer.as_str()
            );
            Err(Problem::new(ProblemCode::ConflictingParameters, detail).with("fields", vec!["at", "epoch", "set"]))
        }
        None => Ok(()),
    }
}

fn in_zooms(view: &View, layers: Layers, tile: TileId) -> Answer<()> {
    // The zooms of layers of boundaries are those of the territory that is drawn.
    let zooms = if view.is_elsewhere() {
        layers.zooms(&City { territory: Arc::clone(&view.territory), ..City::clone(&view.city) })
    } else {
        layers.zooms(&view.city)
    };
    match zooms {
        Some((first, last)) if (first..=last).contains(&tile.z()) => Ok(()),
        Some((first, last)) => {
            let detail = format!("{layers} have tiles at zooms {first} to {last}, not {}", tile.z());
            Err(Problem::new(ProblemCode::OutsideZooms, detail).with("minzoom", first).with("maxzoom", last))
        }
        None => Err(Problem::new(ProblemCode::OutsideZooms, format!("the city has nothing to draw in {layers} yet"))),
    }
}

fn etag(tag: TileTag) -> String {
    format!("W/\"{:016x}\"", tag.0)
}

/// zstd is made and read fastest, gzip is known to all.
fn preferred(headers: &HeaderMap) -> (Encoding, Option<&'static str>) {
    if accepts(headers, "zstd") {
        (Encoding::Zstd, Some("zstd"))
    } else if accepts(headers, "gzip") {
        (Encoding::Gzip, Some("gzip"))
    } else {
        (Encoding::Identity, None)
    }
}

fn headed(status: StatusCode, body: Body, tag: TileTag, query: &TileQuery) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let cache = if query.epoch.is_some() { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::ETAG, HeaderValue::from_str(&etag(tag)).expect("hexadecimal digits in quotes are a header value"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}
