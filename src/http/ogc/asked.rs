//! What may be asked of the features of a collection.

use super::crs::FeatureCrs;
use crate::http::asof::Moment;
use crate::http::error::{Answer, Problem};
use crate::http::json::{CursorText, Limit};
use crate::http::query::{Given, Strict, Values, Word, given, query};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// Narrows a collection, and says how its features are told.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ItemsQuery {
    /// Features of a page; more than 10,000 count as 10,000.
    #[param(schema_with = limit_schema)]
    pub(super) limit: Option<PageSize>,
    /// Four numbers (or six, the third and sixth passed over): the least two and the greatest two coordinates, in `bbox-crs`. Features without a place are left out.
    #[param(schema_with = bbox_schema)]
    pub(super) bbox: Option<Numbers>,
    /// CRS of `bbox`; CRS84 (longitude, latitude) when absent.
    #[param(rename = "bbox-crs", schema_with = crs_schema)]
    pub(super) bbox_crs: Option<FeatureCrs>,
    /// CRS of the features; CRS84 (longitude, latitude) when absent.
    #[param(schema_with = crs_schema)]
    pub(super) crs: Option<FeatureCrs>,
    /// An instant, or an interval `from/until` with `..` for an open end. Regions and grids: the boundaries in force then (of an interval:
    /// those of now when it holds now, else those at the end that is nearer to now). Cases: when they were reported. Facilities have no
    /// time of their own.
    #[param(value_type = Option<String>)]
    pub(super) datetime: Option<Span>,
    /// Code of a region or grid that holds them.
    pub(super) within: Option<String>,
    /// Of regions: name of their level.
    pub(super) level: Option<String>,
    /// Of facilities and cases: code of their category.
    pub(super) category: Option<String>,
    /// Of facilities and cases: their state.
    pub(super) state: Option<String>,
    /// Where the page begins, as the page before said.
    #[param(value_type = Option<String>)]
    pub(super) cursor: Option<CursorText>,
}

// By hand, since one of the names is no identifier.
impl Strict for ItemsQuery {
    const NAMES: &'static [&'static str] =
        &["limit", "bbox", "bbox-crs", "crs", "datetime", "within", "level", "category", "state", "cursor"];

    fn read(values: &Values<'_>) -> Answer<Self> {
        fn of<T: Given>(values: &Values<'_>, name: &'static str) -> Answer<T> {
            T::read(name, values.of(name))
        }
        Ok(Self {
            limit: of(values, "limit")?,
            bbox: of(values, "bbox")?,
            bbox_crs: of(values, "bbox-crs")?,
            crs: of(values, "crs")?,
            datetime: of(values, "datetime")?,
            within: of(values, "within")?,
            level: of(values, "level")?,
            category: of(values, "category")?,
            state: of(values, "state")?,
            cursor: of(values, "cursor")?,
        })
    }
}

query! {
    /// How a feature is told.
    pub struct ItemQuery {
        /// CRS of the feature; CRS84 (longitude, latitude) when absent.
        #[param(schema_with = crs_schema)]
        crs: Option<FeatureCrs>,
    }
}

/// `limit=` of part 1: what is too large is no error.
#[derive(Debug, Clone, Copy)]
pub struct PageSize(pub(super) Limit);

/// The numbers of a `bbox`.
#[derive(Debug, Clone, Copy)]
pub struct Numbers(pub(super) [f64; 4]);

/// `datetime=`: the closed interval between two instants, each of which may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub(super) from: Option<Moment>,
    pub(super) until: Option<Moment>,
}

given!(PageSize, Numbers, Span);

impl Word for PageSize {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.trim_start_matches('0') {
            "" => Err(Problem::bad_parameter(field, "takes a whole number from 1 up")),
            _ if !digits => Err(Problem::bad_parameter(field, "takes a whole number from 1 up")),
            text => Ok(Self(Limit(text.parse().map_or(Limit::MOST, |limit: usize| limit.min(Limit::MOST))))),
        }
    }
}

impl Word for Numbers {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let shape = || Problem::bad_parameter(field, "takes four finite numbers, or six: the least and the greatest coordinates");
        let number = |part: &str| part.trim().parse().ok().filter(|number: &f64| number.is_finite());
        let numbers: Option<Vec<f64>> = text.split(',').map(number).collect();
        match numbers.as_deref() {
            Some(&[a, b, c, d] | &[a, b, _, c, d, _]) => Ok(Self([a, b, c, d])),
            _ => Err(shape()),
        }
    }
}

impl Word for Span {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let end = |text: &str| match text {
            "" | ".." => Ok(None),
            text => <Moment as Word>::parse(field, text).map(Some),
        };
        match text.split_once('/') {
            None => <Moment as Word>::parse(field, text).map(|at| Self { from: Some(at), until: Some(at) }),
            Some((from, until)) => match (end(from)?, end(until)?) {
                (None, None) => Err(Problem::bad_parameter(field, "an interval has at least one end")),
                (from, until) => Ok(Self { from, until }),
            },
        }
    }
}

fn limit_schema() -> Object {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(Limit::MOST));
    schema.default(Some(Limit::DEFAULT.0.into())).build()
}

fn bbox_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[^,]+(,[^,]+){3}(,[^,]+){0,2}$")).build()
}

fn crs_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(FeatureCrs::ALL.map(FeatureCrs::uri))).build()
}
