//! `/api/v1/beidou…`: BeiDou grid location codes (GB/T 39409-2020), both ways.

use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::json::json;
use super::path::InPath;
use super::query::{self, NoQuery, Query, Word, given, query};
use super::shapes::Position;
use crate::app::{App, AppError};
use crate::geom::beidou::{self, BeidouError, Level};
use crate::geom::{Crs, LatticeBox, LatticePoint, LonLat};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Where, and how fine.
    pub struct EncodeQuery {
        /// Longitude in degrees, in `crs`.
        lon: f64,
        /// Latitude in degrees, in `crs`.
        lat: f64,
        /// CRS of the position: `wgs84`, `cgcs2000`, `gcj02` or `bd09`. Never guessed.
        #[param(schema_with = query::crs_schema)]
        crs: Crs,
        /// 1 (6° × 4°) to 10 (about 1.5 cm); 10 when absent.
        #[param(schema_with = query::beidou_level_schema)]
        level: Option<Level>,
    }
}

given!(Level);

impl Word for Level {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let level = text.parse().ok().and_then(|level| Self::new(level).ok());
        level.ok_or_else(|| Problem::bad_parameter(field, "takes a whole number from 1 to 10"))
    }
}

/// The cell that holds a position.
#[derive(Debug, Serialize, ToSchema)]
pub struct CellAnswer {
    /// Its code.
    code: String,
    /// 1 to 10.
    level: u8,
    /// `[west, south, east, north]`.
    bbox: [f64; 4],
}

/// The BeiDou code of a position anywhere on Earth; no city is needed.
#[utoipa::path(get, path = "/api/v1/beidou", tag = "lookup", params(EncodeQuery), responses((status = 200, body = CellAnswer)))]
pub async fn encode(Query(query): Query<EncodeQuery>) -> Answer<Response> {
    let told = query::position(query.lon, query.lat, query.crs)?;
    let level = query.level.unwrap_or(Level::LAST);
    let code = beidou::encode(told, level).map_err(|error| match error {
        BeidouError::PolarUnsupported => Problem::new(ProblemCode::OutOfRange, error.to_string()).with("field", "lat"),
        other => Problem::bad_parameter("level", other),
    })?;
    let cell = beidou::decode(&code).map_err(|error| Problem::bad_parameter("level", error))?;
    Ok(json(&CellAnswer { bbox: [cell.west, cell.south, cell.east, cell.north], level: cell.level.number(), code: cell.code }))
}

/// A cell and the grids that may meet it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecodeAnswer<'a> {
    /// The code in capitals.
    code: String,
    /// 1 to 10.
    level: u8,
    /// `[west, south, east, north]`.
    bbox: [f64; 4],
    /// Its middle.
    centre: Position,
    /// The boundaries the grids are from.
    epoch: u64,
    /// How many grids meet the cell.
    number_matched: usize,
    /// Their codes, at most 100.
    grids: Vec<&'a str>,
}

/// Most grids that a cell lists: coarse cells hold whole cities.
const LISTED: usize = 100;

/// What a BeiDou code names.
#[utoipa::path(get, path = "/api/v1/beidou/{code}", tag = "lookup", params(("code" = String, Path, description = "BeiDou grid location code of 4 to 20 characters"), NoQuery), responses((status = 200, body = DecodeAnswer)))]
pub async fn decode(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    _: Query<NoQuery>,
) -> Answer<Response> {
    let cell =
        beidou::decode(&code).map_err(|error| Problem::new(ProblemCode::BadPath, error.to_string()).with("field", "code"))?;
    let corner = |lon, lat| LonLat::new(lon, lat).map(LatticePoint::nearest).map_err(|error| query::out_of_range("code", error));
    let bbox = LatticeBox { min: corner(cell.west, cell.south)?, max: corner(cell.east, cell.north)? };
    let view = app.view(&actor);
    let work = move || {
        let grids: Vec<&str> = view.grids_meeting(bbox).map(|grid| grid.code.as_str()).collect();
        json(&DecodeAnswer {
            level: cell.level.number(),
            bbox: [cell.west, cell.south, cell.east, cell.north],
            centre: Position([(cell.west + cell.east) / 2.0, (cell.south + cell.north) / 2.0]),
            code: cell.code,
            epoch: view.territory.epoch.0,
            number_matched: grids.len(),
            grids: grids.into_iter().take(LISTED).collect(),
        })
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}
