//! `/api/v1/links` and `/api/v1/grids/{code}/links`: which grids of one set lie in which of another.

use super::asof::{self, Boundaries, Moment};
use super::caller::Caller;
use super::error::{Answer, Problem, ProblemCode};
use super::grids::{Asked, asked};
use super::json::{List, Pages, json};
use super::path::InPath;
use super::query::{Query, query};
use super::shapes::{self, Position};
use crate::app::links::{Links, SPLIT_BELOW, rounded};
use crate::app::view::View;
use crate::app::{Actor, App, AppError};
use crate::domain::id::{GridIx, GridSet};
use crate::territory::overlap::{Link, Linked};
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Links to which set, in the boundaries of when.
    pub struct GridLinksQuery {
        /// The other grid set.
        #[param(schema_with = crate::http::query::set_schema)]
        to: GridSet,
        ..boundaries,
        ..page,
    }
}

query! {
    /// Links of which set to which, in the boundaries of when.
    pub struct LinksQuery {
        /// The other grid set.
        #[param(schema_with = crate::http::query::set_schema)]
        to: GridSet,
        ..boundaries,
        /// Only grids that are split: the largest share is less than 0.95.
        split: Option<bool>,
        /// Only grids to which fewer grids of the other set are linked than this, or more than `most`.
        least: Option<u64>,
        /// See `least`.
        most: Option<u64>,
        ..page,
    }
}

/// Land that a grid shares with one of the other set.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkShape<'a> {
    /// The other grid.
    code: &'a str,
    /// May be empty.
    name: &'a str,
    /// Of this grid's land, 0 to 1, in ten-thousandths.
    share: f64,
    /// Of the other grid's land.
    share_of_other: f64,
    /// In square metres.
    area_m2: f64,
    /// A point in the largest piece of it.
    place: Position,
    /// It has the largest share.
    main: bool,
}

/// A grid and where it belongs.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkedShape<'a> {
    /// The grid.
    code: &'a str,
    /// May be empty.
    name: &'a str,
    /// With how many grids of the other set it shares land.
    links: usize,
    /// That with the largest share; null when there is none.
    main: Option<LinkShape<'a>>,
    /// Share of its land in no grid of the other set.
    beyond_share: f64,
    /// How many grids of the other set have their main link to this one.
    main_of: u32,
}

fn link<'a>(links: &'a Links, linked: &Linked, link: &Link) -> LinkShape<'a> {
    let other = links.to.grid(link.other);
    LinkShape {
        code: other.code.as_str(),
        name: &other.name,
        share: rounded(linked.share(link.area_m2)),
        share_of_other: rounded(links.share_of_other(link)),
        area_m2: shapes::rounded(link.area_m2),
        place: shapes::position(link.place),
        main: linked.main() == Some(link),
    }
}

/// The boundaries of the other set at the same time.
async fn other(app: &App, actor: &Actor, set: GridSet, (at, epoch): (Option<Moment>, Option<u64>)) -> Answer<View> {
    if epoch.is_some() {
        return Err(Problem::bad_parameter("epoch", "names boundaries of one set only; at= is a time for both"));
    }
    let asked = Boundaries { at, ..Boundaries::of(&Some(set)) };
    asked.view(app, actor).await.map_err(|problem| match problem.code() {
        ProblemCode::UnknownSet => problem.with("field", "to"),
        _ => problem,
    })
}

/// The links of two views; of the other set only what the caller may see is told.
async fn laid(app: &App, from: &View, to: &View) -> Answer<Arc<Links>> {
    if from.territory.set == to.territory.set {
        return Err(Problem::bad_parameter("to", "is the same grid set"));
    }
    Ok(app.links(from, to).await?)
}

/// The grids of another set with which a grid shares land, the largest share first.
#[utoipa::path(get, path = "/api/v1/grids/{code}/links", tag = "city", params(("code" = String, Path, description = "Code of the grid"), GridLinksQuery), responses((status = 200, body = List<LinkShape>)))]
pub async fn of_grid(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(code): InPath<String>,
    Query(query): Query<GridLinksQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let Asked { view, ix, .. } = asked(&app, &actor, &code, asof::boundaries!(query)).await?;
    let to = other(&app, &actor, query.to, (query.at, query.epoch)).await?;
    let links = laid(&app, &view, &to).await?;
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let seen = links.seen(ix, &to);
    Ok(json(&pages.list(&view, &seen.links, |one| link(&links, &seen, one))))
}

/// Every grid of a set with its main link to another set: who is split, and how many belong to each.
#[utoipa::path(get, path = "/api/v1/links", tag = "city", params(LinksQuery), responses((status = 200, body = List<LinkedShape>)))]
pub async fn all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<LinksQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = asof::boundaries!(query).view(&app, &actor).await?;
    let to = other(&app, &actor, query.to, (query.at, query.epoch)).await?;
    let links = laid(&app, &view, &to).await?;
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    let (split, least, most) = (query.split, query.least, query.most);
    let work = move || {
        let wanted = |ix: &GridIx| {
            let seen = links.seen(*ix, &to);
            let is_split = !seen.links.is_empty() && seen.main_share() < SPLIT_BELOW;
            let count = u64::from(links.main_of(*ix, &view, &to));
            let outside = least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most);
            split.is_none_or(|wanted| wanted == is_split) && (outside || (least.is_none() && most.is_none()))
        };
        let grids: Vec<GridIx> = view.grids().map(|(ix, _)| ix).filter(wanted).collect();
        json(&pages.list(&view, &grids, |ix| {
            let (grid, seen) = (view.territory.grid(*ix), links.seen(*ix, &to));
            LinkedShape {
                code: grid.code.as_str(),
                name: &grid.name,
                links: seen.links.len(),
                main: seen.main().map(|one| link(&links, &seen, one)),
                beyond_share: rounded(seen.share(seen.beyond_m2)),
                main_of: links.main_of(*ix, &view, &to),
            }
        }))
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}
