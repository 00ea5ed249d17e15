//! Files that the viewer's build made: the page, styles, sprites, fonts. They are part of the program.

use super::error::{Answer, Problem, ProblemCode};
use super::headers::VIEWER;
use super::json::base_url;
use super::path::InPath;
use super::query::{NoQuery, Query};
use crate::app::App;
use crate::domain::hash::hash64;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

#[derive(RustEmbed)]
#[folder = "web-viewer/dist/"]
#[allow_missing = true]
struct Viewer;

/// The page that says that there is no page.
const NO_VIEWER: &str = "<!doctype html><meta charset=utf-8><title>wangge</title>\
    <p>This program was built without the viewer: run <code>make viewer</code>, then build again.\
    <p>The API is here: <a href=/docs>/docs</a>";

/// How many subsets of fonts are part of the program, and whether the page is.
pub fn embedded_files() -> (usize, bool) {
    (Viewer::iter().filter(|path| path.ends_with(".woff2")).count(), Viewer::get("index.html").is_some())
}

/// A file of the viewer; `/` is its page, and `/g/{code}` that of one grid.
pub async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Answer<Response> {
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    let reads = method == Method::GET || method == Method::HEAD;
    let found = if reads && !has_route(path) { embedded(file_at(path), &headers) } else { None };
    match found {
        Some(response) => Ok(response),
        None if path.is_empty() => Ok(Html(NO_VIEWER).into_response()),
        None => Err(nothing(uri.path())),
    }
}

/// Which of the files an address is answered with.
fn file_at(path: &str) -> &str {
    match path {
        "" => "index.html",
        // Browsers ask for this one beside answers that are no page; they read SVG under any name.
        "favicon.ico" => "favicon.svg",
        _ if is_sheet(path) => "index.html",
        _ => path,
    }
}

/// What has a route of its own, which asks who is calling, has no other way.
fn has_route(path: &str) -> bool {
    let folder = path.split_once('/').map_or(path, |(folder, _)| folder);
    ["styles", "sprites", "fonts", "background.geojson"].contains(&folder)
}

/// `g/` and one code.
fn is_sheet(path: &str) -> bool {
    path.strip_prefix("g/").is_some_and(|code| !code.is_empty() && !code.contains('/'))
}

fn nothing(path: &str) -> Problem {
    let shown: String = path.chars().take(128).collect();
    Problem::new(ProblemCode::NotFound, format!("nothing has the address {shown}; /docs lists what there is"))
}

/// A complete map style (`dark.json` …) whose addresses are absolute, so that any MapLibre can use it as it is.
#[utoipa::path(get, path = "/styles/{file}", tag = "map", params(("file" = String, Path, description = "Name of the style with .json"), NoQuery), responses((status = 200, content_type = "application/json", body = Object)))]
pub async fn style(
    State(app): State<Arc<App>>,
    InPath(file): InPath<String>,
    _: Query<NoQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let style = STYLES.get(file.as_str()).ok_or_else(|| nothing(&format!("/styles/{file}")))?;
    let style = style.as_ref().map_err(|detail| Problem::new(ProblemCode::Internal, detail.clone()))?;
    let base = Value::from(base_url(&app.config, &headers)).to_string();
    let bytes = style.join(base.trim_matches('"')).into_bytes();
    let tag = format!("\"{:016x}\"", hash64(&bytes));
    Ok(tagged(Cow::Owned(bytes), &tag, "application/json", None, false, &headers))
}

/// Every style as the texts between which the server's address stands.
static STYLES: LazyLock<HashMap<String, Result<Vec<String>, String>>> = LazyLock::new(|| {
    let styles = Viewer::iter().filter_map(|path| Some((path.strip_prefix("styles/")?.to_owned(), Viewer::get(&path)?.data)));
    styles.filter(|(name, _)| name.ends_with(".json")).map(|(name, data)| (name, pieces(&data))).collect()
});

/// Cuts a style where the server's address belongs.
fn pieces(style: &[u8]) -> Result<Vec<String>, String> {
    // No style holds it, and JSON writes it in one way.
    const HERE: &str = "\u{1}base\u{1}";
    let mut style: Value = serde_json::from_slice(style).map_err(|error| format!("the style does not read as JSON: {error}"))?;
    absolute(&mut style, HERE);
    let here = Value::from(HERE).to_string();
    Ok(style.to_string().split(here.trim_matches('"')).map(str::to_owned).collect())
}

/// Makes every address in a style absolute.
fn absolute(value: &mut Value, base: &str) {
    match value {
        Value::String(text)
            if ["/tiles/", "/sprites/", "/fonts/", "/background.geojson"].iter().any(|root| text.starts_with(root)) =>
        {
            text.insert_str(0, base);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| absolute(item, base)),
        Value::Object(members) => members.values_mut().for_each(|member| absolute(member, base)),
        _ => {}
    }
}

/// The sprite sheet of the styles.
#[utoipa::path(get, path = "/sprites/{*path}", tag = "map", params(("path" = String, Path, description = "Name of the sheet with .json or .png"), NoQuery), responses((status = 200, content_type = "image/png", body = [u8])))]
pub async fn sprite(InPath(path): InPath<String>, _: Query<NoQuery>, headers: HeaderMap) -> Answer<Response> {
    let path = format!("sprites/{path}");
    embedded(&path, &headers).ok_or_else(|| nothing(&format!("/{path}")))
}

/// Subsets of the fonts of the styles, woff2.
#[utoipa::path(get, path = "/fonts/{*path}", tag = "map", params(("path" = String, Path, description = "Name of the subset"), NoQuery), responses((status = 200, content_type = "font/woff2", body = [u8])))]
pub async fn font(InPath(path): InPath<String>, _: Query<NoQuery>, headers: HeaderMap) -> Answer<Response> {
    let path = format!("fonts/{path}");
    embedded(&path, &headers).ok_or_else(|| nothing(&format!("/{path}")))
}

/// A file in the best encoding the client takes, or that it has it already.
fn embedded(path: &str, headers: &HeaderMap) -> Option<Response> {
    let plain: EmbeddedFile = Viewer::get(path)?;
    let hash = plain.metadata.sha256_hash();
    let tag = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let accepts = |coding: &str| accepts(headers, coding);
    let encoded = [("br", ".br"), ("gzip", ".gz")].into_iter().filter(|(coding, _)| accepts(coding));
    let (encoding, data) = encoded
        .filter_map(|(coding, ending)| Some((Some(coding), Viewer::get(&format!("{path}{ending}"))?.data)))
        .next()
        .unwrap_or((None, plain.data));
    // Names under assets/ carry a hash of the content.
    let tag = format!("\"{tag}{}\"", encoding.map(|coding| format!("-{coding}")).unwrap_or_default());
    let mut response = tagged(data, &tag, plain.metadata.mimetype(), encoding, path.starts_with("assets/"), headers);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, VIEWER);
    Some(response)
}

/// Whether `Accept-Encoding` names a coding without ruling it out.
pub fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        named && !refused
    })
}

/// Whether `If-None-Match` holds this tag. Compared weakly (RFC 9110 §8.8.3.2).
pub fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = bare(tag);
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|given| given.trim() == "*" || bare(given) == wanted)
}

fn tagged(
    data: Cow<'static, [u8]>,
    tag: &str,
    media_type: &str,
    encoding: Option<&'static str>,
    immutable: bool,
    headers: &HeaderMap,
) -> Response {
    let known = matches(headers, tag);
    let body = match data {
        _ if known => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let fields = response.headers_mut();
    let cache = if immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    fields.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    fields.extend(HeaderValue::from_str(tag).ok().map(|tag| (header::ETAG, tag)));
    if !known {
        fields.extend(HeaderValue::from_str(media_type).ok().map(|media_type| (header::CONTENT_TYPE, media_type)));
        fields.extend(encoding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding))));
    }
    response
}

/// Land that is not the city's, as GeoJSON without names or borders.
#[utoipa::path(get, path = "/background.geojson", tag = "map", params(NoQuery), responses((status = 200, content_type = "application/geo+json", body = Object)))]
pub async fn background(State(app): State<Arc<App>>, _: Query<NoQuery>, headers: HeaderMap) -> Answer<Response> {
    let city = app.published.load();
    let Some(land) = &city.about.background else {
        return Err(Problem::new(ProblemCode::NotFound, "this city has no background"));
    };
    let tag = format!("\"{:016x}\"", hash64(land.as_bytes()));
    Ok(tagged(Cow::Owned(land.as_bytes().to_vec()), &tag, "application/geo+json", None, false, &headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_used_only_when_it_is_named_and_not_ruled_out() {
        let given = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            headers
        };
        assert!(accepts(&given("br;q=1, gzip"), "gzip") && accepts(&given("GZIP"), "gzip"));
        assert!(!accepts(&given("gzip;q=0"), "gzip") && !accepts(&given("gzip; q=0.0"), "gzip"));
        assert!(!accepts(&given("br"), "gzip") && !accepts(&HeaderMap::new(), "gzip") && !accepts(&given("xgzip"), "gzip"));
    }

    #[test]
    fn a_grid_has_a_page_of_its_own() {
        assert!(is_sheet("g/330902003002004") && is_sheet("g/A%2F7"));
        assert!(!is_sheet("g/") && !is_sheet("g/1/2") && !is_sheet("grids/1") && !is_sheet(""));
        assert_eq!([file_at(""), file_at("g/1"), file_at("favicon.ico")], ["index.html", "index.html", "favicon.svg"]);
    }

    #[test]
    fn a_tag_is_known_among_others_weak_or_strong() {
        let given = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(text));
            headers
        };
        assert!(
            matches(&given("\"x\", W/\"a1\""), "W/\"a1\"")
                && matches(&given("\"a1\""), "W/\"a1\"")
                && matches(&given("*"), "\"z\"")
        );
        assert!(!matches(&given("\"a2\""), "W/\"a1\"") && !matches(&HeaderMap::new(), "\"a\""));
    }

    #[test]
    fn only_addresses_of_ours_become_absolute() {
        let style = br#"{"sprite": "/sprites/icons", "sources": {"a": {"url": "/tiles/grids"}}, "layers": [{"id": "/x"}]}"#;
        let pieces = pieces(style).expect("a style");
        assert_eq!(pieces.len(), 3);
        let style: Value = serde_json::from_str(&pieces.join("http://localhost:8080")).expect("JSON");
        assert_eq!(style["sources"]["a"]["url"], "http://localhost:8080/tiles/grids");
        assert_eq!(style["sprite"], "http://localhost:8080/sprites/icons");
        assert_eq!(style["layers"][0]["id"], "/x");
    }
}
