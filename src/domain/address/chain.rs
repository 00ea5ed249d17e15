//! Numbers as they stand in a cleaned text: with their letters, and with what hangs on them by dashes.

use super::clean::{digit, numeral};
use super::numbers::{AFTER, BEFORE, LARGEST, Part, STEM, STEMS};

/// A number as it stands in the text, with what hangs on it by dashes.
pub(super) struct Chain {
    /// Each with the byte behind it.
    pub(super) parts: Vec<(Part, usize)>,
    /// Byte behind it.
    pub(super) end: usize,
    /// Written in digits: what is spelt out and has no mark is part of a name (解放四路).
    pub(super) digits: bool,
}

/// Most numbers on one chain.
const LINKS: usize = 4;

/// Numbers joined by dashes (or 之, 附) from a byte of the text on.
pub(super) fn chain(text: &str, from: usize) -> Option<Chain> {
    let (first, mut end, digits) = part(text, from)?;
    let mut parts = vec![(first, end)];
    while parts.len() < LINKS {
        let rest = &text[end..];
        let Some(joint) = ["-", "之", "附"].into_iter().find(|joint| rest.starts_with(joint)) else { break };
        let Some((next, behind, _)) = part(text, end + joint.len()) else { break };
        parts.push((next, behind));
        end = behind;
    }
    Some(Chain { parts, end, digits })
}

/// One number with its letter from a byte of the text on, the byte behind it, and whether it is in digits.
pub(super) fn part(text: &str, from: usize) -> Option<(Part, usize, bool)> {
    let rest = &text[from..];
    let first = rest.chars().next()?;
    if let Some((value, bytes)) = numeral(rest) {
        return Some((Part::with(Some(small(&value)?), 0), from + bytes, false));
    }
    if let Some(stem) = STEMS.iter().position(|stem| *stem == first) {
        let at = from + first.len_utf8();
        let mark = STEM + stem as u32;
        // 甲12号.
        if let Some((value, end)) = digits(text, at) {
            return Some((Part::with(Some(value), mark).other(), end, true));
        }
        return ["幢", "栋", "座", "楼"]
            .iter()
            .any(|house| text[at..].starts_with(house))
            .then(|| (Part::with(None, mark), at, false));
    }
    let letter = |c: char| c.is_ascii_alphabetic().then(|| u32::from(c.to_ascii_uppercase() as u8 - b'A'));
    if let Some(before) = letter(first) {
        let end = from + 1;
        return match digits(text, end) {
            Some((value, end)) => Some((Part::with(Some(value), BEFORE + before), end, true)),
            // A座: a single letter, with a word behind it.
            None if !text[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == ' ') => {
                Some((Part::with(None, AFTER + before), end, false))
            }
            None => None,
        };
    }
    let (value, end) = digits(text, from)?;
    let mut tail = text[end..].chars();
    let mark = match (tail.next(), tail.next()) {
        (Some(c), after) if letter(c).is_some() && !after.is_some_and(|c| c.is_ascii_alphanumeric()) => {
            Some((AFTER + letter(c).unwrap_or_default(), 1))
        }
        (Some(c), _) => STEMS.iter().position(|stem| *stem == c).map(|stem| (STEM + stem as u32, c.len_utf8())),
        (None, _) => None,
    };
    let (mark, bytes) = mark.unwrap_or((0, 0));
    Some((Part::with(Some(value), mark), end + bytes, true))
}

/// A number in ASCII digits from a byte on, and the byte behind it; `None` when there is none or it is too large.
fn digits(text: &str, from: usize) -> Option<(u32, usize)> {
    let rest = &text[from..];
    let bytes = rest.bytes().take_while(u8::is_ascii_digit).count();
    // 23十: a number in two writings is none.
    if bytes == 0 || rest[bytes..].starts_with(|c: char| !c.is_ascii() && digit(c).is_some()) {
        return None;
    }
    Some((small(&rest[..bytes])?, from + bytes))
}

/// Whether a text ends with a number.
pub(super) fn ends_in_number(text: &str) -> bool {
    text.chars().next_back().is_some_and(|c| digit(c).is_some() || numeral(c.encode_utf8(&mut [0; 4])).is_some())
}

fn small(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|value| *value < LARGEST)
}
