use super::city::{self, CLOSED, GRID_1, GRID_2, GRID_3};
use super::get;
use serde_json::{Value, json};

#[tokio::test]
async fn a_region_has_sums_that_equal_those_of_its_children() {
    let router = city::router().await;
    let city = get(&router, "/api/v1/regions/3309").await.ok();
    assert_eq!((&city["level"], &city["name"], &city["path"]), (&json!("city"), &json!("舟山市"), &json!([])));
    assert_eq!(city["bbox"], json!([122.1, 30.0, 122.13, 30.02]));
    let counts = &city["counts"];
    assert_eq!(
        (&counts["grids"], &counts["facilities"], &counts["open_cases"], &counts["overdue"]),
        (&json!(3), &json!(41), &json!(27), &json!(5))
    );
    assert_eq!((&counts["households"], &counts["population"], &counts["staff"]), (&json!(900), &json!(2400), &json!(5)));
    for code in ["3309", "330902", "330902001", "330902001001"] {
        let parent = get(&router, &format!("/api/v1/regions/{code}")).await.ok();
        let children = get(&router, &format!("/api/v1/regions/{code}/children")).await.ok();
        let sum = |name: &str| {
            children["items"].as_array().unwrap().iter().map(|child| child["counts"][name].as_f64().unwrap()).sum::<f64>()
        };
        for name in ["grids", "facilities", "households", "population"] {
            assert_eq!(parent["counts"][name].as_f64().unwrap(), sum(name), "{code} {name}");
        }
        assert!((parent["counts"]["area_m2"].as_f64().unwrap() - sum("area_m2")).abs() < 0.5, "{code}");
    }
    // One case and one cadre belong to the community itself.
    let community = get(&router, "/api/v1/regions/330902001001").await.ok();
    assert_eq!((&community["counts"]["open_cases"], &community["counts"]["staff"]), (&json!(26), &json!(5)));
    assert_eq!(community["team"]["members"][0]["id"], "s5");
}

#[tokio::test]
async fn children_are_the_next_level_down_and_a_childless_region_says_so() {
    let router = city::router().await;
    let codes = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|child| child["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&get(&router, "/api/v1/regions/3309/children").await.ok()), ["330902", "330903"]);
    let grids = get(&router, "/api/v1/regions/330902001001/children").await.ok();
    assert_eq!(codes(&grids), [GRID_1, GRID_2]);
    assert_eq!((&grids["items"][0]["level"], &grids["items"][0]["kind"]), (&json!("grid"), &json!("base")));
    let page = get(&router, "/api/v1/regions/330902001001/children?limit=1").await.ok();
    assert_eq!((codes(&page).len(), &page["number_matched"]), (1, &json!(2)));
    let childless = get(&router, "/api/v1/regions/330903").await.ok();
    assert_eq!((&childless["childless"], &childless["counts"]["grids"]), (&json!(true), &json!(0)));
    assert!(childless["counts"]["area_m2"].as_f64() > Some(1e6));
    assert_eq!(get(&router, "/api/v1/regions/330903/children").await.ok()["number_matched"], 0);
    get(&router, "/api/v1/regions/999").await.problem(404, "unknown_code");
}

#[tokio::test]
async fn a_region_of_then_counts_what_stands_there_today() {
    let router = city::router().await;
    let then = get(&router, "/api/v1/regions/330902001001?at=2021-06-01").await.ok();
    assert_eq!((&then["epoch"], &then["counts"]["grids"], &then["counts"]["facilities"]), (&json!(1), &json!(1), &json!(41)));
    let children = get(&router, "/api/v1/regions/330902001001/children?epoch=1").await.ok();
    assert_eq!((&children["items"][0]["code"], &children["items"][0]["counts"]["facilities"]), (&json!(CLOSED), &json!(41)));
}

#[tokio::test]
async fn outlines_give_everything_of_a_level_below() {
    let router = city::router().await;
    let ids = |collection: &Value| -> Vec<String> {
        collection["features"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap().to_owned()).collect()
    };
    let grids = get(&router, "/api/v1/regions/3309/outlines?level=grid").await.ok();
    assert_eq!(
        (ids(&grids), &grids["type"], &grids["number_matched"]),
        (vec![GRID_1.to_owned(), GRID_2.to_owned(), GRID_3.to_owned()], &json!("FeatureCollection"), &json!(3))
    );
    assert_eq!(ids(&get(&router, "/api/v1/regions/3309/outlines").await.ok()), ["330902", "330903"]);
    assert_eq!(ids(&get(&router, "/api/v1/regions/3309/outlines?level=grid&at=2024-01-01").await.ok()), [CLOSED, GRID_3]);
    let outline = get(&router, "/api/v1/regions/330902/outline?crs=cgcs2000").await.ok();
    // The pond is no part of the county: its grids lie around it.
    assert_eq!(outline["geometry"]["coordinates"][0][0].as_array().unwrap().len(), 9);
    let problem = get(&router, "/api/v1/regions/3309/outlines?level=street").await.problem(400, "bad_parameter");
    assert_eq!(problem["allowed"], json!(["province", "city", "county", "township", "community", "grid"]));
    get(&router, "/api/v1/regions/3309/outline?crs=utm").await.problem(400, "crs_unknown");
}

#[tokio::test]
async fn codes_of_a_level_are_immutable_with_an_epoch() {
    let router = city::router().await;
    let now = get(&router, "/api/v1/regions/codes?level=grid").await;
    assert_eq!(now.headers["cache-control"], "no-cache");
    assert_eq!(now.ok(), json!({ "epoch": 2, "level": "grid", "codes": [GRID_1, GRID_2, GRID_3] }));
    let then = get(&router, "/api/v1/regions/codes?level=grid&epoch=1").await;
    assert!(then.headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(then.ok()["codes"], json!([CLOSED, GRID_3]));
    assert_eq!(get(&router, "/api/v1/regions/codes?level=county").await.ok()["codes"], json!(["330902", "330903"]));
    get(&router, "/api/v1/regions/codes").await.problem(400, "missing_parameter");
}

#[tokio::test]
async fn meta_tells_the_viewer_what_it_needs_first() {
    let router = city::router().await;
    let meta = get(&router, "/api/v1/meta").await.ok();
    assert_eq!(
        (&meta["title"], &meta["synthetic"], &meta["attribution"]),
        (&json!("普陀区网格"), &json!(true), &json!(["test data"]))
    );
    assert_eq!((&meta["root"], &meta["epoch"], &meta["facilities_outside"]), (&json!(["3309"]), &json!(2), &json!(1)));
    assert_eq!(meta["bbox"], json!([122.1, 30.0, 122.13, 30.02]));
    let levels: Vec<&str> =
        meta["scheme"]["levels"].as_array().unwrap().iter().map(|level| level["name"].as_str().unwrap()).collect();
    assert_eq!(levels, ["province", "city", "county", "township", "community", "grid"]);
    let groups: Vec<(&str, bool)> = meta["default_facility_groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["id"].as_str().unwrap(), group["categories"].as_array().unwrap().is_empty()))
        .collect();
    assert_eq!(groups, [("camera", false), ("lighting", false), ("manhole", false), ("hydrant", false)]);
    assert_eq!(
        (&meta["counts"]["facilities"], &meta["counts"]["open_cases"], &meta["counts"]["grids"]),
        (&json!(42), &json!(27), &json!(3))
    );
}
