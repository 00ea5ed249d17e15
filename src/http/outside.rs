//! Maps and layers of others: `/basemaps/…` under our map, `/layers/…` on it, and what there is of the latter (`/api/v1/layers`).

use super::assets::{accepts, matches};
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::json::json;
use super::path::InPath;
use super::query::{NoQuery, Query};
use super::shapes;
use super::tiles::tile_named;
use crate::app::outside::{Basemap, Layer, LayerContent, Read, Source};
use crate::app::{App, AppError};
use crate::config::layers::Class;
use crate::domain::hash::hash64;
use crate::geom::TileId;
use crate::interchange::pmtiles::{MOST_UNPACKED, gunzip};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// So long a browser keeps a tile of another server at most.
const BROWSER_FRESH: Duration = Duration::from_secs(3600);

/// A map that may lie under ours.
#[derive(Debug, Serialize, ToSchema)]
pub struct BasemapShape<'a> {
    /// Stable name.
    id: &'a str,
    /// Chinese title.
    title: &'a str,
    /// English title.
    title_en: &'a str,
    /// What it is in: `cgcs2000` or `wgs84`.
    crs: &'a str,
    /// Whose it is, with its own approval number; to be drawn while it is shown.
    attribution: String,
    /// Photographs.
    imagery: bool,
    /// Shown until a person chooses another.
    shown: bool,
    /// From the lowest up.
    parts: Vec<TilesShape<'a>>,
}

/// Tiles of others.
#[derive(Debug, Serialize, ToSchema)]
pub struct TilesShape<'a> {
    /// Address of a tile, with places for its numbers.
    tiles: String,
    /// `vector` (MVT) or `raster`.
    kind: &'static str,
    /// Pixels along an edge.
    tile_size: u16,
    /// First zoom with tiles.
    minzoom: u8,
    /// Last zoom with tiles.
    maxzoom: u8,
    /// `[west, south, east, north]`; null when it is not known.
    bounds: Option<[f64; 4]>,
    /// Layers of vector tiles.
    vector_layers: &'a [String],
}

impl<'a> TilesShape<'a> {
    fn of(source: &'a Source, address: &str) -> Self {
        let (minzoom, maxzoom) = source.zooms();
        Self {
            tiles: format!("{address}/{{z}}/{{x}}/{{y}}"),
            kind: if source.is_vector() { "vector" } else { "raster" },
            tile_size: source.tile_size(),
            minzoom,
            maxzoom,
            bounds: source.bounds(),
            vector_layers: source.vector_layers(),
        }
    }
}

impl<'a> BasemapShape<'a> {
    /// As `/api/v1/meta` tells it.
    pub(super) fn of(Basemap { about, parts }: &'a Basemap) -> Self {
        let told = parts.iter().map(|(_, source)| source.attribution()).find(|text| !text.is_empty()).unwrap_or_default();
        let attribution = if about.attribution.is_empty() { told } else { &about.attribution };
        Self {
            id: &about.id,
            title: &about.title,
            title_en: &about.title_en,
            crs: about.crs.name(),
            attribution: attribution.to_owned(),
            imagery: about.imagery,
            shown: about.shown,
            parts: parts.iter().map(|(name, source)| TilesShape::of(source, &format!("/basemaps/{}/{name}", about.id))).collect(),
        }
    }
}

/// Thematic layers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Layers<'a> {
    /// The change log's number; layers of others do not depend on it.
    revision: u64,
    /// In the order of the settings.
    items: Vec<LayerShape<'a>>,
}

/// A thematic layer.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerShape<'a> {
    /// Stable name.
    id: &'a str,
    /// Chinese title.
    title: &'a str,
    /// English title.
    title_en: &'a str,
    /// The branch of the tree it hangs on; empty: none.
    group: &'a str,
    /// In English.
    group_en: &'a str,
    /// `sky`, `teal`, `green`, `violet` or `slate`.
    colour: &'a str,
    /// Icon of its points.
    icon: &'a str,
    /// Drawn from this zoom on.
    minzoom: u8,
    /// Drawn up to this zoom.
    maxzoom: u8,
    /// Whose it is.
    attribution: &'a str,
    /// Drawn until a person puts it away.
    shown: bool,
    /// The property that names a thing.
    name_field: Option<&'a str>,
    /// The property by which things are told apart.
    class_field: Option<&'a str>,
    /// Its values: those of the settings in their order, then others that there are.
    classes: Vec<ClassShape<'a>>,
    /// Address of its GeoJSON; null when it is made of tiles.
    features: Option<String>,
    /// Its tiles; null when it is GeoJSON.
    tiles: Option<TilesShape<'a>>,
    /// How many things; null when nobody counted.
    count: Option<usize>,
    /// Another one when the content is; 0: not read yet, or it is made of tiles.
    version: u64,
    /// How often its source is looked after, in seconds; null: never.
    every_s: Option<u64>,
    /// When its source was last read well; null: not yet, or it is made of tiles.
    as_of: Option<String>,
    /// What was wrong the last time; null: nothing. What was good last is kept.
    problem: Option<String>,
}

/// A value by which things of a layer are told apart.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassShape<'a> {
    /// As the property has it.
    value: String,
    /// Chinese title.
    title: String,
    /// English title.
    title_en: String,
    /// The layer's when it has none of its own.
    colour: &'a str,
    /// How many; null when nobody counted.
    count: Option<usize>,
}

/// What thematic layers there are, how many things they hold, and how old they are.
#[utoipa::path(get, path = "/api/v1/layers", tag = "map", params(NoQuery), responses((status = 200, body = Layers)))]
pub async fn all(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>) -> Answer<Response> {
    let view = app.view(&actor);
    let zone = shapes::zone(&view);
    let shape = |layer: &'_ Layer| -> (Option<Read>, Option<u64>) {
        match &layer.content {
            LayerContent::Features(watched) => (Some(watched.now()), Some(watched.every().as_secs())),
            LayerContent::Tiles(_) => (None, None),
        }
    };
    let items = app.layers(&actor).map(|layer| {
        let (read, every_s) = shape(layer);
        let about = &layer.about;
        let features = read.as_ref().and_then(|read| read.features.clone());
        LayerShape {
            id: &about.id,
            title: &about.title,
            title_en: &about.title_en,
            group: &about.group.0,
            group_en: &about.group.1,
            colour: &about.colour,
            icon: &about.icon,
            minzoom: about.zooms.0,
            maxzoom: about.zooms.1,
            attribution: &about.attribution,
            shown: about.shown,
            name_field: about.name_field.as_deref(),
            class_field: about.classes.as_ref().map(|(field, _)| field.as_str()),
            classes: classes(layer, features.as_ref().map(|features| &features.by_class)),
            features: read.is_some().then(|| format!("/layers/{}", about.id)),
            tiles: match &layer.content {
                LayerContent::Features(_) => None,
                LayerContent::Tiles(source) => Some(TilesShape::of(source, &format!("/layers/{}", about.id))),
            },
            count: features.as_ref().map(|features| features.count),
            version: read.as_ref().map_or(0, |read| read.version),
            every_s,
            as_of: read.as_ref().and_then(|read| read.as_of).map(|at| shapes::time(at, &zone)),
            problem: read.and_then(|read| read.problem),
        }
    });
    Ok(json(&Layers { revision: view.city.revision.0, items: items.collect() }))
}

fn classes<'a>(layer: &'a Layer, counted: Option<&BTreeMap<String, usize>>) -> Vec<ClassShape<'a>> {
    let Some((_, told)) = &layer.about.classes else { return Vec::new() };
    let count = |value: &str| counted.map(|counted| counted.get(value).copied().unwrap_or(0));
    let mut classes: Vec<ClassShape<'a>> = told
        .iter()
        .map(|Class { value, title, title_en, colour }| ClassShape {
            value: value.clone(),
            title: title.clone(),
            title_en: title_en.as_ref().unwrap_or(title).clone(),
            colour: colour.as_ref().unwrap_or(&layer.about.colour),
            count: count(value),
        })
        .collect();
    for (value, count) in counted.into_iter().flatten() {
        if !told.iter().any(|class| class.value == *value) {
            let (value, title) = (value.clone(), value.clone());
            classes.push(ClassShape { value, title_en: title.clone(), title, colour: &layer.about.colour, count: Some(*count) });
        }
    }
    classes
}

/// The things of a layer as GeoJSON, positions in CGCS2000. At most 16 MB and 50,000 features.
#[utoipa::path(
    get, path = "/layers/{id}", tag = "map",
    params(("id" = String, Path, description = "Of the layer"), NoQuery),
    responses((status = 200, content_type = "application/geo+json", body = Object), (status = 304, description = "The client has it"))
)]
pub async fn features(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(id): InPath<String>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let LayerContent::Features(watched) = &app.layer(&actor, &id)?.content else {
        let detail = format!("the layer {id} is made of tiles: /layers/{id}/{{z}}/{{x}}/{{y}}");
        return Err(Problem::new(ProblemCode::UnknownLayer, detail));
    };
    let read = watched.now();
    let Some(features) = read.features else {
        let why = read.problem.unwrap_or_else(|| "its source has not answered yet".to_owned());
        return Err(Problem::new(ProblemCode::UpstreamFailed, format!("the layer {id} was not read yet: {why}")));
    };
    let tag = format!("W/\"{:016x}\"", hash64(&features.body));
    let gzip = accepts(&headers, "gzip");
    let body = if gzip { features.gzipped.clone() } else { features.body.clone() };
    Ok(answered(body, &tag, "application/geo+json", gzip, HeaderValue::from_static("no-cache"), &headers))
}

/// A tile of a base map. 204 when its source has nothing there.
#[utoipa::path(
    get, path = "/basemaps/{id}/{part}/{z}/{x}/{y}", tag = "map",
    params(
        ("id" = String, Path, description = "Of the base map"), ("part" = String, Path, description = "Of its parts: map, or a layer of Tianditu"),
        ("z" = u8, Path, description = "Zoom"), ("x" = u32, Path, description = "Column from the west"), ("y" = u32, Path, description = "Row from the north"),
        NoQuery
    ),
    responses(
        (status = 200, description = "A picture or a vector tile", content_type = "image/png", body = [u8]),
        (status = 204, description = "Nothing in it"), (status = 304, description = "The client has it")
    )
)]
pub async fn basemap_tile(
    State(app): State<Arc<App>>,
    Caller(_actor): Caller,
    InPath((id, part, z, x, y)): InPath<(String, String, String, String, String)>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    tile(&app, app.basemap_part(&id, &part)?, tile_named(&z, &x, &y)?, &headers).await
}

/// A tile of a thematic layer. 204 when its source has nothing there.
#[utoipa::path(
    get, path = "/layers/{id}/{z}/{x}/{y}", tag = "map",
    params(
        ("id" = String, Path, description = "Of the layer"),
        ("z" = u8, Path, description = "Zoom"), ("x" = u32, Path, description = "Column from the west"), ("y" = u32, Path, description = "Row from the north"),
        NoQuery
    ),
    responses(
        (status = 200, description = "A picture or a vector tile", content_type = "image/png", body = [u8]),
        (status = 204, description = "Nothing in it"), (status = 304, description = "The client has it")
    )
)]
pub async fn layer_tile(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath((id, z, x, y)): InPath<(String, String, String, String)>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let LayerContent::Tiles(source) = &app.layer(&actor, &id)?.content else {
        return Err(Problem::new(ProblemCode::UnknownLayer, format!("the layer {id} is GeoJSON: /layers/{id}")));
    };
    tile(&app, source, tile_named(&z, &x, &y)?, &headers).await
}

async fn tile(app: &App, source: &Source, tile: TileId, headers: &HeaderMap) -> Answer<Response> {
    let (first, last) = source.zooms();
    if !(first..=last).contains(&tile.z()) {
        let detail = format!("there are tiles at zooms {first} to {last}, not {}", tile.z());
        return Err(Problem::new(ProblemCode::OutsideZooms, detail).with("minzoom", first).with("maxzoom", last));
    }
    // What is far is asked for seldom; what is near costs nothing to ask again.
    let cache = match source.fresh() {
        None => HeaderValue::from_static("no-cache"),
        Some(fresh) => HeaderValue::from_str(&format!("private, max-age={}", fresh.min(BROWSER_FRESH).as_secs()))
            .expect("digits may stand in a header"),
    };
    let Some(tile) = app.outside_tile(source, tile).await? else {
        let mut response = answered(Default::default(), "", "", false, cache, &HeaderMap::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    };
    let tag = format!("W/\"{:016x}\"", tile.tag);
    let packed = tile.gzipped && accepts(headers, "gzip");
    let body = match tile.gzipped && !packed {
        true => gunzip(&tile.body, MOST_UNPACKED)
            .map_err(|error| AppError::Outside(format!("a tile does not unpack: {error}")))?
            .into(),
        false => tile.body,
    };
    Ok(answered(body, &tag, tile.media_type, packed, cache, headers))
}

fn answered(
    body: bytes::Bytes,
    tag: &str,
    media_type: &'static str,
    gzipped: bool,
    cache: HeaderValue,
    headers: &HeaderMap,
) -> Response {
    let known = !tag.is_empty() && matches(headers, tag);
    let mut response = Response::new(if known { Body::empty() } else { Body::from(body) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, cache);
    fields.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    fields.extend(HeaderValue::from_str(tag).ok().filter(|tag| !tag.is_empty()).map(|tag| (header::ETAG, tag)));
    if !known && !media_type.is_empty() {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if gzipped {
            fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    response
}
