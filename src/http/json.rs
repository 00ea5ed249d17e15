//! JSON answers and pages of lists.

use super::error::Answer;
use super::query::{Word, given};
use crate::app::cursor::Cursor;
use crate::app::view::View;
use crate::app::{App, AppError};
use crate::config::Config;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_64;

/// An answer as `application/json`.
pub fn json(answer: &impl Serialize) -> Response {
    json_of_size(answer, 4096)
}

/// The same with a guess of its length in bytes.
pub fn json_of_size(answer: &impl Serialize, capacity: usize) -> Response {
    raw(to_bytes(answer, capacity), "application/json")
}

/// The same as `application/geo+json`.
pub fn geojson(answer: &impl Serialize) -> Response {
    raw(to_bytes(answer, 16 << 10), "application/geo+json")
}

/// Bytes with their media type.
pub fn raw(bytes: Vec<u8>, media_type: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], bytes).into_response()
}

fn to_bytes(answer: &impl Serialize, capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut bytes, answer).expect("shapes have text keys and finite numbers");
    bytes
}

/// `limit=`: how many items a page has.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub usize);

/// `cursor=`: where a page begins, as an earlier page of the same list said.
#[derive(Debug, Clone, Copy)]
pub struct CursorText {
    at: Cursor,
    list: u32,
}

given!(Limit, CursorText);

impl Limit {
    /// Items of a page when nothing is said.
    pub const DEFAULT: Self = Self(100);
    /// Most items of a page.
    pub const MOST: usize = 10_000;
}

impl Word for Limit {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        match text.parse() {
            Ok(limit) if (1..=Self::MOST).contains(&limit) => Ok(Self(limit)),
            _ => Err(super::error::Problem::bad_parameter(field, format_args!("takes a whole number from 1 to {}", Self::MOST))),
        }
    }
}

impl Word for CursorText {
    fn parse(_: &'static str, text: &str) -> Answer<Self> {
        let (at, list) = text.split_at_checked(32).ok_or(AppError::BadCursor)?;
        let list = (list.len() == 8).then(|| u32::from_str_radix(list, 16).ok()).flatten().ok_or(AppError::BadCursor)?;
        Ok(Self { at: at.parse()?, list })
    }
}

impl CursorText {
    /// The place, if it is one of this list.
    pub(super) fn in_list(self, list: u32) -> Answer<Cursor> {
        if self.list == list { Ok(self.at) } else { Err(AppError::BadCursor.into()) }
    }

    /// A place in a list as text.
    pub(super) fn text(at: Cursor, list: u32) -> String {
        format!("{at}{list:08x}")
    }
}

/// A page of a list: totals first.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The change log's number up to which it is true.
    pub revision: u64,
    /// The boundaries it is about.
    pub epoch: u64,
    /// How many there are on all pages.
    pub number_matched: usize,
    /// Those of this page.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The address of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What absolute links begin with: the configured base, or the `Host` that was asked.
pub fn base_url(config: &Config, headers: &HeaderMap) -> String {
    match &config.base_url {
        Some(base) => base.clone(),
        None => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            format!("{}://{}", config.scheme(), host.map_or_else(|| config.listen.to_string(), str::to_owned))
        }
    }
}

/// The parameters of a list but for those that say where a page begins.
fn kept<'u>(uri: &'u Uri, without: &[&str]) -> Vec<&'u str> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.filter(|pair| !pair.is_empty() && !without.iter().any(|name| pair.starts_with(name))).collect()
}

/// What tells a list from others: its address and what narrows it.
fn list_of(uri: &Uri) -> u32 {
    let mut narrowed = kept(uri, &["cursor=", "limit="]);
    narrowed.sort_unstable();
    xxh3_64(format!("{}?{}", uri.path(), narrowed.join("&")).as_bytes()) as u32
}

/// The address of the same list with another cursor.
fn next_link(base: &str, uri: &Uri, cursor: &str) -> String {
    let before = kept(uri, &["cursor="]).join("&");
    let separator = if before.is_empty() { "" } else { "&" };
    format!("{base}{}?{before}{separator}cursor={cursor}", uri.path())
}

/// Which page of a list is asked for, and how links to the next one look.
#[derive(Debug)]
pub struct Pages {
    /// Items of a page.
    pub limit: usize,
    /// Where it begins; `None`: the first page.
    pub after: Option<Cursor>,
    list: u32,
    base: String,
    uri: Uri,
}

impl Pages {
    /// From the parameters of a request.
    pub fn new(app: &App, limit: Option<Limit>, cursor: Option<CursorText>, uri: Uri, headers: &HeaderMap) -> Answer<Self> {
        let list = list_of(&uri);
        if cursor.is_some_and(|cursor| cursor.list != list) {
            return Err(AppError::BadCursor.into());
        }
        let limit = limit.unwrap_or(Limit::DEFAULT).0;
        Ok(Self { limit, after: cursor.map(|cursor| cursor.at), list, base: base_url(&app.config, headers), uri })
    }

    /// A page with its totals and its link.
    pub fn page<T>(&self, view: &View, number_matched: usize, items: Vec<T>, next: Option<Cursor>) -> List<T> {
        let cursor = next.map(|cursor| CursorText::text(cursor, self.list));
        List {
            revision: view.city.revision.0,
            epoch: view.territory.epoch.0,
            number_matched,
            items,
            next: cursor.as_deref().map(|cursor| next_link(&self.base, &self.uri, cursor)),
            cursor,
        }
    }

    /// The page of a list in the order of `place`.
    pub fn sorted<A, T>(&self, view: &View, all: &[A], place: impl Fn(&A) -> Cursor, shape: impl FnMut(&A) -> T) -> List<T> {
        let start = self.after.map_or(0, |after| all.partition_point(|item| place(item) <= after));
        let rest = &all[start..];
        let items = &rest[..self.limit.min(rest.len())];
        let next = items.last().filter(|_| items.len() < rest.len()).map(place);
        self.page(view, all.len(), items.iter().map(shape).collect(), next)
    }

    /// The page of a list that is the same as long as its boundaries are: the cursor is a position in it.
    pub fn list<A, T>(&self, view: &View, all: &[A], shape: impl FnMut(&A) -> T) -> List<T> {
        let start = self.after.map_or(0, Cursor::position);
        let end = start.saturating_add(self.limit).min(all.len());
        let items = all.get(start..end).unwrap_or_default().iter().map(shape).collect();
        self.page(view, all.len(), items, (end < all.len()).then(|| Cursor::at(end)))
    }
}
