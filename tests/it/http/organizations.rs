use super::city::{self, GRID_1, GRID_2};
use super::{get, post};
use fast_mvt::{MvtReaderRef, MvtValueRef};
use serde_json::{Value, json};
use std::sync::Arc;
use wangge::city::Change;
use wangge::domain::id::{OrganizationId, Revision};

fn ids(list: &Value) -> Vec<i64> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn organizations_are_listed_by_place_region_category_and_name_elsewhere() {
    let router = city::router().await;
    let list = async |query: &str| get(&router, &format!("/api/v1/organizations?{query}")).await.ok();
    let all = list("").await;
    assert_eq!((&all["number_matched"], ids(&all)), (&json!(5), vec![1, 2, 3, 4, 5]));
    let first = &all["items"][0];
    assert_eq!(
        (&first["position"], &first["grid"], &first["within"]),
        (&json!([122.1025, 30.0025]), &json!(GRID_1), &Value::Null)
    );
    // Where it stands goes before what it says; without a place it is where it says.
    let grids: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|item| &item["grid"]).collect();
    assert_eq!(grids, [&json!(GRID_1), &json!(GRID_1), &json!(GRID_1), &Value::Null, &Value::Null]);
    assert_eq!(ids(&list(&format!("within={GRID_1}")).await), [1, 2, 3]);
    assert_eq!(ids(&list("within=330902001001").await), [1, 2, 3, 4]);
    assert_eq!(ids(&list("bbox=122.1,30,122.105,30.01").await), [1]);
    assert_eq!(ids(&list("category=party,volunteer").await), [3, 4]);
    assert_eq!(ids(&list("external=office:2").await), [2]);
    let page = list("limit=2").await;
    let next = page["next"].as_str().unwrap().strip_prefix("http://localhost:8080").unwrap().to_owned();
    assert_eq!((ids(&page), ids(&get(&router, &next).await.ok())), (vec![1, 2], vec![3, 4]));
    let one = get(&router, "/api/v1/organizations/2").await.ok();
    assert_eq!(
        (&one["name"], &one["category"], &one["hours"]),
        (&json!("组织2"), &json!("policepost"), &json!("每日 8:30–18:00"))
    );
    get(&router, "/api/v1/organizations/9").await.problem(404, "unknown_id");
    let problem = get(&router, "/api/v1/organizations/x").await.problem(400, "bad_path");
    assert_eq!(problem["detail"], "\"x\" is not a whole number in range");
    get(&router, "/api/v1/organizations?category=temple").await.problem(400, "bad_parameter");
    let kinds = get(&router, "/api/v1/categories?kind=organization").await.ok();
    let categories: Vec<&str> = kinds["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect();
    assert!(["party", "mediation", "volunteer", "policepost"].iter().all(|code| categories.contains(code)), "{kinds}");
}

#[tokio::test]
async fn organizations_are_near_a_place_and_in_an_area() {
    let router = city::router().await;
    let near = async |more: &str| {
        let place = "/api/v1/nearby?lon=122.1025&lat=30.0025&crs=wgs84&radius_m=2000";
        get(&router, &format!("{place}&kinds=organizations{more}")).await.ok()
    };
    let all = near("").await;
    assert_eq!((&all["number_matched"], ids(&all)), (&json!(2), vec![1, 2]));
    let first = &all["items"][0];
    assert_eq!((&first["kind"], &first["name"], &first["grid"]), (&json!("organization"), &json!("组织1"), &json!(GRID_1)));
    assert!(first.get("state").is_none() && first["distance_m"] == 0.0, "{first}");
    assert_eq!(ids(&near("&category=policepost").await), [2]);
    get(&router, "/api/v1/nearby?lon=122.1&lat=30&crs=wgs84&radius_m=9&kinds=organizations&category=01001")
        .await
        .problem(400, "bad_parameter");
    let area = json!({ "type": "Polygon", "coordinates": [[[122.1, 30.0], [122.105, 30.0], [122.105, 30.01], [122.1, 30.01], [122.1, 30.0]]] });
    let body = json!({ "area": area, "kinds": ["facilities", "organizations"] });
    let selected = post(&router, "/api/v1/select", "application/json", body.to_string()).await.ok();
    let bodies = &selected["counts"][1];
    assert_eq!((&bodies["kind"], &bodies["total"]), (&json!("organization"), &json!(1)));
    assert_eq!(bodies["by_category"], json!([{ "category": "mediation", "name": "调解室", "count": 1 }]));
    assert_eq!(selected["items"].as_array().unwrap().last().unwrap(), &json!({ "kind": "organization", "id": 1 }));
}

#[tokio::test]
async fn cards_and_regions_count_organizations() {
    let router = city::router().await;
    let card = get(&router, &format!("/api/v1/grids/{GRID_1}")).await.ok()["organizations"].clone();
    assert_eq!((&card["total"], card["items"].as_array().unwrap().len()), (&json!(3), 3));
    let counts: Vec<(&Value, &Value)> =
        card["by_category"].as_array().unwrap().iter().map(|row| (&row["category"], &row["count"])).collect();
    let one = &json!(1);
    assert_eq!(counts, [(&json!("party"), one), (&json!("mediation"), one), (&json!("policepost"), one)]);
    assert_eq!(card["by_category"][0]["name"], "党小组");
    let empty = get(&router, &format!("/api/v1/grids/{GRID_2}")).await.ok()["organizations"].clone();
    assert_eq!(empty, json!({ "total": 0, "by_category": [], "items": [] }));
    for (region, count) in [("330902001001", 4), ("330902001002", 0), ("3309", 4)] {
        let region = get(&router, &format!("/api/v1/regions/{region}")).await.ok();
        assert_eq!(region["counts"]["organizations"], count, "{region}");
    }
    assert_eq!(get(&router, "/api/v1/meta").await.ok()["counts"]["organizations"], 5);
}

/// (feature id, category, name) of the organizations of a tile.
fn drawn(tile: &[u8]) -> Vec<(u64, String, String)> {
    let reader = MvtReaderRef::new(tile).unwrap();
    let mut found = Vec::new();
    for layer in reader.layers().filter(|known| known.name() == "organizations") {
        for feature in layer.features() {
            let text = |wanted: &str| {
                let properties = feature.properties_vec().unwrap();
                let value = properties.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
                if let Some(MvtValueRef::String(text)) = value { text.to_owned() } else { String::new() }
            };
            found.push((feature.id().unwrap(), text("category"), text("name")));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn tiles_hold_those_with_a_place_and_change_with_them() {
    let app = city::app().await;
    let router = wangge::http::router(Arc::clone(&app));
    let tile = "/tiles/organizations/12/3437/1689";
    let before = get(&router, tile).await;
    let told = drawn(&before.body);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], (1, "mediation".to_owned(), "组织1".to_owned()));
    get(&router, "/tiles/organizations/9/429/211").await.problem(404, "outside_zooms");

    let mut renamed = (*app.published.load().organizations.get(OrganizationId(2)).unwrap().record).clone();
    renamed.name = "新警务室".to_owned();
    let next = Revision(app.published.load().revision.0 + 1);
    let change = Change::Organizations { put: vec![Arc::new(renamed)], removed: vec![OrganizationId(1)] };
    app.applier.apply(next, change).await.unwrap();
    let after = get(&router, tile).await;
    assert_eq!(drawn(&after.body), [(2, "policepost".to_owned(), "新警务室".to_owned())]);
    assert_ne!(after.headers["etag"], before.headers["etag"]);
    assert_eq!(get(&router, &format!("/api/v1/grids/{GRID_1}")).await.ok()["organizations"]["total"], 2);
    assert_eq!(get(&router, "/api/v1/meta").await.ok()["counts"]["organizations"], 4);
}
