//! `/ogc`: OGC API – Features (parts 1 and 2) and OGC API – Tiles, for programs that speak them (QGIS, GDAL, owslib). The same data as
//! `/api/v1`, read only; see <https://docs.ogc.org/is/17-069r4/17-069r4.html>, <https://docs.ogc.org/is/18-058r1/18-058r1.html>,
//! <https://docs.ogc.org/is/20-057/20-057.html>.

pub mod api;
pub mod asked;
pub mod collections;
pub mod crs;
pub mod features;
pub mod landing;
pub mod tiles;

use super::error::{Answer, Problem, ProblemCode};
use super::json::base_url;
use super::query::clipped;
use crate::app::App;
use crate::tiles::Layer;
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

/// A link (RFC 8288) in an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Link {
    /// Absolute, or with `templated` a template.
    href: String,
    /// What is there, seen from here.
    rel: &'static str,
    /// Media type of what is there.
    #[serde(rename = "type")]
    media_type: &'static str,
    /// For people.
    title: String,
    /// `href` holds parts in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    templated: Option<bool>,
}

const JSON: &str = "application/json";
const GEOJSON: &str = "application/geo+json";
const MVT: &str = super::tiles::MEDIA_TYPE;

impl Link {
    fn new(rel: &'static str, media_type: &'static str, href: String, title: impl Into<String>) -> Self {
        Self { href, rel, media_type, title: title.into(), templated: None }
    }

    fn templated(self) -> Self {
        Self { templated: Some(true), ..self }
    }
}

/// What absolute links of this tree begin with.
fn base(app: &App, headers: &HeaderMap) -> String {
    format!("{}/ogc", base_url(&app.config, headers))
}

/// A part of a path, percent-encoded.
fn escaped(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        match plain(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The feature collections, by name in addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// Every region above the grids.
    Regions,
    /// Grids.
    Grids,
    /// Facilities, in whatever state.
    Facilities,
    /// Open cases.
    Cases,
    /// Buildings.
    Buildings,
}

impl Collection {
    /// In the order in which they are listed.
    const ALL: [Self; 5] = [Self::Regions, Self::Grids, Self::Facilities, Self::Cases, Self::Buildings];

    fn as_str(self) -> &'static str {
        self.layer().as_str()
    }

    /// The layer of vector tiles with the same features.
    fn layer(self) -> Layer {
        match self {
            Self::Regions => Layer::Regions,
            Self::Grids => Layer::Grids,
            Self::Facilities => Layer::Facilities,
            Self::Cases => Layer::Cases,
            Self::Buildings => Layer::Buildings,
        }
    }

    fn named(text: &str) -> Answer<Self> {
        Self::ALL.into_iter().find(|collection| collection.as_str() == text).ok_or_else(|| {
            let allowed = Self::ALL.map(Self::as_str);
            Problem::new(ProblemCode::NotFound, format!("{:?} is no collection; there are {}", clipped(text), allowed.join(", ")))
                .with("allowed", allowed.as_slice())
        })
    }

    fn title(self) -> &'static str {
        match self {
            Self::Regions => "Regions",
            Self::Grids => "Grids",
            Self::Facilities => "Facilities",
            Self::Cases => "Open cases",
            Self::Buildings => "Buildings",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Regions => "Regions of every level above the grids; the area of a region is that of its grids.",
            Self::Grids => "Grids, the lowest level: every point of the covered land lies in exactly one.",
            Self::Facilities => "Facilities in whatever state, with the grid that holds them.",
            Self::Cases => "Open cases; those that are only known to be in a region have no geometry.",
            Self::Buildings => {
                "Buildings: footprints, or points of them; those that are only known to be in a grid have no geometry."
            }
        }
    }
}
