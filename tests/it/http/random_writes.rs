//! A thousand facility writes at random: after each of them everything equals a city made from the store from scratch.

use super::changes::{scratch, tags, tiles};
use super::city::{self, GRID_1, GRID_2, GRID_3};
use super::{get, send};
use crate::crash::Random;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use wangge::app::App;
use wangge::city::facilities::Facility;
use wangge::city::{City, Counts};
use wangge::domain::id::{GridIx, RegionIx};
use wangge::geom::mercator::{MercatorPoint, tile_at};
use wangge::geom::{LatticePoint, LonLat, TileId};

const WRITES: u32 = 1000;

/// Somewhere in or around the city; often exactly on a border, often where something stands already.
fn place(random: &mut Random, city: &City) -> [f64; 2] {
    let whole = |x: f64| (x * 10.0).round() / 10.0;
    let (x, y) = (3.4 * random.share() - 0.2, 2.4 * random.share() - 0.2);
    match (random.share() * 5.0) as u32 {
        0 => [122.1 + whole(x) / 100.0, 30.0 + whole(y) / 100.0],
        1 => {
            let rows: Vec<LatticePoint> = city.facilities.iter().map(|row| row.at).collect();
            rows[(random.share() * rows.len() as f64) as usize].lonlat().into()
        }
        2 => [122.0 + random.share(), 29.5 + random.share()],
        _ => [122.1 + x / 100.0, 30.0 + y / 100.0],
    }
}

async fn write(router: &Router, method: &str, uri: &str, body: Option<Value>) -> Value {
    let request = Request::builder().method(method).uri(uri).header("host", "localhost").header("if-match", "*");
    let request = request.header("content-type", "application/json");
    let answer = send(router, request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()).await;
    assert!(answer.status.is_success(), "{method} {uri}: {}", answer.text());
    answer.json()
}

/// What is kept in step by every write.
fn kept(city: &City) -> (Vec<Facility>, Vec<Counts>, u32) {
    let mut rows: Vec<Facility> = city.facilities.iter().cloned().collect();
    rows.sort_by_key(|row| row.id);
    let regions = (0..city.territory.regions.len()).map(|at| city.region_counts(RegionIx(at as u32)));
    let grids = (0..city.territory.grids.len()).map(|at| city.grid_counts(GridIx(at as u32)));
    (rows, regions.chain(grids).collect(), city.facilities.outside())
}

/// Tags of the facility tiles around some places.
async fn tags_around(router: &Router, places: &[LatticePoint]) -> Vec<String> {
    let mut tags = Vec::new();
    for place in places {
        for zoom in 6..=16 {
            let tile = tile_at(MercatorPoint::of(*place), zoom);
            for (x, y) in [(0, 0), (1, 0), (0, 1)] {
                let tile = TileId::new(zoom, tile.x() + x, tile.y() + y).unwrap();
                let uri = format!("/tiles/facilities/{zoom}/{}/{}", tile.x(), tile.y());
                tags.push(format!("{uri} {:?}", get(router, &uri).await.headers["etag"]));
            }
        }
    }
    tags
}

fn at(position: &Value) -> LatticePoint {
    let [lon, lat]: [f64; 2] = serde_json::from_value(position.clone()).unwrap();
    LatticePoint::nearest(LonLat::new(lon, lat).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_every_one_of_a_thousand_writes_the_city_equals_one_made_from_scratch() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("SEED={seed}");
    let mut random = Random(seed);
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    // Every tile is cached, so that one that is not taken out when it should be is found.
    tags(&router).await;
    let categories = ["01050", "01001", "01013", "01037", "03005"];
    let clustered: Vec<TileId> = tiles().into_iter().filter(|tile| (6..14).contains(&tile.z())).collect();
    for number in 0..WRITES {
        let city = app.published.load();
        let chosen = (random.share() * city.facilities.len() as f64) as usize;
        let row = city.facilities.iter().nth(chosen).cloned();
        let mut touched: Vec<LatticePoint> = Vec::new();
        let one = |row: &Facility| format!("/api/v1/facilities/{}", row.id);
        let place = json!({ "position": place(&mut random, &city), "crs": "cgcs2000" });
        let category = categories[(random.share() * 5.0) as usize];
        let what = match (row, random.share()) {
            (Some(row), share) if share < 0.3 => {
                touched.push(row.at);
                touched.push(at(&write(&router, "PATCH", &one(&row), Some(place)).await["position"]));
                "moved"
            }
            (Some(row), share) if share < 0.45 => {
                let state = ["intact", "damaged", "lost", "abandoned", "removed"][(random.share() * 5.0) as usize];
                touched.push(row.at);
                write(&router, "PATCH", &one(&row), Some(json!({ "state": state }))).await;
                "state"
            }
            (Some(row), share) if share < 0.55 => {
                touched.push(row.at);
                write(&router, "PATCH", &one(&row), Some(json!({ "category": category, "name": format!("{number}") }))).await;
                "category"
            }
            (Some(row), share) if share < 0.77 => {
                touched.push(row.at);
                write(&router, "DELETE", &one(&row), None).await;
                "removed"
            }
            _ => {
                let mut body = place;
                body["category"] = json!(category);
                touched.push(at(&write(&router, "POST", "/api/v1/facilities", Some(body)).await["position"]));
                "created"
            }
        };
        let story = format!("SEED={seed} write {number}: {what}");
        let made: Arc<App> = scratch(&app).await;
        let (now, then) = (app.published.load(), made.published.load());
        assert_eq!(now.revision, then.revision, "{story}");
        assert_eq!(kept(&now), kept(&then), "{story}");
        for tile in &clustered {
            let cells = |city: &City| city.facilities.clusters().in_tile(*tile).cloned().collect::<Vec<_>>();
            assert_eq!(cells(&now), cells(&then), "{story}: {tile:?}");
        }
        let scratched = wangge::http::router(made);
        for grid in [GRID_1, GRID_2, GRID_3] {
            let uri = format!("/api/v1/grids/{grid}");
            assert_eq!(get(&router, &uri).await.ok(), get(&scratched, &uri).await.ok(), "{story}");
        }
        assert_eq!(tags_around(&router, &touched).await, tags_around(&scratched, &touched).await, "{story}");
        if number % 100 == 99 {
            assert_eq!(tags(&router).await, tags(&scratched).await, "{story}");
        }
    }
    assert!(app.published.load().facilities.len() > 20);
}
