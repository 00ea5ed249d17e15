//! The OpenAPI document, the table of routes and the contract say the same.

use super::{city, get};
use serde_json::Value;
use std::collections::BTreeSet;
use wangge::http::TABLE;

/// What the contract names and this version answers. Methods and addresses as in the contract.
const CONTRACT: &[(&str, &str)] = &[
    ("GET", "/api/v1/locate"),
    ("POST", "/api/v1/locate"),
    ("GET", "/api/v1/beidou/{code}"),
    ("GET", "/api/v1/beidou"),
    ("GET", "/api/v1/nearby"),
    ("POST", "/api/v1/select"),
    ("GET", "/api/v1/search"),
    ("GET", "/api/v1/meta"),
    ("GET", "/api/v1/regions/{code}"),
    ("GET", "/api/v1/regions/{code}/children"),
    ("GET", "/api/v1/regions/{code}/outline"),
    ("GET", "/api/v1/regions/{code}/outlines"),
    ("GET", "/api/v1/regions/codes"),
    ("GET", "/api/v1/grids/{code}"),
    ("GET", "/api/v1/grids/{code}/outline"),
    ("GET", "/api/v1/grids/{code}/facilities"),
    ("GET", "/api/v1/grids/{code}/cases"),
    ("GET", "/api/v1/grids/{code}/team"),
    ("GET", "/api/v1/grids/{code}/history"),
    ("GET", "/api/v1/grids/{code}/neighbours"),
    ("GET", "/api/v1/grids/{code}/links"),
    ("GET", "/api/v1/links"),
    ("GET", "/api/v1/organizations"),
    ("GET", "/api/v1/organizations/{id}"),
    ("GET", "/api/v1/buildings"),
    ("GET", "/api/v1/buildings/{id}"),
    ("GET", "/api/v1/facilities"),
    ("POST", "/api/v1/facilities"),
    ("GET", "/api/v1/facilities/{id}"),
    ("PATCH", "/api/v1/facilities/{id}"),
    ("DELETE", "/api/v1/facilities/{id}"),
    ("GET", "/api/v1/imports"),
    ("POST", "/api/v1/imports"),
    ("GET", "/api/v1/imports/{id}"),
    ("GET", "/api/v1/imports/{id}/report"),
    ("POST", "/api/v1/imports/{id}/undo"),
    ("GET", "/api/v1/sources"),
    ("POST", "/api/v1/sources/{id}/run"),
    ("GET", "/api/v1/sinks"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/categories"),
    ("GET", "/api/v1/cases"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/log-ins"),
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/log-in/oidc"),
    ("GET", "/log-in/oidc/back"),
    ("GET", "/log-in/cas"),
    ("GET", "/log-in/cas/back"),
    ("GET", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/{id}"),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{id}"),
    ("GET", "/api/v1/audit"),
    ("POST", "/api/v1/audit"),
    ("GET", "/ca"),
    ("GET", "/ca.crt"),
    ("GET", "/tiles"),
    ("GET", "/tiles/{layers}"),
    ("GET", "/tiles/{layers}/{z}/{x}/{y}"),
    ("GET", "/styles/{name}.json"),
    ("GET", "/sprites/{path}"),
    ("GET", "/fonts/{path}"),
    ("GET", "/background.geojson"),
    ("GET", "/api/v1/layers"),
    ("GET", "/layers/{id}"),
    ("GET", "/layers/{id}/{z}/{x}/{y}"),
    ("GET", "/basemaps/{id}/{part}/{z}/{x}/{y}"),
    ("GET", "/ogc"),
    ("GET", "/ogc/conformance"),
    ("GET", "/ogc/api"),
    ("GET", "/ogc/collections"),
    ("GET", "/ogc/collections/{collection}"),
    ("GET", "/ogc/collections/{collection}/items"),
    ("GET", "/ogc/collections/{collection}/items/{feature}"),
    ("GET", "/ogc/collections/{collection}/tiles"),
    ("GET", "/ogc/collections/{collection}/tiles/{set}"),
    ("GET", "/ogc/collections/{collection}/tiles/{set}/{z}/{row}/{column}"),
    ("GET", "/ogc/tiles"),
    ("GET", "/ogc/tiles/{set}"),
    ("GET", "/ogc/tiles/{set}/{z}/{row}/{column}"),
    ("GET", "/ogc/tileMatrixSets"),
    ("GET", "/ogc/tileMatrixSets/{set}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
];

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        let methods =
            item.as_object().unwrap().keys().filter(|key| ["get", "post", "put", "patch", "delete"].contains(&key.as_str()));
        methods.map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    paths.iter().flat_map(methods).collect()
}

#[tokio::test]
async fn the_document_the_table_and_the_contract_name_the_same_addresses() {
    let router = city::router().await;
    let document = get(&router, "/openapi.json").await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let routed: BTreeSet<(String, String)> = TABLE
        .iter()
        .map(|(method, path, _)| {
            ((*method).to_owned(), path.replace("{*path}", "{path}").replace("/styles/{file}", "/styles/{name}.json"))
        })
        .collect();
    let contract: BTreeSet<(String, String)> =
        CONTRACT.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented(&document), routed);
    assert_eq!(contract, routed);
}

#[tokio::test]
async fn every_parameter_is_documented_and_every_documented_one_is_known() {
    let router = city::router().await;
    let document = get(&router, "/openapi.json").await.ok();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else { continue };
        let documented: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let uri = path
            .replace("{code}", "3309")
            .replace("{id}", "1")
            .replace("{name}.json", "dark.json")
            .replace("{path}", "x")
            .replace("{layers}", "grids")
            .replace("{collection}", "grids")
            .replace("{feature}", "330902001001001")
            .replace("{set}", "WebMercatorQuad")
            .replace("{z}/{x}/{y}", "0/0/0")
            .replace("{z}/{row}/{column}", "0/0/0");
        let problem = get(&router, &format!("{uri}?no_such_parameter=1")).await.problem(400, "unknown_parameter");
        let known: BTreeSet<&str> = problem["allowed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(documented, known, "{path}");
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere_and_every_answer_has_an_error() {
    let router = city::router().await;
    let document = get(&router, "/openapi.json").await.ok();
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(operation["responses"]["default"].is_object(), "{path}");
            assert!(operation["summary"].is_string(), "{path}");
        }
    }
}
