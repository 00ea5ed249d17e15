//! BeiDou grid location code, two-dimensional. GB/T 39409-2020 §4–5.2 and annex B.
//!
//! Made from degrees as given, not from the lattice: a level 10 cell is about as small as a lattice unit. Where the standard is
//! silent: a point on an edge belongs to the cell farther from (0°, 0°) (annex B truncates quotients), longitude ±180° to the last
//! cell, 0° counts as north and east. Polar regions (§5.3, |lat| ≥ 88°) have level 1 only: one cap each, `N000` and `S000`.

use super::lonlat::LonLat;
use serde::Serialize;
use std::fmt::Write as _;

/// Units per degree: a level 10 cell (1/2048″) is one unit.
const UNITS: u64 = 3600 * 2048;
/// Where the polar caps begin, in units.
const CAP: u64 = 88 * UNITS;
/// A quotient closer to the next whole number than this is that number: without it 5.6 % of all cells do not encode their own
/// corner. 1e-6 units are 15 nm.
const SNAP: f64 = 1e-6;

/// How one level below the first divides its parent, and how its index is written.
struct Split {
    /// Cell size in units, longitude and latitude.
    size: (u64, u64),
    /// Cells of the parent, longitude and latitude.
    count: (u64, u64),
    /// Two digits (longitude, then latitude) or one in Z-order (`row · 2 + column`).
    digits: usize,
}

/// §5.2, figures 3–8.
const SPLITS: [Split; 9] = [
    Split { size: (UNITS / 2, UNITS / 2), count: (12, 8), digits: 2 },
    Split { size: (UNITS / 4, UNITS / 6), count: (2, 3), digits: 1 },
    Split { size: (UNITS / 60, UNITS / 60), count: (15, 10), digits: 2 },
    Split { size: (8192, 8192), count: (15, 15), digits: 2 },
    Split { size: (4096, 4096), count: (2, 2), digits: 1 },
    Split { size: (512, 512), count: (8, 8), digits: 2 },
    Split { size: (64, 64), count: (8, 8), digits: 2 },
    Split { size: (8, 8), count: (8, 8), digits: 2 },
    Split { size: (1, 1), count: (8, 8), digits: 2 },
];

/// Size of a level 1 cell in units: 6° × 4°.
const FIRST: (u64, u64) = (6 * UNITS, 4 * UNITS);

/// A level, 1 (6° × 4°) to 10 (1/2048″, about 1.5 cm).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Level(u8);

impl Level {
    /// The coarsest.
    pub const FIRST: Self = Self(1);
    /// The finest.
    pub const LAST: Self = Self(10);

    /// 1 to 10.
    pub fn new(level: u8) -> Result<Self, BeidouError> {
        if (1..=10).contains(&level) { Ok(Self(level)) } else { Err(BeidouError::Level(level)) }
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The levels below the first that a code of this level goes through.
    fn splits(self) -> &'static [Split] {
        &SPLITS[..usize::from(self.0) - 1]
    }
}

/// Why there is no code, or no cell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeidouError {
    /// Not 1 to 10.
    #[error("BeiDou grid levels run from 1 to 10, not {0}")]
    Level(u8),
    /// At |lat| ≥ 88° only level 1 is implemented.
    #[error("BeiDou grid codes at latitudes of 88° and more are supported at level 1 only")]
    PolarUnsupported,
    /// No level has codes of this length.
    #[error("{0:?} cannot be a BeiDou grid code: its length must be 4, 6, 7, 9, 11, 12, 14, 16, 18 or 20")]
    Length(String),
    /// A character that is not allowed where it stands.
    #[error("{code:?} is no BeiDou grid code: character {position} ({found:?}) is not one of {allowed}")]
    Character {
        /// As given.
        code: String,
        /// From 1.
        position: usize,
        /// What stands there.
        found: char,
        /// What might.
        allowed: &'static str,
    },
}

/// A cell of the BeiDou grid: its code and its box in degrees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// In capitals.
    pub code: String,
    /// 1 to 10.
    pub level: Level,
    /// Degrees east.
    pub west: f64,
    /// Degrees north.
    pub south: f64,
    /// Degrees east.
    pub east: f64,
    /// Degrees north.
    pub north: f64,
}

/// The code of the cell that holds a position.
pub fn encode(p: LonLat, level: Level) -> Result<String, BeidouError> {
    let (mut x, mut y) = (whole_units(p.lon()).min(180 * UNITS - 1), whole_units(p.lat()));
    let hemisphere = if p.lat() >= 0.0 { 'N' } else { 'S' };
    if y >= CAP {
        return if level == Level::FIRST { Ok(format!("{hemisphere}000")) } else { Err(BeidouError::PolarUnsupported) };
    }
    let column = if p.lon() >= 0.0 { 31 + x / FIRST.0 } else { 30 - x / FIRST.0 };
    let mut code = String::with_capacity(20);
    let row = char::from(b'A' + (y / FIRST.1) as u8);
    write!(code, "{hemisphere}{column:02}{row}").expect("writing to a string does not fail");
    (x, y) = (x % FIRST.0, y % FIRST.1);
    for Split { size, digits, .. } in level.splits() {
        let (column, row) = (x / size.0, y / size.1);
        if *digits == 2 {
            write!(code, "{column:X}{row:X}").expect("writing to a string does not fail");
        } else {
            write!(code, "{}", row * 2 + column).expect("writing to a string does not fail");
        }
        (x, y) = (x % size.0, y % size.1);
    }
    Ok(code)
}

/// The cell a code names. Lower case is accepted.
pub fn decode(code: &str) -> Result<Cell, BeidouError> {
    // Longer texts are refused before anything is copied.
    let level =
        (1..=10).map(Level).find(|level| code.len() == 4 + level.splits().iter().map(|split| split.digits).sum::<usize>());
    let (Some(level), true) = (level, code.is_ascii()) else {
        return Err(BeidouError::Length(code.chars().take(24).collect()));
    };
    let upper = code.to_ascii_uppercase();
    let bytes = upper.as_bytes();
    let refuse = |at: usize, allowed| {
        Err(BeidouError::Character { code: code.to_owned(), position: at + 1, found: char::from(code.as_bytes()[at]), allowed })
    };
    if !matches!(bytes[0], b'N' | b'S') {
        return refuse(0, "N, S");
    }
    let north = bytes[0] == b'N';
    if &bytes[1..4] == b"000" {
        return if level == Level::FIRST {
            let (south, north) = if north { (88.0, 90.0) } else { (-90.0, -88.0) };
            Ok(Cell { code: upper, level, west: -180.0, south, east: 180.0, north })
        } else {
            Err(BeidouError::PolarUnsupported)
        };
    }
    for at in [1, 2] {
        if !bytes[at].is_ascii_digit() {
            return refuse(at, "01–60");
        }
    }
    let column = u64::from(bytes[1] - b'0') * 10 + u64::from(bytes[2] - b'0');
    if !(1..=60).contains(&column) {
        return refuse(if column > 60 { 1 } else { 2 }, "01–60");
    }
    if !(b'A'..=b'V').contains(&bytes[3]) {
        return refuse(3, "A–V");
    }
    let east = column > 30;
    let (mut x, mut y) = (if east { column - 31 } else { 30 - column } * FIRST.0, u64::from(bytes[3] - b'A') * FIRST.1);
    let (mut size, mut at) = (FIRST, 4);
    for split in level.splits() {
        let digit = |at: usize| char::from(bytes[at]).to_digit(16).map(u64::from);
        let index = if split.digits == 2 {
            let (Some(column), Some(row)) =
                (digit(at).filter(|d| *d < split.count.0), digit(at + 1).filter(|d| *d < split.count.1))
            else {
                let bad =
                    if digit(at).is_some_and(|d| d < split.count.0) { (at + 1, split.count.1) } else { (at, split.count.0) };
                return refuse(bad.0, digits_below(bad.1));
            };
            (column, row)
        } else {
            let Some(digit) = digit(at).filter(|d| *d < split.count.0 * split.count.1) else {
                return refuse(at, digits_below(split.count.0 * split.count.1));
            };
            (digit % 2, digit / 2)
        };
        (x, y) = (x + index.0 * split.size.0, y + index.1 * split.size.1);
        size = split.size;
        at += split.digits;
    }
    let span = |near: u64, size: u64, positive: bool| {
        let (near, far) = (near as f64 / UNITS as f64, (near + size) as f64 / UNITS as f64);
        if positive { (near, far) } else { (-far, 0.0 - near) }
    };
    let ((west, east), (south, north)) = (span(x, size.0, east), span(y, size.1, north));
    Ok(Cell { code: upper, level, west, south, east, north })
}

/// Whole units of an absolute value in degrees, truncated after the snap.
fn whole_units(degrees: f64) -> u64 {
    let units = degrees.abs() * UNITS as f64;
    let whole = units.floor();
    // In range: at most 180 · 7,372,800.
    whole as u64 + u64::from(units - whole > 1.0 - SNAP)
}

fn digits_below(count: u64) -> &'static str {
    match count {
        4 => "0–3",
        6 => "0–5",
        8 => "0–7",
        10 => "0–9",
        12 => "0–B",
        _ => "0–E",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/fixtures/domain/beidou_vectors.json")).expect("the fixture is JSON")
    }

    fn at(lon: f64, lat: f64) -> LonLat {
        LonLat::new(lon, lat).expect("in range")
    }

    #[test]
    fn published_positions_encode_as_published() {
        let vectors = vectors();
        let cases = vectors["encode_2d"].as_array().expect("a list");
        assert!(cases.len() >= 26);
        for case in cases {
            let p = at(case["lon"].as_f64().expect("a number"), case["lat"].as_f64().expect("a number"));
            for (level, code) in case["levels"].as_object().expect("levels") {
                let level = Level::new(level.parse().expect("a level")).expect("1 to 10");
                assert_eq!(encode(p, level).as_deref(), Ok(code.as_str().expect("a code")), "{}", case["name"]);
            }
            assert_eq!(encode(p, Level::LAST).as_deref(), Ok(case["code10"].as_str().expect("a code")));
        }
    }

    #[test]
    fn published_codes_decode_to_their_boxes() {
        let vectors = vectors();
        for case in vectors["decode_2d"].as_array().expect("a list") {
            let cell = decode(case["code"].as_str().expect("a code")).expect("a code of the standard");
            assert_eq!(u64::from(cell.level.number()), case["level"].as_u64().expect("a number"));
            for (ours, theirs) in [(cell.west, "west"), (cell.south, "south"), (cell.east, "east"), (cell.north, "north")] {
                assert!((ours - case[theirs].as_f64().expect("a number")).abs() < 1e-12, "{} {theirs}", cell.code);
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused_with_its_place() {
        for text in vectors()["invalid_2d"].as_array().expect("a list") {
            assert!(decode(text.as_str().expect("a text")).is_err(), "{text}");
        }
        assert_eq!(
            decode("N50J4753F"),
            Err(BeidouError::Character { code: "N50J4753F".into(), position: 9, found: 'F', allowed: "0–9" })
        );
        assert!(decode("北斗网格").is_err() && decode(&"N".repeat(1_000_000)).is_err());
        assert!(Level::new(0).is_err() && Level::new(11).is_err());
    }

    #[test]
    fn lower_case_is_read_and_capitals_are_written() {
        assert_eq!(decode("n50j47539b8").map(|cell| cell.code).as_deref(), Ok("N50J47539B8"));
    }

    #[test]
    fn polar_caps_have_level_1_only() {
        assert_eq!(encode(at(12.0, 88.0), Level::FIRST).as_deref(), Ok("N000"));
        assert_eq!(encode(at(12.0, -90.0), Level::FIRST).as_deref(), Ok("S000"));
        assert_eq!(encode(at(12.0, 89.0), Level(2)), Err(BeidouError::PolarUnsupported));
        assert_eq!(decode("N00000"), Err(BeidouError::PolarUnsupported));
        assert_eq!(decode("S000").map(|cell| (cell.south, cell.north)), Ok((-90.0, -88.0)));
        assert_eq!(encode(at(12.0, 87.999_999), Level::FIRST).as_deref(), Ok("N33V"));
    }

    #[test]
    fn the_date_line_belongs_to_the_last_columns() {
        assert_eq!(encode(at(180.0, 10.0), Level::FIRST).as_deref(), Ok("N60C"));
        assert_eq!(encode(at(-180.0, 10.0), Level::FIRST).as_deref(), Ok("N01C"));
    }

    proptest! {
        #[test]
        fn a_cell_encodes_its_centre_and_its_corner(lon in -180.0..180.0f64, lat in -87.999..87.999f64, level in 1u8..=10) {
            let level = Level::new(level).expect("1 to 10");
            let code = encode(at(lon, lat), level).expect("not polar");
            let cell = decode(&code).expect("made by encode");
            prop_assert!(cell.west - 1e-12 <= lon && lon <= cell.east + 1e-12 && cell.south - 1e-12 <= lat && lat <= cell.north + 1e-12);
            let centre = at((cell.west + cell.east) / 2.0, (cell.south + cell.north) / 2.0);
            prop_assert_eq!(&encode(centre, level).expect("not polar"), &code);
            let near = at(if lon >= 0.0 { cell.west } else { cell.east }, if lat >= 0.0 { cell.south } else { cell.north });
            // 0° is north and east: a southern or western cell does not hold it.
            if near.lon() != 0.0 && near.lat() != 0.0 {
                prop_assert_eq!(&encode(near, level).expect("not polar"), &code);
            }
        }

        #[test]
        fn seven_decimals_encode_as_exact_fractions_do(x in -1_799_999_999i64..=1_799_999_999, y in -879_999_999i64..=879_999_999) {
            let units = |v: i64| v.unsigned_abs() * UNITS / 10_000_000;
            let cell = decode(&encode(at(x as f64 / 1e7, y as f64 / 1e7), Level::LAST).expect("not polar")).expect("made by encode");
            let near = if x >= 0 { cell.west } else { -cell.east };
            prop_assert_eq!((near * UNITS as f64).round() as u64, units(x));
            let near = if y >= 0 { cell.south } else { -cell.north };
            prop_assert_eq!((near * UNITS as f64).round() as u64, units(y));
        }
    }
}
