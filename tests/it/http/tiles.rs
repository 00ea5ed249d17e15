use super::city::{self, CLOSED, GRID_1, GRID_2, GRID_3};
use super::{Answer, get, send};
use crate::allocations::during;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use fast_mvt::{MvtReaderRef, MvtValueRef};
use futures_util::FutureExt;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use tower::ServiceExt;
use wangge::app::{Actor, App};
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::geom::TileId;
use wangge::tiles::cache::Encoding;
use wangge::tiles::{Fields, Layers};

/// The tile at zoom 12 that holds the whole city.
const TILE: &str = "12/3437/1689";

async fn with(router: &Router, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::empty()).unwrap()).await
}

/// The codes of one layer of a tile.
pub(super) fn codes(tile: &[u8], layer: &str) -> BTreeSet<String> {
    let reader = MvtReaderRef::new(tile).unwrap();
    let mut found = BTreeSet::new();
    for layer in reader.layers().filter(|known| known.name() == layer) {
        for feature in layer.features() {
            for (key, value) in feature.properties_vec().unwrap() {
                if let ("code", MvtValueRef::String(code)) = (key, value) {
                    found.insert(code.to_owned());
                }
            }
        }
    }
    found
}

fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

#[tokio::test]
async fn the_catalogue_leads_to_tilejson_and_that_to_tiles() {
    let router = city::router().await;
    let catalogue = get(&router, "/tiles").await.ok();
    let layers: Vec<&String> = catalogue["tiles"].as_object().unwrap().keys().collect();
    assert_eq!(layers, ["buildings", "cases", "facilities", "grids", "labels", "organizations", "regions"]);
    assert_eq!(catalogue["tiles"]["grids"]["url"], "http://localhost:8080/tiles/grids");
    let tilejson = get(&router, "/tiles/regions,grids,labels").await.ok();
    assert_eq!((&tilejson["tilejson"], &tilejson["minzoom"], &tilejson["maxzoom"]), (&json!("3.0.0"), &json!(0), &json!(16)));
    assert_eq!(tilejson["tiles"], json!(["http://localhost:8080/tiles/regions,grids,labels/{z}/{x}/{y}"]));
    assert_eq!(tilejson["bounds"], json!([122.1, 30.0, 122.13, 30.02]));
    let past = get(&router, "/tiles/grids?at=2025-01-01&fields=code").await.ok();
    assert_eq!(past["tiles"], json!(["http://localhost:8080/tiles/grids/{z}/{x}/{y}?at=2025-01-01&fields=code"]));
}

#[tokio::test]
async fn a_tile_holds_its_layers_and_says_what_it_is() {
    let router = city::router().await;
    let tile = get(&router, &format!("/tiles/grids,labels/{TILE}")).await;
    assert_eq!(tile.status, 200);
    assert_eq!(tile.headers["content-type"], "application/vnd.mapbox-vector-tile");
    assert_eq!(tile.headers["cache-control"], "no-cache");
    assert!(tile.headers["etag"].to_str().unwrap().starts_with("W/\""));
    assert_eq!(codes(&tile.body, "grids"), set(&[GRID_1, GRID_2, GRID_3]));
    assert!(codes(&tile.body, "labels").contains("330903"));
    let bare = get(&router, &format!("/tiles/grids/{TILE}?fields=name")).await;
    assert_eq!((bare.status.as_u16(), codes(&bare.body, "grids").len()), (200, 0));
    let counted = get(&router, "/tiles/facilities/12/3437/1689?fields=count,count_01").await;
    assert_eq!(counted.body, get(&router, "/tiles/facilities/12/3437/1689?fields=count").await.body);
    let points = get(&router, "/tiles/facilities/16/54995/27037").await;
    assert!(points.status == 200 || points.status == 204);
}

#[tokio::test]
async fn a_known_tag_is_answered_304_whatever_the_encoding() {
    let router = city::router().await;
    let uri = format!("/tiles/grids/{TILE}");
    let first = get(&router, &uri).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    for encoding in ["identity", "gzip", "zstd"] {
        let again = with(&router, &uri, &[("if-none-match", &tag), ("accept-encoding", encoding)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{encoding}");
        assert_eq!(again.headers["etag"], tag.as_str());
    }
    // A server that never drew it says the same.
    let fresh = with(&city::router().await, &uri, &[("if-none-match", &tag)]).await;
    assert_eq!(fresh.status, 304);
    assert_eq!(with(&router, &uri, &[("if-none-match", "W/\"0000000000000000\"")]).await.status, 200);
}

#[tokio::test]
async fn a_cached_tile_and_a_known_tag_are_found_without_allocating() {
    let app = city::app().await;
    let actor = Actor::local();
    let tile = TileId::new(12, 3437, 1689).unwrap();
    let ask = || {
        let view = app.view(&actor);
        app.ask_tile(&actor, &view, tile, Layers::parse("regions,grids,labels").unwrap(), Fields::ALL)
    };
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        let built = app.tile(&ask(), encoding).await.unwrap();
        // All that the handler does between reading the address and writing the headers. It never waits either.
        let ((tag, cached), allocations) = during(|| {
            let asked = ask();
            (app.tile_tag(&asked), app.tile(&asked, encoding).now_or_never().unwrap().unwrap())
        });
        assert_eq!((tag, &cached), (Some(built.tag), &built));
        assert_eq!(cached.body.as_ptr(), built.body.as_ptr(), "the very same bytes");
        assert_eq!(allocations, 0, "{encoding:?}");
    }
}

#[tokio::test]
async fn a_known_tag_is_answered_before_any_work() {
    // Bodies are never kept here, so every answer but 304 has to be drawn by other threads, for which the handler must wait.
    let config = Config { tile_cache_bytes: 0, ..city::config() };
    let app = Arc::new(App::open(city::store().await, config, Clock::fixed(city::now())).await.unwrap());
    let router = wangge::http::router(app);
    let uri = format!("/tiles/grids/{TILE}");
    let tag = get(&router, &uri).await.headers["etag"].clone();
    let asked = |tag: Option<&axum::http::HeaderValue>| {
        let mut request = Request::get(&uri);
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        router.clone().oneshot(request.body(Body::empty()).unwrap()).now_or_never()
    };
    assert_eq!(asked(Some(&tag)).unwrap().unwrap().status(), 304);
    assert!(asked(None).is_none(), "without a tag it is drawn");
}

#[tokio::test]
async fn gzip_and_zstd_hold_the_same_tile() {
    let router = city::router().await;
    let uri = format!("/tiles/regions,grids,labels/{TILE}");
    let plain = get(&router, &uri).await;
    assert!(plain.headers.get("content-encoding").is_none());
    let gzip = with(&router, &uri, &[("accept-encoding", "deflate, gzip;q=0.5")]).await;
    assert_eq!(gzip.headers["content-encoding"], "gzip");
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut body).unwrap();
    assert_eq!(body, plain.body);
    let zstd = with(&router, &uri, &[("accept-encoding", "gzip, zstd")]).await;
    assert_eq!(zstd.headers["content-encoding"], "zstd");
    assert_eq!(zstd::decode_all(&zstd.body[..]).unwrap(), plain.body);
    assert!(
        [&plain, &gzip, &zstd]
            .iter()
            .all(|tile| tile.headers["etag"] == plain.headers["etag"] && tile.headers["vary"] == "Accept-Encoding")
    );
}

#[tokio::test]
async fn empty_is_204_and_outside_the_zooms_404() {
    let router = city::router().await;
    let empty = get(&router, "/tiles/grids/12/0/0").await;
    assert_eq!((empty.status.as_u16(), empty.body.len()), (204, 0));
    let request = Request::head("/tiles/grids/12/0/0").header("host", "localhost:8080");
    let head = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.headers.get("content-length")), (204, None), "RFC 9110 §8.6");
    let problem = get(&router, "/tiles/grids/10/859/422").await.problem(404, "outside_zooms");
    assert_eq!((&problem["minzoom"], &problem["maxzoom"]), (&json!(11), &json!(16)));
    get(&router, "/tiles/facilities/5/26/13").await.problem(404, "outside_zooms");
    get(&router, "/tiles/grids/17/1/1").await.problem(404, "outside_zooms");
    // Joined tiles are outside only when all of their layers are.
    assert_eq!(get(&router, "/tiles/regions,grids/10/859/422").await.status, 200);
}

#[tokio::test]
async fn tiles_that_do_not_exist_are_named() {
    let router = city::router().await;
    for bad in ["3/8/0", "3/0/8", "23/0/0", "300/0/0", "a/0/0", "12/-1/0", "12/1.5/0", "12/4294967296/0", "12/0/0.mvt"] {
        get(&router, &format!("/tiles/grids/{bad}")).await.problem(400, "bad_path");
    }
    let unknown = get(&router, &format!("/tiles/streets/{TILE}")).await.problem(404, "unknown_layer");
    assert_eq!(unknown["allowed"], json!(["regions", "grids", "labels", "facilities", "cases", "organizations", "buildings"]));
    let order = get(&router, &format!("/tiles/grids,regions/{TILE}")).await.problem(404, "unknown_layer");
    assert_eq!(order["canonical"], "regions,grids");
    get(&router, "/tiles/streets").await.problem(404, "unknown_layer");
    get(&router, &format!("/tiles/grids/{TILE}?fields=colour")).await.problem(400, "bad_parameter");
}

#[tokio::test]
async fn past_boundaries_are_drawn_by_date_and_number_and_only_boundaries() {
    let router = city::router().await;
    for then in ["at=2025-01-01", "epoch=1"] {
        let tile = get(&router, &format!("/tiles/grids/{TILE}?{then}")).await;
        assert_eq!(codes(&tile.body, "grids"), set(&[CLOSED, GRID_3]), "{then}");
        assert_eq!(tile.headers["cache-control"].to_str().unwrap().contains("immutable"), then.starts_with("epoch"));
    }
    let now = get(&router, &format!("/tiles/grids/{TILE}?epoch=2")).await;
    assert_eq!(codes(&now.body, "grids"), set(&[GRID_1, GRID_2, GRID_3]));
    for layers in ["facilities", "cases", "grids,facilities"] {
        get(&router, &format!("/tiles/{layers}/{TILE}?epoch=1")).await.problem(400, "conflicting_parameters");
        get(&router, &format!("/tiles/{layers}?at=2025-01-01")).await.problem(400, "conflicting_parameters");
    }
    get(&router, &format!("/tiles/grids/{TILE}?epoch=9")).await.problem(404, "unknown_epoch");
}

#[tokio::test]
async fn the_background_is_served_with_a_tag() {
    let router = city::router().await;
    let background = get(&router, "/background.geojson").await;
    assert_eq!(background.headers["content-type"], "application/geo+json");
    let tag = background.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(with(&router, "/background.geojson", &[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(get(&router, "/api/v1/meta").await.ok()["background"], "/background.geojson");
}
