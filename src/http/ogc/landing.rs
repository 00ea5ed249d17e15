//! `/ogc` and `/ogc/conformance`: where a client begins.

use super::{JSON, Link, base};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::Answer;
use crate::http::json::{base_url, json};
use crate::http::query::{NoQuery, Query};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What there is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Landing<'a> {
    /// Title of the platform.
    title: &'a str,
    /// For people.
    description: String,
    /// Whose data this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<String>,
    /// To everything else.
    links: Vec<Link>,
}

/// Conformance classes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conformance {
    /// URIs of the classes that hold here.
    conforms_to: &'static [&'static str],
}

const CLASSES: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/dataset-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixset",
];

/// The landing page of the OGC API.
#[utoipa::path(get, path = "/ogc", tag = "ogc", params(NoQuery), responses((status = 200, body = Landing)))]
pub async fn page(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>, headers: HeaderMap) -> Answer<Response> {
    let (view, base) = (app.view(&actor), base(&app, &headers));
    let about = &view.city.about;
    let made_up = if about.synthetic { " Made up for a demonstration." } else { "" };
    Ok(json(&Landing {
        title: &about.title,
        description: format!("Regions, grids, facilities and open cases of a city governed by grids.{made_up}"),
        attribution: (!about.attribution.is_empty()).then(|| about.attribution.join(", ")),
        links: vec![
            Link::new("self", JSON, base.clone(), "This page"),
            Link::new("conformance", JSON, format!("{base}/conformance"), "What this API conforms to"),
            Link::new("service-desc", super::api::MEDIA_TYPE, format!("{base}/api"), "The API, OpenAPI 3.0"),
            Link::new("service-doc", "text/html", format!("{}/docs", base_url(&app.config, &headers)), "The API, for people"),
            Link::new("data", JSON, format!("{base}/collections"), "Collections of features"),
            Link::new(super::tiles::REL_TILESETS, JSON, format!("{base}/tiles"), "Vector tiles"),
            Link::new(super::tiles::REL_SCHEMES, JSON, format!("{base}/tileMatrixSets"), "How tiles are cut"),
        ],
    }))
}

/// The conformance classes that hold here.
#[utoipa::path(get, path = "/ogc/conformance", tag = "ogc", params(NoQuery), responses((status = 200, body = Conformance)))]
pub async fn conformance(_: Query<NoQuery>) -> Response {
    json(&Conformance { conforms_to: CLASSES })
}
