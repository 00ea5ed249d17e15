//! The identity of regions and grids in API, store and events.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A code: 1 to 24 characters, letters of any script, digits and `- _ . :`. A string and never a number: "01001" is not 1001,
/// "2E001" is not 20. Never reused. Ordered bytewise, which is the order that decides who owns a border.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(Arc<str>);

/// A text that cannot be a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// Nothing there.
    #[error("the code is empty")]
    Empty,
    /// Longer than any scheme allows.
    #[error("code {0:?} is longer than {max} characters", max = Code::MAX_CHARS)]
    TooLong(String),
    /// A character that has no place in a code.
    #[error("code {text:?} holds the character {character:?}; letters, digits and - _ . : may stand in a code")]
    Character {
        /// As given.
        text: String,
        /// The first that does not belong.
        character: char,
    },
}

impl Code {
    /// The longest code, in characters.
    pub const MAX_CHARS: usize = 24;

    /// Checks length and characters; white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, BadCode> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadCode::Empty);
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(BadCode::TooLong(text.chars().take(2 * Self::MAX_CHARS).collect()));
        }
        match text.chars().find(|c| !(c.is_alphanumeric() || "-_.:".contains(*c))) {
            Some(character) => Err(BadCode::Character { text: text.to_owned(), character }),
            None => Ok(Self(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number that may stand for this code as an MVT feature id: 1–15 digits without a leading zero.
    pub fn feature_id(&self) -> Option<u64> {
        let fits = (1..=15).contains(&self.0.len()) && self.0.bytes().all(|b| b.is_ascii_digit()) && !self.0.starts_with('0');
        if fits { self.0.parse().ok() } else { None }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Code {
    type Err = BadCode;
    fn from_str(text: &str) -> Result<Self, BadCode> {
        Self::new(text)
    }
}

impl TryFrom<String> for Code {
    type Error = BadCode;
    fn try_from(text: String) -> Result<Self, BadCode> {
        Self::new(&text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0.as_ref().to_owned()
    }
}

impl std::borrow::Borrow<str> for Code {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_texts_and_stay_as_they_are() {
        for text in ["01001", "2E001", "330902002001001", "宝华镇", "2A004", "n-1.a:b_c"] {
            assert_eq!(Code::new(text).expect("a code").as_str(), text);
        }
        assert_eq!(Code::new(" 3309 ").expect("a code").as_str(), "3309");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "  ", "a b", "a/b", "1234567890123456789012345", "a\u{0}"] {
            assert!(Code::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_numbers_that_read_back_are_feature_ids() {
        let id = |text: &str| Code::new(text).expect("a code").feature_id();
        assert_eq!(id("330902002001001"), Some(330_902_002_001_001));
        assert_eq!(id("01001"), None);
        assert_eq!(id("2E001"), None);
        assert_eq!(id("1234567890123456"), None);
    }
}
