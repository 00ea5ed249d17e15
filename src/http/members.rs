//! JSON bodies read strictly, member by member: what is not known is refused by name, what does not fit with its field.

use super::error::{Answer, Problem, ProblemCode};
use super::query::{clipped, crs_unknown, out_of_range};
use super::{body, query};
use crate::geom::{Crs, LonLat};
use serde_json::{Map, Value};

/// What a body says about a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Member<T> {
    /// Nothing.
    Absent,
    /// That it is null.
    Null,
    /// This.
    Is(T),
}

impl<T> Member<T> {
    /// For members that can be taken away: `None` when absent, `Some(None)` for null.
    pub fn or_none(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Is(value) => Some(Some(value)),
        }
    }

    /// For members that cannot be null.
    pub fn never_null(self, field: &str) -> Answer<Option<T>> {
        match self {
            Self::Absent => Ok(None),
            Self::Null => Err(Problem::bad_field(field, "cannot be null")),
            Self::Is(value) => Ok(Some(value)),
        }
    }

    /// A member that says something else, or refuses to.
    pub fn map<U>(self, other: impl FnOnce(T) -> Answer<U>) -> Answer<Member<U>> {
        Ok(match self {
            Self::Absent => Member::Absent,
            Self::Null => Member::Null,
            Self::Is(value) => Member::Is(other(value)?),
        })
    }
}

/// The members of an object that were not taken yet.
#[derive(Debug)]
pub struct Members {
    left: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Members {
    /// Of a body that has to be an object.
    pub fn of(bytes: &[u8]) -> Answer<Self> {
        match serde_json::from_slice(bytes).map_err(|error| body::bad_json(&error))? {
            Value::Object(left) => Ok(Self { left, known: Vec::new() }),
            _ => Err(Problem::new(ProblemCode::BadJson, "the body is not an object")),
        }
    }

    /// Takes a member.
    pub fn take(&mut self, field: &'static str) -> Member<Value> {
        self.known.push(field);
        match self.left.remove(field) {
            None => Member::Absent,
            Some(Value::Null) => Member::Null,
            Some(value) => Member::Is(value),
        }
    }

    /// Takes a text of at most `most` characters.
    pub fn text(&mut self, field: &'static str, most: usize) -> Answer<Member<String>> {
        self.take(field).map(|value| text(field, value, most))
    }

    /// Takes a text that is parsed.
    pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, field: &'static str) -> Answer<Member<T>> {
        self.text(field, 200)?.map(|text| text.parse().map_err(|error| Problem::bad_field(field, error)))
    }

    /// Takes an object.
    pub fn object(&mut self, field: &'static str) -> Answer<Member<Map<String, Value>>> {
        self.take(field).map(|value| match value {
            Value::Object(members) => Ok(members),
            _ => Err(Problem::bad_field(field, "takes an object")),
        })
    }

    /// Takes a position and the CRS it is told in. Neither goes without the other.
    pub fn position(&mut self) -> Answer<Option<(LonLat, Crs)>> {
        let position = self.take("position").never_null("position")?;
        let crs = self.text("crs", 64)?.never_null("crs")?;
        match (position, crs) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Problem::missing_field("position")),
            (Some(_), None) => Err(<Crs as query::Word>::missing("crs")),
            (Some(position), Some(crs)) => {
                let crs: Crs = crs.parse().map_err(|_| crs_unknown(&crs))?;
                let shape = || Problem::bad_field("position", "takes [lon, lat], two numbers");
                let [lon, lat]: [f64; 2] = serde_json::from_value(position).map_err(|_| shape())?;
                let told = LonLat::new(lon, lat).map_err(|error| out_of_range("position", error))?;
                Ok(Some((told, crs)))
            }
        }
    }

    /// There must be nothing left.
    pub fn end(self) -> Answer<()> {
        let Some(field) = self.left.keys().next() else { return Ok(()) };
        let shown = clipped(field);
        let detail = format!("{shown:?} is not known here; known are {}", self.known.join(", "));
        Err(Problem::new(ProblemCode::UnknownField, detail).with("field", shown).with("allowed", self.known))
    }
}

/// A text of at most `most` characters.
pub fn text(field: &str, value: Value, most: usize) -> Answer<String> {
    match value {
        Value::String(text) if text.chars().count() <= most => Ok(text),
        Value::String(_) => Err(Problem::bad_field(field, format_args!("is longer than {most} characters"))),
        _ => Err(Problem::bad_field(field, "takes a text")),
    }
}
