//! `/ogc/collections`: what collections there are.

use super::crs::FeatureCrs;
use super::{Collection, GEOJSON, JSON, Link, base};
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::city::standing::Record;
use crate::geom::LatticeBox;
use crate::http::caller::Caller;
use crate::http::error::Answer;
use crate::http::json::json;
use crate::http::path::InPath;
use crate::http::query::{NoQuery, Query};
use crate::http::shapes;
use crate::tiles::tilejson;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The list of collections.
#[derive(Debug, Serialize, ToSchema)]
pub struct Collections {
    /// To this list.
    links: Vec<Link>,
    /// In the order in which they lie over each other.
    collections: Vec<CollectionShape>,
}

/// A collection of features.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectionShape {
    /// In addresses.
    id: &'static str,
    /// For people.
    title: &'static str,
    /// For people.
    description: &'static str,
    /// To its features and tiles.
    links: Vec<Link>,
    /// Where its features are; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    extent: Option<Extent>,
    /// Always `feature`.
    item_type: &'static str,
    /// What its features can be told in; the first is what they are told in otherwise.
    crs: Vec<&'static str>,
    /// What they are stored in.
    storage_crs: &'static str,
}

/// Where features are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Extent {
    /// In space.
    spatial: SpatialExtent,
}

/// A box around features.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpatialExtent {
    /// One box: west, south, east, north.
    bbox: [[f64; 4]; 1],
    /// CRS of the box.
    crs: &'static str,
}

/// All collections.
#[utoipa::path(get, path = "/ogc/collections", tag = "ogc", params(NoQuery), responses((status = 200, body = Collections)))]
pub async fn all(State(app): State<Arc<App>>, Caller(actor): Caller, _: Query<NoQuery>, headers: HeaderMap) -> Answer<Response> {
    let (view, base) = (app.view(&actor), base(&app, &headers));
    let work = move || {
        let collections = Collection::ALL.map(|collection| shape(&view, collection, &base));
        json(&Collections {
            links: vec![Link::new("self", JSON, format!("{base}/collections"), "This list")],
            collections: collections.into(),
        })
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

/// One collection.
#[utoipa::path(get, path = "/ogc/collections/{collection}", tag = "ogc", params(("collection" = String, Path, description = "regions, grids, facilities, cases or buildings"), NoQuery), responses((status = 200, body = CollectionShape)))]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    InPath(collection): InPath<String>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (view, base, collection) = (app.view(&actor), base(&app, &headers), Collection::named(&collection)?);
    Ok(app.compute.run(move || json(&shape(&view, collection, &base))).await.map_err(AppError::from)?)
}

fn shape(view: &View, collection: Collection, base: &str) -> CollectionShape {
    let here = format!("{base}/collections/{}", collection.as_str());
    CollectionShape {
        id: collection.as_str(),
        title: collection.title(),
        description: collection.description(),
        links: vec![
            Link::new("self", JSON, here.clone(), "This collection"),
            Link::new("items", GEOJSON, format!("{here}/items"), collection.title()),
            Link::new(super::tiles::REL_TILESETS, JSON, format!("{here}/tiles"), "Its vector tiles"),
        ],
        extent: extent(view, collection)
            .map(|bbox| Extent { spatial: SpatialExtent { bbox: [bbox], crs: FeatureCrs::Crs84.uri() } }),
        item_type: "feature",
        crs: FeatureCrs::ALL.map(FeatureCrs::uri).into(),
        storage_crs: FeatureCrs::Cgcs2000.uri(),
    }
}

/// The box around what the caller sees. Cost: one look at every facility.
fn extent(view: &View, collection: Collection) -> Option<[f64; 4]> {
    let boxed = |around: Option<LatticeBox>| around.map(shapes::bbox);
    match collection {
        Collection::Regions | Collection::Grids if view.sees_all() => tilejson::bounds(&view.city),
        Collection::Regions | Collection::Grids => boxed(view.bbox()),
        Collection::Facilities => {
            let seen = view.city.facilities.iter().filter(|row| view.sees_facility(row));
            boxed(LatticeBox::around(seen.map(|row| row.at)))
        }
        Collection::Cases => {
            let seen = view.city.cases.iter().filter(|case| view.sees_at(view.unit_of(case)));
            boxed(LatticeBox::around(seen.filter_map(|case| case.record.at)))
        }
        Collection::Buildings => {
            let seen = view.city.buildings.iter().filter(|one| view.sees_at(view.standing_unit(one)));
            boxed(seen.filter_map(|one| one.record.land()).reduce(LatticeBox::union))
        }
    }
}
