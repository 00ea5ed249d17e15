//! The code scheme: which levels there are, how long their codes are, and whose child a code is. A scheme is data, so that any
//! country's coverage loads; the default `cn` is the Chinese division code (GB/T 2260, GB/T 10114) with grids below.

use super::code::Code;
use serde::{Deserialize, Serialize};

/// One level of the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// `city`, `county` …; the word used in API and tiles.
    pub name: String,
    /// Length of this level's codes in characters. Absent when the scheme states parents in a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// First and last zoom at which tiles hold this level. Absent: chosen from the size of the level's median region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zooms: Option<(u8, u8)>,
}

/// Which characters codes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// 0 to 9.
    Digits,
    /// 0 to 9, A to Z, a to z.
    Alphanumeric,
    /// All that may stand in a [`Code`].
    #[default]
    Any,
}

impl Alphabet {
    /// Whether all of a code belongs to it.
    pub fn has(self, code: &Code) -> bool {
        match self {
            Self::Digits => code.as_str().bytes().all(|b| b.is_ascii_digit()),
            Self::Alphanumeric => code.as_str().bytes().all(|b| b.is_ascii_alphanumeric()),
            Self::Any => true,
        }
    }

    /// For messages.
    fn words(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Alphanumeric => "the letters A to Z and digits",
            Self::Any => "letters and digits",
        }
    }
}

/// Levels from the top down; the last one is the level of grids. Made by [`Scheme::cn`] or [`Scheme::checked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SchemeText", into = "SchemeText")]
pub struct Scheme {
    name: String,
    levels: Vec<Level>,
    alphabet: Alphabet,
}

/// A scheme as written in a file, not yet checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeText {
    name: String,
    levels: Vec<Level>,
    /// Absent: all that may stand in a code; of the scheme `cn`, digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alphabet: Option<Alphabet>,
}

/// Why levels do not make a scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadScheme {
    /// No level at all.
    #[error("a scheme needs at least one level")]
    NoLevel,
    /// Some levels state a length, others do not.
    #[error("level {0:?}: either all levels state a code length or none does")]
    MixedLengths(String),
    /// Lengths must grow from level to level and stay within 24.
    #[error("level {level:?}: its code length {length} must be larger than that of the level above and at most 24")]
    Length {
        /// Its name.
        level: String,
        /// As given.
        length: usize,
    },
    /// Two levels of one name, or a name that cannot stand in a URL.
    #[error("level name {0:?} stands twice or is not made of lower-case letters, digits and underscores")]
    Name(String),
    /// Zooms out of order or above 22.
    #[error("level {0:?}: zooms must be two numbers in order, at most 22")]
    Zooms(String),
}

/// Why a code has no place in a scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInScheme {
    /// No level has codes of this length.
    #[error("code {code}: scheme {scheme:?} has no level with codes of {length} characters ({allowed})")]
    Length {
        /// As given.
        code: Code,
        /// The scheme's name.
        scheme: String,
        /// Characters in the code.
        length: usize,
        /// Level names with their lengths.
        allowed: String,
    },
    /// A character that the scheme's codes do not have.
    #[error("code {code}: codes of scheme {scheme:?} are made of {}", alphabet.words())]
    Alphabet {
        /// As given.
        code: Code,
        /// The scheme's name.
        scheme: String,
        /// What they are made of.
        alphabet: Alphabet,
    },
}

impl Scheme {
    /// Province 2, city 4, county 6, township 9, community 12, grid 15 digits. Levels may be skipped.
    pub fn cn() -> Self {
        let level = |name: &str, length, zooms| Level { name: name.to_owned(), length: Some(length), zooms: Some(zooms) };
        Self {
            name: "cn".to_owned(),
            levels: vec![
                level("province", 2, (0, 16)),
                level("city", 4, (0, 16)),
                level("county", 6, (5, 16)),
                level("township", 9, (8, 16)),
                level("community", 12, (10, 16)),
                level("grid", 15, (11, 16)),
            ],
            alphabet: Alphabet::Digits,
        }
    }

    /// Grids and nothing above them, codes as they come: what a set beside the hierarchy has when nobody says otherwise.
    pub fn plain() -> Self {
        let grid = Level { name: "grid".to_owned(), length: None, zooms: None };
        Self { name: "plain".to_owned(), levels: vec![grid], alphabet: Alphabet::Any }
    }

    /// A scheme from its parts, or why not.
    pub fn checked(name: String, levels: Vec<Level>, alphabet: Alphabet) -> Result<Self, BadScheme> {
        let Some(first) = levels.first() else { return Err(BadScheme::NoLevel) };
        let mut shorter = 0;
        for (at, level) in levels.iter().enumerate() {
            let fits =
                !level.name.is_empty() && level.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !fits || levels[..at].iter().any(|above| above.name == level.name) {
                return Err(BadScheme::Name(level.name.clone()));
            }
            if level.length.is_some() != first.length.is_some() {
                return Err(BadScheme::MixedLengths(level.name.clone()));
            }
            if let Some(length) = level.length {
                if length <= shorter || length > Code::MAX_CHARS {
                    return Err(BadScheme::Length { level: level.name.clone(), length });
                }
                shorter = length;
            }
            if level.zooms.is_some_and(|(from, to)| from > to || to > crate::geom::tile_id::MAX_ZOOM) {
                return Err(BadScheme::Zooms(level.name.clone()));
            }
        }
        Ok(Self { name, levels, alphabet })
    }

    /// The alphabet of a scheme that states none.
    fn unsaid_alphabet(name: &str, levels: &[Level]) -> Alphabet {
        let cn = Self::cn();
        if name == cn.name && levels == cn.levels { cn.alphabet } else { Alphabet::Any }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From the top down; the last is the level of grids.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Whether a code is made of the scheme's characters.
    pub fn spells(&self, code: &Code) -> Result<(), NotInScheme> {
        if self.alphabet.has(code) {
            return Ok(());
        }
        Err(NotInScheme::Alphabet { code: code.clone(), scheme: self.name.clone(), alphabet: self.alphabet })
    }

    /// Position of the grid level: the last.
    pub fn grid_level(&self) -> usize {
        self.levels.len() - 1
    }

    /// Position of the level called `name`.
    pub fn level_named(&self, name: &str) -> Option<usize> {
        self.levels.iter().position(|level| level.name == name)
    }

    /// Codes carry their parents as prefixes. If not, every record states its parent (and its level, unless it is a grid).
    pub fn has_lengths(&self) -> bool {
        self.levels.iter().all(|level| level.length.is_some())
    }

    /// The level a code belongs to by its length. Only for schemes with lengths.
    pub fn level_of(&self, code: &Code) -> Result<usize, NotInScheme> {
        let length = code.as_str().chars().count();
        self.levels.iter().position(|level| level.length == Some(length)).ok_or_else(|| NotInScheme::Length {
            code: code.clone(),
            scheme: self.name.clone(),
            length,
            allowed: self
                .levels
                .iter()
                .map(|l| format!("{} {}", l.name, l.length.unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// Codes of the levels above, longest first: the candidates for a code's parent. A level may have been skipped, so the
    /// parent is the first of them that exists. Empty for schemes without lengths.
    pub fn ancestors_of(&self, code: &Code) -> impl Iterator<Item = (usize, Code)> {
        let text = code.as_str().to_owned();
        let length = text.chars().count();
        let levels: Vec<(usize, usize)> =
            self.levels.iter().enumerate().filter_map(|(at, level)| Some((at, level.length?))).collect();
        levels.into_iter().rev().filter(move |(_, shorter)| *shorter < length).map(move |(at, shorter)| {
            let end = text.char_indices().nth(shorter).map_or(text.len(), |(byte, _)| byte);
            (at, Code::new(&text[..end]).expect("a prefix of a code is a code"))
        })
    }
}

impl Default for Scheme {
    fn default() -> Self {
        Self::cn()
    }
}

impl TryFrom<SchemeText> for Scheme {
    type Error = BadScheme;
    fn try_from(text: SchemeText) -> Result<Self, BadScheme> {
        let unsaid = Self::unsaid_alphabet(&text.name, &text.levels);
        Self::checked(text.name, text.levels, text.alphabet.unwrap_or(unsaid))
    }
}

impl From<Scheme> for SchemeText {
    fn from(scheme: Scheme) -> Self {
        // Said only where its name and levels do not say it already.
        let unsaid = Scheme::unsaid_alphabet(&scheme.name, &scheme.levels);
        Self { alphabet: (scheme.alphabet != unsaid).then_some(scheme.alphabet), name: scheme.name, levels: scheme.levels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_are_prefixes_from_the_nearest_up() {
        let scheme = Scheme::cn();
        let code = Code::new("330902002001001").expect("a code");
        let above: Vec<String> = scheme.ancestors_of(&code).map(|(_, code)| code.to_string()).collect();
        assert_eq!(above, ["330902002001", "330902002", "330902", "3309", "33"]);
        assert_eq!(scheme.level_of(&code), Ok(scheme.grid_level()));
        assert!(scheme.level_of(&Code::new("33090").expect("a code")).is_err());
    }

    #[test]
    fn an_alphabet_is_stated_or_known_and_survives_being_stored() {
        let parse = |text: &str| serde_json::from_str::<Scheme>(text).expect("a scheme");
        let letter = Code::new("33090A").expect("a code");
        let stored = serde_json::to_string(&Scheme::cn()).expect("JSON");
        assert!(!stored.contains("alphabet"), "older programs read it too: {stored}");
        assert_eq!(parse(&stored), Scheme::cn());
        assert!(matches!(Scheme::cn().spells(&letter), Err(NotInScheme::Alphabet { .. })));
        let stated = parse(r#"{"name":"x","alphabet":"alphanumeric","levels":[{"name":"town"}]}"#);
        assert_eq!(parse(&serde_json::to_string(&stated).expect("JSON")), stated);
        assert_eq!(stated.spells(&letter), Ok(()));
        assert!(stated.spells(&Code::new("宝华镇").expect("a code")).is_err());
        let loose = Scheme { alphabet: Alphabet::Any, ..Scheme::cn() };
        assert_eq!(parse(&serde_json::to_string(&loose).expect("JSON")), loose, "the levels of cn with any letters");
        let silent = parse(r#"{"name":"x","levels":[{"name":"town"}]}"#);
        assert_eq!(silent.spells(&Code::new("宝华镇").expect("a code")), Ok(()));
    }

    #[test]
    fn the_plain_scheme_survives_being_stored() {
        let plain = Scheme::plain();
        assert_eq!(serde_json::from_str::<Scheme>(&serde_json::to_string(&plain).expect("JSON")).expect("a scheme"), plain);
        assert_eq!((plain.grid_level(), plain.has_lengths()), (0, false));
    }

    #[test]
    fn a_scheme_file_is_checked() {
        let parse = |text: &str| serde_json::from_str::<Scheme>(text);
        assert!(parse(r#"{"name":"fr","levels":[{"name":"department","length":2},{"name":"commune","length":5}]}"#).is_ok());
        assert!(parse(r#"{"name":"one","levels":[{"name":"town"}]}"#).is_ok());
        for bad in [
            r#"{"name":"x","levels":[]}"#,
            r#"{"name":"x","levels":[{"name":"a","length":5},{"name":"b","length":2}]}"#,
            r#"{"name":"x","levels":[{"name":"a","length":5},{"name":"b"}]}"#,
            r#"{"name":"x","levels":[{"name":"a"},{"name":"a"}]}"#,
            r#"{"name":"x","levels":[{"name":"a","length":25}]}"#,
            r#"{"name":"x","levels":[{"name":"a","zooms":[9,3]}]}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
