//! An address in words → where it is. Every way to understand it is a candidate with a score; equal scores are equal candidates.
//!
//! | kind | score | what was found |
//! | --- | --- | --- |
//! | `exact` | 1 | an address with exactly these parts |
//! | | 0.95 | the same, by the name of the estate without its street; without the short name of a region before the street |
//! | | 0.9 | the room, of which the building was not told; the house, of which the group (A区, 三组) was not told; 3号 for 3幢 |
//! | | 0.8, 0.6 | the house, but not its group; 5巷 for 5弄 |
//! | `poi` | 1, 0.6 | what has this name; what has a name that begins so |
//! | | 0.9, 0.6 | what has this name, not its building, floor or room; not the number that was told behind the name |
//! | `building` | 0.95 | the house, of which only rooms are known |
//! | | 0.9, 0.8 | the house, not the room or unit; not the building |
//! | | 0.85 | the house, without what follows 之, 附 or the dash, or without its letter; only with one (0.8 for a letter) |
//! | `interpolated` | 0.7, 0.5 | a place between the two nearest numbers of a street (no village, no estate): of the same side; of both |
//! | `road` | 0.6, 0.5, 0.4 | where two streets meet, by their nearest houses: within 50 m of each other, 100 m, 150 m |
//! | | 0.5, 0.4, 0.3 | the lane; the street, when no more was told; the street, when its number (an estate, when its building) is not known |
//! | `region` | 0.2, 0.1 | the region or grid, when no more was told; when the rest is not known |
//!
//! Times, of what is said around it:
//!
//! | factor | for |
//! | --- | --- |
//! | 0.25, 0.6 | a county, a township or community of the city is named that the place is not in |
//! | 0.5 | something is named that looks like a region and is none that is known; words before the street that make another name of it: 新解放路 |
//! | 0.8 | something before the street that is not known: 某某园区; such words in the register; a place beside it: 旁边, 附近 |
//! | 0.6 | 对面: borders of grids run along streets. Another estate is known to be at the number |
//! | 0.9 | 我家, 位于; 门口; words behind the number that were not understood |
//! | 0.7 | only the name behind the number is known, its street is not or has another number |
//! | 0.9, 0.6 | a name that differs in how its numbers are written: 51路 for 五一路, 1号院 for 壹号院; 五十一路 for 五一路 |
//!
//! A province, city or county that is not here (杭州市, 西湖区) leaves no address but those that name it themselves:
//! [`Understood::elsewhere`] names it. Which there are and where tells a list ([`places`](crate::domain::address::places)) beside the codes of
//! the regions. A missing one says nothing. Words around an address (我家住在 …, … 旁边) are taken off when it is not better understood with
//! them. What has less than 0.4 of the best score is left out. Texts are the register's own, of a house that is no address of its own
//! the beginning of one.

use super::asked::{Asked, Reading, without_begin, without_end};
use super::houses::{Draft, Told};
use super::regions::{agreement, regions, unit_of};
use super::{Addresses, House, How, Site, Text};
use crate::domain::address::MOST_CHARS;
use crate::domain::address::clean::{clean, key, loose};
use crate::domain::address::parts::{Part, Parts};
use crate::domain::id::{AddressId, Unit};
use crate::geom::{LatticePoint, measure};
use crate::territory::Territory;
use std::cell::Cell;
use std::ops::Range;

/// How precisely a candidate tells the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchKind {
    /// The address itself.
    Exact,
    /// Something of that name.
    Poi,
    /// The house, not the room.
    Building,
    /// Between two known numbers.
    Interpolated,
    /// The street, village or estate.
    Road,
    /// A region or grid.
    Region,
}

impl MatchKind {
    /// Every kind with its word in the API.
    pub const TABLE: [(Self, &'static str); 6] = [
        (Self::Exact, "exact"),
        (Self::Poi, "poi"),
        (Self::Building, "building"),
        (Self::Interpolated, "interpolated"),
        (Self::Road, "road"),
        (Self::Region, "region"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
}

/// One way to understand an address.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// How precisely it tells the place.
    pub kind: MatchKind,
    /// 0 to 1, in thousandths.
    pub score: f64,
    /// What was found, as the register has it.
    pub text: String,
    /// What stands there, when that has a name.
    pub name: String,
    /// The stored address, when it is one.
    pub id: Option<AddressId>,
    /// Where; absent when only the region is known.
    pub at: Option<LatticePoint>,
    /// The grid or childless region that holds the place; the region or grid, when only that is known. Absent outside of all.
    pub unit: Option<Unit>,
    /// Of an interpolated one: the numbers it lies between.
    pub between: Option<[String; 2]>,
}

/// What a text was taken for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Understood {
    /// The regions it names, from left to right.
    pub regions: Vec<String>,
    /// Provinces, cities and counties it names that are not here: then no address is a candidate.
    pub elsewhere: Vec<String>,
    /// Street, village or estate.
    pub street: String,
    /// Lane, group and number.
    pub house: String,
    /// Building, unit and room.
    pub inside: String,
    /// A name behind the number.
    pub place: String,
    /// What was not understood.
    pub rest: String,
}

/// All ways to understand an address.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// How the text was read.
    pub understood: Understood,
    /// The best first; where equal in the order of their places and texts.
    pub candidates: Vec<Candidate>,
    /// How many there were before the limit.
    pub total: usize,
    /// How many share the best score: more than one is a tie, and nobody has won it.
    pub best: usize,
}

/// Streets or estates of one name that are looked at.
const MOST_SITES: usize = 512;
/// Places of one name that are candidates.
const MOST_NAMED: usize = 1000;
/// Characters at the end of the words before a number in which the street is sought.
const MOST_STREET_CHARS: usize = 40;

/// Candidates with less than this share of the best score say nothing beside it.
const FAR_BEHIND: f64 = 0.4;
/// Words behind the number that are not understood.
const UNKNOWN_WORDS: f64 = 0.9;
/// Another estate is known to be at the number.
const OTHER_PLACE: f64 = 0.6;
/// The estate behind the number is known, its street is not, or not with that number.
const PLACE_ALONE: f64 = 0.7;
/// By the estate's name, or without the short name of a region.
const NOT_BY_STREET: f64 = 0.95;
/// From here on no other way to read the street is tried.
const SURE: f64 = 0.9;
/// Something that looks like a region is none that is known.
const UNKNOWN_REGION: f64 = 0.5;
/// The register has something before the street that was not told: 工业园区解放路.
const IN_AREA: f64 = 0.8;
/// Something of this name, not the floor or room in it; not the number behind it.
const NOT_WITHIN: f64 = 0.9;
const NOT_ITS_NUMBER: f64 = 0.6;

/// One request: what is known, and what of it may be seen.
pub(super) struct Search<'a, A> {
    pub(super) all: &'a Addresses,
    pub(super) territory: &'a Territory,
    allowed: &'a A,
    /// Where it was asked last: rooms of one house share its place.
    last: Cell<Option<(LatticePoint, Option<Unit>)>>,
}

/// A candidate with what two sources of one house have in common.
pub(super) struct Found {
    candidate: Candidate,
    same: (Text, Parts, Text, Text),
}

impl Addresses {
    /// Everything that a text may mean, the best `limit` of it. `allowed` says what the caller may see; nothing else counts for anything.
    /// Cost: some microseconds, more where many streets have the name; at most some milliseconds for any text.
    pub fn find(&self, territory: &Territory, text: &str, limit: usize, allowed: impl Fn(Option<Unit>) -> bool) -> Answer {
        let search = Search { all: self, territory, allowed: &allowed, last: Cell::new(None) };
        let end = text.char_indices().nth(MOST_CHARS).map_or(text.len(), |(at, _)| at);
        let clean = clean(&text[..end]);
        let mut asked = Asked::of(territory, &clean, 1.0);
        let mut found = Vec::new();
        let mut reading = search.read(&clean, &asked, &mut found);
        // 在水一方 and 办事处 are names; only what is not known with such words is sought without them.
        let (told, said) = without_begin(&clean);
        let (bare, beside) = without_end(told);
        if bare.len() < clean.len() && best_score(&found) < SURE {
            let less = Asked::of(territory, bare, said * beside);
            let mut others = Vec::new();
            let read = search.read(bare, &less, &mut others);
            if found.is_empty() || best_score(&others) > best_score(&found) {
                (asked, reading, found) = (less, read, others);
            }
        }
        if best_score(&found) < NOT_ITS_NUMBER
            && let Some((streets, read, meetings)) = search.crossings(told, said)
            && best_score(&meetings) > best_score(&found)
        {
            (asked, reading, found) = (streets, read, meetings);
        }
        if found.is_empty() {
            let regions = regions(territory, asked.rest, &reading, &allowed);
            found.extend(regions.into_iter().map(|candidate| Found { candidate, same: Default::default() }));
        }
        let order = |unit: Option<Unit>| match unit {
            Some(Unit::Grid(ix)) => (0, ix.0),
            Some(Unit::Region(ix)) => (1, ix.0),
            None => (2, 0),
        };
        found.sort_by(|a, b| {
            let (a, b) = (&a.candidate, &b.candidate);
            (b.score.total_cmp(&a.score))
                .then(a.kind.cmp(&b.kind))
                .then_with(|| order(a.unit).cmp(&order(b.unit)))
                .then_with(|| a.text.cmp(&b.text))
                .then_with(|| a.id.cmp(&b.id))
        });
        // Two sources may tell of one house, in two writings.
        let mut candidates: Vec<Candidate> = Vec::with_capacity(found.len());
        let mut kept: Vec<(Text, Parts, Text, Text)> = Vec::with_capacity(found.len());
        for Found { candidate, same } in found {
            let like = |(a, other): (&Candidate, &(Text, Parts, Text, Text))| {
                *other == same
                    && (a.kind, a.score, a.unit) == (candidate.kind, candidate.score, candidate.unit)
                    && near(a.at, candidate.at)
                    && (a.kind != MatchKind::Region || a.text == candidate.text)
            };
            // They stand near each other, as they have one score.
            let lately = candidates.len().saturating_sub(64);
            if !candidates[lately..].iter().zip(&kept[lately..]).any(like) {
                candidates.push(candidate);
                kept.push(same);
            }
        }
        let least = candidates.first().map_or(0.0, |first| first.score * FAR_BEHIND);
        candidates.retain(|candidate| candidate.score >= least);
        let best = candidates.iter().take_while(|candidate| candidate.score == candidates[0].score).count();
        let total = candidates.len();
        candidates.truncate(limit);
        let is_found = candidates.iter().any(|found| found.kind != MatchKind::Region);
        Answer { understood: asked.understood(reading, is_found), candidates, total, best }
    }

    /// Streets and estates of a name, with what the name leaves of a score.
    pub(super) fn sites(&self, name: &str) -> Vec<(Site, f64)> {
        let of = |text: Text| self.texts.of(text);
        let numbers = |range: Range<usize>| range.take(MOST_SITES).map(|at| at as u32);
        let wanted = key(name);
        let streets = |wanted: &str| equal_range(&self.streets, |street| of(street.key).cmp(wanted));
        let estates = |wanted: &str| equal_range(&self.estates, |estate| of(estate.key).cmp(wanted));
        let near = |wanted: &str| equal_range(&self.near, |near| of(near.text).cmp(wanted));
        let mut found: Vec<(Site, f64)> = numbers(streets(&wanted)).map(|at| (Site::Street(at), 1.0)).collect();
        found.extend(numbers(estates(&wanted)).map(|at| (Site::Estate(at), NOT_BY_STREET)));
        let factor = |site: Site| if matches!(site, Site::Estate(_)) { NOT_BY_STREET } else { 1.0 };
        let behind = self.near[near(&wanted)].iter().filter_map(|near| match near.how {
            How::Short => Some((near.site, NOT_BY_STREET)),
            How::Area => Some((near.site, IN_AREA)),
            How::Loose => None,
        });
        found.extend(behind.take(MOST_SITES));
        let spelt = loose(name);
        let alike = self.near[near(&spelt)].iter().filter(|near| near.how == How::Loose).take(MOST_SITES);
        found.extend(alike.map(|near| (near.site, factor(near.site) * likeness(name, self.name_of(near.site)))));
        if spelt != wanted {
            let sites = numbers(streets(&spelt)).map(Site::Street).chain(numbers(estates(&spelt)).map(Site::Estate));
            found.extend(sites.map(|site| (site, factor(site) * likeness(name, self.name_of(site)))));
        }
        // One by two names counts by the better.
        found.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        found.dedup_by_key(|(site, _)| *site);
        found
    }

    /// The name of a street or estate in the register's writing.
    pub(super) fn name_of(&self, site: Site) -> &str {
        self.texts.of(match site {
            Site::Street(at) => self.streets[at as usize].name,
            Site::Estate(at) => self.houses[self.places[self.estates[at as usize].first as usize] as usize].place,
        })
    }
}

impl<'a, A: Fn(Option<Unit>) -> bool> Search<'a, A> {
    /// What one way to take a text apart leads to.
    fn read(&self, clean: &str, asked: &Asked<'a>, found: &mut Vec<Found>) -> Reading<'a> {
        let reading = self.in_streets(asked, found);
        self.named(clean, asked, &reading, found);
        self.within_named(asked, found);
        reading
    }

    /// Streets and estates whose name is the end of the words before the first number: of those the longest name, and shorter ones when
    /// only regions stand before them and nothing better was found. Gives the reading that led to the best.
    fn in_streets(&self, asked: &Asked<'a>, found: &mut Vec<Found>) -> Reading<'a> {
        let mut best: Option<(f64, Reading<'a>)> = None;
        for from in ends(asked.street) {
            let sites = self.all.sites(&asked.street[from..]);
            if sites.is_empty() {
                continue;
            }
            let reading = asked.reading(self.all, self.territory, from);
            if best.is_some() && !(reading.before.is_empty() && reading.elsewhere.is_empty()) {
                continue;
            }
            let mut drafts = Vec::new();
            for (site, factor) in sites {
                self.at_site(site, factor, (asked, asked.parsed.parts), &mut drafts);
            }
            let placed: Vec<Found> = drafts.into_iter().filter_map(|draft| self.placed(asked, &reading, draft)).collect();
            if placed.is_empty() && !reading.elsewhere.is_empty() {
                return reading;
            }
            let score = best_score(&placed);
            found.extend(placed);
            if best.as_ref().is_none_or(|(known, _)| *known < score) {
                best = Some((score, reading));
            }
            if score >= SURE {
                break;
            }
        }
        let score = best.as_ref().map_or(0.0, |(score, _)| *score);
        let reading = match best {
            Some((_, reading)) => reading,
            None => {
                let whole = asked.reading(self.all, self.territory, asked.street.len());
                Reading {
                    mentions: asked.mentions.clone(),
                    elsewhere: whole.elsewhere,
                    factor: asked.around,
                    ..Reading::none(asked.street)
                }
            }
        };
        if score < PLACE_ALONE && !asked.parsed.place.is_empty() {
            let mut drafts = Vec::new();
            // Its number is one of the street.
            let all = asked.parsed.parts;
            let group = if all.group.is_some() && !all.group.word().is_way() { all.group } else { Part::NONE };
            let parts = Parts { group, ..all.inner() };
            for (site, factor) in self.all.sites(asked.parsed.place) {
                if matches!(site, Site::Estate(_)) {
                    self.at_site(site, factor * PLACE_ALONE, (asked, parts), &mut drafts);
                }
            }
            found.extend(drafts.into_iter().filter_map(|draft| self.placed(asked, &reading, draft)));
        }
        reading
    }

    /// Houses with a name of their own: the whole text, or what is left without its regions.
    fn named(&self, clean: &str, asked: &Asked<'_>, reading: &Reading<'_>, found: &mut Vec<Found>) {
        if asked.mentions.iter().any(|mention| mention.foreign) {
            return;
        }
        let of = |named: &(Text, u32)| self.all.texts.of(named.0);
        let own = Reading { mentions: asked.mentions.clone(), factor: 1.0, ..Reading::none(reading.street) };
        let draft = |named: &(Text, u32), score: f64| Draft {
            kind: MatchKind::Poi,
            own: true,
            house: Some(named.1 as usize),
            ..Draft::of(Told::Own, score)
        };
        let mut wanted: Vec<(String, f64)> = [(clean, asked.said), (asked.rest, asked.around)]
            .into_iter()
            .map(|(text, factor)| (key(text), factor))
            .filter(|(key, _)| key.chars().nth(1).is_some())
            .collect();
        wanted.dedup_by(|b, a| a.0 == b.0);
        let all = &self.all.named;
        let seen = |named: &&(Text, u32)| self.sees(named.1 as usize);
        for (name, factor) in &wanted {
            let range = equal_range(all, |named| of(named).cmp(name));
            let houses = all[range].iter().filter(seen).take(MOST_NAMED);
            found.extend(houses.filter_map(|named| self.placed(asked, &own, draft(named, *factor))));
        }
        if found.is_empty() {
            for (name, factor) in &wanted {
                let from = all.partition_point(|named| of(named) < name.as_str());
                let begin = all[from..].iter().take_while(|named| of(named).starts_with(name.as_str()));
                let houses = begin.filter(seen).take(MOST_NAMED);
                found.extend(houses.filter_map(|named| self.placed(asked, &own, draft(named, 0.6 * factor))));
            }
        }
    }

    /// What stands there by its name, of which something within it was asked for: 万达广场3楼.
    fn within_named(&self, asked: &Asked<'a>, found: &mut Vec<Found>) {
        let parts = &asked.parsed.parts;
        if parts.is_empty() || best_score(found) >= PLACE_ALONE {
            return;
        }
        let own = if parts.to_number().is_empty() { NOT_WITHIN } else { NOT_ITS_NUMBER };
        let more = !(asked.parsed.place.is_empty() && asked.parsed.tail.is_empty());
        let score = own * if more { UNKNOWN_WORDS } else { 1.0 };
        let of = |named: &(Text, u32)| self.all.texts.of(named.0);
        for from in ends(asked.street) {
            let name = key(&asked.street[from..]);
            let range = equal_range(&self.all.named, |named| of(named).cmp(&name));
            let mut houses = self.all.named[range].iter().filter(|named| self.sees(named.1 as usize)).take(MOST_NAMED).peekable();
            if houses.peek().is_none() {
                continue;
            }
            let reading = asked.reading(self.all, self.territory, from);
            if reading.before.is_empty() {
                let draft = |named: &(Text, u32)| Draft {
                    kind: MatchKind::Poi,
                    own: true,
                    house: Some(named.1 as usize),
                    ..Draft::of(Told::Own, score)
                };
                found.extend(houses.filter_map(|named| self.placed(asked, &reading, draft(named))));
                return;
            }
        }
    }

    /// A draft with its place, and what speaks against it; `None` when it may not be seen.
    pub(super) fn placed(&self, asked: &Asked<'_>, reading: &Reading<'_>, draft: Draft) -> Option<Found> {
        let all = self.all;
        let house = draft.house.map(|at| (at, &all.houses[at]));
        let at = draft.at.or_else(|| house.and_then(|(_, house)| house.at()));
        let unit = match (draft.at, house) {
            (Some(at), _) => self.territory.leaf_at(at),
            (None, Some((at, _))) => self.unit(at),
            (None, None) => None,
        };
        if !(self.allowed)(unit) {
            return None;
        }
        let prefix = house.map_or("", |(_, house)| all.texts.of(house.prefix));
        let says = |word: &&String| prefix.contains(word.as_str());
        if !reading.elsewhere.iter().all(|word| says(&word)) {
            return None;
        }
        let unknown = reading.unknown.iter().filter(|word| !says(word)).fold(1.0, |factor, _| factor * UNKNOWN_REGION);
        let mut score = draft.score * reading.factor * unknown * agreement(self.territory, &reading.mentions, unit, prefix);
        if draft.kind != MatchKind::Poi {
            let of_house = !matches!(draft.kind, MatchKind::Road | MatchKind::Interpolated);
            let known = house.filter(|_| of_house).map(|(_, house)| house);
            score *= self.words_behind(asked, known, draft.site);
        }
        let own = house.filter(|_| draft.own).map(|(_, house)| house);
        let same = house.map_or_else(Default::default, |(at, house)| {
            let name = own.map_or_else(Text::default, |house| house.name);
            let place = own.map_or_else(Text::default, |house| house.place);
            (all.street_of(at).key, if draft.own { house.parts } else { asked.parsed.parts }, place, name)
        });
        let candidate = Candidate {
            kind: draft.kind,
            score: (score * 1000.0).round() / 1000.0,
            text: self.told(draft.told, draft.house),
            name: own.map_or(String::new(), |house| all.texts.of(house.name).to_owned()),
            id: own.map(|house| house.id),
            at,
            unit,
            between: draft.between,
        };
        Some(Found { candidate, same })
    }

    /// What words behind the number leave of a score, of a place at `site` and the house it is taken from.
    fn words_behind(&self, asked: &Asked<'_>, house: Option<&House>, site: Option<Site>) -> f64 {
        let of = |text: Text| key(&clean(self.all.texts.of(text)));
        let place = key(asked.parsed.place);
        let known = |house: &House| {
            of(house.place) == place
                || house.name != Text::default() && of(house.name) == place
                || matches!(site, Some(site @ Site::Estate(_)) if key(self.all.name_of(site)) == place)
        };
        let by_place = match house {
            _ if place.is_empty() => 1.0,
            Some(house) if known(house) => 1.0,
            Some(house) if house.place != Text::default() => OTHER_PLACE,
            _ => UNKNOWN_WORDS,
        };
        let tail = &asked.parsed.tail;
        let told = tail.is_empty() || house.is_some_and(|house| key(self.all.texts.of(house.tail)) == key(tail));
        by_place * if told { 1.0 } else { UNKNOWN_WORDS }
    }

    /// The grid or region of a house.
    fn unit(&self, house: usize) -> Option<Unit> {
        let Some(at) = self.all.houses[house].at() else {
            return unit_of(self.territory, self.all.within.get(&(house as u32))?.as_str());
        };
        if let Some((_, unit)) = self.last.get().filter(|(last, _)| *last == at) {
            return unit;
        }
        let unit = self.territory.leaf_at(at);
        self.last.set(Some((at, unit)));
        unit
    }

    /// Who sees what lies nowhere sees everything.
    pub(super) fn sees_everything(&self) -> bool {
        (self.allowed)(None)
    }

    /// Whether the caller may see a house.
    pub(super) fn sees(&self, house: usize) -> bool {
        (self.allowed)(self.unit(house))
    }
}

/// What is left of a score where two names differ only in how their numbers are written.
fn likeness(asked: &str, known: &str) -> f64 {
    let plain = |c: char| c.is_ascii_digit() || "壹贰叁肆伍陆柒捌玖拾佰仟".contains(c);
    if asked.contains(plain) || known.contains(plain) { 0.9 } else { 0.6 }
}

fn best_score(found: &[Found]) -> f64 {
    found.iter().map(|found| found.candidate.score).fold(0.0, f64::max)
}

fn near(a: Option<LatticePoint>, b: Option<LatticePoint>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => measure::distance_m(a.lonlat(), b.lonlat()) < 50.0,
        (a, b) => a == b,
    }
}

/// Bytes at which the end of a name can begin, the longest end first; at least two characters.
pub(super) fn ends(name: &str) -> impl Iterator<Item = usize> {
    let count = name.chars().count();
    let starts = name.char_indices().map(|(at, _)| at).skip(count.saturating_sub(MOST_STREET_CHARS));
    starts.take((count.min(MOST_STREET_CHARS)).saturating_sub(1))
}

/// The items that compare as equal, of a sorted list.
pub(super) fn equal_range<T>(sorted: &[T], compare: impl Fn(&T) -> std::cmp::Ordering) -> Range<usize> {
    let start = sorted.partition_point(|item| compare(item).is_lt());
    start..start + sorted[start..].partition_point(|item| compare(item).is_eq())
}
