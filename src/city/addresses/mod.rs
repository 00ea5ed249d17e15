//! Addresses in memory, to be found by what people write: streets by name, their houses in the order of their numbers. An address takes 64
//! bytes and what its own names take; names that many share are kept once.
//!
//! [`find`] answers; this file is how it is laid out and made.

pub mod find;
#[cfg(test)]
mod tests;

use crate::domain::address::AddressRow;
use crate::domain::address::clean::{clean, key};
use crate::domain::address::parts::{Parts, house, inside, parse};
use crate::domain::code::Code;
use crate::domain::hash::hash64_of_parts;
use crate::domain::id::AddressId;
use crate::geom::LatticePoint;
use crate::territory::Territory;
use crate::territory::words::RegionWords;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// All addresses of one revision.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    texts: Texts,
    /// By key, then where they lie.
    streets: Vec<Street>,
    /// By street, then number.
    houses: Vec<House>,
    /// Houses with the name of an estate behind their number, by its key.
    places: Vec<u32>,
    /// Houses with a name of their own, by its key.
    named: Vec<u32>,
    /// Where houses without a position are known to be.
    within: HashMap<u32, Code>,
    /// The names of regions that were taken off the beginnings.
    words: u64,
    /// Hash of the rows they were made of.
    rows: u64,
}

/// A street, village or estate: houses with one name that lie together. Two streets of one name far apart are two.
#[derive(Debug, Clone, Copy)]
struct Street {
    key: Text,
    name: Text,
    /// Its first house; the next street's is behind its last.
    first: u32,
}

/// One address.
#[derive(Debug, Clone, Copy)]
struct House {
    id: AddressId,
    /// [`NOWHERE`] when it has no position.
    at: LatticePoint,
    parts: Parts,
    place: Text,
    tail: Text,
    /// The regions it names.
    prefix: Text,
    name: Text,
}

/// What stands for no position: no latitude is so far south.
const NOWHERE: LatticePoint = LatticePoint { x: i32::MIN, y: i32::MIN };

impl House {
    fn at(&self) -> Option<LatticePoint> {
        (self.at != NOWHERE).then_some(self.at)
    }
}

/// Houses of one name belong together when a chain of cells of this size (0.02°, 2 km) that touch each other joins them.
const CELL: i32 = 200_000;

/// A text that is kept once. The first is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Text(u32);

#[derive(Debug, Clone, Default)]
struct Texts {
    all: String,
    /// Where each begins, and the end of the last.
    starts: Vec<u32>,
}

impl Texts {
    fn of(&self, text: Text) -> &str {
        let at = text.0 as usize;
        if at + 1 >= self.starts.len() { "" } else { &self.all[self.starts[at] as usize..self.starts[at + 1] as usize] }
    }
}

/// Texts on their way in.
#[derive(Default)]
struct Interned {
    known: HashMap<Box<str>, Text>,
    texts: Texts,
}

impl Interned {
    fn add(&mut self, text: &str) -> Text {
        if self.texts.starts.is_empty() {
            self.texts.starts = vec![0, 0];
        }
        if text.is_empty() {
            return Text::default();
        }
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let id = Text(self.texts.starts.len() as u32 - 1);
        self.texts.all.push_str(text);
        self.texts.starts.push(u32::try_from(self.texts.all.len()).expect("the names of a city are less than 4 GB"));
        self.known.insert(text.into(), id);
        id
    }
}

/// An address on its way in.
struct Draft {
    key: Text,
    street: Text,
    /// Which of the streets of its name.
    cluster: u32,
    house: House,
    within: Option<Code>,
}

impl Addresses {
    /// All of them at once: about 2 µs each.
    pub fn new(rows: Vec<AddressRow>, territory: &Territory) -> Self {
        let words = territory.words();
        let said = Self::hash_of(&rows);
        let mut texts = Interned::default();
        let mut drafts: Vec<Draft> = rows.into_iter().map(|row| draft(row, words, &mut texts)).collect();
        let Interned { texts, .. } = texts;
        let ranks = ranks(&drafts, &texts);
        drafts.sort_unstable_by_key(|draft| ranks[draft.key.0 as usize]);
        drafts.chunk_by_mut(|a, b| a.key == b.key).for_each(cluster);
        let order = |draft: &Draft| (draft.cluster, draft.house.parts, draft.house.place, draft.house.tail, draft.house.id);
        drafts.chunk_by_mut(|a, b| a.key == b.key).for_each(|street| street.sort_unstable_by_key(order));

        let mut all = Self { texts, words: words.tag(), rows: said, houses: Vec::with_capacity(drafts.len()), ..Self::default() };
        let mut last = None;
        for draft in drafts {
            let at = u32::try_from(all.houses.len()).expect("a city has fewer than 2^32 addresses");
            if last.replace((draft.key, draft.cluster)) != Some((draft.key, draft.cluster)) {
                all.streets.push(Street { key: draft.key, name: draft.street, first: at });
            }
            if let (None, Some(within)) = (draft.house.at(), draft.within) {
                all.within.insert(at, within);
            }
            all.houses.push(draft.house);
        }
        all.places = all.by_key(|house| house.place);
        all.named = all.by_key(|house| house.name);
        all.streets.shrink_to_fit();
        all.texts.all.shrink_to_fit();
        all.texts.starts.shrink_to_fit();
        all
    }

    /// What rows say, as a number: rows of the same number need not be taken in again.
    pub fn hash_of(rows: &[AddressRow]) -> u64 {
        let said = rows.iter().map(|row| {
            let place = row.at.map_or((0, 0), |at| (at.x, at.y));
            let within = row.within.as_ref().map_or("", |code| code.as_str());
            let numbers = format!("{} {} {}", row.id, place.0, place.1);
            hash64_of_parts([numbers.as_str(), within, &*row.text, &*row.name])
        });
        said.fold(0, |all, one| all.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(one))
    }

    /// Whether they were made of rows of this hash.
    pub fn are_of(&self, hash: u64) -> bool {
        self.rows == hash
    }

    /// The same addresses, taken apart by the names of other regions.
    pub fn renamed(&self, territory: &Territory) -> Self {
        Self { rows: self.rows, ..Self::new(self.taken_out(), territory) }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.houses.len()
    }

    /// None is known.
    pub fn is_empty(&self) -> bool {
        self.houses.is_empty()
    }

    /// What they take in memory, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.houses[..])
            + size_of_val(&self.streets[..])
            + size_of_val(&self.places[..])
            + size_of_val(&self.named[..])
            + size_of_val(&self.texts.starts[..])
            + self.texts.all.len()
            + self.within.len() * size_of::<(u32, Code)>()
    }

    /// Whether they were made with the names of this territory's regions.
    pub fn fits(&self, territory: &Territory) -> bool {
        self.is_empty() || self.words == territory.words().tag()
    }

    /// The rows that these were made of, but for the writing of their texts.
    fn taken_out(&self) -> Vec<AddressRow> {
        let row = |at: usize| {
            let house = &self.houses[at];
            let prefix = self.texts.of(house.prefix);
            AddressRow {
                id: house.id,
                at: house.at(),
                within: self.within.get(&(at as u32)).cloned(),
                text: format!("{prefix}{}", self.text(at)).into(),
                name: self.texts.of(house.name).into(),
            }
        };
        (0..self.houses.len()).map(row).collect()
    }

    /// Names of all streets with the place of the house in their middle, by key.
    pub fn streets(&self) -> impl Iterator<Item = (&str, Option<LatticePoint>)> {
        (0..self.streets.len()).map(|at| (self.texts.of(self.streets[at].name), self.middle(self.houses_of(at))))
    }

    fn by_key(&self, text: impl Fn(&House) -> Text) -> Vec<u32> {
        let mut found: Vec<u32> =
            (0..self.houses.len() as u32).filter(|at| text(&self.houses[*at as usize]) != Text::default()).collect();
        let mut keys: HashMap<Text, String> = HashMap::new();
        for at in &found {
            let text = text(&self.houses[*at as usize]);
            keys.entry(text).or_insert_with(|| key(self.texts.of(text)));
        }
        found.sort_by(|a, b| keys[&text(&self.houses[*a as usize])].cmp(&keys[&text(&self.houses[*b as usize])]));
        found.shrink_to_fit();
        found
    }

    /// The houses of a street.
    fn houses_of(&self, street: usize) -> Range<usize> {
        let end = self.streets.get(street + 1).map_or(self.houses.len(), |next| next.first as usize);
        self.streets[street].first as usize..end
    }

    /// The street of a house.
    fn street_of(&self, house: usize) -> &Street {
        &self.streets[self.streets.partition_point(|street| street.first as usize <= house) - 1]
    }

    /// Where the middle one of some houses is that have a position.
    fn middle(&self, houses: Range<usize>) -> Option<LatticePoint> {
        let middle = houses.start + houses.len() / 2;
        let outward = (middle..houses.end).chain((houses.start..middle).rev());
        outward.filter_map(|at| self.houses[at].at()).next()
    }

    /// An address without the regions it names.
    fn text(&self, at: usize) -> String {
        let found = &self.houses[at];
        let name = self.texts.of(self.street_of(at).name);
        let place = self.texts.of(found.place);
        format!("{name}{}{place}{}{}", house(&found.parts), inside(&found.parts), self.texts.of(found.tail))
    }
}

fn draft(row: AddressRow, words: &RegionWords, texts: &mut Interned) -> Draft {
    let text = clean(&row.text);
    let (mentions, rest) = words.take_off(&text);
    let parsed = parse(rest, !mentions.is_empty());
    let mut prefix = &text[..text.len() - rest.len()];
    let mut street = words.behind_short(parsed.street);
    if let (true, Some(last)) = (street.is_empty(), mentions.last()) {
        // 螺门村12号: the village is the street.
        street = last.text;
        prefix = prefix.trim_end().strip_suffix(street).unwrap_or(prefix);
    } else if street.len() < parsed.street.len() {
        // What is left of the street's name is a piece of the text.
        prefix = &text[..street.as_ptr().addr() - text.as_ptr().addr()];
    }
    Draft {
        key: texts.add(&key(street)),
        street: texts.add(street),
        cluster: 0,
        house: House {
            id: row.id,
            at: row.at.unwrap_or(NOWHERE),
            parts: parsed.parts,
            place: texts.add(parsed.place),
            tail: texts.add(&parsed.tail),
            prefix: texts.add(prefix),
            name: texts.add(&clean(&row.name)),
        },
        within: row.within.filter(|_| row.at.is_none()),
    }
}

/// The place of each key among all keys.
fn ranks(drafts: &[Draft], texts: &Texts) -> Vec<u32> {
    let mut keys: Vec<Text> = drafts.iter().map(|draft| draft.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.sort_unstable_by(|a, b| texts.of(*a).cmp(texts.of(*b)));
    let mut ranks = vec![0; texts.starts.len()];
    for (rank, key) in (0..).zip(keys) {
        ranks[key.0 as usize] = rank;
    }
    ranks
}

/// Numbers the streets of one name: houses in cells that touch each other are one. Houses without a position go by their region.
fn cluster(houses: &mut [Draft]) {
    let cell = |draft: &Draft| draft.house.at().map(|at| (at.x.div_euclid(CELL), at.y.div_euclid(CELL)));
    let mut cells: BTreeMap<(i32, i32), Option<u32>> = houses.iter().filter_map(cell).map(|cell| (cell, None)).collect();
    let mut count = 0;
    for start in cells.keys().copied().collect::<Vec<_>>() {
        if cells[&start].is_some() {
            continue;
        }
        let mut open = vec![start];
        while let Some((x, y)) = open.pop() {
            let Some(own @ None) = cells.get_mut(&(x, y)) else { continue };
            *own = Some(count);
            open.extend((-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy))));
        }
        count += 1;
    }
    let mut regions: BTreeMap<&Code, u32> =
        houses.iter().filter_map(|draft| draft.within.as_ref()).map(|code| (code, 0)).collect();
    for (number, at) in (count..).zip(regions.values_mut()) {
        *at = number;
    }
    let numbers: Vec<u32> = houses
        .iter()
        .map(|draft| match (cell(draft), &draft.within) {
            (Some(cell), _) => cells[&cell].unwrap_or_default(),
            (None, Some(code)) => regions[code],
            (None, None) => count,
        })
        .collect();
    houses.iter_mut().zip(numbers).for_each(|(draft, number)| draft.cluster = number);
}
