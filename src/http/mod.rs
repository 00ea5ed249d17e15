//! URLs, headers, JSON. No SQL, no geometry. This file is the URL map: every address with the function that answers it; what stands
//! around all of them is [`guard`].

pub mod asof;
pub mod assets;
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
pub mod imports;
pub mod json;
pub mod links;
pub mod listen;
pub mod locate;
pub mod locate_address;
pub mod locate_batch;
pub mod locate_stream;
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
pub mod query;
pub mod regions;
pub mod search;
pub mod select;
pub mod shapes;
pub mod tiles;

use crate::app::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use error::{Problem, ProblemCode};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use caller::Caller;
pub use listen::{bind, serve};

/// The table makes the router and is itself data, so that a test can hold it against the OpenAPI document and the contract.
macro_rules! table {
    ($($method:ident $path:literal $($handler:ident)::+)*) => {
        /// Every address and its method.
        pub const TABLE: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn routed() -> OpenApiRouter<Arc<App>> {
            openapi::empty()$(.routes(routes!($($handler)::+)))*
        }
    };
}

table! {
    GET  "/api/v1/locate"                     locate::get
    POST "/api/v1/locate"                     locate::post
    GET  "/api/v1/beidou"                     beidou::encode
    GET  "/api/v1/beidou/{code}"              beidou::decode
    GET  "/api/v1/nearby"                     nearby::get
    POST "/api/v1/select"                     select::post
    GET  "/api/v1/search"                     search::get

    GET  "/api/v1/meta"                       meta::get
    GET  "/api/v1/regions/codes"              regions::codes
    GET  "/api/v1/regions/{code}"             regions::one
    GET  "/api/v1/regions/{code}/children"    regions::children
    GET  "/api/v1/regions/{code}/outline"     outlines::region
    GET  "/api/v1/regions/{code}/outlines"    outlines::below
    GET  "/api/v1/grids/{code}"               grids::card
    GET  "/api/v1/grids/{code}/outline"       outlines::grid
    GET  "/api/v1/grids/{code}/facilities"    grids::facilities
    GET  "/api/v1/grids/{code}/cases"         grids::cases
    GET  "/api/v1/grids/{code}/team"          grids::team
    GET  "/api/v1/grids/{code}/neighbours"    grids::neighbours
    GET  "/api/v1/grids/{code}/history"       grids::history
    GET  "/api/v1/grids/{code}/links"         links::of_grid
    GET  "/api/v1/links"                      links::all
    GET  "/api/v1/facilities"                 facilities::all
    POST "/api/v1/facilities"                 facility_writes::create
    GET  "/api/v1/facilities/{id}"            facility_writes::one
    PATCH "/api/v1/facilities/{id}"           facility_writes::change
    DELETE "/api/v1/facilities/{id}"          facility_writes::remove
    GET  "/api/v1/imports"                    imports::all
    POST "/api/v1/imports"                    imports::create
    GET  "/api/v1/imports/{id}"               imports::one
    GET  "/api/v1/imports/{id}/report"        imports::report
    POST "/api/v1/imports/{id}/undo"          imports::undo
    GET  "/api/v1/organizations"              organizations::all
    GET  "/api/v1/organizations/{id}"         organizations::one
    GET  "/api/v1/buildings"                  buildings::all
    GET  "/api/v1/buildings/{id}"             buildings::one
    GET  "/api/v1/events"                     events::get
    GET  "/api/v1/categories"                 facilities::categories
    GET  "/api/v1/cases"                      cases::all
    GET  "/api/v1/layers"                     outside::all

    GET  "/tiles"                             tiles::catalogue
    GET  "/tiles/{layers}"                    tiles::tilejson
    GET  "/tiles/{layers}/{z}/{x}/{y}"        tiles::tile
    GET  "/styles/{file}"                     assets::style
    GET  "/sprites/{*path}"                   assets::sprite
    GET  "/fonts/{*path}"                     assets::font
    GET  "/background.geojson"                assets::background
    GET  "/layers/{id}"                       outside::features
    GET  "/layers/{id}/{z}/{x}/{y}"           outside::layer_tile
    GET  "/basemaps/{id}/{part}/{z}/{x}/{y}"  outside::basemap_tile

    GET  "/ogc"                                                              ogc::landing::page
    GET  "/ogc/conformance"                                                  ogc::landing::conformance
    GET  "/ogc/api"                                                          ogc::api::document
    GET  "/ogc/collections"                                                  ogc::collections::all
    GET  "/ogc/collections/{collection}"                                     ogc::collections::one
    GET  "/ogc/collections/{collection}/items"                               ogc::features::items
    GET  "/ogc/collections/{collection}/items/{feature}"                     ogc::features::item
    GET  "/ogc/collections/{collection}/tiles"                               ogc::tiles::of_collection
    GET  "/ogc/collections/{collection}/tiles/{set}"                         ogc::tiles::set_of_collection
    GET  "/ogc/collections/{collection}/tiles/{set}/{z}/{row}/{column}"      ogc::tiles::tile_of_collection
    GET  "/ogc/tiles"                                                        ogc::tiles::of_all
    GET  "/ogc/tiles/{set}"                                                  ogc::tiles::set_of_all
    GET  "/ogc/tiles/{set}/{z}/{row}/{column}"                               ogc::tiles::tile_of_all
    GET  "/ogc/tileMatrixSets"                                               ogc::tiles::matrix_sets
    GET  "/ogc/tileMatrixSets/{set}"                                         ogc::tiles::matrix_set

    GET  "/healthz"                           operation::healthz
    GET  "/readyz"                            operation::readyz
    GET  "/metrics"                           operation::metrics
    GET  "/openapi.json"                      openapi::json
    GET  "/docs"                              openapi::page
}

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
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}
