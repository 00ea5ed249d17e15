//! An address in words → where it is. Every way to understand it is a candidate with a score; equal scores are equal candidates.
//!
//! | kind | score | what was found |
//! | --- | --- | --- |
//! | `exact` | 1 | an address with exactly these parts |
//! | | 0.95 | the same, by the name of the estate without its street |
//! | | 0.9 | the room, of which the building was not told |
//! | `poi` | 1, 0.6 | what has this name; what has a name that begins so |
//! | `building` | 0.95 | the house, of which only rooms are known |
//! | | 0.9, 0.8 | the house, not the room or unit; not the building |
//! | | 0.85 | the house, without what follows 之, 附 or the dash |
//! | `interpolated` | 0.7, 0.5 | a place between the two nearest numbers of the same side; of both sides |
//! | `road` | 0.5, 0.4, 0.3 | the lane; the street, when no more was told; the street, when its number is not known |
//! | `region` | 0.2, 0.1 | the region or grid, when no more was told; when the rest is not known |
//!
//! Times 0.6 when the text names a region that the place is not in, 0.9 when words before the street and 0.9 when words behind the number
//! were not understood. What has less than 0.4 of the best score is left out.

use super::{Addresses, House};
use crate::domain::address::MOST_CHARS;
use crate::domain::address::clean::{clean, key};
use crate::domain::address::parts::{Parsed, Part, Parts, house, inside, parse};
use crate::domain::id::{AddressId, RegionIx, Unit};
use crate::geom::{LatticePoint, measure};
use crate::territory::Territory;
use crate::territory::search::{Fit, Named};
use crate::territory::words::Mention;
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
    /// What was found, without the regions above it.
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

/// Streets of one name that are looked at.
const MOST_STREETS: usize = 64;
/// Houses of one number that are looked at one by one.
const MOST_HOUSES: usize = 20_000;
/// Addresses of one house that are candidates each.
const MOST_EACH: usize = 8;
/// Distinct numbers to each side among which neighbours are sought.
const MOST_NUMBERS: usize = 12;
/// Neighbours farther apart than this, in metres, say nothing about what is between them. A guess.
const FARTHEST_M: f64 = 500.0;
/// Characters at the end of the words before a number in which the street is sought.
const MOST_STREET_CHARS: usize = 40;

/// Candidates with less than this share of the best score say nothing beside it.
const FAR_BEHIND: f64 = 0.4;
const ELSEWHERE: f64 = 0.6;
const UNKNOWN_WORDS: f64 = 0.9;

/// A text on its way to be understood.
struct Asked<'q> {
    mentions: Vec<Mention<'q>>,
    /// Without the regions at the beginning.
    rest: &'q str,
    street: &'q str,
    parsed: Parsed<'q>,
    /// Words before the street that say nothing.
    before: String,
}

/// A candidate before it is placed.
struct Draft {
    kind: MatchKind,
    score: f64,
    text: String,
    /// The house whose place and prefix it has.
    house: Option<usize>,
    /// It is this very address.
    own: bool,
    at: Option<LatticePoint>,
    between: Option<[String; 2]>,
}

impl Addresses {
    /// Everything that a text may mean, the best `limit` of it. `allowed` says what the caller may see. Cost: some microseconds, more where
    /// many streets have the name; at most some milliseconds for any text.
    pub fn find(&self, territory: &Territory, text: &str, limit: usize, allowed: impl Fn(Option<Unit>) -> bool) -> Answer {
        let end = text.char_indices().nth(MOST_CHARS).map_or(text.len(), |(at, _)| at);
        let clean = clean(&text[..end]);
        let mut asked = Asked::of(territory, &clean);
        let mut drafts = Vec::new();
        self.in_streets(territory, &mut asked, &mut drafts);
        self.named(&clean, &asked, &mut drafts);
        let mut candidates: Vec<Candidate> =
            drafts.into_iter().map(|draft| self.placed(territory, &asked, draft)).filter(|c| allowed(c.unit)).collect();
        if candidates.is_empty() {
            regions(territory, &asked, &allowed, &mut candidates);
        }
        let order = |unit: Option<Unit>| match unit {
            Some(Unit::Grid(ix)) => (0, ix.0),
            Some(Unit::Region(ix)) => (1, ix.0),
            None => (2, 0),
        };
        candidates.sort_by(|a, b| {
            (b.score.total_cmp(&a.score))
                .then(a.kind.cmp(&b.kind))
                .then_with(|| order(a.unit).cmp(&order(b.unit)))
                .then_with(|| a.text.cmp(&b.text))
                .then_with(|| a.id.cmp(&b.id))
        });
        // Two sources may tell of one house.
        candidates.dedup_by(|b, a| (a.kind, a.unit, &a.text, &a.name) == (b.kind, b.unit, &b.text, &b.name) && near(a.at, b.at));
        let least = candidates.first().map_or(0.0, |first| first.score * FAR_BEHIND);
        candidates.retain(|candidate| candidate.score >= least);
        let best = candidates.iter().take_while(|candidate| candidate.score == candidates[0].score).count();
        let total = candidates.len();
        candidates.truncate(limit);
        Answer { understood: asked.understood(), candidates, total, best }
    }

    /// Streets whose name is the end of the words before the first number; of those the longest name. Else estates.
    fn in_streets<'q>(&self, territory: &'q Territory, asked: &mut Asked<'q>, drafts: &mut Vec<Draft>) {
        let street = asked.street;
        let parts = asked.parsed.parts;
        for from in ends(street) {
            let wanted = key(&street[from..]);
            let streets = equal_range(&self.streets, |street| self.texts.of(street.key).cmp(&wanted));
            let estates =
                if streets.is_empty() { equal_range(&self.places, |at| self.place_key(*at).as_str().cmp(&wanted)) } else { 0..0 };
            if streets.is_empty() && estates.is_empty() {
                continue;
            }
            asked.before(territory, from);
            for street in streets.take(MOST_STREETS) {
                self.in_street(street, &parts, asked, drafts);
            }
            let houses: Vec<usize> = self.places[estates].iter().take(MOST_HOUSES).map(|at| *at as usize).collect();
            if !houses.is_empty() {
                let text = self.texts.of(self.houses[houses[0]].place).to_owned();
                match parts.is_empty() {
                    true => drafts.push(Draft { house: Some(houses[houses.len() / 2]), ..road(text, 0.4) }),
                    false => self.in_houses(houses, &Parts { lane: Part::NONE, ..parts }, asked, 0.95, drafts),
                }
            }
            return;
        }
    }

    fn place_key(&self, house: u32) -> String {
        key(self.texts.of(self.houses[house as usize].place))
    }

    fn in_street(&self, street: usize, parts: &Parts, asked: &Asked<'_>, drafts: &mut Vec<Draft>) {
        let name = self.texts.of(self.streets[street].name);
        let all = self.houses_of(street);
        let found = |kind: fn(&House) -> Parts, wanted: Parts| {
            let houses = &self.houses[all.clone()];
            let range = equal_range(houses, |house| kind(house).cmp(&wanted));
            all.start + range.start..all.start + range.end
        };
        let houses = found(|house| to_number(&house.parts), to_number(parts));
        if !houses.is_empty() && (!parts.is_empty() || self.houses[houses.start].parts.is_empty()) {
            return self.in_houses(houses.take(MOST_HOUSES).collect(), parts, asked, 1.0, drafts);
        }
        let middle = |houses: Range<usize>| houses.start + houses.len() / 2;
        if parts.sub.is_some() {
            let houses = found(|house| without_sub(&house.parts), without_sub(&to_number(parts)));
            if !houses.is_empty() {
                let at = houses.start;
                let shown = without_sub(&to_number(parts));
                let text = format!("{name}{}", house(&shown));
                drafts.push(Draft { kind: MatchKind::Building, house: Some(at), ..road(text, 0.85) });
                return;
            }
        }
        let lane = found(|house| to_group(&house.parts), to_group(parts));
        if let Some(number) = parts.number.value()
            && let Some(draft) = self.between(name, lane.clone(), parts, number)
        {
            drafts.push(draft);
            return;
        }
        let in_lane = to_group(parts);
        if !in_lane.is_empty() && !lane.is_empty() {
            let text = format!("{name}{}", house(&in_lane));
            drafts.push(Draft { house: Some(middle(lane)), ..road(text, 0.5) });
            return;
        }
        let score = if parts.is_empty() { 0.4 } else { 0.3 };
        drafts.push(Draft { house: Some(middle(all)), ..road(name.to_owned(), score) });
    }

    /// Addresses of one house, or of one estate: those that have what was asked for within it.
    fn in_houses(&self, houses: Vec<usize>, parts: &Parts, asked: &Asked<'_>, full: f64, drafts: &mut Vec<Draft>) {
        let mut set = houses;
        let place = key(asked.parsed.place);
        if !place.is_empty() {
            narrow(&mut set, |at| self.place_key(at as u32) == place);
        }
        narrow(&mut set, |at| self.texts.of(self.houses[at].tail) == asked.parsed.tail);
        type Of = fn(&Parts) -> Part;
        let steps: [(Part, Of); 3] =
            [(parts.building, |parts| parts.building), (parts.unit, |parts| parts.unit), (parts.room, |parts| parts.room)];
        for (step, (wanted, of)) in steps.into_iter().enumerate() {
            if wanted.is_some() && !narrow(&mut set, |at| of(&self.houses[at].parts) == wanted) {
                // The house itself comes first, when it is an address of its own.
                let at = set[0];
                let score = if step == 0 { 0.8 } else { 0.9 };
                let shown = Parts {
                    building: if step > 0 { parts.building } else { Part::NONE },
                    unit: if step > 1 { parts.unit } else { Part::NONE },
                    ..to_number(&self.houses[at].parts)
                };
                drafts.push(Draft {
                    kind: MatchKind::Building,
                    own: self.houses[at].parts == shown,
                    house: Some(at),
                    ..road(self.text_of(at, &shown, asked), score * full)
                });
                return;
            }
        }
        let inner = |parts: &Parts| Parts { building: parts.building, unit: parts.unit, room: parts.room, ..Parts::default() };
        let whole = |at: &usize| inner(&self.houses[*at].parts) == inner(parts) && self.plain(*at, asked);
        let exact: Vec<usize> = set.iter().copied().filter(whole).take(MOST_EACH).collect();
        let (some, score) = match (exact.is_empty(), parts.room.is_some()) {
            (false, _) => (exact, full),
            (true, true) => (set.iter().copied().take(MOST_EACH).collect(), 0.9 * full),
            (true, false) => (Vec::new(), 0.0),
        };
        for at in &some {
            drafts.push(Draft { kind: MatchKind::Exact, own: true, house: Some(*at), ..road(self.text(*at), score) });
        }
        if some.is_empty() {
            // Only what is within it has addresses.
            let at = set[set.len() / 2];
            let shown = Parts { unit: parts.unit, building: parts.building, ..to_number(&self.houses[at].parts) };
            let text = self.text_of(at, &shown, asked);
            drafts.push(Draft { kind: MatchKind::Building, house: Some(at), ..road(text, 0.95 * full) });
        }
    }

    /// Whether a house has no more words than were asked for.
    fn plain(&self, at: usize, asked: &Asked<'_>) -> bool {
        let house = &self.houses[at];
        let place = self.texts.of(house.place);
        let tail = self.texts.of(house.tail);
        (tail.is_empty() || tail == asked.parsed.tail)
            && (place.is_empty()
                || key(place) == key(asked.parsed.place)
                || house.parts.building.is_some()
                || self.is_estate(at, asked))
    }

    /// Asked for by the name of its estate.
    fn is_estate(&self, at: usize, asked: &Asked<'_>) -> bool {
        key(asked.street).ends_with(&self.place_key(at as u32))
    }

    /// A house with some of its parts, and the name behind its number where that belongs to them.
    fn text_of(&self, at: usize, parts: &Parts, asked: &Asked<'_>) -> String {
        let found = &self.houses[at];
        let place = self.texts.of(found.place);
        let told = parts.building.is_some() || key(place) == key(asked.parsed.place) || self.is_estate(at, asked);
        let place = if told { place } else { "" };
        format!("{}{}{place}{}", self.texts.of(self.street_of(at).name), house(parts), inside(parts))
    }

    /// A place between the two nearest known numbers.
    fn between(&self, name: &str, lane: Range<usize>, parts: &Parts, number: u32) -> Option<Draft> {
        let values = |houses: &[House]| -> Vec<(u32, LatticePoint)> {
            let of = |house: &House| Some((house.parts.number.value()?, house.at()?));
            houses.iter().filter_map(of).collect()
        };
        let houses = &self.houses[lane];
        let middle = houses.partition_point(|house| house.parts.number.value().unwrap_or(0) < number);
        // Numbers with many rooms are passed over by jumps.
        let below = values(&distinct(&houses[..middle], true));
        let above = values(&distinct(&houses[middle..], false));
        let same_side = |(value, _): &&(u32, LatticePoint)| value % 2 == number % 2;
        let pair = |same: bool| {
            let nearest = |some: &[(u32, LatticePoint)]| some.iter().find(|one| !same || same_side(one)).copied();
            let (a, b) = (nearest(&below)?, nearest(&above)?);
            (measure::distance_m(a.1.lonlat(), b.1.lonlat()) <= FARTHEST_M).then_some((a, b))
        };
        let ((a, b), score) = pair(true).map(|pair| (pair, 0.7)).or_else(|| pair(false).map(|pair| (pair, 0.5)))?;
        let share = f64::from(number - a.0) / f64::from(b.0 - a.0);
        let along = |from: i32, to: i32| from + (f64::from(to - from) * share).round() as i32;
        let shown = to_number(parts);
        let text = |value: u32| format!("{name}{}", house(&Parts { number: Part::number(value), sub: Part::NONE, ..shown }));
        Some(Draft {
            kind: MatchKind::Interpolated,
            at: Some(LatticePoint::new(along(a.1.x, b.1.x), along(a.1.y, b.1.y))),
            between: Some([text(a.0), text(b.0)]),
            ..road(format!("{name}{}", house(&shown)), score)
        })
    }

    /// Houses with a name of their own: the whole text, or what is left without its regions.
    fn named(&self, clean: &str, asked: &Asked<'_>, drafts: &mut Vec<Draft>) {
        let name_key = |at: &u32| key(self.texts.of(self.houses[*at as usize].name));
        let draft = |at: &u32, score: f64| Draft {
            kind: MatchKind::Poi,
            own: true,
            house: Some(*at as usize),
            ..road(self.text(*at as usize), score)
        };
        let mut wanted: Vec<String> =
            [clean, asked.rest].map(key).into_iter().filter(|key| key.chars().nth(1).is_some()).collect();
        wanted.dedup();
        for name in &wanted {
            let found = equal_range(&self.named, |at| name_key(at).as_str().cmp(name));
            drafts.extend(self.named[found].iter().take(MOST_EACH).map(|at| draft(at, 1.0)));
        }
        if drafts.is_empty() {
            for name in &wanted {
                let from = self.named.partition_point(|at| name_key(at).as_str() < name.as_str());
                let begin = self.named[from..].iter().take(MOST_EACH).take_while(|at| name_key(at).starts_with(name.as_str()));
                drafts.extend(begin.map(|at| draft(at, 0.6)));
            }
        }
    }

    /// A draft with its place, and what speaks against it.
    fn placed(&self, territory: &Territory, asked: &Asked<'_>, draft: Draft) -> Candidate {
        let house = draft.house.map(|at| (at, &self.houses[at]));
        let at = draft.at.or_else(|| house.and_then(|(_, house)| house.at()));
        let unit = match at {
            Some(at) => territory.leaf_at(at),
            None => house.and_then(|(at, _)| unit_of(territory, self.within.get(&(at as u32))?.as_str())),
        };
        let prefix = house.map_or("", |(_, house)| self.texts.of(house.prefix));
        let mut score = draft.score;
        if asked.mentions.iter().any(|mention| elsewhere(territory, mention, unit, prefix)) {
            score *= ELSEWHERE;
        }
        if draft.kind != MatchKind::Poi {
            score *= if asked.before.is_empty() { 1.0 } else { UNKNOWN_WORDS };
            let (place, tail) = house.map_or(("", ""), |(_, house)| (self.texts.of(house.place), self.texts.of(house.tail)));
            let known = |word: &str, of: &str| word.is_empty() || key(word) == key(of);
            let understood = known(asked.parsed.place, place) && known(&asked.parsed.tail, tail);
            score *= if understood { 1.0 } else { UNKNOWN_WORDS };
        }
        Candidate {
            kind: draft.kind,
            score: (score * 1000.0).round() / 1000.0,
            text: draft.text,
            name: house.filter(|_| draft.own).map_or(String::new(), |(_, house)| self.texts.of(house.name).to_owned()),
            id: house.filter(|_| draft.own).map(|(_, house)| house.id),
            at,
            unit,
            between: draft.between,
        }
    }
}

impl<'q> Asked<'q> {
    fn of(territory: &'q Territory, clean: &'q str) -> Self {
        let (mut mentions, rest) = territory.words().take_off(clean);
        let parsed = parse(rest, !mentions.is_empty());
        let mut street = parsed.street;
        // 螺门村12号: the village is the street.
        if street.is_empty() && !parsed.parts.is_empty() {
            street = mentions.pop().map_or("", |last| last.text);
        }
        Self { mentions, rest, street, parsed, before: String::new() }
    }

    /// The street begins at this byte: what stands before it names regions, or says nothing.
    fn before(&mut self, territory: &'q Territory, from: usize) {
        let (mentions, between) = territory.words().mentions(&self.street[..from]);
        self.mentions.extend(mentions);
        self.before = between.trim().to_owned();
        self.street = &self.street[from..];
    }

    fn understood(&self) -> Understood {
        let parts = &self.parsed.parts;
        Understood {
            regions: self.mentions.iter().map(|mention| mention.text.to_owned()).collect(),
            street: self.street.to_owned(),
            house: house(parts),
            inside: inside(parts),
            place: self.parsed.place.to_owned(),
            rest: [self.before.as_str(), self.parsed.tail.as_str()].concat(),
        }
    }
}

fn road(text: String, score: f64) -> Draft {
    Draft { kind: MatchKind::Road, score, text, house: None, own: false, at: None, between: None }
}

fn near(a: Option<LatticePoint>, b: Option<LatticePoint>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => measure::distance_m(a.lonlat(), b.lonlat()) < 50.0,
        (a, b) => a == b,
    }
}

/// Up to the lane and group.
fn to_group(parts: &Parts) -> Parts {
    Parts { lane: parts.lane, group: parts.group, ..Parts::default() }
}

fn without_sub(parts: &Parts) -> Parts {
    Parts { number: parts.number, ..to_group(parts) }
}

/// Up to the number and what hangs on it.
fn to_number(parts: &Parts) -> Parts {
    Parts { number: parts.number, sub: parts.sub, ..to_group(parts) }
}

/// Bytes at which the end of a name can begin, the longest end first; at least two characters.
fn ends(name: &str) -> impl Iterator<Item = usize> {
    let count = name.chars().count();
    let starts = name.char_indices().map(|(at, _)| at).skip(count.saturating_sub(MOST_STREET_CHARS));
    starts.take((count.min(MOST_STREET_CHARS)).saturating_sub(1))
}

/// Keeps what fits, when anything does; whether anything did.
fn narrow(set: &mut Vec<usize>, fits: impl Fn(usize) -> bool) -> bool {
    let found: Vec<usize> = set.iter().copied().filter(|at| fits(*at)).collect();
    let any = !found.is_empty();
    if any {
        *set = found;
    }
    any
}

/// The items that compare as equal, of a sorted list.
fn equal_range<T>(sorted: &[T], compare: impl Fn(&T) -> std::cmp::Ordering) -> Range<usize> {
    let start = sorted.partition_point(|item| compare(item).is_lt());
    start..start + sorted[start..].partition_point(|item| compare(item).is_eq())
}

/// One house with a position for each of the first numbers of a list; `back`: of the last ones, the last first.
fn distinct(houses: &[House], back: bool) -> Vec<House> {
    let (mut found, mut rest) = (Vec::new(), houses);
    while found.len() < MOST_NUMBERS {
        let Some(edge) = (if back { rest.last() } else { rest.first() }) else { break };
        let number = edge.parts.number.value();
        let run = if back {
            rest.partition_point(|house| house.parts.number.value() < number)..rest.len()
        } else {
            0..rest.partition_point(|house| house.parts.number.value() <= number)
        };
        found.extend(rest[run.clone()].iter().take(MOST_EACH).find(|house| house.at().is_some()).or(Some(edge)));
        rest = if back { &rest[..run.start] } else { &rest[run.end..] };
    }
    found
}

fn unit_of(territory: &Territory, code: &str) -> Option<Unit> {
    territory.grid_ix(code).map(Unit::Grid).or_else(|| territory.region_ix(code).map(Unit::Region))
}

/// Whether a region that was named is another one than where the place is. One below it says nothing against it.
fn elsewhere(territory: &Territory, mention: &Mention<'_>, unit: Option<Unit>, prefix: &str) -> bool {
    if mention.regions.is_empty() || prefix.contains(mention.text) {
        return false;
    }
    let Some(own) = unit.and_then(|unit| region_of(territory, unit)) else { return true };
    let related =
        |named: &RegionIx| territory.region(*named).subtree.contains(&own.0) || territory.region(own).subtree.contains(&named.0);
    !mention.regions.iter().any(related)
}

/// The region that a unit is, or lies in.
fn region_of(territory: &Territory, unit: Unit) -> Option<RegionIx> {
    match unit {
        Unit::Grid(ix) => territory.grid(ix).parent,
        Unit::Region(ix) => Some(ix),
    }
}

/// When there is no address: the lowest regions named, or a region or grid of just this name.
fn regions(territory: &Territory, asked: &Asked<'_>, allowed: &impl Fn(Option<Unit>) -> bool, found: &mut Vec<Candidate>) {
    let candidate = |unit: Unit, score: f64| Candidate {
        kind: MatchKind::Region,
        score,
        text: match unit {
            Unit::Grid(ix) => territory.grid(ix).name.clone(),
            Unit::Region(ix) => territory.region(ix).name.clone(),
        },
        name: String::new(),
        id: None,
        at: None,
        unit: Some(unit),
        between: None,
    };
    let wanted = if asked.rest.is_empty() { String::new() } else { asked.rest.to_lowercase() };
    if !wanted.is_empty() {
        let hits = territory.search(&wanted, MOST_EACH, |named| {
            let unit = match named {
                Named::Region(ix) => Unit::Region(ix),
                Named::Grid(ix) => Unit::Grid(ix),
            };
            allowed(Some(unit))
        });
        for hit in hits.into_iter().filter(|hit| hit.fit == Fit::Exact) {
            let unit = match hit.named {
                Named::Region(ix) => Unit::Region(ix),
                Named::Grid(ix) => Unit::Grid(ix),
            };
            let against = asked.mentions.iter().any(|mention| elsewhere(territory, mention, Some(unit), ""));
            found.push(candidate(unit, if against { 0.1 } else { 0.2 }));
        }
        if !found.is_empty() {
            return;
        }
    }
    let (short, between) = territory.words().mentions(asked.rest);
    let all: Vec<Mention<'_>> = asked.mentions.iter().copied().chain(short).collect();
    let Some(last) = all.iter().rev().find(|mention| !mention.regions.is_empty()) else { return };
    let score = if between.is_empty() { 0.2 } else { 0.1 };
    for ix in last.regions {
        let unit = Unit::Region(*ix);
        if allowed(Some(unit)) && !all.iter().any(|mention| elsewhere(territory, mention, Some(unit), "")) {
            found.push(candidate(unit, score));
        }
    }
}
