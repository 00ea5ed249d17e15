//! Where two streets meet: 人民路与解放路交叉口, 人民路解放路口. The register has no crossings, so it is where houses of the one come nearest to
//! houses of the other.

use super::asked::{Asked, Reading, end_of};
use super::find::{Found, MatchKind, Search};
use super::houses::{Draft, Told, is_way};
use super::{Site, find};
use crate::domain::id::Unit;
use crate::geom::{LatticePoint, measure};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is said behind two streets.
const ENDS: [&str; 12] = [
    "交叉路口",
    "十字路口",
    "丁字路口",
    "三岔路口",
    "交叉口",
    "交汇处",
    "交会处",
    "交界处",
    "交叉处",
    "相交处",
    "交汇口",
    "交叉",
];
/// What may stand between them; a stroke or a comma is gone already.
const JOINTS: [&str; 7] = ["与", "和", "跟", "及", "同", "-", ""];
/// How far apart the nearest houses of streets that meet may be, in metres, and what is sure then. A grid's border often runs there, so
/// no grid is taken from it.
const NEAR: [(f64, f64); 3] = [(50.0, 0.6), (100.0, 0.5), (150.0, 0.4)];
/// Cells in which near houses are sought (0.0025°): in China no smaller than the farthest of [`NEAR`].
const CELL: i32 = 25_000;
/// Places of houses of a name that are looked at: all of some streets of a name. Of two names so many pairs are compared at most, where all
/// stand close together.
const MOST_HOUSES: usize = 4_000;

/// A street, one of its houses and where that is.
type Placed = (u32, usize, LatticePoint);

/// Houses of some streets in one cell, those of one street together.
type InCell = Vec<(u32, Vec<(usize, LatticePoint)>)>;

/// Houses of two streets that are near each other.
#[derive(Clone, Copy)]
struct Pair {
    /// Lattice units of latitude, squared.
    apart: f64,
    one: usize,
    other: usize,
}

impl<'a, A: Fn(Option<Unit>) -> bool> Search<'a, A> {
    /// The crossings that a cleaned text may mean, and how it was read. `said`: what words before it leave of a score.
    pub(super) fn crossings(&self, text: &'a str, said: f64) -> Option<(Asked<'a>, Reading<'a>, Vec<Found>)> {
        let (text, near) = without_crossing(text);
        let (mentions, rest) = self.territory.words().take_off(text);
        for (first, second) in two_streets(rest) {
            let others = self.streets(second);
            if others.is_empty() {
                continue;
            }
            for from in find::ends(first) {
                let ones = self.streets(&first[from..]);
                if ones.is_empty() {
                    continue;
                }
                let asked = Asked::street(mentions.clone(), rest, first, said * near);
                let reading = Reading { street: &rest[from..], ..asked.reading(self.all, self.territory, from) };
                let drafts = self.meetings(&ones, &others);
                let found: Vec<Found> = drafts.into_iter().filter_map(|draft| self.placed(&asked, &reading, draft)).collect();
                if !found.is_empty() {
                    return Some((asked, reading, found));
                }
            }
        }
        None
    }

    /// Streets of a name, with what the name leaves of a score.
    fn streets(&self, name: &str) -> Vec<(u32, f64)> {
        let street = |(site, factor)| match site {
            Site::Street(at) => Some((at, factor)),
            Site::Estate(_) => None,
        };
        self.all.sites(name).into_iter().filter_map(street).collect()
    }

    /// Where streets of one name come near to streets of another.
    fn meetings(&self, ones: &[(u32, f64)], others: &[(u32, f64)]) -> Vec<Draft> {
        let cell = |at: LatticePoint| (at.x.div_euclid(CELL), at.y.div_euclid(CELL));
        let houses = |streets: &[(u32, f64)]| -> Vec<Placed> {
            let all = streets.iter().flat_map(|(street, _)| self.all.houses_of(*street as usize).map(|house| (*street, house)));
            let placed = all.filter_map(|(street, house)| Some((street, house, self.all.houses[house].at()?)));
            // Rooms of a house stand where it stands.
            let mut places = HashSet::new();
            let seen = placed.filter(|(_, house, _)| self.sees(*house)).filter(|(street, _, at)| places.insert((*street, *at)));
            seen.take(MOST_HOUSES).collect()
        };
        let mut cells: HashMap<(i32, i32), InCell> = HashMap::new();
        for (street, house, at) in houses(ones) {
            let streets = cells.entry(cell(at)).or_default();
            match streets.last_mut() {
                Some((last, houses)) if *last == street => houses.push((house, at)),
                _ => streets.push((street, vec![(house, at)])),
            }
        }
        // Which is nearest is decided in the plane; how near it is, on the ellipsoid.
        let mut nearest: BTreeMap<(u32, u32), Pair> = BTreeMap::new();
        for (street, house, at) in houses(others) {
            let narrow = at.lonlat().lat().to_radians().cos();
            let apart = |place: LatticePoint| (f64::from(at.x - place.x) * narrow).powi(2) + f64::from(at.y - place.y).powi(2);
            let (x, y) = cell(at);
            let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
            for (one, nearby) in around.filter_map(|cell| cells.get(&cell)).flatten().filter(|(one, _)| *one != street) {
                let pairs = nearby.iter().map(|(one, place)| Pair { apart: apart(*place), one: *one, other: house });
                let Some(least) = pairs.min_by(|a, b| a.apart.total_cmp(&b.apart)) else { continue };
                let known = nearest.entry((*one, street)).or_insert(least);
                if least.apart < known.apart {
                    *known = least;
                }
            }
        }
        let factor =
            |streets: &[(u32, f64)], street: u32| streets.iter().find(|(of, _)| *of == street).map_or(0.0, |(_, factor)| *factor);
        let draft = |((one, other), pair): ((u32, u32), Pair)| {
            let (a, b) = (self.all.houses[pair.one].at()?, self.all.houses[pair.other].at()?);
            let distance_m = measure::distance_m(a.lonlat(), b.lonlat());
            let (_, score) = NEAR.into_iter().find(|(within_m, _)| distance_m <= *within_m)?;
            let middle = |a: i32, b: i32| a + (b - a) / 2;
            let name = |street| self.all.name_of(Site::Street(street));
            let text = format!("{}与{}交叉口", name(one), name(other));
            Some(Draft {
                kind: MatchKind::Road,
                at: Some(LatticePoint::new(middle(a.x, b.x), middle(a.y, b.y))),
                house: Some(pair.one),
                ..Draft::of(Told::As(text), score * factor(ones, one) * factor(others, other))
            })
        };
        nearest.into_iter().filter_map(draft).collect()
    }
}

/// A text without what says that two streets meet, and what words behind that leave of a score.
fn without_crossing(text: &str) -> (&str, f64) {
    let (mut text, mut near) = (text, 1.0);
    loop {
        if let Some(bare) = ENDS.into_iter().find_map(|end| text.strip_suffix(end)) {
            return (bare, near);
        }
        let Some((rest, factor)) = end_of(text) else { return (text, near) };
        // 人民路解放路口 is the crossing, and no place beside it.
        near = if text.ends_with('口') { near } else { near * factor };
        text = rest.strip_suffix('的').unwrap_or(rest);
    }
}

/// Every way to part a text into the names of two streets.
fn two_streets(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parted = text.char_indices().skip(2).map(move |(at, _)| text.split_at(at));
    let ways = parted.filter(|(first, _)| is_way(first) && !first.is_ascii());
    ways.flat_map(|(first, rest)| JOINTS.into_iter().filter_map(move |joint| Some((first, rest.strip_prefix(joint)?))))
        .filter(|(_, second)| second.chars().nth(1).is_some())
}
