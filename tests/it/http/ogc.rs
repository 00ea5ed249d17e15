//! `/ogc`: OGC API – Features and Tiles, as clients of that standard use them.

use super::city::{self, CLOSED, GRID_1, GRID_2, GRID_3};
use super::get;
use crate::gdal::told;
use axum::Router;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HOST: &str = "http://localhost:8080";

/// All features of a list, page after page.
async fn all(router: &Router, uri: &str) -> Vec<Value> {
    let mut features = Vec::new();
    let mut next = Some(uri.to_owned());
    while let Some(uri) = next {
        let answer = get(router, &uri).await;
        assert_eq!(answer.headers["content-type"], "application/geo+json", "{uri}");
        let page = answer.ok();
        let here = page["features"].as_array().unwrap();
        assert_eq!(page["numberReturned"], here.len(), "{uri}");
        features.extend(here.iter().cloned());
        let links = page["links"].as_array().unwrap();
        next = links.iter().find(|link| link["rel"] == "next").map(|link| local(&link["href"]));
        if next.is_none() {
            assert_eq!(page["numberMatched"], features.len(), "{uri}");
        }
    }
    features
}

fn local(href: &Value) -> String {
    href.as_str().unwrap().strip_prefix(HOST).unwrap().to_owned()
}

fn ids(features: &[Value]) -> Vec<&str> {
    features.iter().map(|feature| feature["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let router = city::router().await;
    let (mut open, mut seen) = (vec!["/ogc".to_owned()], BTreeSet::new());
    while let Some(uri) = open.pop() {
        if !seen.insert(uri.clone()) {
            continue;
        }
        let answer = get(&router, &uri).await;
        assert!(answer.status.is_success(), "{uri}: {}", answer.text());
        let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else { continue };
        fn links<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
            match value {
                Value::Object(members) => {
                    if members.get("href").is_some_and(Value::is_string) {
                        found.push(value);
                    }
                    members.values().for_each(|member| links(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| links(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        links(&value, &mut found);
        for link in found {
            assert!(link["rel"].is_string() && link["type"].is_string() && link["title"].is_string(), "{uri}: {link}");
            let href = local(&link["href"]);
            if link["templated"] == true {
                assert!(href.contains('{'), "{uri}: {link}");
            } else {
                open.push(href);
            }
        }
    }
    for uri in
        ["/ogc/conformance", "/ogc/api", "/ogc/collections/cases/items", "/ogc/tiles/WebMercatorQuad", "/ogc/tileMatrixSets"]
    {
        assert!(seen.contains(uri), "{uri} is reached from the landing page, of {seen:?}");
    }
    assert_eq!(get(&router, "/ogc/").await.ok(), get(&router, "/ogc").await.ok(), "clients put a slash behind an address");
}

#[tokio::test]
async fn pages_hold_every_feature_once() {
    let router = city::router().await;
    for (collection, own) in [("grids", "/api/v1/regions/codes?level=grid"), ("regions", "")] {
        let features = all(&router, &format!("/ogc/collections/{collection}/items?limit=2")).await;
        let codes = ids(&features);
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        if !own.is_empty() {
            assert_eq!(json!(codes), get(&router, own).await.ok()["codes"]);
        }
        for feature in &features {
            let code = feature["id"].as_str().unwrap();
            let outline = get(&router, &format!("/api/v1/{collection}/{code}/outline")).await.ok();
            assert_eq!(feature["geometry"], outline["geometry"], "{code}");
            assert_eq!(feature["properties"]["level"], outline["properties"]["level"], "{code}");
            let one = get(&router, &format!("/ogc/collections/{collection}/items/{code}")).await.ok();
            assert_eq!((&one["geometry"], &one["properties"]), (&feature["geometry"], &feature["properties"]));
        }
    }
    let facilities = all(&router, "/ogc/collections/facilities/items?limit=1").await;
    let own = get(&router, "/api/v1/facilities?limit=10000").await.ok();
    let items: BTreeMap<i64, &Value> =
        own["items"].as_array().unwrap().iter().map(|item| (item["id"].as_i64().unwrap(), item)).collect();
    assert_eq!(facilities.len(), items.len());
    for feature in &facilities {
        let item = items[&feature["id"].as_i64().unwrap()];
        assert_eq!(feature["geometry"], json!({ "type": "Point", "coordinates": item["position"] }));
        for name in ["category", "name", "state", "grid", "version"] {
            assert_eq!(feature["properties"][name], item[name], "{name}");
        }
        for (name, value) in item["properties"].as_object().unwrap() {
            assert!(feature["properties"].get(name).is_some(), "{name} {value}");
        }
    }
    let cases = all(&router, "/ogc/collections/cases/items?limit=1").await;
    let own = get(&router, "/api/v1/cases").await.ok();
    let keys = |list: &Value| -> Vec<i64> { list.as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect() };
    assert_eq!(keys(&json!(cases)), keys(&own["items"]));
    assert!(cases.iter().any(|case| case["geometry"].is_null()), "an unlocated case has no geometry");
}

#[tokio::test]
async fn coordinates_come_in_the_axis_order_of_the_crs_asked_for() {
    let router = city::router().await;
    let item = format!("/ogc/collections/grids/items/{GRID_1}");
    let corner =
        |feature: &Value| -> [f64; 2] { serde_json::from_value(feature["geometry"]["coordinates"][0][0][0].clone()).unwrap() };
    let plain = get(&router, &item).await;
    assert_eq!(plain.headers["content-crs"], "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>");
    let [lon, lat] = corner(&plain.ok());
    for epsg in [4490, 4326] {
        let uri = format!("http://www.opengis.net/def/crs/EPSG/0/{epsg}");
        let told = get(&router, &format!("{item}?crs={uri}")).await;
        assert_eq!(told.headers["content-crs"], format!("<{uri}>"));
        assert_eq!(corner(&told.ok()), [lat, lon]);
    }
    let metres = corner(&get(&router, &format!("{item}?crs=http://www.opengis.net/def/crs/EPSG/0/3857")).await.ok());
    assert!((metres[0] - lon.to_radians() * 6_378_137.0).abs() < 0.01 && metres[1] > 3.5e6, "{metres:?}");
    let items = "/ogc/collections/grids/items?bbox";
    let within = ids(&all(&router, &format!("{items}=122.101,30.001,122.102,30.002")).await).join(",");
    assert_eq!(within, GRID_1);
    let swapped = format!("{items}=30.001,122.101,30.002,122.102&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4490");
    assert_eq!(ids(&all(&router, &swapped).await), [GRID_1]);
    assert_eq!(ids(&all(&router, &format!("{items}=122.101,30.001,-5,122.102,30.002,99")).await), [GRID_1]);
    get(&router, &format!("{items}=1,2,3&limit=1")).await.problem(400, "bad_parameter");
    get(&router, "/ogc/collections/grids/items?crs=EPSG:4326").await.problem(400, "bad_parameter");
    get(&router, &format!("{items}=30.001,122.101,30.002,122.102")).await.problem(400, "out_of_range");
}

#[tokio::test]
async fn a_box_finds_what_has_a_point_in_it() {
    let router = city::router().await;
    // The corner where grids 1 and 2 meet the pond and grid 3; then a box inside the pond.
    let corner = all(&router, "/ogc/collections/grids/items?bbox=122.11,30.01,122.11,30.01").await;
    assert_eq!(ids(&corner).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([GRID_1, GRID_2, GRID_3]));
    assert_eq!(all(&router, "/ogc/collections/grids/items?bbox=122.112,30.002,122.118,30.008").await.len(), 0);
    let regions = all(&router, "/ogc/collections/regions/items?bbox=122.125,30.005,122.126,30.006").await;
    let codes = ids(&regions);
    assert!(codes.contains(&"330903") && !codes.contains(&"330902"), "{codes:?}");
    let around = all(&router, "/ogc/collections/regions/items?bbox=122,29,123,31&level=county").await;
    assert_eq!(ids(&around), ["330902", "330903"]);
    let some = all(&router, "/ogc/collections/grids/items?within=330902001001").await;
    assert_eq!(ids(&some), [GRID_1, GRID_2]);
}

#[tokio::test]
async fn a_time_asks_for_the_boundaries_of_then() {
    let router = city::router().await;
    let grids = async |datetime: &str| {
        let features = all(&router, &format!("/ogc/collections/grids/items?datetime={datetime}")).await;
        ids(&features).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(grids("2025-06-01T00:00:00Z").await.contains(&CLOSED.to_owned()));
    assert!(grids("../2025-06-01T00:00:00Z").await.contains(&CLOSED.to_owned()));
    assert!(!grids("2025-06-01T00:00:00Z/..").await.contains(&CLOSED.to_owned()), "the interval holds now");
    assert_eq!(grids("1999-01-01").await.len(), 0, "no boundaries were in force then");
    let of_cases = async |datetime: &str| all(&router, &format!("/ogc/collections/cases/items?datetime={datetime}")).await.len();
    let every = of_cases("2000-01-01/..").await;
    assert!(every > 0 && of_cases("2000-01-01/2000-01-02").await == 0 && of_cases("2099-01-01/..").await == 0);
    for wrong in ["../..", "yesterday", "2026-01-02/2026-01-01", "2026-01-01/2026-01-02/2026-01-03"] {
        get(&router, &format!("/ogc/collections/cases/items?datetime={wrong}")).await.problem(400, "bad_parameter");
    }
}

#[tokio::test]
async fn what_a_collection_does_not_have_is_refused() {
    let router = city::router().await;
    get(&router, "/ogc/collections/roads/items").await.problem(404, "not_found");
    get(&router, "/ogc/collections/grids/items/330902001001099").await.problem(404, "unknown_code");
    get(&router, "/ogc/collections/facilities/items/x").await.problem(404, "not_found");
    get(&router, "/ogc/collections/facilities/items/99999999").await.problem(404, "not_found");
    get(&router, "/ogc/collections/grids/items?category=01010").await.problem(400, "bad_parameter");
    get(&router, "/ogc/collections/grids/items?colour=red").await.problem(400, "unknown_parameter");
    get(&router, "/ogc/collections/cases/items?state=lost").await.problem(400, "bad_parameter");
    get(&router, "/ogc/collections/grids/items?limit=0").await.problem(400, "bad_parameter");
    get(&router, "/ogc/tiles/WorldCRS84Quad").await.problem(404, "not_found");
    // What is too large is no error (part 1, 7.15.2).
    assert_eq!(get(&router, "/ogc/collections/grids/items?limit=99999999999999999999").await.ok()["numberReturned"], 3);
}

#[tokio::test]
async fn tiles_are_those_of_the_map_with_rows_before_columns() {
    let router = city::router().await;
    let (z, x, y) = (13, 6874, 3379);
    let own = get(&router, &format!("/tiles/grids/{z}/{x}/{y}")).await;
    assert!(!own.body.is_empty());
    let same = get(&router, &format!("/ogc/collections/grids/tiles/WebMercatorQuad/{z}/{y}/{x}")).await;
    assert_eq!((own.status, &own.body, own.headers.get("etag")), (same.status, &same.body, same.headers.get("etag")));
    let joined = get(&router, &format!("/tiles/regions,grids,labels,facilities,cases,organizations,buildings/{z}/{x}/{y}")).await;
    assert_eq!(get(&router, &format!("/ogc/tiles/WebMercatorQuad/{z}/{y}/{x}")).await.body, joined.body);
    let set = get(&router, "/ogc/collections/grids/tiles/WebMercatorQuad").await.ok();
    let limits = set["tileMatrixSetLimits"].as_array().unwrap().iter().find(|limits| limits["tileMatrix"] == "13").unwrap();
    let holds = |min: &str, max: &str, at: u64| limits[min].as_u64().unwrap() <= at && at <= limits[max].as_u64().unwrap();
    assert!(holds("minTileCol", "maxTileCol", x) && holds("minTileRow", "maxTileRow", y), "{limits}");
}

#[tokio::test]
async fn the_document_is_of_openapi_3_0() {
    let router = city::router().await;
    let answer = get(&router, "/ogc/api").await;
    assert_eq!(answer.headers["content-type"], "application/vnd.oai.openapi+json;version=3.0");
    let document = answer.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 15 && paths.keys().all(|path| path.starts_with("/ogc")), "{:?}", paths.keys());
    let text = document.to_string();
    for newer in [r#""null""#, "prefixItems", r#""type":["#] {
        assert!(!text.contains(newer), "{newer} is of 3.1");
    }
    let parameters = document["paths"]["/ogc/collections/{collection}/items"]["get"]["parameters"].as_array().unwrap();
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
    assert_eq!((&limit["schema"]["maximum"], &limit["schema"]["default"]), (&json!(10_000), &json!(100)));
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("\"$ref\":\"#") {
        let (pointer, after) = after.split_once('"').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        rest = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_pages_through_every_collection() {
    let router = city::router().await;
    let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let address = format!("OAPIF:http://{}/ogc", listener.local_addr().unwrap());
    tokio::spawn(wangge::http::serve(listener, router.clone(), std::future::pending()));
    for collection in ["regions", "grids", "facilities", "cases", "buildings"] {
        let count = all(&router, &format!("/ogc/collections/{collection}/items")).await.len();
        let arguments = ["-ro", "-al", "-oo", "PAGE_SIZE=1", &address, collection].map(str::to_owned);
        let said = tokio::task::spawn_blocking(move || told("ogrinfo", &arguments.each_ref().map(String::as_str))).await.unwrap();
        assert_eq!(said.matches("OGRFeature(").count(), count, "{said}");
        assert!(said.contains(&format!("Feature Count: {count}\n")), "{said}");
        assert!(said.contains("WGS 84") || said.contains("CGCS2000"), "{said}");
    }
}
