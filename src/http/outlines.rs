//! Outlines as GeoJSON (RFC 7946), in the CRS that was asked for.

use super::error::Answer;
use super::query::{self};
use super::shapes::Position;
use crate::geom::{Area, Crs, LatticeBox, LatticePoint, Polygon};
use serde::Serialize;
use utoipa::ToSchema;

/// A GeoJSON Feature with one outline.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outline<'a> {
    /// Always `Feature`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The code.
    id: &'a str,
    /// `[west, south, east, north]` in the same CRS; null without land.
    bbox: Option<[f64; 4]>,
    /// A MultiPolygon; null without land.
    geometry: Option<Geometry>,
    /// What it is.
    properties: OutlineProperties<'a>,
}

/// A GeoJSON MultiPolygon.
#[derive(Debug, Serialize, ToSchema)]
pub struct Geometry {
    /// Always `MultiPolygon`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Exteriors counter-clockwise, holes clockwise, first position repeated at the end.
    coordinates: Vec<Vec<Vec<Position>>>,
}

/// What an outline is of.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutlineProperties<'a> {
    /// Its code, as the feature's id.
    pub code: &'a str,
    /// Name of its level.
    pub level: &'a str,
    /// May be empty.
    pub name: &'a str,
    /// The region above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<&'a str>,
    /// The boundaries it is from.
    pub epoch: u64,
    /// CRS of the coordinates.
    pub crs: &'static str,
    /// A point inside its largest part, in the same CRS; null without land.
    pub label_point: Option<Position>,
}

/// What a feature is made from.
pub struct Subject<'a> {
    /// Its properties; `crs` and `label_point` are set here.
    pub properties: OutlineProperties<'a>,
    /// Its land.
    pub area: Area,
    /// Inside its largest part.
    pub label: Option<LatticePoint>,
}

/// GeoJSON FeatureCollection of outlines.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outlines<'a> {
    /// Always `FeatureCollection`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The boundaries they are from.
    pub epoch: u64,
    /// How many there are.
    pub number_matched: usize,
    /// One a region or grid, in depth-first order.
    pub features: Vec<Outline<'a>>,
}

/// The feature of a subject in a CRS.
pub fn outline<'a>(subject: Subject<'a>, crs: Crs) -> Answer<Outline<'a>> {
    let Subject { mut properties, area, label } = subject;
    let told = |p: LatticePoint| -> Answer<Position> {
        let p = crs.from_cgcs2000(p.lonlat()).map_err(|error| query::out_of_range("crs", error))?;
        // Seven decimals are a centimetre, which is what the lattice holds.
        Ok(Position([tidy(p.lon()), tidy(p.lat())]))
    };
    properties.crs = crs.name();
    properties.label_point = label.map(told).transpose()?;
    let geometry = (!area.is_empty()).then(|| coordinates(&area, told)).transpose()?;
    let bbox = match (crs, &geometry) {
        (Crs::Wgs84 | Crs::Cgcs2000, _) => area.bbox().map(|b: LatticeBox| super::shapes::bbox(b)),
        (_, geometry) => geometry.as_ref().map(|geometry| box_of(&geometry.coordinates)),
    };
    Ok(Outline { kind: "Feature", id: properties.code, bbox, geometry, properties })
}

fn coordinates(area: &Area, told: impl Fn(LatticePoint) -> Answer<Position>) -> Answer<Geometry> {
    let ring = |ring: &Vec<LatticePoint>| ring.iter().chain(ring.first()).map(|p| told(*p)).collect::<Answer<Vec<Position>>>();
    let polygon =
        |polygon: &Polygon| std::iter::once(&polygon.exterior).chain(&polygon.holes).map(ring).collect::<Answer<Vec<_>>>();
    Ok(Geometry { kind: "MultiPolygon", coordinates: area.polygons().iter().map(polygon).collect::<Answer<Vec<_>>>()? })
}

fn box_of(coordinates: &[Vec<Vec<Position>>]) -> [f64; 4] {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    coordinates.iter().flatten().flatten().fold(start, |[west, south, east, north], Position([lon, lat])| {
        [west.min(*lon), south.min(*lat), east.max(*lon), north.max(*lat)]
    })
}

fn tidy(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}
