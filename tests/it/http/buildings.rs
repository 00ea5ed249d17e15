use super::city::{self, GRID_1, GRID_2, at};
use super::{get, post};
use fast_mvt::MvtReaderRef;
use serde_json::{Value, json};
use std::sync::Arc;
use wangge::city::Change;
use wangge::domain::id::{BuildingId, Revision};
use wangge::geom::mercator::{MercatorPoint, tile_at};

fn ids(list: &Value) -> Vec<i64> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn buildings_are_listed_by_place_region_and_name_elsewhere() {
    let router = city::router().await;
    let list = async |query: &str| get(&router, &format!("/api/v1/buildings?{query}")).await.ok();
    let all = list("").await;
    assert_eq!((&all["number_matched"], ids(&all)), (&json!(5), vec![1, 2, 3, 4, 5]));
    let grids: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|item| &item["grid"]).collect();
    assert_eq!(grids, [&json!(GRID_1), &json!(GRID_1), &json!(GRID_2), &json!(GRID_2), &Value::Null]);
    let first = &all["items"][0];
    assert_eq!(
        (&first["households"], &first["storeys"], &first["has_footprint"], &first["name"]),
        (&json!(180), &json!(18), &json!(true), &json!("1号楼"))
    );
    assert!(all.to_string().contains("东港路1号") && first.get("footprint").is_none(), "lists are without footprints");
    assert_eq!(ids(&list(&format!("within={GRID_2}")).await), [3, 4]);
    // A footprint that reaches into the box is in it, also when its point is not.
    assert_eq!(ids(&list("bbox=122.1,30,122.1021,30.01").await), [1]);
    assert_eq!(ids(&list("external=housing:2").await), [2]);
    let page = list("limit=2").await;
    let next = page["next"].as_str().unwrap().strip_prefix("http://localhost:8080").unwrap().to_owned();
    assert_eq!((ids(&page), ids(&get(&router, &next).await.ok())), (vec![1, 2], vec![3, 4]));
    let one = get(&router, "/api/v1/buildings/1").await.ok();
    assert_eq!((&one["id"], &one["footprint"]["type"]), (&json!(1), &json!("MultiPolygon")));
    assert_eq!(one["footprint"]["coordinates"][0][0].as_array().unwrap().len(), 5);
    assert_eq!(get(&router, "/api/v1/buildings/2").await.ok()["footprint"], Value::Null);
    get(&router, "/api/v1/buildings/9").await.problem(404, "unknown_id");
    get(&router, "/api/v1/buildings/x").await.problem(400, "bad_path");
    get(&router, "/api/v1/buildings?category=a").await.problem(400, "unknown_parameter");
}

#[tokio::test]
async fn buildings_are_near_a_place_and_an_area_says_how_many_households_are_in_it() {
    let router = city::router().await;
    let near = "/api/v1/nearby?lon=122.105&lat=30.005&crs=wgs84&radius_m=2000&kinds=buildings,organizations";
    let near = get(&router, near).await.ok();
    let first = &near["items"][0];
    assert_eq!(
        (&first["kind"], &first["id"], &first["households"], &first["grid"]),
        (&json!("building"), &json!(2), &json!(120), &json!(GRID_1))
    );
    assert!(first.get("category").is_none() && first.get("state").is_none(), "{first}");
    assert_eq!(near["number_matched"], 5, "three buildings, two rooms: {near}");
    let body = json!({ "area": { "circle": { "centre": [122.104, 30.004], "radius_m": 400 } }, "kinds": ["buildings"] });
    let selected = post(&router, "/api/v1/select", "application/json", body.to_string()).await.ok();
    assert_eq!(selected["counts"], json!([{ "kind": "building", "total": 2, "households": 300, "by_category": [] }]));
    assert_eq!(selected["items"], json!([{ "kind": "building", "id": 1 }, { "kind": "building", "id": 2 }]));
}

#[tokio::test]
async fn the_households_of_a_grid_are_those_of_its_buildings_everywhere() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let card = async |grid: &str| get(&router, &format!("/api/v1/grids/{grid}")).await.ok();
    let told = |card: &Value| {
        let grid = &card["grid"];
        (grid["households"].clone(), grid["households_from"].clone(), grid["households_counted"].clone())
    };
    assert_eq!(told(&card(GRID_1).await), (json!(300), json!("buildings"), json!(300)));
    let second = card(GRID_2).await;
    assert_eq!(told(&second), (json!(300), json!("counted"), json!(300)), "none of its buildings says a number");
    assert_eq!((&second["buildings"]["total"], &second["buildings"]["crossing"]), (&json!(2), &json!(1)));
    assert_eq!(ids(&second["buildings"]), [3, 4]);

    let mut grown = (*app.published.load().buildings.get(BuildingId(1)).unwrap().record).clone();
    grown.households = Some(200);
    let next = Revision(app.published.load().revision.0 + 1);
    let change = Change::Buildings { put: vec![Arc::new(grown)], removed: vec![BuildingId(3)] };
    app.applier.apply(next, change).await.unwrap();
    assert_eq!(told(&card(GRID_1).await), (json!(320), json!("buildings"), json!(300)));
    for (region, households, buildings) in [("330902001001", 620, 3), ("3309", 920, 3)] {
        let counts = get(&router, &format!("/api/v1/regions/{region}")).await.ok()["counts"].clone();
        assert_eq!((&counts["households"], &counts["buildings"]), (&json!(households), &json!(buildings)), "{region}");
    }
    let counts = get(&router, "/api/v1/meta").await.ok()["counts"].clone();
    assert_eq!((&counts["households"], &counts["buildings"]), (&json!(920), &json!(4)));
    let feature = get(&router, &format!("/ogc/collections/grids/items/{GRID_1}")).await.ok();
    assert_eq!(feature["properties"]["households"], 320);
}

/// Feature ids of the buildings of a tile.
fn drawn(tile: &[u8]) -> Vec<u64> {
    let reader = MvtReaderRef::new(tile).unwrap();
    let layers = reader.layers().filter(|known| known.name() == "buildings");
    let mut found: Vec<u64> =
        layers.flat_map(|layer| layer.features().map(|one| one.id().unwrap()).collect::<Vec<_>>()).collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn tiles_hold_footprints_and_points_and_change_with_them() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let place = |zoom: u8| {
        let tile = tile_at(MercatorPoint::of(at(0.25, 0.25)), zoom);
        format!("{}/{}/{}", tile.z(), tile.x(), tile.y())
    };
    let tile = format!("/tiles/buildings/{}", place(14));
    let before = get(&router, &tile).await;
    assert_eq!(drawn(&before.body), [1, 2, 4]);
    get(&router, &format!("/tiles/buildings/{}", place(13))).await.problem(404, "outside_zooms");
    let fields = get(&router, "/tiles/buildings").await.ok()["vector_layers"][0]["fields"].clone();
    assert!(["id", "name", "households", "storeys"].iter().all(|field| fields.get(field).is_some()), "{fields}");
    let next = Revision(app.published.load().revision.0 + 1);
    app.applier.apply(next, Change::Buildings { put: vec![], removed: vec![BuildingId(1)] }).await.unwrap();
    let after = get(&router, &tile).await;
    assert_eq!(drawn(&after.body), [2, 4]);
    assert_ne!(after.headers["etag"], before.headers["etag"]);
}

#[tokio::test]
async fn a_collection_has_footprints_points_and_those_without_a_place() {
    let router = city::router().await;
    let page = get(&router, "/ogc/collections/buildings/items").await.ok();
    let geometry: Vec<&Value> = page["features"].as_array().unwrap().iter().map(|one| &one["geometry"]["type"]).collect();
    let (area, point) = (&json!("MultiPolygon"), &json!("Point"));
    assert_eq!(geometry, [area, point, &Value::Null, area, point]);
    let one = get(&router, "/ogc/collections/buildings/items/1").await.ok();
    assert_eq!((&one["properties"]["storeys"], &one["properties"]["grid"]), (&json!(18), &json!(GRID_1)));
    let boxed = get(&router, "/ogc/collections/buildings/items?bbox=122.1,30,122.1021,30.01").await.ok();
    assert_eq!(boxed["numberMatched"], 1);
    get(&router, "/ogc/collections/buildings/items?category=01001").await.problem(400, "bad_parameter");
}
