use super::city::{self, GRID_1, GRID_2, GRID_3};
use super::get;
use serde_json::json;

#[tokio::test]
async fn a_code_is_made_anywhere_on_earth_and_read_back() {
    let router = city::router().await;
    let cell = get(&router, "/api/v1/beidou?lon=-70.65&lat=-33.44&crs=wgs84&level=3").await.ok();
    let code = cell["code"].as_str().unwrap();
    assert_eq!(cell["level"], 3);
    let back = get(&router, &format!("/api/v1/beidou/{code}")).await.ok();
    assert_eq!((&back["bbox"], &back["grids"]), (&cell["bbox"], &json!([])));
    assert_eq!(get(&router, "/api/v1/beidou?lon=122.1&lat=30&crs=wgs84").await.ok()["level"], 10);
}

#[tokio::test]
async fn a_cell_lists_the_grids_that_meet_it_and_only_those() {
    let router = city::router().await;
    // The vector of GB/T 39409 annex B lies elsewhere; level 1 of this place holds the whole city.
    let code = get(&router, "/api/v1/beidou?lon=122.105&lat=30.005&crs=wgs84&level=1").await.ok()["code"].clone();
    let whole = get(&router, &format!("/api/v1/beidou/{}", code.as_str().unwrap())).await.ok();
    assert_eq!((&whole["number_matched"], &whole["grids"]), (&json!(3), &json!([GRID_1, GRID_2, GRID_3])));
    let code = get(&router, "/api/v1/beidou?lon=122.105&lat=30.005&crs=wgs84&level=8").await.ok()["code"].clone();
    let small = get(&router, &format!("/api/v1/beidou/{}", code.as_str().unwrap().to_lowercase())).await.ok();
    assert_eq!((&small["grids"], &small["code"]), (&json!([GRID_1]), &code));
}

#[tokio::test]
async fn what_is_no_code_is_refused() {
    let router = city::router().await;
    for bad in ["x", "N51H4406", "N51H4406162215471571000", "%20%20%20%20"] {
        get(&router, &format!("/api/v1/beidou/{bad}")).await.problem(400, "bad_path");
    }
    get(&router, "/api/v1/beidou?lon=1&lat=2&crs=wgs84&level=11").await.problem(400, "bad_parameter");
    get(&router, "/api/v1/beidou?lon=1&lat=89&crs=wgs84").await.problem(400, "out_of_range");
    get(&router, "/api/v1/beidou?lon=1&lat=2").await.problem(400, "crs_required");
}
