//! A JSON batch of points: read, looked up all at once, written.

use super::body;
use super::error::{Answer, Problem, ProblemCode};
use super::query::Word;
use crate::app::view::View;
use crate::geom::{Crs, LatticePoint, LonLat};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use utoipa::ToSchema;

/// Points of one CRS.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// `wgs84`, `cgcs2000`, `gcj02` or `bd09`. Never guessed.
    #[schema(value_type = String)]
    crs: Option<String>,
    /// `[lon, lat]` each, at most 100,000.
    #[schema(value_type = Vec<[f64; 2]>)]
    points: Option<Points>,
}

/// The grids of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// The boundaries the answer is about.
    epoch: u64,
    /// One code a point, in their order; null outside every grid.
    grids: Vec<Option<String>>,
}

/// Most points of one JSON batch.
pub const MOST_POINTS: usize = 100_000;

/// The answer to a batch as JSON text. Codes hold letters, digits and `-_.:` only, so they need no escaping.
pub(super) fn located(view: &View, bytes: &[u8]) -> Answer<Vec<u8>> {
    let batch = match plain(bytes) {
        Some(batch) => batch,
        None => parse(bytes)?,
    };
    let crs = batch.crs.ok_or_else(|| Crs::missing("crs"))?;
    let crs = <Crs as Word>::parse("crs", &crs)?;
    let points = batch.points.ok_or_else(|| Problem::new(ProblemCode::BadJson, "points is required").with("field", "points"))?.0;
    let mut places = Vec::with_capacity(points.len());
    for (index, &[lon, lat]) in points.iter().enumerate() {
        let told = LonLat::new(lon, lat)
            .and_then(|told| crs.to_cgcs2000(told))
            .map_err(|error| Problem::new(ProblemCode::BadPoint, format!("point {index}: {error}")).with("index", index))?;
        places.push(LatticePoint::nearest(told));
    }
    let codes = view.grid_codes_at(&places);
    let mut json = Vec::with_capacity(64 + codes.len() * 20);
    json.extend_from_slice(format!("{{\"epoch\":{},\"grids\":[", view.territory.epoch).as_bytes());
    for (index, code) in codes.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        match code {
            Some(code) => {
                json.push(b'"');
                json.extend_from_slice(code.as_bytes());
                json.push(b'"');
            }
            None => json.extend_from_slice(b"null"),
        }
    }
    json.extend_from_slice(b"]}");
    Ok(json)
}

thread_local! {
    /// How far the parser of [`Points`] came: serde has no other way to say at which element it stopped.
    static POINT: Cell<Option<usize>> = const { Cell::new(None) };
}

fn parse(bytes: &[u8]) -> Answer<Batch> {
    POINT.set(None);
    serde_json::from_slice(bytes).map_err(|error| match POINT.get() {
        Some(index) if index >= MOST_POINTS => {
            Problem::new(ProblemCode::TooManyPoints, format!("more than {MOST_POINTS} points; send a stream of lines instead"))
                .with("limit", MOST_POINTS)
        }
        Some(index) if !error.is_eof() => {
            Problem::new(ProblemCode::BadPoint, format!("point {index}: {error}; a point is [lon, lat]")).with("index", index)
        }
        _ => body::bad_json(&error),
    })
}

/// Points as parsed; counts while it parses.
#[derive(Debug)]
struct Points(Vec<[f64; 2]>);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Points;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of [lon, lat]")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<Points, A::Error> {
                let mut points = Vec::with_capacity(1024);
                POINT.set(Some(0));
                while let Some(point) = elements.next_element::<[f64; 2]>()? {
                    if points.len() == MOST_POINTS {
                        return Err(serde::de::Error::custom("too many points"));
                    }
                    points.push(point);
                    POINT.set(Some(points.len()));
                }
                POINT.set(None);
                Ok(Points(points))
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// A batch as programs write it: two fields, points of two plain decimals. `None` for everything else, good or bad: then [`parse`]
/// reads it, or says what is wrong. What it does read, it reads as [`parse`] would.
fn plain(bytes: &[u8]) -> Option<Batch> {
    let mut text = Plain(bytes);
    let mut batch = Batch { crs: None, points: None };
    text.take(b'{')?;
    loop {
        let field = text.word()?;
        text.take(b':')?;
        match field {
            b"crs" if batch.crs.is_none() => batch.crs = Some(std::str::from_utf8(text.word()?).ok()?.to_owned()),
            b"points" if batch.points.is_none() => batch.points = Some(Points(text.points()?)),
            _ => return None,
        }
        if text.take(b',').is_none() {
            break;
        }
    }
    text.take(b'}')?;
    text.skip_space();
    text.0.is_empty().then_some(batch)
}

/// What is left of a text.
struct Plain<'b>(&'b [u8]);

/// 10^15 < 2^53: a mantissa of so many digits is a double, and so is the power of ten that it is divided by; so the quotient is the
/// double nearest to the decimal.
const MOST_DIGITS: usize = 15;
const POWERS: [f64; MOST_DIGITS + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

impl<'b> Plain<'b> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// One byte after any space, if it is this one.
    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        if self.0.first() != Some(&byte) {
            self.skip_space();
        }
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// A text of letters, digits and `:`.
    fn word(&mut self) -> Option<&'b [u8]> {
        self.take(b'"')?;
        let end = self.0.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b':')?;
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\"")?;
        Some(word)
    }

    fn points(&mut self) -> Option<Vec<[f64; 2]>> {
        self.take(b'[')?;
        let mut points = Vec::with_capacity((self.0.len() / 16).min(MOST_POINTS));
        if self.take(b']').is_some() {
            return Some(points);
        }
        loop {
            self.take(b'[')?;
            let lon = self.number()?;
            self.take(b',')?;
            let lat = self.number()?;
            self.take(b']')?;
            if points.len() == MOST_POINTS {
                return None;
            }
            points.push([lon, lat]);
            if self.take(b',').is_none() {
                break;
            }
        }
        self.take(b']')?;
        Some(points)
    }

    /// A decimal without an exponent, of at most [`MOST_DIGITS`] digits.
    #[inline]
    fn number(&mut self) -> Option<f64> {
        self.skip_space();
        let negative = self.0.first() == Some(&b'-');
        self.0 = &self.0[usize::from(negative)..];
        let leading_zero = self.0.first() == Some(&b'0');
        let mut mantissa = 0;
        let whole = self.digits(&mut mantissa);
        if whole == 0 || whole > 1 && leading_zero {
            return None;
        }
        let mut fraction = 0;
        if let [b'.', rest @ ..] = self.0 {
            self.0 = rest;
            fraction = self.eight_digits(&mut mantissa);
            if fraction == 8 {
                fraction += self.digits(&mut mantissa);
            }
            if fraction == 0 {
                return None;
            }
        }
        if whole + fraction > MOST_DIGITS || matches!(self.0.first(), Some(b'e' | b'E')) {
            return None;
        }
        let value = mantissa as f64 / POWERS[fraction];
        Some(if negative { -value } else { value })
    }

    /// Appends digits to a number, which means something while they are few; how many.
    #[inline]
    fn digits(&mut self, number: &mut u64) -> usize {
        let mut count = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            *number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.0 = rest;
            count += 1;
        }
        count
    }

    /// The same for at most eight digits, all at once.
    #[inline]
    fn eight_digits(&mut self, number: &mut u64) -> usize {
        const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
        let Some(eight) = self.0.first_chunk() else { return self.digits(number) };
        // The first digit in the lowest byte. A byte is a digit when it is less than ten.
        let bytes = u64::from_le_bytes(*eight) ^ 0x3030_3030_3030_3030;
        let others = (((bytes & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | bytes) & 0x8080_8080_8080_8080;
        let count = others.trailing_zeros() as usize / 8;
        if count == 0 {
            return 0;
        }
        // Zeros before the digits, so that there are eight; then pairs, fours and the whole.
        let eight = bytes << (64 - 8 * count);
        let pairs = (eight * 10 + (eight >> 8)) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
        let value = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
        *number = number.wrapping_mul(TENS[count]).wrapping_add(value);
        self.0 = &self.0[count..];
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = Option<(Option<String>, Option<Vec<[u64; 2]>>)>;

    /// Bit for bit.
    fn told(batch: Option<Batch>) -> Read {
        let bits = |points: Points| points.0.into_iter().map(|point| point.map(f64::to_bits)).collect();
        batch.map(|batch| (batch.crs, batch.points.map(bits)))
    }

    fn plain_of(text: &str) -> Read {
        told(plain(text.as_bytes()))
    }

    fn by_serde(text: &str) -> Read {
        told(serde_json::from_str(text).ok())
    }

    #[test]
    fn a_plain_batch_is_read_as_serde_reads_it() {
        for text in [
            r#"{"crs":"wgs84","points":[[122.1234567,30.0],[-0.0,0],[-122.00000001,5.5],[0.12345678901234,7]]}"#,
            r#"{"points":[],"crs":"EPSG:4326"}"#,
            " { \"crs\" : \"x\" ,\n\t\"points\" : [ [ 1 , 2 ] , [ 3.25 , -4 ] ] } \r\n",
            r#"{"points":[[1,2]]}"#,
            r#"{"crs":"wgs84"}"#,
            r#"{"points":[[1,2.5]]}"#,
            r#"{"points":[[99999999.9999999,0.00000000000001]]}"#,
        ] {
            assert!(plain_of(text).is_some(), "{text}");
            assert_eq!(plain_of(text), by_serde(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_serde() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"crs":"wgs84","points":[[1,2]]}}"#,
            r#"{"crs":"wgs84","crs":"wgs84","points":[[1,2]]}"#,
            r#"{"crs":"wgs84","more":"x","points":[[1,2]]}"#,
            r#"{"crs":"wgs84","points":[[1,2],]}"#,
            r#"{"crs":"wgs84","points":[[1,2]],}"#,
            r#"{"crs":"wgs84","points":[[1]]}"#,
            r#"{"crs":"wgs84","points":[[1,2,3]]}"#,
            r#"{"crs":"wgs84","points":[[1e1,2]]}"#,
            r#"{"crs":"wgs84","points":[[01,2]]}"#,
            r#"{"crs":"wgs84","points":[[-,2]]}"#,
            r#"{"crs":"wgs84","points":[[+1,2]]}"#,
            r#"{"crs":"wgs84","points":[[1.,2]]}"#,
            r#"{"crs":"wgs84","points":[[.5,2]]}"#,
            r#"{"crs":"wgs84","points":[[1.0000000000000001,2]]}"#,
            r#"{"crs":"wgs84","points":[[1,2"#,
            r#"{"crs":"wgs\u0038\u0034","points":[[1,2]]}"#,
        ] {
            assert_eq!(plain_of(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn numbers_are_those_of_serde(
            points in prop::collection::vec(("-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,17})?", "-?[0-9]{1,3}(\\.[0-9]{0,9})?(e[0-9])?"), 1..4),
            space in "[ \n]{0,2}",
        ) {
            let list: Vec<String> = points.iter().map(|(lon, lat)| format!("[{lon},{space}{lat}{space}]")).collect();
            let text = format!("{{\"crs\":\"wgs84\",{space}\"points\":[{}]}}", list.join(","));
            if let Some(read) = plain_of(&text) {
                prop_assert_eq!(Some(read), by_serde(&text), "{}", text);
            }
        }

        #[test]
        fn damaged_texts_are_never_read_otherwise(at in 0usize..90, byte in prop::sample::select(b"[]{},:\"-.0e 9x".to_vec())) {
            let mut text = br#"{"crs":"wgs84","points":[[122.1234567,30.0000000],[121.98765432,-29.5],[7,8]]}"#.to_vec();
            let at = at.min(text.len() - 1);
            text[at] = byte;
            if let Some(read) = told(plain(&text)) {
                prop_assert_eq!(Some(read), told(serde_json::from_slice(&text).ok()));
            }
        }
    }
}
