//! The OpenAPI 3.1 document, made from the handlers, and a page that shows it without any script.

use super::error::ProblemCode;
use super::json::raw;
use super::query::{NoQuery, Query};
use crate::app::App;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "wangge", description = "Geospatial service for cities governed by grids: lookups, cards, outlines, vector tiles."),
    components(schemas(ProblemShape)),
    tags(
        (name = "lookup", description = "Which grid is this point in?"),
        (name = "city", description = "Regions, grids, facilities, cases."),
        (name = "access", description = "Who is calling: log-ins, tokens, the audit."),
        (name = "ogc", description = "OGC API – Features and Tiles, for GIS programs."),
        (name = "map", description = "Tiles, styles, sprites, fonts; maps and layers of others."),
        (name = "operation", description = "For those who keep the server running."),
    )
)]
struct Document;

/// An error answer (RFC 9457). Members beside these say what is needed to mend it: `field`, `allowed`, `index` …
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
#[allow(dead_code, reason = "only its schema is used; the answers are written in error.rs")]
struct ProblemShape {
    /// Where the code is explained.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every occurrence of the code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What was given and what would be right, for people.
    detail: String,
    /// A stable word, for programs.
    code: String,
    /// To find the request in the server's log.
    request_id: Option<String>,
}

/// The document and the page, made once: they do not depend on the city.
static MADE: OnceLock<(String, String)> = OnceLock::new();

/// A router without routes whose document has a head.
pub(super) fn empty() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
}

/// Completes the document of all routes.
pub(super) fn keep(mut document: OpenApi) {
    let problem = ResponseBuilder::new()
        .description("An error")
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build(),
        )
        .build();
    for (path, item) in &mut document.paths.paths {
        let operations: [&mut Option<Operation>; 4] = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
        if let Some(operation) = item
            .get
            .as_mut()
            .filter(|_| path.starts_with("/tiles") || (path.starts_with("/api/") && !TELL_NO_CITY.contains(&path.as_str())))
        {
            operation.parameters.get_or_insert_default().push(RefOr::T(min_revision()));
        }
    }
    // The router's words for parts of a path, in OpenAPI's.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, item)| (path.replace("{*path}", "{path}").replace("/styles/{file}", "/styles/{name}.json"), item))
        .collect();
    let mut document = serde_json::to_value(&document).expect("a document is JSON");
    name_style(&mut document);
    let page = page_of(&document);
    // A second router of the same process has the same routes.
    MADE.get_or_init(|| (document.to_string(), page));
}

/// What tells nothing of the city heeds no revision of it.
const TELL_NO_CITY: [&str; 2] = ["/api/v1/beidou", "/api/v1/log-ins"];

/// The header that every answer about the city heeds.
fn min_revision() -> Parameter {
    ParameterBuilder::new()
        .name("Min-Revision")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Answered when this server has that revision, at most a second later; else 503 `behind`"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
        .build()
}

/// The style's parameter is the name alone.
fn name_style(document: &mut Value) {
    if let Some(parameter) = document.pointer_mut("/paths/~1styles~1{name}.json/get/parameters/0") {
        parameter["name"] = json!("name");
        parameter["description"] = json!("Name of the style: dark");
    }
}

/// The document of all routes.
pub(super) fn document() -> Value {
    let (document, _) = MADE.get().expect("the router that answers has kept its document");
    serde_json::from_str(document).expect("a document is JSON")
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", params(NoQuery), responses((status = 200, content_type = "application/json", body = Object)))]
pub async fn json(_: Query<NoQuery>) -> Response {
    let (document, _) = MADE.get().expect("the router that answers has kept its document");
    raw(document.clone().into_bytes(), "application/json")
}

/// This document for people.
#[utoipa::path(get, path = "/docs", tag = "operation", params(NoQuery), responses((status = 200, content_type = "text/html", body = String)))]
pub async fn page(_: Query<NoQuery>) -> Response {
    let (_, page) = MADE.get().expect("the router that answers has kept its document");
    Html(page.as_str()).into_response()
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#17212a;background:#fff}\
    h2{margin-top:2em}code,.m{font-family:ui-monospace,monospace}.m{font-weight:600;color:#0b6e86}summary{cursor:pointer;padding:.25em 0}\
    table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.15em 1em .15em 0}details{border-bottom:1px solid #dde3e8}\
    @media(prefers-color-scheme:dark){body{color:#e6ecf0;background:#10161c}.m{color:#6fc3cf}details{border-color:#2c3945}a{color:#6fc3cf}}";

fn page_of(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>wangge API</title><style>{STYLE}</style><h1>wangge API</h1>"
    );
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    let _ = write!(page, "<p>{} <a href=/openapi.json>OpenAPI 3.1 document</a></p>", text(&document["info"]["description"]));
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = write!(page, "<h2>{}</h2><p>{}</p>", text(&tag["name"]), text(&tag["description"]));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag["name"] {
                    write_operation(&mut page, path, method, operation);
                }
            }
        }
    }
    page.push_str(
        "<h2>Errors</h2><p>Every error is <code>application/problem+json</code> (RFC 9457) with one of these codes.</p><table>",
    );
    for (_, word, status, title) in ProblemCode::TABLE {
        let _ = write!(page, "<tr id={word}><td><code>{word}</code><td>{status}<td>{}", escaped(title));
    }
    page.push_str("</table></html>");
    page
}

fn write_operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    let _ = write!(page, "<details><summary><span class=m>{}</span> <code>{}</code>", method.to_uppercase(), escaped(path));
    let _ = write!(page, " {}</summary>", text(&operation["summary"]));
    let _ = write!(page, "<p>{}</p><table>", text(&operation["description"]));
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let needed = if parameter["required"] == json!(true) { "required" } else { "" };
        let _ =
            write!(page, "<tr><td><code>{}</code><td>{needed}<td>{}", text(&parameter["name"]), text(&parameter["description"]));
    }
    page.push_str("</table></details>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
