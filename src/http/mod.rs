//! URLs, headers, JSON. No SQL, no geometry. This file is the URL map: every address with the function that answers it; what stands
//! around all of them is [`guard`].

pub mod access;
pub mod asof;
pub mod assets;
pub mod audit;
pub mod authority;
pub mod beidou;
pub mod body;
pub mod buildings;
pub mod caller;
pub mod cases;
pub mod conditions;
pub mod error;
pub mod events;
pub mod facilities;
pub mod facility_writes;
pub mod grids;
pub mod guard;
mod headers;
pub mod imports;
pub mod json;
pub mod links;
pub mod listen;
pub mod locate;
pub mod locate_address;
pub mod locate_batch;
pub mod locate_stream;
pub mod log_in;
pub mod members;
pub mod meta;
pub mod metrics;
pub mod multipart;
pub mod nearby;
pub mod ogc;
pub mod openapi;
pub mod operation;
pub mod organizations;
pub mod outlines;
pub mod outside;
pub mod path;
mod places;
pub mod pressure;
pub mod query;
pub mod regions;
pub mod search;
pub mod select;
pub mod sessions;
pub mod shapes;
pub mod sources;
mod steady;
pub mod tiles;
pub mod tls;
pub mod tokens;

use crate::app::App;
use crate::domain::rights::Right;
use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use error::{Problem, ProblemCode};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use caller::Caller;
pub use listen::{Door, answered, bind, serve, serve_all};
pub use places::Room;

/// What a caller needs for a route, where callers are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing of the city.
    Nothing,
    /// To be somebody.
    Known,
    /// A right.
    Right(Right),
}

/// The words of the table.
#[expect(non_upper_case_globals, reason = "they stand in the table beside methods and paths")]
impl Need {
    const Open: Self = Self::Nothing;
    const Read: Self = Self::Right(Right::Read);
    const Write: Self = Self::Right(Right::Write);
    const Export: Self = Self::Right(Right::Export);
    const Import: Self = Self::Right(Right::Import);
    const Audit: Self = Self::Right(Right::Audit);
    const Metrics: Self = Self::Right(Right::Metrics);
    const Admin: Self = Self::Right(Right::Admin);
}

/// What a request to a route needs. A method that the route does not take is refused by it, to those who may read.
fn needed(method: &Method, path: &str) -> Need {
    static NEEDS: LazyLock<HashMap<(&str, &str), Need>> =
        LazyLock::new(|| TABLE.iter().map(|(method, path, need)| ((*method, *path), *need)).collect());
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    NEEDS.get(&(method, path)).copied().unwrap_or(Need::Read)
}

/// The table makes the router and is itself data, so that a test can hold it against the OpenAPI document and the contract.
macro_rules! table {
    ($($method:ident $need:ident $path:literal $($handler:ident)::+)*) => {
        /// Every address and its method, and what a caller needs for it.
        pub const TABLE: &[(&str, &str, Need)] = &[$((stringify!($method), $path, Need::$need)),*];

        fn routed() -> OpenApiRouter<Arc<App>> {
            openapi::empty()$(.routes(routes!($($handler)::+)))*
        }
    };
}

table! {
    GET    Read    "/api/v1/locate"                     locate::get
    POST   Read    "/api/v1/locate"                     locate::post
    GET    Read    "/api/v1/beidou"                     beidou::encode
    GET    Read    "/api/v1/beidou/{code}"              beidou::decode
    GET    Read    "/api/v1/nearby"                     nearby::get
    POST   Read    "/api/v1/select"                     select::post
    GET    Read    "/api/v1/search"                     search::get

    GET    Read    "/api/v1/meta"                       meta::get
    GET    Read    "/api/v1/regions/codes"              regions::codes
    GET    Read    "/api/v1/regions/{code}"             regions::one
    GET    Read    "/api/v1/regions/{code}/children"    regions::children
    GET    Read    "/api/v1/regions/{code}/outline"     outlines::region
    GET    Read    "/api/v1/regions/{code}/outlines"    outlines::below
    GET    Read    "/api/v1/grids/{code}"               grids::card
    GET    Read    "/api/v1/grids/{code}/outline"       outlines::grid
    GET    Read    "/api/v1/grids/{code}/facilities"    grids::facilities
    GET    Read    "/api/v1/grids/{code}/cases"         grids::cases
    GET    Read    "/api/v1/grids/{code}/team"          grids::team
    GET    Read    "/api/v1/grids/{code}/neighbours"    grids::neighbours
    GET    Read    "/api/v1/grids/{code}/history"       grids::history
    GET    Read    "/api/v1/grids/{code}/links"         links::of_grid
    GET    Read    "/api/v1/links"                      links::all
    GET    Read    "/api/v1/facilities"                 facilities::all
    POST   Write   "/api/v1/facilities"                 facility_writes::create
    GET    Read    "/api/v1/facilities/{id}"            facility_writes::one
    PATCH  Write   "/api/v1/facilities/{id}"           facility_writes::change
    DELETE Write   "/api/v1/facilities/{id}"          facility_writes::remove
    GET    Import  "/api/v1/imports"                    imports::all
    POST   Import  "/api/v1/imports"                    imports::create
    GET    Import  "/api/v1/imports/{id}"               imports::one
    GET    Import  "/api/v1/imports/{id}/report"        imports::report
    POST   Import  "/api/v1/imports/{id}/undo"          imports::undo
    GET    Import  "/api/v1/sources"                    sources::all
    POST   Import  "/api/v1/sources/{id}/run"           sources::run
    GET    Import  "/api/v1/sinks"                      sources::sinks
    GET    Read    "/api/v1/organizations"              organizations::all
    GET    Read    "/api/v1/organizations/{id}"         organizations::one
    GET    Read    "/api/v1/buildings"                  buildings::all
    GET    Read    "/api/v1/buildings/{id}"             buildings::one
    GET    Read    "/api/v1/events"                     events::get
    GET    Read    "/api/v1/categories"                 facilities::categories
    GET    Read    "/api/v1/cases"                      cases::all
    GET    Read    "/api/v1/layers"                     outside::all

    GET    Known   "/api/v1/me"                         log_in::me
    GET    Open    "/api/v1/log-ins"                    log_in::ways
    POST   Open    "/api/v1/session"                    log_in::by_token
    DELETE Known   "/api/v1/session"                    log_in::out
    GET    Open    "/log-in/oidc"                       log_in::to_oidc
    GET    Open    "/log-in/oidc/back"                  log_in::from_oidc
    GET    Open    "/log-in/cas"                        log_in::to_cas
    GET    Open    "/log-in/cas/back"                   log_in::from_cas
    GET    Open    "/ca"                                authority::page
    GET    Open    "/ca.crt"                            authority::file
    GET    Admin   "/api/v1/tokens"                     tokens::all
    POST   Admin   "/api/v1/tokens"                     tokens::make
    DELETE Admin   "/api/v1/tokens/{id}"                tokens::revoke
    GET    Admin   "/api/v1/sessions"                   sessions::all
    DELETE Admin   "/api/v1/sessions/{id}"              sessions::put_out
    GET    Audit   "/api/v1/audit"                      audit::rows
    POST   Export  "/api/v1/audit"                      audit::note

    GET    Read    "/tiles"                             tiles::catalogue
    GET    Read    "/tiles/{layers}"                    tiles::tilejson
    GET    Read    "/tiles/{layers}/{z}/{x}/{y}"        tiles::tile
    GET    Read    "/styles/{file}"                     assets::style
    GET    Read    "/sprites/{*path}"                   assets::sprite
    GET    Open    "/fonts/{*path}"                     assets::font
    GET    Read    "/background.geojson"                assets::background
    GET    Read    "/layers/{id}"                       outside::features
    GET    Read    "/layers/{id}/{z}/{x}/{y}"           outside::layer_tile
    GET    Read    "/basemaps/{id}/{part}/{z}/{x}/{y}"  outside::basemap_tile

    GET    Read    "/ogc"                                                              ogc::landing::page
    GET    Read    "/ogc/conformance"                                                  ogc::landing::conformance
    GET    Read    "/ogc/api"                                                          ogc::api::document
    GET    Read    "/ogc/collections"                                                  ogc::collections::all
    GET    Read    "/ogc/collections/{collection}"                                     ogc::collections::one
    GET    Read    "/ogc/collections/{collection}/items"                               ogc::features::items
    GET    Read    "/ogc/collections/{collection}/items/{feature}"                     ogc::features::item
    GET    Read    "/ogc/collections/{collection}/tiles"                               ogc::tiles::of_collection
    GET    Read    "/ogc/collections/{collection}/tiles/{set}"                         ogc::tiles::set_of_collection
    GET    Read    "/ogc/collections/{collection}/tiles/{set}/{z}/{row}/{column}"      ogc::tiles::tile_of_collection
    GET    Read    "/ogc/tiles"                                                        ogc::tiles::of_all
    GET    Read    "/ogc/tiles/{set}"                                                  ogc::tiles::set_of_all
    GET    Read    "/ogc/tiles/{set}/{z}/{row}/{column}"                               ogc::tiles::tile_of_all
    GET    Read    "/ogc/tileMatrixSets"                                               ogc::tiles::matrix_sets
    GET    Read    "/ogc/tileMatrixSets/{set}"                                         ogc::tiles::matrix_set

    GET    Open    "/healthz"                           operation::healthz
    GET    Open    "/readyz"                            operation::readyz
    GET    Metrics "/metrics"                           operation::metrics
    GET    Read    "/openapi.json"                      openapi::json
    GET    Read    "/docs"                              openapi::page
}

/// All routes over a city.
pub type Routes = Router;

/// Everything the server answers. What is in no row of the table is a file of the viewer, or nothing.
pub fn router(app: Arc<App>) -> Router {
    let (router, document) = routed().split_for_parts();
    openapi::keep(document);
    router
        // OWSLib puts a slash behind the address that it is given.
        .route("/ogc/", axum::routing::get(ogc::landing::page))
        .fallback(assets::file)
        .method_not_allowed_fallback(async || {
            Problem::new(ProblemCode::MethodNotAllowed, "this address does not take that method; the Allow header says which")
        })
        .layer(from_fn_with_state(Arc::clone(&app), access::access))
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}
