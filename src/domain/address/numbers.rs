//! The numbers of an address: each with its letter and the word it has, and all of them in their order.

use std::fmt;

/// A number of an address with its letter: `12`, `12A`, `A12`, `B`, `12甲`, and what it numbers where that makes a difference: `5弄` is not
/// `5巷`. Ordered by word, then number. Leading zeros say nothing.
///
/// From the low bit: 6 bits for the letter, 23 for the number and one, 3 for the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Part(u32);

/// What a lane or a part of a village or estate is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// 弄.
    Lane,
    /// 巷.
    Alley,
    /// 排.
    Row,
    /// 支弄: a lane off a lane.
    Branch,
    /// 组, 村民小组.
    Group,
    /// 队.
    Team,
    /// 区.
    Zone,
    /// 组团.
    Cluster,
}

impl Word {
    const TABLE: [(Self, &'static str); 8] = [
        (Self::Lane, "弄"),
        (Self::Alley, "巷"),
        (Self::Row, "排"),
        (Self::Branch, "支弄"),
        (Self::Group, "组"),
        (Self::Team, "队"),
        (Self::Zone, "区"),
        (Self::Cluster, "组团"),
    ];

    /// A way to walk, no part of a village or estate.
    pub fn is_way(self) -> bool {
        matches!(self, Self::Lane | Self::Alley | Self::Row | Self::Branch)
    }
}

/// Largest number that a part can have.
pub(super) const LARGEST: u32 = (1 << 22) - 1;
/// Letters beside a number: none, after it, before it, or a heavenly stem.
pub(super) const AFTER: u32 = 1;
pub(super) const BEFORE: u32 = 27;
pub(super) const STEM: u32 = 53;
/// B1 is the first floor below the ground.
pub(super) const BASEMENT: u32 = BEFORE + 1;
pub(super) const STEMS: [char; 10] = ['甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸'];

const WORD: u32 = 29;
/// Of a room: it is a floor. Of a number: its stem stands before it.
const OTHER: u32 = 1 << WORD;

impl Part {
    /// No such part.
    pub const NONE: Self = Self(0);

    /// A plain number.
    pub fn number(value: u32) -> Self {
        Self::with(Some(value.min(LARGEST)), 0)
    }

    pub(super) fn with(value: Option<u32>, mark: u32) -> Self {
        Self((value.map_or(0, |value| value + 1) << 6) | mark)
    }

    /// Whether there is one.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Its number without a letter.
    pub fn value(self) -> Option<u32> {
        (self.0 >> 6 & ((1 << 23) - 1)).checked_sub(1)
    }

    /// It has a letter or a stem.
    pub fn is_marked(self) -> bool {
        self.mark() != 0
    }

    /// The same number without its letter; of a letter alone nothing is left.
    pub fn unmarked(self) -> Self {
        self.value().map_or(Self::NONE, Self::number)
    }

    /// What it is called as a lane or group.
    pub fn word(self) -> Word {
        Word::TABLE[(self.0 >> WORD) as usize].0
    }

    pub(super) fn mark(self) -> u32 {
        self.0 & 63
    }

    pub(super) fn called(self, word: Word) -> Self {
        Self(self.0 & !(7 << WORD) | (word as u32) << WORD)
    }

    /// The same number with a letter behind it.
    pub(super) fn marked(self, mark: u32) -> Self {
        Self(self.0 & !63 | mark)
    }

    /// Of a room: the floor. Of a stem: it stands before its number.
    pub(super) fn other(self) -> Self {
        Self(self.0 | OTHER)
    }

    /// The same without what stands for a word.
    pub(super) fn plain(self) -> Self {
        Self(self.0 & !(7 << WORD))
    }

    fn is_other(self) -> bool {
        self.0 & OTHER != 0
    }

    /// Of a room: it is a floor, and no room is known.
    pub fn is_floor(self) -> bool {
        self.is_other() && self.mark() < STEM
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.mark();
        let stem = mark.checked_sub(STEM).map(|stem| STEMS[stem as usize % STEMS.len()]);
        if let Some(stem) = stem.filter(|_| self.is_other()) {
            write!(f, "{stem}")?;
        }
        if (BEFORE..STEM).contains(&mark) {
            write!(f, "{}", char::from(b'A' + (mark - BEFORE) as u8))?;
        }
        if let Some(value) = self.value() {
            write!(f, "{value}")?;
        }
        match stem {
            Some(stem) if !self.is_other() => write!(f, "{stem}"),
            None if (AFTER..BEFORE).contains(&mark) => write!(f, "{}", char::from(b'A' + (mark - AFTER) as u8)),
            _ => Ok(()),
        }
    }
}

/// The numbers of an address, from the outermost in. Ordered as they lie along a street.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Parts {
    /// 弄, 巷, 排: a lane off the street. With two lanes, or two parts of an estate, the outer one.
    pub lane: Part,
    /// 组, 队, 区: a part of a village or estate; 支弄.
    pub group: Part,
    /// 号.
    pub number: Part,
    /// What stands after 之, 附 or a dash.
    pub sub: Part,
    /// 幢, 栋, 座, 号楼.
    pub building: Part,
    /// 单元, 梯, 门.
    pub unit: Part,
    /// 室, 房, 户; a floor (楼, 层) where no room is told.
    pub room: Part,
}

impl Parts {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Up to the lane and group.
    pub fn to_group(&self) -> Self {
        Self { lane: self.lane, group: self.group, ..Self::default() }
    }

    /// Up to the number and what hangs on it.
    pub fn to_number(&self) -> Self {
        Self { number: self.number, sub: self.sub, ..self.to_group() }
    }

    /// Building, unit and room.
    pub fn inner(&self) -> Self {
        Self { building: self.building, unit: self.unit, room: self.room, ..Self::default() }
    }
}

/// The numbers up to the house: `105弄3号-1`.
pub fn house(parts: &Parts) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    for part in [parts.lane, parts.group].into_iter().filter(|part| part.is_some()) {
        let _ = write!(text, "{part}{}", Word::TABLE[part.word() as usize].1);
    }
    if parts.number.is_some() {
        let _ = match parts.sub.is_some() {
            true => write!(text, "{}号-{}", parts.number, parts.sub),
            false => write!(text, "{}号", parts.number),
        };
    }
    text
}

/// The numbers within the house: `2幢1单元301室`.
pub fn inside(parts: &Parts) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    let room = if parts.room.is_floor() { "楼" } else { "室" };
    for (part, mark) in [(parts.building, "幢"), (parts.unit, "单元"), (parts.room, room)] {
        if part.is_some() {
            let _ = write!(text, "{part}{mark}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_stand_in_the_order_of_their_enum() {
        for (at, (word, _)) in Word::TABLE.into_iter().enumerate() {
            assert_eq!(word as usize, at);
            assert_eq!(Part::number(7).called(word).word(), word);
            assert_eq!(Part::number(7).called(word).value(), Some(7));
        }
        assert_eq!(Part::number(u32::MAX).called(Word::Cluster).value(), Some(LARGEST));
    }
}
