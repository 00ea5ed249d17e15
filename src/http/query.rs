//! Strict query strings: an unknown parameter, a second one of the same name and a value that does not parse are errors that
//! name the field and what is allowed. [`query!`] turns a struct into such a query and into its OpenAPI description.

use super::error::{Answer, Problem, ProblemCode};
use super::json::Limit;
use crate::domain::case::CaseState;
use crate::domain::code::Code;
use crate::domain::facility::FacilityState;
use crate::domain::id::GridSet;
use crate::geom::lonlat::PositionError;
use crate::geom::{Crs, LatticeBox, LatticePoint, LonLat};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::borrow::Cow;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A query string read strictly.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// What [`query!`] makes of a struct.
pub trait Strict: Sized {
    /// Every parameter, in the order of the fields.
    const NAMES: &'static [&'static str];

    /// Takes each field from the values of the query.
    fn read(values: &Values<'_>) -> Answer<Self>;

    /// Reads a raw query string.
    fn parse(raw: Option<&str>) -> Answer<Self> {
        Self::read(&Values::parse(raw.unwrap_or_default(), Self::NAMES)?)
    }
}

impl<S: Send + Sync, T: Strict> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        T::parse(parts.uri.query()).map(Self)
    }
}

/// Declares a query: each field is a parameter, its type says how it is read, `Option` that it may be left out. Parameters that many
/// queries share are named together: `..set`, `..boundaries`, `..page`.
macro_rules! query {
    (@fields $head:tt [$($before:tt)*] ..set, $($after:tt)*) => {
        $crate::http::query::query! { @fields $head [$($before)*
            /// Grid set: `governance` (default), or another that `/api/v1/meta` lists.
            #[param(schema_with = $crate::http::query::set_schema)]
            set: Option<$crate::domain::id::GridSet>,
        ] $($after)* }
    };
    (@fields $head:tt $before:tt ..boundaries, $($after:tt)*) => {
        $crate::http::query::query! { @fields $head $before ..set,
            /// Boundaries in force then: a date (00:00 in the city's zone) or RFC 3339 with offset.
            #[param(value_type = Option<String>)]
            at: Option<$crate::http::asof::Moment>,
            /// Boundaries of this epoch.
            epoch: Option<u64>,
            $($after)*
        }
    };
    (@fields $head:tt $before:tt ..boundaries_under_rows, $($after:tt)*) => {
        $crate::http::query::query! { @fields $head $before ..set,
            /// Boundaries in force then: a date (00:00 in the city's zone) or RFC 3339 with offset. Facilities and cases are today's.
            #[param(value_type = Option<String>)]
            at: Option<$crate::http::asof::Moment>,
            /// Boundaries of this epoch.
            epoch: Option<u64>,
            $($after)*
        }
    };
    (@fields $head:tt [$($before:tt)*] ..page, $($after:tt)*) => {
        $crate::http::query::query! { @fields $head [$($before)*
            /// Items of a page, 1 to 10,000; 100 when absent.
            #[param(schema_with = $crate::http::query::limit_schema)]
            limit: Option<$crate::http::json::Limit>,
            /// Where the page begins, as the page before said.
            #[param(value_type = Option<String>)]
            cursor: Option<$crate::http::json::CursorText>,
        ] $($after)* }
    };
    (@fields $head:tt [$($before:tt)*] $(#[$meta:meta])* $field:ident : $type:ty, $($after:tt)*) => {
        $crate::http::query::query! { @fields $head [$($before)* $(#[$meta])* $field: $type,] $($after)* }
    };
    (@fields [$(#[$meta:meta])* $vis:vis struct $name:ident] [$($(#[$field_meta:meta])* $field:ident : $type:ty,)*]) => {
        $(#[$meta])*
        #[derive(Debug, utoipa::IntoParams)]
        #[into_params(parameter_in = Query)]
        $vis struct $name { $($(#[$field_meta])* $vis $field: $type),* }

        impl $crate::http::query::Strict for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            fn read(values: &$crate::http::query::Values<'_>) -> $crate::http::error::Answer<Self> {
                let _ = values;
                Ok(Self { $($field: <$type as $crate::http::query::Given>::read(stringify!($field), values.of(stringify!($field)))?),* })
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($fields:tt)* }) => {
        $crate::http::query::query! { @fields [$(#[$meta])* $vis struct $name] [] $($fields)* }
    };
}
pub(crate) use query;

query! {
    /// For routes that take no parameter at all.
    pub struct NoQuery {}
}

/// The values of a query, at most one for each known name.
#[derive(Debug)]
pub struct Values<'q>(Vec<(&'static str, Cow<'q, str>)>);

impl<'q> Values<'q> {
    fn parse(raw: &'q str, known: &'static [&'static str]) -> Answer<Self> {
        let mut values: Vec<(&'static str, Cow<'q, str>)> = Vec::with_capacity(known.len());
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| bad_text("a parameter name"))?;
            let Some(name) = known.iter().find(|known| **known == name).copied() else { return Err(unknown(&name, known)) };
            if values.iter().any(|(seen, _)| *seen == name) {
                return Err(Problem::new(ProblemCode::DuplicateParameter, format!("{name} stands twice")).with("field", name));
            }
            values.push((name, decoded(value).ok_or_else(|| bad_text(name))?));
        }
        Ok(Self(values))
    }

    /// The value of a parameter.
    pub fn of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let shown: String = name.chars().take(64).collect();
    let detail = match known {
        [] => format!("{shown:?} is not known here; this address takes no parameters"),
        _ => format!("{shown:?} is not known here; known are {}", known.join(", ")),
    };
    Problem::new(ProblemCode::UnknownParameter, detail).with("field", shown).with("allowed", known)
}

fn bad_text(field: &str) -> Problem {
    Problem::bad_parameter(field, "is not UTF-8 in percent-encoding")
}

/// Percent-decoding of `application/x-www-form-urlencoded`; `None` when it is broken or not UTF-8. Borrows when it can.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (pair, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                let digit = |b: u8| (b as char).to_digit(16);
                u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// A type that a parameter can have.
pub trait Given: Sized {
    /// From the text, absent or not.
    fn read(field: &'static str, text: Option<&str>) -> Answer<Self>;
}

/// A type with a text form. [`given!`] makes it a parameter, required or optional.
pub trait Word: Sized {
    /// From the text of parameter `field`.
    fn parse(field: &'static str, text: &str) -> Answer<Self>;

    /// What is said when it is required and missing.
    fn missing(field: &'static str) -> Problem {
        Problem::new(ProblemCode::MissingParameter, format!("{field} is required")).with("field", field)
    }
}

/// Makes [`Word`] types usable as fields of a [`query!`], required or optional.
macro_rules! given {
    ($($type:ty),* $(,)?) => { $(
        impl $crate::http::query::Given for $type {
            fn read(field: &'static str, text: Option<&str>) -> $crate::http::error::Answer<Self> {
                match text {
                    Some(text) => <Self as $crate::http::query::Word>::parse(field, text),
                    None => Err(<Self as $crate::http::query::Word>::missing(field)),
                }
            }
        }
        impl $crate::http::query::Given for Option<$type> {
            fn read(field: &'static str, text: Option<&str>) -> $crate::http::error::Answer<Self> {
                text.map(|text| <$type as $crate::http::query::Word>::parse(field, text)).transpose()
            }
        }
    )* };
}
pub(crate) use given;

given!(f64, u64, bool, String, Crs, Code, Bbox);

/// `bbox=`: one box, or the two halves of one that reaches over the antimeridian (RFC 7946, 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bbox(pub Vec<LatticeBox>);

impl Word for f64 {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        match text.parse::<Self>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Problem::bad_parameter(field, format_args!("{:?} is not a finite number", clipped(text)))),
        }
    }
}

impl Word for u64 {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        text.parse()
            .map_err(|_| Problem::bad_parameter(field, format_args!("{:?} is not a whole number from 0 up", clipped(text))))
    }
}

impl Word for bool {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        text.parse().map_err(|_| {
            Problem::bad_parameter(field, format_args!("{:?} is not true or false", clipped(text)))
                .with("allowed", vec!["true", "false"])
        })
    }
}

impl Word for String {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        const MOST: usize = 200;
        if text.chars().count() > MOST {
            return Err(Problem::bad_parameter(field, format_args!("longer than {MOST} characters")));
        }
        Ok(text.to_owned())
    }
}

impl Word for Crs {
    fn parse(_: &'static str, text: &str) -> Answer<Self> {
        text.parse().map_err(|_| crs_unknown(text))
    }

    fn missing(field: &'static str) -> Problem {
        Problem::new(
            ProblemCode::CrsRequired,
            format!("{field} is required: one of {}; it is never guessed", Self::NAMES.join(", ")),
        )
        .with("field", field)
        .with("allowed", Self::NAMES.as_slice())
    }
}

/// A name that is no CRS.
pub(super) fn crs_unknown(text: &str) -> Problem {
    Problem::new(ProblemCode::CrsUnknown, format!("{:?} is no known crs: one of {}", clipped(text), Crs::NAMES.join(", ")))
        .with("field", "crs")
        .with("allowed", Crs::NAMES.as_slice())
}

impl Word for Code {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        Self::new(text).map_err(|error| Problem::bad_parameter(field, error))
    }
}

impl Word for Bbox {
    /// `west,south,east,north` in degrees, WGS 84; west of the antimeridian `west` is larger than `east`.
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        let shape = || Problem::bad_parameter(field, "takes four numbers: west,south,east,north in degrees");
        let numbers: Vec<f64> = text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map_err(|_| shape())?;
        let [west, south, east, north] = numbers[..] else { return Err(shape()) };
        let corner = |lon, lat| LonLat::new(lon, lat).map_err(|error| out_of_range(field, error));
        let (min, max) = (corner(west, south)?, corner(east, north)?);
        if south > north {
            return Err(Problem::bad_parameter(field, "south must not be larger than north"));
        }
        let (min, max) = (LatticePoint::nearest(min), LatticePoint::nearest(max));
        let box_of =
            |west: i32, east: i32| LatticeBox { min: LatticePoint::new(west, min.y), max: LatticePoint::new(east, max.y) };
        const ANTIMERIDIAN: i32 = 1_800_000_000;
        Ok(Self(if min.x <= max.x {
            vec![box_of(min.x, max.x)]
        } else {
            vec![box_of(min.x, ANTIMERIDIAN), box_of(-ANTIMERIDIAN, max.x)]
        }))
    }
}

/// A word out of a fixed list.
pub fn one_of<T: Copy>(field: &'static str, text: &str, allowed: &[(&'static str, T)]) -> Answer<T> {
    allowed.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = allowed.iter().map(|(word, _)| *word).collect();
        Problem::bad_parameter(field, format_args!("{:?} is none of {}", clipped(text), words.join(", "))).with("allowed", words)
    })
}

/// For the OpenAPI document: a text out of a fixed list.
pub(super) fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.into_iter().map(str::to_owned))).build()
}

/// For the OpenAPI document: a whole number in bounds.
fn whole(from: usize, to: usize) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(from)).maximum(Some(to)).build()
}

pub(super) fn crs_schema() -> Object {
    words(Crs::NAMES)
}

pub(super) fn set_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9_]{1,24}$"))
        .default(Some(GridSet::default().as_str().into()))
        .build()
}

pub(super) fn limit_schema() -> Object {
    whole(1, Limit::MOST)
}

pub(super) fn near_limit_schema() -> Object {
    whole(1, 1000)
}

pub(super) fn beidou_level_schema() -> Object {
    whole(1, 10)
}

pub(super) fn facility_state_schema() -> Object {
    words(FacilityState::ALL.map(FacilityState::as_str))
}

pub(super) fn case_state_schema() -> Object {
    words(CaseState::TABLE.map(|(_, word)| word))
}

pub(super) fn category_kind_schema() -> Object {
    words(["component", "matter", "organization"])
}

/// A position that cannot be one.
pub fn out_of_range(field: &str, error: PositionError) -> Problem {
    let problem = Problem::new(ProblemCode::OutOfRange, format!("{field}: {error}")).with("field", field);
    match error {
        PositionError::OutOfRange { swapped: true, .. } => problem.with("hint", "axis_swapped?"),
        _ => problem,
    }
}

/// A position told in `crs`, as stored.
pub fn position(lon: f64, lat: f64, crs: Crs) -> Answer<LonLat> {
    LonLat::new(lon, lat).and_then(|told| crs.to_cgcs2000(told)).map_err(|error| {
        let field = error.field();
        out_of_range(field, error)
    })
}

/// The beginning of a text, short enough for an error answer.
pub(super) fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    query! {
        /// A query for the tests.
        struct Sample {
            /// Degrees.
            lon: f64,
            /// Told in.
            #[param(schema_with = crs_schema)]
            crs: Crs,
            /// Words.
            q: Option<String>,
        }
    }

    fn code(raw: &str) -> &'static str {
        Sample::parse(Some(raw)).expect_err(raw).code().as_str()
    }

    #[test]
    fn a_strict_query_reads_what_it_knows() {
        let sample = Sample::parse(Some("lon=122.5&crs=gcj02&q=%E6%99%AE%E9%99%80+a%2Bb")).expect("well formed");
        assert_eq!((sample.lon, sample.crs, sample.q.as_deref()), (122.5, Crs::Gcj02, Some("普陀 a+b")));
        assert!(Sample::parse(Some("lon=1&crs=wgs84")).expect("q is optional").q.is_none());
    }

    #[test]
    fn everything_else_is_an_error_with_its_own_code() {
        assert_eq!(code("lon=1&crs=wgs84&accuracy_m=3"), "unknown_parameter");
        assert_eq!(code("lon=1&crs=wgs84&lon=2"), "duplicate_parameter");
        assert_eq!(code("crs=wgs84"), "missing_parameter");
        assert_eq!(code("lon=1"), "crs_required");
        assert_eq!(code("lon=1&crs=EPSG:3857"), "crs_unknown");
        for bad in [
            "lon=NaN&crs=wgs84",
            "lon=inf&crs=wgs84",
            "lon=&crs=wgs84",
            "lon=1&crs=wgs84&q=%FF",
            "lon=1&crs=wgs84&q=%2",
            "lon=1&crs=wgs84&q=%zz",
        ] {
            assert_eq!(code(bad), "bad_parameter", "{bad}");
        }
    }

    #[test]
    fn the_allowed_names_are_told() {
        let problem = Sample::parse(Some("x=1")).expect_err("x is unknown");
        assert_eq!(problem.members()["allowed"], serde_json::json!(["lon", "crs", "q"]));
    }

    #[test]
    fn a_box_is_four_numbers_in_range_and_in_order() {
        let parse = |text: &str| <Bbox as Word>::parse("bbox", text);
        assert_eq!(parse("122,29.5,122.5,30").expect("a box").0.len(), 1);
        let [west, east] = &parse("179,-10,-179,10").expect("two halves").0[..] else { panic!("not two boxes") };
        assert_eq!(
            (west.min.x, west.max.x, east.min.x, east.max.x),
            (1_790_000_000, 1_800_000_000, -1_800_000_000, -1_790_000_000)
        );
        for bad in ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,3,1,1", "0,0,0,91", "NaN,0,0,0"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
