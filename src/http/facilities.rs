//! `/api/v1/facilities` and `/api/v1/categories`.

use super::asof::Boundaries;
use super::caller::Caller;
use super::error::{Answer, Problem};
use super::json::{List, Pages, json};
use super::query::{Bbox, Query, Word, clipped, given, one_of, query};
use super::shapes::{self, Position};
use crate::app::facilities::Filter;
use crate::app::view::View;
use crate::app::{Actor, App, AppError};
use crate::city::Facility;
use crate::domain::category::{Category, CategoryKind};
use crate::domain::facility::{FacilityRecord, FacilityState};
use crate::domain::id::{FacilityId, Unit};
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;

query! {
    /// Narrows the list; everything given must hold.
    pub struct FacilitiesQuery {
        /// `west,south,east,north` in degrees; over the antimeridian `west` is larger than `east`.
        #[param(value_type = Option<String>)]
        bbox: Option<Bbox>,
        /// Code of a region or grid that holds them.
        within: Option<String>,
        ..set,
        /// Component categories, comma-separated; two characters stand for a whole major category.
        category: Option<String>,
        /// `intact`, `damaged`, `lost`, `abandoned` or `removed`.
        #[param(schema_with = crate::http::query::facility_state_schema)]
        state: Option<FacilityState>,
        /// Its name in another system: `system:id`.
        #[param(value_type = Option<String>)]
        external: Option<External>,
        ..page,
    }
}

/// A name in another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    system: String,
    id: String,
}

given!(FacilityState, External);

impl Word for FacilityState {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        one_of(field, text, &Self::ALL.map(|state| (state.as_str(), state)))
    }
}

impl External {
    /// System and id.
    pub(super) fn into_parts(self) -> (String, String) {
        (self.system, self.id)
    }
}

impl Word for External {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        match text.split_once(':') {
            Some((system, id)) if !system.is_empty() && !id.is_empty() => {
                Ok(Self { system: system.to_owned(), id: id.to_owned() })
            }
            _ => Err(Problem::bad_parameter(field, "takes system:id")),
        }
    }
}

/// A facility.
#[derive(Debug, Serialize, ToSchema)]
pub struct FacilityShape {
    /// The store's key, also its feature id in tiles.
    id: i64,
    /// The city's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Code of its component category.
    category: String,
    /// May be empty.
    name: String,
    /// `intact`, `damaged`, `lost`, `abandoned` or `removed`.
    state: &'static str,
    /// The day since which it is in that state; null when it is not known.
    state_date: Option<String>,
    /// `[lon, lat]`.
    position: Position,
    /// The grid that holds it; null outside every grid.
    grid: Option<String>,
    /// Accuracy class, as told: A ±0.5 m, B ±1 m, C ±10 m.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<String>,
    /// Its names in other systems.
    external_ids: BTreeMap<String, String>,
    /// What the data is taken from.
    source: Option<String>,
    /// The day the source describes.
    source_date: Option<String>,
    /// Counts its changes.
    version: u32,
    /// Everything else the source says.
    #[schema(value_type = Object)]
    properties: serde_json::Map<String, serde_json::Value>,
}

/// A page of facilities.
#[utoipa::path(get, path = "/api/v1/facilities", tag = "city", params(FacilitiesQuery), responses((status = 200, body = List<FacilityShape>)))]
pub async fn all(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<FacilitiesQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = Boundaries::of(&query.set).view(&app, &actor).await?;
    let ids = match &query.external {
        None => None,
        Some(External { system, id }) => Some(app.facilities_called(&actor, system, id).await?),
    };
    let filter = Filter {
        boxes: query.bbox.map(|bbox| bbox.0).unwrap_or_default(),
        within: query.within.as_deref().map(|code| view.within(code)).transpose()?,
        categories: query.category.as_deref().map(|words| categories_named(&view, words)).transpose()?.unwrap_or_default(),
        state: query.state,
        ids,
    };
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    list(&app, &actor, view, filter, pages).await
}

/// Positions in the profile of the categories named, whole major categories included.
pub(super) fn categories_named(view: &View, words: &str) -> Answer<Vec<u16>> {
    let mut named = Vec::new();
    for word in words.split(',') {
        let fits = |code: &str| code == word || (word.len() == 2 && code.starts_with(word));
        let before = named.len();
        let categories = view.city.about.profile.categories.iter().enumerate();
        let components = categories.filter(|(_, category)| category.kind == CategoryKind::Component && fits(&category.code));
        named.extend(components.filter_map(|(at, _)| u16::try_from(at).ok()));
        if named.len() == before {
            return Err(Problem::bad_parameter(
                "category",
                format_args!("the profile has no component {:?}; see /api/v1/categories", clipped(word)),
            ));
        }
    }
    Ok(named)
}

/// A page of the facilities that pass a filter: what cards and tiles show comes from the revision of the view, the rest from the store.
pub async fn list(app: &App, actor: &Actor, view: View, filter: Filter, pages: Pages) -> Answer<Response> {
    let (after, limit) = (pages.after, pages.limit);
    let (view, page) = app
        .compute
        .run(move || {
            let page = view.facilities(&filter, after, limit);
            (view, page)
        })
        .await
        .map_err(AppError::from)?;
    let ids: Vec<FacilityId> = page.items.iter().map(|row| row.id).collect();
    let records = app.facility_records(actor, &ids).await?;
    let work = move || {
        let mut stored: HashMap<FacilityId, FacilityRecord> = records.into_iter().map(|record| (record.id, record)).collect();
        let items = page.items.into_iter().map(|row| shape(&view, stored.remove(&row.id), row)).collect();
        json(&pages.page(&view, page.number_matched, items, page.next))
    };
    Ok(app.compute.run(work).await.map_err(AppError::from)?)
}

/// A facility as the view has it. `stored` is absent when it was removed since: what is known of it stays true for this revision.
fn shape(view: &View, stored: Option<FacilityRecord>, row: Facility) -> FacilityShape {
    // What came into the store since may be more than the caller sees.
    let stored = stored.filter(|record| record.version == row.version);
    let (state_date, accuracy, properties, provenance) = stored
        .map(|record| {
            // The day of another state, which it came into since, is not that of this one.
            let date = record.state_date.filter(|_| record.state == row.state);
            (date, record.accuracy, record.properties, record.provenance)
        })
        .unwrap_or_default();
    FacilityShape {
        id: row.id.0,
        category: view.category_of(&row).code.clone(),
        state: row.state.as_str(),
        state_date: state_date.map(|date| date.to_string()),
        position: shapes::position(row.at),
        grid: view.leaf_of(&row).and_then(Unit::grid).map(|ix| view.territory.grid(ix).code.to_string()),
        accuracy,
        external_ids: provenance.external_ids,
        source: provenance.source,
        source_date: provenance.source_date.map(|date| date.to_string()),
        version: row.version.0,
        properties,
        name: row.name.into(),
        code: row.code.map(Into::into),
    }
}

impl FacilityShape {
    /// A facility as it is stored.
    pub(super) fn stored(record: FacilityRecord) -> Self {
        let FacilityRecord {
            id,
            code,
            category,
            name,
            state,
            state_date,
            at,
            grid,
            accuracy,
            properties,
            version,
            provenance,
            ..
        } = record;
        Self {
            id: id.0,
            code,
            category,
            name,
            state: state.as_str(),
            state_date: state_date.map(|date| date.to_string()),
            position: shapes::position(at),
            grid: grid.map(|grid| grid.to_string()),
            accuracy,
            external_ids: provenance.external_ids,
            source: provenance.source,
            source_date: provenance.source_date.map(|date| date.to_string()),
            version: version.0,
            properties,
        }
    }
}

query! {
    /// In pages.
    pub struct CategoriesQuery {
        /// `component` (of facilities), `matter` (of cases) or `organization`; the first two when absent.
        #[param(schema_with = crate::http::query::category_kind_schema)]
        kind: Option<CategoryKind>,
        ..page,
    }
}

given!(CategoryKind);

impl Word for CategoryKind {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        one_of(field, text, &[Self::Component, Self::Matter, Self::Organization].map(|kind| (kind.as_str(), kind)))
    }
}

/// A category of facilities (a component), of cases (a matter) or of organizations.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryShape<'a> {
    /// `component`, `matter` or `organization`. The same code can be several.
    kind: &'static str,
    /// Its code.
    code: &'a str,
    /// Name of the major category, the first two characters of the code.
    major: &'a str,
    /// Its name.
    name: &'a str,
    /// Its icon.
    icon: &'a str,
}

/// The code profile in force: a facility's category is a component, a case's a matter.
#[utoipa::path(get, path = "/api/v1/categories", tag = "city", params(CategoriesQuery), responses((status = 200, body = List<CategoryShape>)))]
pub async fn categories(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Query(query): Query<CategoriesQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<Response> {
    let view = app.view(&actor);
    let wanted = |category: &&Category| query.kind.is_none_or(|kind| category.kind == kind);
    let all: Vec<&Category> = match query.kind {
        Some(CategoryKind::Organization) => view.organization_categories(),
        _ => {
            let profile = view.city.about.profile.categories.iter().filter(|known| known.kind != CategoryKind::Organization);
            profile.filter(wanted).collect()
        }
    };
    let pages = Pages::new(&app, query.limit, query.cursor, uri, &headers)?;
    Ok(json(&pages.list(&view, &all, |category| CategoryShape {
        kind: category.kind.as_str(),
        code: &category.code,
        major: &category.major,
        name: &category.name,
        icon: &category.icon,
    })))
}
