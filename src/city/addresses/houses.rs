//! The houses of one street or estate that fit what is asked for, the best way to fit first.

use super::asked::Asked;
use super::build::apart;
use super::find::{MatchKind, Search, equal_range};
use super::{Addresses, House, Site, Text};
use crate::domain::address::clean::{clean, key, written};
use crate::domain::address::parts::{Part, Parts, house};
use crate::domain::id::Unit;
use crate::geom::{LatticePoint, measure};
use std::ops::Range;

/// Houses of one street that are looked at one by one.
const MOST_HOUSES: usize = 20_000;
/// Addresses of one house that are candidates each.
const MOST_EACH: usize = 100;
/// Distinct numbers to each side among which neighbours are sought.
const MOST_NUMBERS: usize = 12;
/// Neighbours farther apart than this, in metres, say nothing about what is between them. A guess.
const FARTHEST_M: f64 = 500.0;
/// The street is known, not the number; the estate, not the house in it.
const ONLY_THE_STREET: f64 = 0.3;

/// How a candidate is shown.
pub(super) enum Told {
    /// As the register has it.
    Own,
    /// The beginning of what the register has: to the lane or group, number, building or unit.
    Until(usize),
    /// In these words.
    As(String),
}

/// A candidate before it is placed.
pub(super) struct Draft {
    pub(super) kind: MatchKind,
    pub(super) score: f64,
    pub(super) told: Told,
    /// The house whose place and prefix it has.
    pub(super) house: Option<usize>,
    /// It is this very address.
    pub(super) own: bool,
    pub(super) at: Option<LatticePoint>,
    pub(super) between: Option<[String; 2]>,
    /// By which name it was found.
    pub(super) site: Option<Site>,
}

impl Draft {
    pub(super) fn of(told: Told, score: f64) -> Self {
        Self { kind: MatchKind::Road, score, told, house: None, own: false, at: None, between: None, site: None }
    }
}

/// What is asked of one street or estate.
struct Wanted<'w, 'q> {
    asked: &'w Asked<'q>,
    parts: Parts,
    site: Site,
    /// What its name leaves of a score.
    factor: f64,
}

impl<A: Fn(Option<Unit>) -> bool> Search<'_, A> {
    /// What a street or estate has of what is asked for.
    pub(super) fn at_site(&self, site: Site, factor: f64, (asked, parts): (&Asked<'_>, Parts), drafts: &mut Vec<Draft>) {
        let wanted = Wanted { asked, parts, site, factor };
        let before = drafts.len();
        match site {
            Site::Street(at) => self.in_street(at as usize, &wanted, drafts),
            Site::Estate(at) => self.in_estate(at as usize, &wanted, drafts),
        }
        drafts[before..].iter_mut().for_each(|draft| draft.site = Some(site));
    }

    fn in_street(&self, street: usize, wanted: &Wanted<'_, '_>, drafts: &mut Vec<Draft>) {
        let all = self.all.houses_of(street);
        let parts = &wanted.parts;
        let range = |of: fn(&House) -> Parts, sought: Parts| {
            let found = equal_range(&self.all.houses[all.clone()], |house| of(house).cmp(&sought));
            all.start + found.start..all.start + found.end
        };
        let exact = range(|house| house.parts.to_number(), parts.to_number());
        // Of an estate without numbers the houses are its buildings: where this one is not, it may be in a part of it.
        let is_house =
            |at: usize| parts.number.is_some() || !parts.building.is_some() || self.parts(at).building == parts.building;
        // What may not be seen is not there: a house that stands elsewhere hides no other way to read what is asked for.
        let mut seen = exact.clone().filter(|at| self.sees(*at));
        let first = seen.clone().next();
        if first.is_some_and(|first| !parts.is_empty() || self.parts(first).is_empty()) && seen.any(is_house) {
            let set = self.looked_at(exact, parts);
            return self.inside(set, parts, 1.0, wanted, drafts);
        }
        if parts.is_empty() {
            return self.only_the_street(all, 0.4, wanted, drafts);
        }
        let lane = range(|house| house.parts.to_group(), parts.to_group());
        let has_group = !parts.to_group().is_empty() && lane.clone().any(|at| self.sees(at));
        for (fits, how) in nearly(parts, has_group) {
            let set = self.looked_at(all.clone().filter(|at| fits(self.parts(*at))), parts);
            let Some(first) = set.first() else { continue };
            match how {
                Nearly::House(score) => {
                    let own = self.all.houses[*first].parts.inner().is_empty();
                    let told = if own { Told::Own } else { Told::Until(1) };
                    let draft = Draft::of(told, score * wanted.factor);
                    drafts.push(Draft { kind: MatchKind::Building, own, house: Some(*first), ..draft });
                }
                Nearly::Inside(inner, score) => self.inside(set, &inner, score, wanted, drafts),
            }
            return;
        }
        // Houses of an estate or village have no order.
        if let Some(number) = parts.number.value()
            && (parts.lane.is_some() && parts.lane.word().is_way() || is_way(self.all.name_of(wanted.site)))
            && let Some(draft) = self.between(lane.clone(), number, wanted)
        {
            drafts.push(draft);
            return;
        }
        match self.middle(lane.clone()).filter(|_| !parts.to_group().is_empty()) {
            Some(at) => drafts.push(Draft { house: Some(at), ..Draft::of(Told::Until(0), 0.5 * wanted.factor) }),
            None => self.only_the_street(all, ONLY_THE_STREET, wanted, drafts),
        }
    }

    /// Houses with the name of an estate behind their number, by that name. Numbers that are asked for are of the estate: 东海花园A区3号.
    fn in_estate(&self, estate: usize, wanted: &Wanted<'_, '_>, drafts: &mut Vec<Draft>) {
        let asked = &wanted.parts;
        let all = self.looked_at(self.all.houses_of_estate(estate).iter().map(|at| *at as usize), asked);
        let parts = |at: &usize| self.parts(*at);
        let only = |score: f64, drafts: &mut Vec<Draft>| {
            if let Some(at) = all.get(all.len() / 2) {
                let name = Told::As(self.all.name_of(wanted.site).to_owned());
                drafts.push(Draft { house: Some(*at), ..Draft::of(name, score * wanted.factor.max(0.95)) });
            }
        };
        if asked.is_empty() {
            return only(0.4 / 0.95, drafts);
        }
        let by_outer: Vec<(usize, f64)> = all.iter().filter_map(|at| Some((*at, outer(asked, parts(at), false)?))).collect();
        let best = by_outer.iter().map(|(_, score)| *score).fold(0.0, f64::max);
        let set: Vec<usize> = by_outer.into_iter().filter(|(_, score)| *score == best).map(|(at, _)| at).collect();
        // 3号 of an estate is a house in it; 环城南路128号东海花园 may be asked for as 东海花园128号, too.
        let house = Parts { building: asked.number, unit: asked.unit, room: asked.room, ..Parts::default() };
        let (set, inner, sub) = match (asked.number.is_some(), asked.building.is_some()) {
            (false, _) => (set, asked.inner(), true),
            (true, false) if set.iter().any(|at| parts(at).building == asked.number) => (set, house, !asked.sub.is_some()),
            (true, _) => {
                let set: Vec<usize> = set.into_iter().filter(|at| parts(at).number == asked.number).collect();
                let same = set.iter().any(|at| parts(at).sub == asked.sub);
                (set, asked.inner(), same)
            }
        };
        if set.is_empty() {
            return only(ONLY_THE_STREET, drafts);
        }
        self.inside(set, &inner, best * if sub { 1.0 } else { 0.85 }, wanted, drafts);
    }

    /// Those of some houses that may be seen. Of more than can be looked at one by one those that have what was asked for within a house.
    fn looked_at(&self, houses: impl Iterator<Item = usize> + Clone, asked: &Parts) -> Vec<usize> {
        let some: Vec<usize> = houses.clone().filter(|at| self.sees(*at)).take(MOST_HOUSES).collect();
        if some.len() < MOST_HOUSES {
            return some;
        }
        let inner = asked.inner();
        let to_unit = Parts { room: Part::NONE, ..inner };
        let to_building = Parts { unit: Part::NONE, ..to_unit };
        let fitting = |wanted: &Parts| -> Vec<usize> {
            let same = |(sought, found): (Part, Part)| !sought.is_some() || sought == found;
            let fits = |found: &Parts| {
                [(wanted.building, found.building), (wanted.unit, found.unit), (wanted.room, found.room)].into_iter().all(same)
            };
            houses.clone().filter(|at| fits(self.parts(*at)) && self.sees(*at)).take(MOST_HOUSES).collect()
        };
        [inner, to_unit, to_building].iter().map(fitting).find(|set| !set.is_empty()).unwrap_or(some)
    }

    /// Addresses of one house, or of one estate: those that have what was asked for within it.
    fn inside(&self, mut set: Vec<usize>, parts: &Parts, full: f64, wanted: &Wanted<'_, '_>, drafts: &mut Vec<Draft>) {
        let full = full * wanted.factor;
        let houses = &self.all.houses;
        let asked = wanted.asked;
        let place = key(asked.parsed.place);
        if !place.is_empty() {
            narrow(&mut set, |at| self.all.place_key(at) == place);
        }
        narrow(&mut set, |at| self.all.texts.of(houses[at].tail) == asked.parsed.tail);
        let Some(first) = set.first().copied() else { return };
        type Of = fn(&Parts) -> Part;
        let steps: [(Part, Of); 3] =
            [(parts.building, |parts| parts.building), (parts.unit, |parts| parts.unit), (parts.room, |parts| parts.room)];
        for (step, (sought, of)) in steps.into_iter().enumerate() {
            if sought.is_some() && !narrow(&mut set, |at| of(&houses[at].parts) == sought) {
                // An estate has no one place where its houses would be.
                let of_house = houses[first].parts.number.is_some() && matches!(wanted.site, Site::Street(_));
                if step == 0 && !of_house {
                    let name = Told::As(self.all.name_of(wanted.site).to_owned());
                    let score = ONLY_THE_STREET * wanted.factor;
                    drafts.push(Draft { house: Some(set[set.len() / 2]), ..Draft::of(name, score) });
                    return;
                }
                // The house itself comes first, when it is an address of its own.
                let at = set[0];
                let score = if step == 0 { 0.8 } else { 0.9 };
                let found = houses[at].parts;
                let shown = Parts {
                    building: if step > 0 { found.building } else { Part::NONE },
                    unit: if step > 1 { found.unit } else { Part::NONE },
                    ..found.to_number()
                };
                let own = found == shown;
                let told = if own { Told::Own } else { Told::Until(step + 1) };
                drafts.push(Draft { kind: MatchKind::Building, own, house: Some(at), ..Draft::of(told, score * full) });
                return;
            }
        }
        let whole = |at: &usize| houses[*at].parts.inner() == parts.inner() && self.plain(*at, wanted);
        let exact: Vec<usize> = set.iter().copied().filter(whole).take(MOST_EACH).collect();
        let (some, score) = match (exact.is_empty(), parts.room.is_some()) {
            (false, _) => (exact, full),
            (true, true) => (set.iter().copied().take(MOST_EACH).collect(), 0.9 * full),
            (true, false) => (Vec::new(), 0.0),
        };
        for at in &some {
            drafts.push(Draft { kind: MatchKind::Exact, own: true, house: Some(*at), ..Draft::of(Told::Own, score) });
        }
        if some.is_empty() {
            // Only what is within it has addresses.
            let depth = if parts.unit.is_some() {
                3
            } else if parts.building.is_some() {
                2
            } else {
                1
            };
            let at = set[set.len() / 2];
            drafts.push(Draft { kind: MatchKind::Building, house: Some(at), ..Draft::of(Told::Until(depth), 0.95 * full) });
        }
    }

    /// Whether a house has no more words than were asked for.
    fn plain(&self, at: usize, wanted: &Wanted<'_, '_>) -> bool {
        let house = &self.all.houses[at];
        let (tail, parsed) = (self.all.texts.of(house.tail), &wanted.asked.parsed);
        (tail.is_empty() || tail == parsed.tail)
            && (house.place == Text::default()
                || house.parts.building.is_some()
                || matches!(wanted.site, Site::Estate(_))
                || self.all.place_key(at) == key(parsed.place))
    }

    /// A place between the two nearest known numbers of a lane.
    fn between(&self, lane: Range<usize>, number: u32, wanted: &Wanted<'_, '_>) -> Option<Draft> {
        let houses = &self.all.houses[lane.clone()];
        let middle = lane.start + houses.partition_point(|house| house.parts.number.value().unwrap_or(0) < number);
        // Numbers with many rooms are passed over by jumps.
        let below = self.distinct(lane.start..middle, true);
        let above = self.distinct(middle..lane.end, false);
        let same_side = |(value, ..): &&(u32, LatticePoint, usize)| value % 2 == number % 2;
        let pair = |same: bool| {
            let nearest = |some: &[(u32, LatticePoint, usize)]| some.iter().find(|one| !same || same_side(one)).copied();
            let (a, b) = (nearest(&below)?, nearest(&above)?);
            (measure::distance_m(a.1.lonlat(), b.1.lonlat()) <= FARTHEST_M).then_some((a, b))
        };
        let ((a, b), score) = pair(true).map(|pair| (pair, 0.7)).or_else(|| pair(false).map(|pair| (pair, 0.5)))?;
        let share = f64::from(number - a.0) / f64::from(b.0 - a.0);
        let along = |from: i32, to: i32| from + (f64::from(to - from) * share).round() as i32;
        let shown = wanted.parts.to_number();
        Some(Draft {
            kind: MatchKind::Interpolated,
            at: Some(LatticePoint::new(along(a.1.x, b.1.x), along(a.1.y, b.1.y))),
            // Whose regions it has, for want of its own.
            house: Some(a.2),
            between: Some([self.told(Told::Until(1), Some(a.2)), self.told(Told::Until(1), Some(b.2))]),
            ..Draft::of(Told::As(format!("{}{}", self.all.name_of(wanted.site), house(&shown))), score * wanted.factor)
        })
    }

    /// One house with a position for each of the first numbers of some houses; `back`: of the last ones, the last first.
    fn distinct(&self, houses: Range<usize>, back: bool) -> Vec<(u32, LatticePoint, usize)> {
        let (mut found, mut rest, mut looked) = (Vec::new(), houses, 0);
        let value = |at: usize| self.all.houses[at].parts.number.value();
        while looked < MOST_NUMBERS && !rest.is_empty() {
            let number = value(if back { rest.end - 1 } else { rest.start });
            let all = &self.all.houses[rest.clone()];
            let run = if back {
                rest.start + all.partition_point(|house| house.parts.number.value() < number)..rest.end
            } else {
                rest.start..rest.start + all.partition_point(|house| house.parts.number.value() <= number)
            };
            let mut seen = run.clone().filter(|at| self.sees(*at)).take(MOST_EACH).peekable();
            looked += usize::from(seen.peek().is_some());
            let placed = seen.find(|at| self.all.houses[*at].at().is_some());
            if let (Some(number), Some(at)) = (number, placed) {
                found.extend(self.all.houses[at].at().map(|place| (number, place, at)));
            }
            rest = if back { rest.start..run.start } else { run.end..rest.end };
        }
        found
    }

    /// A house in the middle of some, of those that may be seen.
    fn middle(&self, houses: Range<usize>) -> Option<usize> {
        if self.sees_everything() {
            return (!houses.is_empty()).then(|| houses.start + houses.len() / 2);
        }
        // Of the others those that are seen are counted, so that the place tells nothing of the rest.
        let seen: Vec<usize> = houses.filter(|at| self.sees(*at)).collect();
        seen.get(seen.len() / 2).copied()
    }

    fn only_the_street(&self, all: Range<usize>, score: f64, wanted: &Wanted<'_, '_>, drafts: &mut Vec<Draft>) {
        if let Some(at) = self.middle(all) {
            let name = Told::As(self.all.name_of(wanted.site).to_owned());
            drafts.push(Draft { house: Some(at), ..Draft::of(name, score * wanted.factor) });
        }
    }

    fn parts(&self, house: usize) -> &Parts {
        &self.all.houses[house].parts
    }

    /// The words for a candidate.
    pub(super) fn told(&self, told: Told, house: Option<usize>) -> String {
        let text = house.map_or("", |at| self.all.texts.of(self.all.houses[at].text));
        match told {
            Told::As(text) => text,
            Told::Own => text.to_owned(),
            Told::Until(depth) => {
                let clean = clean(text);
                let apart = apart(&clean, self.territory.words());
                let end = apart.parsed.ends[..=depth].iter().copied().max().filter(|end| *end > 0);
                let end = end.map_or(clean.len(), |end| apart.from + end);
                written(text, end).to_owned()
            }
        }
    }
}

impl Addresses {
    fn place_key(&self, house: usize) -> String {
        key(self.texts.of(self.houses[house].place))
    }
}

/// What is told of a house that fits nearly.
enum Nearly {
    /// The house itself, no more.
    House(f64),
    /// What is within it, by these numbers.
    Inside(Parts, f64),
}

/// Whether the numbers of a house fit.
type Fits = Box<dyn Fn(&Parts) -> bool>;

/// Ways in which a house of a street can fit nearly, the best first. Nothing of this is tried where a house fits exactly. `has_group`: the
/// lane or part that was asked for is known, so what is in none of them is not in it.
fn nearly(asked: &Parts, has_group: bool) -> Vec<(Fits, Nearly)> {
    let asked = *asked;
    let mut ways: Vec<(Fits, Nearly)> = Vec::new();
    let mut way = |fits: Fits, how: Nearly| ways.push((fits, how));
    let same_house = move |found: &Parts| (found.number, found.sub) == (asked.number, asked.sub);
    let house = asked.to_number();
    if asked.number.is_some() || !asked.inner().is_empty() {
        for score in [0.9, 0.8].into_iter().take(if has_group { 1 } else { 2 }) {
            let fits = move |found: &Parts| same_house(found) && outer(&asked, found, true) == Some(score);
            way(Box::new(fits), Nearly::Inside(asked, score));
        }
    }
    if asked.number.is_some() {
        let without = Parts { sub: Part::NONE, ..house };
        if asked.sub.is_some() {
            way(Box::new(move |found| found.to_number() == without), Nearly::House(0.85));
        } else {
            way(Box::new(move |found| Parts { sub: Part::NONE, ..found.to_number() } == without), Nearly::House(0.85));
        }
        let unmarked = Parts { number: asked.number.unmarked(), ..without };
        if asked.number.is_marked() {
            way(Box::new(move |found| found.to_number() == unmarked), Nearly::House(0.85));
        } else {
            let fits = move |found: &Parts| {
                found.number.is_marked() && Parts { number: found.number.unmarked(), ..found.to_number() } == unmarked
            };
            way(Box::new(fits), Nearly::House(0.8));
        }
        if asked.lane.is_some() {
            let fits =
                move |found: &Parts| found.lane.value() == asked.lane.value() && found.group == asked.group && same_house(found);
            way(Box::new(fits), Nearly::Inside(asked, 0.6));
        }
    }
    // 3号 and 3幢 of an estate are hardly two houses.
    match (asked.number.is_some(), asked.building.is_some()) {
        (true, false) if !asked.sub.is_some() => {
            let fits = move |found: &Parts| {
                !found.number.is_some() && found.building == asked.number && found.to_group() == asked.to_group()
            };
            let inner = Parts { number: Part::NONE, building: asked.number, ..asked };
            way(Box::new(fits), Nearly::Inside(inner, 0.9));
        }
        (false, true) => {
            let number = Parts { number: asked.building, building: Part::NONE, ..asked };
            way(Box::new(move |found| found.to_number() == number.to_number()), Nearly::Inside(number, 0.9));
        }
        _ => {}
    }
    ways
}

/// How lanes and parts of an estate fit: 1 when they are the same, 0.9 when the house has a part that was not asked for, 0.8 when it has
/// none; `None` when it has another. `ways`: lanes that were not asked for count, too.
fn outer(asked: &Parts, found: &Parts, ways: bool) -> Option<f64> {
    let split = |parts: &Parts, way: bool| -> Vec<Part> {
        [parts.lane, parts.group].into_iter().filter(|part| part.is_some() && part.word().is_way() == way).collect()
    };
    let (asked_ways, found_ways) = (split(asked, true), split(found, true));
    if asked_ways != found_ways && (ways || !asked_ways.iter().all(|way| found_ways.contains(way))) {
        return None;
    }
    let (asked, found) = (split(asked, false), split(found, false));
    match () {
        () if asked == found => Some(1.0),
        () if asked.iter().all(|part| found.contains(part)) => Some(0.9),
        () if found.is_empty() => Some(0.8),
        () => None,
    }
}

/// How the names of streets end along which houses are numbered.
const WAYS: [&str; 9] = ["路", "街", "巷", "弄", "道", "线", "段", "胡同", "堤"];

/// Whether a name is that of a street: no village, no estate. Names in Latin letters are taken for streets.
pub(super) fn is_way(name: &str) -> bool {
    let last = name.trim_end_matches(|c| "东南西北中".contains(c));
    WAYS.iter().any(|way| last.ends_with(way)) || name.is_ascii()
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
