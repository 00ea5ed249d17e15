//! An address taken apart: the name of the street, village or estate, then the numbers of lane, house, building, unit and room. What goes
//! before the street (province, city, district …) is taken off by whoever knows the regions.

use super::clean::{digit, numeral};
use std::fmt;

/// A number of an address with its letter: `12`, `12A`, `A12`, `B`, `12甲`. Ordered by number. Leading zeros say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Part(u32);

/// Largest number that a part can have.
const LARGEST: u32 = (1 << 25) - 1;
/// Letters beside a number: none, after it, before it, a heavenly stem, or that it is a floor.
const AFTER: u32 = 1;
const BEFORE: u32 = 27;
const STEM: u32 = 53;
const FLOOR: u32 = 63;
const STEMS: [char; 10] = ['甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸'];

impl Part {
    /// No such part.
    pub const NONE: Self = Self(0);

    /// A plain number.
    pub fn number(value: u32) -> Self {
        Self((value.min(LARGEST) + 1) << 6)
    }

    fn with(value: Option<u32>, mark: u32) -> Self {
        Self((value.map_or(0, |value| value + 1) << 6) | mark)
    }

    /// Whether there is one.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Its number without a letter.
    pub fn value(self) -> Option<u32> {
        (self.0 >> 6).checked_sub(1)
    }

    fn mark(self) -> u32 {
        self.0 & 63
    }

    fn floor(self) -> Self {
        Self((self.0 & !63) | FLOOR)
    }

    fn is_floor(self) -> bool {
        self.mark() == FLOOR
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.mark();
        if (BEFORE..STEM).contains(&mark) {
            write!(f, "{}", char::from(b'A' + (mark - BEFORE) as u8))?;
        }
        if let Some(value) = self.value() {
            write!(f, "{value}")?;
        }
        match mark {
            AFTER..BEFORE => write!(f, "{}", char::from(b'A' + (mark - AFTER) as u8)),
            STEM..FLOOR => write!(f, "{}", STEMS[(mark - STEM) as usize]),
            _ => Ok(()),
        }
    }
}

/// The numbers of an address, from the outermost in. Ordered as they lie along a street.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Parts {
    /// 弄, 巷, 排: a lane off the street.
    pub lane: Part,
    /// 组, 队, 区: a part of a village or estate.
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
}

/// The numbers up to the house: `105弄3号-1`.
pub fn house(parts: &Parts) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    for (part, mark) in [(parts.lane, "弄"), (parts.group, "组")] {
        if part.is_some() {
            let _ = write!(text, "{part}{mark}");
        }
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

/// A text taken apart. Its pieces are those of the cleaned text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed<'t> {
    /// What stands before the first number: street, village or estate.
    pub street: &'t str,
    /// The numbers.
    pub parts: Parts,
    /// A name behind the number: an estate or a house by its name.
    pub place: &'t str,
    /// What was not understood.
    pub tail: String,
}

/// What a number is the number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lane,
    Group,
    Number,
    Building,
    Unit,
    Floor,
    Room,
}

/// Words behind a number; of those that begin alike the longest first.
const MARKS: [(&str, Kind); 36] = [
    ("村民小组", Kind::Group),
    ("生产队", Kind::Group),
    ("号单元", Kind::Unit),
    ("支弄", Kind::Lane),
    ("单元", Kind::Unit),
    ("小组", Kind::Group),
    ("号楼", Kind::Building),
    ("号幢", Kind::Building),
    ("号栋", Kind::Building),
    ("号座", Kind::Building),
    ("号门", Kind::Unit),
    ("号房", Kind::Room),
    ("号室", Kind::Room),
    ("号院", Kind::Number),
    ("号弄", Kind::Lane),
    ("号巷", Kind::Lane),
    ("#楼", Kind::Building),
    ("#幢", Kind::Building),
    ("弄", Kind::Lane),
    ("巷", Kind::Lane),
    ("排", Kind::Lane),
    ("组", Kind::Group),
    ("队", Kind::Group),
    ("区", Kind::Group),
    ("号", Kind::Number),
    ("#", Kind::Number),
    ("幢", Kind::Building),
    ("栋", Kind::Building),
    ("座", Kind::Building),
    ("梯", Kind::Unit),
    ("门", Kind::Unit),
    ("楼", Kind::Floor),
    ("层", Kind::Floor),
    ("室", Kind::Room),
    ("房", Kind::Room),
    ("户", Kind::Room),
];

/// Beyond this a bare number behind a dash is a room and no sub-number.
const FIRST_ROOM: u32 = 100;

/// A number as it stands in the text, with what hangs on it by dashes.
struct Chain {
    parts: Vec<Part>,
    /// Byte behind it.
    end: usize,
    /// Written in digits: what is spelt out and has no mark is part of a name (解放四路).
    digits: bool,
}

/// Most numbers on one chain.
const LINKS: usize = 4;

/// Takes a cleaned text apart, `behind` a region or not. Never fails: what is not understood is the tail. Behind a region a text may begin
/// with a number, else that is part of the street's name.
pub fn parse(text: &str, behind: bool) -> Parsed<'_> {
    let mut parser = Parser { text, at: 0, name: 0, behind, seen: false, found: Parsed::default() };
    while parser.at < text.len() {
        parser.step();
    }
    parser.name_until(text.len());
    parser.found
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// Where the name that is being read begins.
    name: usize,
    /// A region stands before the text.
    behind: bool,
    /// A number has been read.
    seen: bool,
    found: Parsed<'t>,
}

impl<'t> Parser<'t> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with('(') {
            // A remark.
            let end = rest.find(')').map_or(rest.len(), |end| end + 1);
            self.name_until(self.at);
            self.found.tail.push_str(&rest[..end]);
            (self.at, self.name) = (self.at + end, self.at + end);
            return;
        }
        let before = self.text[..self.at].chars().next_back();
        let joined = self.at > self.name && before.is_some_and(|c| c.is_ascii_alphanumeric());
        let Some(chain) = (if joined { None } else { chain(self.text, self.at) }) else {
            self.at += rest.chars().next().map_or(1, char::len_utf8);
            return;
        };
        let after = &self.text[chain.end..];
        let mark = MARKS.iter().find(|(mark, _)| after.starts_with(mark));
        // 二号桥路, 三组团: without a street before it a number that is spelt out begins a name. 螺门村三号 has the village before it.
        let begun = self.at > self.name || self.seen || !self.found.street.is_empty();
        let told = mark.filter(|(mark, _)| {
            let next = chain.end + mark.len();
            begun || self.behind && (chain.digits || next == self.text.len() || part(self.text, next).is_some())
        });
        match told {
            Some((mark, kind)) => self.marked(chain, mark, *kind),
            None if mark.is_none()
                && (chain.digits || self.seen)
                && (begun || self.behind)
                && (after.is_empty() || after.starts_with([' ', '('])) =>
            {
                self.bare(chain)
            }
            None => self.at = chain.end,
        }
    }

    fn marked(&mut self, chain: Chain, mark: &str, kind: Kind) {
        self.name_until(self.at);
        self.at = chain.end + mark.len();
        self.name = self.at;
        self.seen = true;
        match (&chain.parts[..], kind) {
            ([number, sub], Kind::Number) if !self.found.parts.number.is_some() => {
                self.set(Kind::Number, *number);
                self.found.parts.sub = *sub;
            }
            ([one], _) => self.set(kind, *one),
            (many, _) => self.inward(many, kind),
        }
        if kind == Kind::Number && !self.found.parts.sub.is_some() {
            self.sub();
        }
    }

    /// What follows 号: 之一, 附2号, -1; from 100 on it is a room.
    fn sub(&mut self) {
        let rest = &self.text[self.at..];
        let Some(joint) = ["之", "附", "-"].into_iter().find(|joint| rest.starts_with(joint)) else { return };
        let from = self.at + joint.len();
        let Some(next) = chain(self.text, from) else { return };
        let after = &self.text[next.end..];
        let is_sub = next.parts[0].value().is_some_and(|value| joint != "-" || value < FIRST_ROOM);
        let ends = MARKS.iter().find(|(mark, _)| after.starts_with(mark)).is_none_or(|(_, kind)| *kind == Kind::Number);
        if let ([sub], true, true) = (&next.parts[..], is_sub, ends) {
            self.found.parts.sub = *sub;
            self.at = next.end + ["号", "#"].into_iter().find(|mark| after.starts_with(mark)).map_or(0, str::len);
            self.name = self.at;
        } else if joint == "-" {
            // A room or a building, with the dash between.
            (self.at, self.name) = (from, from);
        }
    }

    /// A number without a word behind it: in digits, or behind another one.
    fn bare(&mut self, chain: Chain) {
        self.name_until(self.at);
        (self.at, self.name) = (chain.end, chain.end);
        self.seen = true;
        let parts = self.found.parts;
        let rooms = |part: &Part| part.value().is_none_or(|value| value >= FIRST_ROOM);
        let outside = !(parts.number.is_some() || parts.building.is_some() || parts.unit.is_some());
        match &chain.parts[..] {
            [number] if outside => self.set(Kind::Number, *number),
            [number, sub] if outside && !rooms(sub) => {
                self.set(Kind::Number, *number);
                self.found.parts.sub = *sub;
            }
            [number, room] if outside => {
                self.set(Kind::Number, *number);
                self.set(Kind::Room, *room);
            }
            many => self.inward(many, Kind::Room),
        }
    }

    /// Several numbers of which the last is of `kind`, those before it of what is around it.
    fn inward(&mut self, parts: &[Part], kind: Kind) {
        const ORDER: [Kind; 4] = [Kind::Number, Kind::Building, Kind::Unit, Kind::Room];
        let last = ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len() - 1);
        let free = |kind: Kind, found: &Parts| match kind {
            Kind::Number => !found.number.is_some(),
            Kind::Building => !found.building.is_some(),
            _ => !found.unit.is_some(),
        };
        let kinds: Vec<Kind> = match (parts.len(), kind) {
            (1, _) => vec![kind],
            // 2-301: the building, else the unit, else the house.
            (2, Kind::Room) => {
                let outer = [Kind::Building, Kind::Unit].into_iter().find(|outer| free(*outer, &self.found.parts));
                vec![outer.unwrap_or(Kind::Number), Kind::Room]
            }
            (count, _) => ORDER[(last + 1).saturating_sub(count)..=last].to_vec(),
        };
        let over = parts.len().saturating_sub(kinds.len());
        for part in &parts[..over] {
            self.tail(&format!("{part}-"));
        }
        for (part, kind) in parts[over..].iter().zip(kinds) {
            self.set(kind, *part);
        }
    }

    fn set(&mut self, kind: Kind, part: Part) {
        let found = &mut self.found.parts;
        let place = match kind {
            Kind::Lane => &mut found.lane,
            Kind::Group => &mut found.group,
            // 12号3号: the second is a house within the first.
            Kind::Number if found.number.is_some() && !found.building.is_some() => &mut found.building,
            Kind::Number => &mut found.number,
            Kind::Building => &mut found.building,
            Kind::Unit => &mut found.unit,
            // A楼 is a house, 3楼 a floor.
            Kind::Floor if part.value().is_none() => &mut found.building,
            Kind::Floor if found.room.is_some() => return,
            Kind::Floor => {
                found.room = part.floor();
                return;
            }
            Kind::Room => {
                // A room says more than its floor.
                if found.room.is_floor() {
                    found.room = Part::NONE;
                }
                &mut found.room
            }
        };
        if place.is_some() {
            self.tail(&format!("{part}"));
        } else {
            *place = part;
        }
    }

    fn tail(&mut self, text: &str) {
        self.found.tail.push_str(text);
    }

    /// Ends the name that is being read: the first is the street's, the next a place's.
    fn name_until(&mut self, end: usize) {
        let name = self.text[self.name..end].trim_matches([' ', '-', '#', ')']).trim_end_matches('第');
        let name = if self.seen { name } else { latin_number(name) };
        if name.is_empty() || name.chars().all(|c| !c.is_alphanumeric()) {
            return;
        }
        if !self.seen && self.found.street.is_empty() {
            self.found.street = name;
        } else if self.found.place.is_empty() && self.found.tail.is_empty() && !matches!(name, "院" | "内" | "号" | "院内") {
            self.found.place = name;
        } else if !matches!(name, "院" | "内" | "号" | "院内") {
            self.found.tail.push_str(name);
        }
    }
}

/// Takes the `No` of `No.23` off.
fn latin_number(name: &str) -> &str {
    let cut = name.len().checked_sub(2).filter(|cut| name.is_char_boundary(*cut));
    match cut.map(|cut| name.split_at(cut)) {
        Some((street, no)) if no.eq_ignore_ascii_case("no") && !street.ends_with(|c: char| c.is_ascii_alphabetic()) => {
            street.trim_end_matches([' ', '-', '#'])
        }
        _ => name,
    }
}

/// Numbers joined by dashes (or 之, 附) from a byte of the text on.
fn chain(text: &str, from: usize) -> Option<Chain> {
    let (first, mut end, digits) = part(text, from)?;
    let mut parts = vec![first];
    while parts.len() < LINKS {
        let rest = &text[end..];
        let Some(joint) = ["-", "之", "附"].into_iter().find(|joint| rest.starts_with(joint)) else { break };
        let Some((next, behind, _)) = part(text, end + joint.len()) else { break };
        parts.push(next);
        end = behind;
    }
    Some(Chain { parts, end, digits })
}

/// One number with its letter from a byte of the text on, the byte behind it, and whether it is in digits.
fn part(text: &str, from: usize) -> Option<(Part, usize, bool)> {
    let rest = &text[from..];
    let first = rest.chars().next()?;
    if let Some((value, bytes)) = numeral(rest) {
        return Some((Part::with(Some(small(&value)?), 0), from + bytes, false));
    }
    if let Some(stem) = STEMS.iter().position(|stem| *stem == first) {
        let at = from + first.len_utf8();
        // 甲12号.
        let (value, end) = digits(text, at)?;
        return Some((Part::with(Some(value), STEM + stem as u32), end, true));
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

fn small(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|value| *value < LARGEST)
}

#[cfg(test)]
mod tests {
    use super::super::clean::clean;
    use super::*;
    use proptest::prelude::*;

    /// street | numbers | place | tail
    fn read(text: &str) -> String {
        let text = clean(text);
        let found = parse(&text, false);
        format!("{}|{}{}|{}|{}", found.street, house(&found.parts), inside(&found.parts), found.place, found.tail)
    }

    #[test]
    fn one_address_in_many_writings_is_one() {
        for text in [
            "解放西路105弄3号2幢1单元301室",
            "解放西路１０５弄３号２栋１单元３０１室",
            "解放西路一百零五弄三号二幢一单元三〇一室",
            "解放西路105弄3號2號樓1單元301",
            "解放西路 105弄 3号 2#楼 1单元 301房",
            "解放西路105弄3号2-1-301",
            "解放西路105弄3号2幢1-301",
            "解放西路105弄3号2幢1梯3楼301室",
            "解放西路105弄3号2号楼1门301",
            "解放西路105弄3号二幢一单元三〇一",
        ] {
            assert_eq!(read(text), "解放西路|105弄3号2幢1单元301室||", "{text}");
        }
        for text in ["文化路23号", "文化路23", "文化路23#", "文化路二十三号", "文化路 No.23", "文化路#23", "文化路023号院"]
        {
            assert_eq!(read(text), "文化路|23号||", "{text}");
        }
        for text in
            ["文化路23号之一", "文化路23之1号", "文化路23-1号", "文化路23号-1", "文化路23附1号", "文化路23号附一号", "文化路23-1"]
        {
            assert_eq!(read(text), "文化路|23号-1||", "{text}");
        }
        for text in ["文化路23号301室", "文化路23-301", "文化路23号301", "文化路23号-301室", "文化路二十三号三〇一室"]
        {
            assert_eq!(read(text), "文化路|23号301室||", "{text}");
        }
    }

    #[test]
    fn numbers_in_names_stay_names() {
        for (text, read_as) in [
            ("解放四路23号", "解放四路|23号||"),
            ("五一路5号", "五一路|5号||"),
            ("318国道12号", "318国道|12号||"),
            ("第五大街8号", "第五大街|8号||"),
            ("二号桥路5号", "二号桥路|5号||"),
            ("东海花园二期3幢", "东海花园二期|3幢||"),
            ("人民广场", "人民广场|||"),
            ("三里屯路", "三里屯路|||"),
        ] {
            assert_eq!(read(text), read_as, "{text}");
        }
    }

    #[test]
    fn villages_estates_letters_and_remarks() {
        for (text, read_as) in [
            ("螺门村三组45号", "螺门村|3组45号||"),
            ("螺门村第三村民小组45号", "螺门村|3组45号||"),
            ("东海花园A区3幢2单元", "东海花园|A组3幢2单元||"),
            ("环城南路128号东海花园3幢201室", "环城南路|128号3幢201室|东海花园|"),
            ("文化路12A号B座3楼", "文化路|12A号B幢3楼||"),
            ("文化路甲12号", "文化路|12甲号||"),
            ("文化路12号(西门)", "文化路|12号||(西门)"),
            ("文化路12号对面报亭", "文化路|12号|对面报亭|"),
            ("柳巷5号", "柳巷|5号||"),
            ("柳巷5弄", "柳巷|5弄||"),
        ] {
            assert_eq!(read(text), read_as, "{text}");
        }
    }

    #[test]
    fn behind_a_region_an_address_may_begin_with_its_number() {
        let number = |text: &'static str, behind| {
            let found = parse(text, behind);
            (found.street, house(&found.parts))
        };
        assert_eq!(number("12号", true), ("", "12号".to_owned()));
        assert_eq!(number("12号", false), ("12号", String::new()));
        assert_eq!(number("三组45号", true), ("", "3组45号".to_owned()));
        assert_eq!(number("二号桥路5号", true), ("二号桥路", "5号".to_owned()));
        assert_eq!(number("12", true), ("", "12号".to_owned()));
    }

    #[test]
    fn nothing_breaks_on_what_is_no_address() {
        for text in [
            "",
            "-",
            "((((",
            "号",
            "1",
            "##",
            "99999999999999999999号",
            "一一一一一一一一一一一一一一一一一一号",
            "A",
            "之之之",
            "第",
        ] {
            read(text);
        }
        let long = "路1-2-3号".repeat(5000);
        assert!(read(&long).len() > 100);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_is_shown_reads_the_same(text in any::<String>(), number in 1u32..9999, room in 1u32..4000) {
            read(&text);
            let parts = Parts { number: Part::number(number), room: Part::number(room), ..Parts::default() };
            let shown = format!("文化路{}{}", house(&parts), inside(&parts));
            let again = parse(&shown, false);
            prop_assert_eq!((again.street, again.parts), ("文化路", parts));
        }
    }
}
