//! `/ogc/api`: the OpenAPI 3.0 document that the standard asks for, made from our own of 3.1.

use crate::http::json::raw;
use crate::http::openapi;
use crate::http::query::{NoQuery, Query};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// OpenAPI 3.0 in JSON.
pub(super) const MEDIA_TYPE: &str = "application/vnd.oai.openapi+json;version=3.0";

/// The addresses under `/ogc` as OpenAPI 3.0.
#[utoipa::path(get, path = "/ogc/api", tag = "ogc", params(NoQuery), responses((status = 200, content_type = "application/vnd.oai.openapi+json;version=3.0", body = Object)))]
pub async fn document(_: Query<NoQuery>) -> Response {
    static MADE: OnceLock<String> = OnceLock::new();
    let text = MADE.get_or_init(|| older(openapi::document()).to_string());
    raw(text.clone().into_bytes(), MEDIA_TYPE)
}

/// The part of a document that is about this tree, in the words of OpenAPI 3.0.
fn older(mut document: Value) -> Value {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| path == "/ogc" || path.starts_with("/ogc/"));
    }
    let mut used = BTreeSet::new();
    references(&document["paths"], &mut used);
    // What is used uses others.
    let mut seen = 0;
    while seen < used.len() {
        seen = used.len();
        for name in used.clone() {
            references(&document["components"]["schemas"][&name], &mut used);
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.retain(|tag| tag["name"] == "ogc");
    }
    document["openapi"] = json!("3.0.3");
    reword(&mut document);
    document
}

const SCHEMAS: &str = "#/components/schemas/";

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(SCHEMAS));
            found.extend(name.map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// 3.1 says `null` as a type, 3.0 as `nullable`; tuples of 3.1 (`prefixItems`) are arrays of a length.
fn reword(value: &mut Value) {
    match value {
        Value::Object(members) => {
            null_type(members);
            null_choice(members);
            if let Some(Value::Array(items)) = members.remove("prefixItems") {
                members.insert("items".to_owned(), items.into_iter().next().unwrap_or_else(|| json!({})));
            }
            if members.get("items") == Some(&Value::Bool(false)) {
                members.insert("items".to_owned(), json!({}));
            }
            for name in ["propertyNames", "contentMediaType", "contentEncoding"] {
                members.remove(name);
            }
            members.values_mut().for_each(reword);
        }
        Value::Array(items) => items.iter_mut().for_each(reword),
        _ => {}
    }
}

fn null_type(members: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = members.get("type") else { return };
    let others: Vec<Value> = types.iter().filter(|word| *word != "null").cloned().collect();
    let [only] = &others[..] else { return };
    let (only, nullable) = (only.clone(), others.len() < types.len());
    members.insert("type".to_owned(), only);
    if nullable {
        members.insert("nullable".to_owned(), json!(true));
    }
}

fn null_choice(members: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = members.get_mut("oneOf") else { return };
    let before = choices.len();
    choices.retain(|choice| choice["type"] != "null");
    if choices.len() < before {
        if let [only] = &mut choices[..] {
            let only = only.take();
            members.remove("oneOf");
            members.insert("allOf".to_owned(), json!([only]));
        }
        members.insert("nullable".to_owned(), json!(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_tuples_are_said_in_the_older_words() {
        let mut schema = json!({
            "a": { "type": ["string", "null"] },
            "b": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/X" }] },
            "c": { "type": "array", "prefixItems": [{ "type": "number" }], "items": false },
        });
        reword(&mut schema);
        let expected = json!({
            "a": { "type": "string", "nullable": true },
            "b": { "allOf": [{ "$ref": "#/components/schemas/X" }], "nullable": true },
            "c": { "type": "array", "items": { "type": "number" } },
        });
        assert_eq!(schema, expected);
    }
}
