//! An address taken apart: the name of the street, village or estate, then the numbers of lane, house, building, unit and room. What goes
//! before the street (province, city, district …) is taken off by whoever knows the regions.

use super::chain::{Chain, chain, ends_in_number, part};
use super::numbers::{AFTER, BASEMENT, STEM, STEMS, Word};

pub use super::numbers::{Part, Parts, house, inside};

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
    /// The bytes behind lane or group, number, building and unit, each with its word; 0 for what is not there.
    pub ends: [usize; 4],
}

/// What a number is the number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A lane, or a part of a village or estate.
    Outer(Word),
    Number,
    Building,
    Unit,
    Floor,
    /// 楼: a floor of a house, else a building: 410楼3门201.
    FloorOrBuilding,
    Room,
}

/// Words behind a number; of those that begin alike the longest first.
const MARKS: [(&str, Kind); 38] = [
    ("村民小组", Kind::Outer(Word::Group)),
    ("生产队", Kind::Outer(Word::Team)),
    ("号单元", Kind::Unit),
    ("支弄", Kind::Outer(Word::Branch)),
    ("单元", Kind::Unit),
    ("小组", Kind::Outer(Word::Group)),
    ("组团", Kind::Outer(Word::Cluster)),
    ("号楼", Kind::Building),
    ("号幢", Kind::Building),
    ("号栋", Kind::Building),
    ("号座", Kind::Building),
    ("号门", Kind::Unit),
    ("号房", Kind::Room),
    ("号室", Kind::Room),
    ("号大院", Kind::Number),
    ("号院", Kind::Number),
    ("号弄", Kind::Outer(Word::Lane)),
    ("号巷", Kind::Outer(Word::Alley)),
    ("#楼", Kind::Building),
    ("#幢", Kind::Building),
    ("弄", Kind::Outer(Word::Lane)),
    ("巷", Kind::Outer(Word::Alley)),
    ("排", Kind::Outer(Word::Row)),
    ("组", Kind::Outer(Word::Group)),
    ("队", Kind::Outer(Word::Team)),
    ("区", Kind::Outer(Word::Zone)),
    ("号", Kind::Number),
    ("#", Kind::Number),
    ("幢", Kind::Building),
    ("栋", Kind::Building),
    ("座", Kind::Building),
    ("梯", Kind::Unit),
    ("门", Kind::Unit),
    ("楼", Kind::FloorOrBuilding),
    ("层", Kind::Floor),
    ("室", Kind::Room),
    ("房", Kind::Room),
    ("户", Kind::Room),
];

/// What a number belongs to when it stands behind the number's word: 工业园区三号路, 二十一号路, 老五队村.
const WAYS: [&str; 7] = ["路", "街", "道", "大街", "大道", "公路", "村"];
/// The same behind a house number only.
const SPOTS: [&str; 13] = ["桥", "大桥", "里", "线", "闸", "码头", "渠", "河", "坝", "井", "地块", "泵站", "塘"];
/// Behind one of those: a spot beside it, and no name (12号路口, 5号街道办, 8号里面, 3号桥头).
const BESIDE: [char; 20] =
    ['口', '边', '旁', '段', '东', '西', '南', '北', '侧', '上', '下', '面', '头', '道', '委', '部', '民', '中', '对', '附'];
/// How the names of streets and villages end: a number behind one is a house number.
const STREETS: [&str; 12] = ["路", "街", "巷", "弄", "道", "村", "里", "线", "胡同", "大院", "新村", "公路"];

/// From here on a bare number behind a dash is a room and no sub-number, and no floor has such a number.
pub(super) const FIRST_ROOM: u32 = 100;
/// From here on no basement has such a number.
const DEEPEST: u32 = 10;
/// What stands before the number of a basement's floor.
const BELOW: [&str; 3] = ["地下", "负", "-"];

/// Takes a cleaned text apart, `behind` a region or not. Never fails: what is not understood is the tail. Behind a region a text may begin
/// with a number, else that is part of the street's name.
pub fn parse(text: &str, behind: bool) -> Parsed<'_> {
    let mut parser = Parser { text, at: 0, name: 0, behind, seen: false, unsure: false, floor_end: 0, found: Parsed::default() };
    while parser.at < text.len() {
        parser.step();
    }
    parser.name_until(text.len());
    let parts = &parser.found.parts;
    if !(parts.number.is_some() || parts.unit.is_some()) {
        parser.floor_is_building();
    }
    parser.found
}

pub(super) struct Parser<'t> {
    text: &'t str,
    pub(super) at: usize,
    /// Where the name that is being read begins.
    name: usize,
    /// A region stands before the text.
    behind: bool,
    /// A number has been read.
    seen: bool,
    /// The floor was told by 楼, and may be a building.
    pub(super) unsure: bool,
    /// The byte behind the floor.
    pub(super) floor_end: usize,
    pub(super) found: Parsed<'t>,
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
        if let Some((floor, end)) = self.basement() {
            self.name_until(self.at);
            (self.at, self.name, self.seen) = (end, end, true);
            return self.set(Kind::Floor, floor, end);
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
            let told = begun || self.behind && (chain.digits || next == self.text.len() || part(self.text, next).is_some());
            let (first, _) = chain.parts[0];
            // 丁楼村: a stem without a number is a house (8号甲幢), no beginning.
            told && (self.seen || first.value().is_some() || first.mark() < STEM)
        });
        let told = told.filter(|(mark, kind)| !self.begins_a_name(chain.end + mark.len(), *kind));
        match told {
            Some((mark, kind)) => self.marked(chain, mark, *kind),
            None if mark.is_none()
                && chain.parts[0].0.value().is_some()
                && (chain.digits || self.seen)
                && (begun || self.behind)
                && (after.is_empty() || after.starts_with([' ', '('])) =>
            {
                self.bare(chain)
            }
            None => self.at = chain.end,
        }
    }

    /// A floor below the ground from here on, and the byte behind it: 地下1层, 负一楼, and -1层 behind a number's word.
    fn basement(&self) -> Option<(Part, usize)> {
        let below = BELOW.into_iter().find(|below| self.text[self.at..].starts_with(below))?;
        let Chain { parts, end, .. } = chain(self.text, self.at + below.len())?;
        let [(floor, _)] = parts[..] else { return None };
        let value = floor.value().filter(|value| *value < DEEPEST && !floor.is_marked())?;
        let mark = ["层", "楼"].into_iter().find(|mark| self.text[end..].starts_with(mark))?;
        Some((Part::with(Some(value), BASEMENT), end + mark.len()))
    }

    /// Whether what stands behind a number and its word makes a name of them: 三号路, and no house number.
    fn begins_a_name(&self, next: usize, kind: Kind) -> bool {
        let rest = &self.text[next..];
        let longest = |words: &[&'static str]| words.iter().filter(|word| rest.starts_with(**word)).map(|word| word.len()).max();
        let before = &self.text[self.name..self.at];
        let on_street = self.seen || STREETS.iter().any(|street| before.ends_with(street));
        let beside = |len: usize| rest[len..].starts_with(BESIDE);
        if let Some(len) = longest(&WAYS) {
            // 3楼道, 2幢路边: deep in an address there are no streets.
            let deep = self.seen && !matches!(kind, Kind::Number | Kind::Outer(_));
            return !(deep || on_street && beside(len));
        }
        let Some(len) = longest(&SPOTS).filter(|_| kind == Kind::Number) else { return false };
        let rest = &rest[len..];
        // 东海路5号码头 is a house number, 东海路5号码头12号 a name with one behind it.
        !beside(len) && (!on_street || rest.contains('号') && rest.find('号').is_some_and(|at| ends_in_number(&rest[..at])))
    }

    fn marked(&mut self, chain: Chain, mark: &str, kind: Kind) {
        self.name_until(self.at);
        self.at = chain.end + mark.len();
        self.name = self.at;
        self.seen = true;
        match (&chain.parts[..], kind) {
            ([(number, _), (sub, _)], Kind::Number) if !self.found.parts.number.is_some() => {
                self.set(Kind::Number, *number, self.at);
                self.found.parts.sub = *sub;
            }
            ([(one, _)], _) => self.set(kind, *one, self.at),
            (many, _) => self.inward(many, kind),
        }
        if kind == Kind::Number && !self.found.parts.sub.is_some() {
            self.letter();
            self.sub();
        }
    }

    /// What follows 号 without a word of its own: 12号甲, 12号B.
    fn letter(&mut self) {
        let rest = &self.text[self.at..];
        let mut chars = rest.chars();
        let (Some(c), next) = (chars.next(), chars.next()) else { return };
        let stem = STEMS.iter().position(|stem| *stem == c).map(|stem| STEM + stem as u32);
        let letter = c.is_ascii_alphabetic().then(|| AFTER + u32::from(c.to_ascii_uppercase() as u8 - b'A'));
        // B301 is a room.
        let alone = next.is_none_or(|next| matches!(next, ' ' | '(' | '-') || stem.is_some() && next.is_ascii_digit());
        let number = self.found.parts.number;
        if let (Some(mark), true, false) = (stem.or(letter), alone, number.is_marked() || self.found.parts.building.is_some()) {
            self.found.parts.number = number.marked(mark);
            self.at += c.len_utf8();
            self.name = self.at;
            self.found.ends[1] = self.at;
        }
    }

    /// What follows 号: 之一, 附2号, -1; from 100 on it is a room.
    fn sub(&mut self) {
        if self.basement().is_some() {
            return;
        }
        let rest = &self.text[self.at..];
        let Some(joint) = ["之", "附", "-"].into_iter().find(|joint| rest.starts_with(joint)) else { return };
        let from = self.at + joint.len();
        let Some(next) = chain(self.text, from) else { return };
        let after = &self.text[next.end..];
        let is_sub = next.parts[0].0.value().is_some_and(|value| joint != "-" || value < FIRST_ROOM);
        let ends = MARKS.iter().find(|(mark, _)| after.starts_with(mark)).is_none_or(|(_, kind)| *kind == Kind::Number);
        if let ([(sub, _)], true, true) = (&next.parts[..], is_sub, ends) {
            self.found.parts.sub = *sub;
            self.at = next.end + ["号", "#"].into_iter().find(|mark| after.starts_with(mark)).map_or(0, str::len);
            (self.name, self.found.ends[1]) = (self.at, self.at);
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
        let inside = [parts.number, parts.building, parts.unit, parts.room].iter().any(|part| part.is_some());
        let outside = !inside;
        match &chain.parts[..] {
            [(number, _)] if outside => self.set(Kind::Number, *number, self.at),
            [(number, _), (sub, _)] if outside && !rooms(sub) => {
                self.set(Kind::Number, *number, self.at);
                self.found.parts.sub = *sub;
            }
            [(number, end), (room, _)] if outside => {
                self.set(Kind::Number, *number, *end);
                self.set(Kind::Room, *room, self.at);
            }
            many => self.inward(many, Kind::Room),
        }
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
            ("工业园区三号路5号", "工业园区三号路|5号||"),
            ("工业园区3号路5号", "工业园区3号路|5号||"),
            ("二十一号路8号", "二十一号路|8号||"),
            ("临港2号码头12号", "临港2号码头|12号||"),
            ("东海路5号码头", "东海路|5号|码头|"),
            ("东海路5号码头12号", "东海路5号码头|12号||"),
            ("新三门路5号", "新三门路|5号||"),
            ("老五队村12号", "老五队村|12号||"),
            ("一号桥8号", "一号桥|8号||"),
            ("新城三号桥8号", "新城三号桥|8号||"),
            ("解放路12号路口", "解放路|12号|路口|"),
            ("解放路12号街道办事处", "解放路|12号|街道办事处|"),
            ("解放路12号桥头饭店", "解放路|12号|桥头饭店|"),
            ("东海花园12号里面", "东海花园|12号|里面|"),
            ("解放路2幢3楼道", "解放路|2幢3楼|道|"),
            ("中梁壹号院5幢", "中梁壹号院|5幢||"),
        ] {
            assert_eq!(read(text), read_as, "{text}");
        }
    }

    #[test]
    fn villages_estates_letters_and_remarks() {
        for (text, read_as) in [
            ("螺门村三组45号", "螺门村|3组45号||"),
            ("螺门村第三村民小组45号", "螺门村|3组45号||"),
            ("东海花园A区3幢2单元", "东海花园|A区3幢2单元||"),
            ("东海花园A区三组团5幢", "东海花园|A区3组团5幢||"),
            ("解放路105弄3支弄5号", "解放路|105弄3支弄5号||"),
            ("解放路5支弄3号", "解放路|5支弄3号||"),
            ("环城南路128号东海花园3幢201室", "环城南路|128号3幢201室|东海花园|"),
            ("文化路12A号B座3楼", "文化路|12A号B幢3楼||"),
            ("文化路甲12号", "文化路|甲12号||"),
            ("文化路12甲号", "文化路|12甲号||"),
            ("文化路12号甲", "文化路|12甲号||"),
            ("文化路12号甲301室", "文化路|12甲号301室||"),
            ("文化路12号B", "文化路|12B号||"),
            ("文化路12号B301", "文化路|12号B301室||"),
            ("文化路12号甲幢", "文化路|12号甲幢||"),
            ("文化路12号3A层", "文化路|12号3A楼||"),
            ("文化路12号(西门)", "文化路|12号||(西门)"),
            ("文化路12号对面报亭", "文化路|12号|对面报亭|"),
            ("柳巷5号", "柳巷|5号||"),
            ("柳巷5弄", "柳巷|5弄||"),
            ("柳巷5巷3号", "柳巷|5巷3号||"),
        ] {
            assert_eq!(read(text), read_as, "{text}");
        }
    }

    #[test]
    fn a_storey_is_a_floor_or_a_building_and_no_number_is_lost() {
        for (text, read_as) in [
            ("望京西园四区410楼3门201", "望京西园|4区410幢3单元201室||"),
            ("玫瑰园10楼3门201", "玫瑰园|10幢3单元201室||"),
            ("玫瑰园10楼2单元3楼301", "玫瑰园|10幢2单元301室||"),
            ("玫瑰园10楼302", "玫瑰园|10幢302室||"),
            ("玫瑰园12楼3层", "玫瑰园|12幢3楼||"),
            ("玫瑰园12楼", "玫瑰园|12幢||"),
            ("玫瑰园12层", "玫瑰园|12楼||"),
            ("文化路12号3楼", "文化路|12号3楼||"),
            ("文化路12号3楼301室", "文化路|12号301室||"),
            ("文化路12号12楼1203室", "文化路|12号1203室||"),
            ("文化路12号3楼5室", "文化路|12号305室||"),
            ("文化路12号3楼5号", "文化路|12号305室||"),
            ("文化路12号3楼A室", "文化路|12号3A室||"),
            ("文化路12号10楼302室", "文化路|12号10幢302室||"),
            ("文化路12号2幢10楼302室", "文化路|12号2幢302室||10楼"),
            ("文化路12号301室3楼", "文化路|12号301室||"),
            ("文化路12号301室4楼", "文化路|12号301室||4楼"),
            ("文化路12号3-5层", "文化路|12号3楼||-5楼"),
            ("文化路12号-1层", "文化路|12号B1楼||"),
            ("文化路12号地下1层", "文化路|12号B1楼||"),
            ("文化路12号负一楼", "文化路|12号B1楼||"),
            ("文化路12号B1层", "文化路|12号B1楼||"),
            ("文化路12号2幢-1层", "文化路|12号2幢B1楼||"),
            ("万达广场负2层", "万达广场|B2楼||"),
            ("文化路12号-1", "文化路|12号-1||"),
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
        assert_eq!(number("21号路5号", true), ("21号路", "5号".to_owned()));
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
