//! Addresses in memory, to be found by what people write: streets by name, their houses in the order of their numbers. An address takes 64
//! bytes, its text, and what its own names take; names that many share are kept once.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | how addresses are laid out |
//! | `build.rs` | how they are made of rows |
//! | [`find`] | what candidates are, their scores and order |
//! | `asked.rs` | a text that is asked for, taken apart |
//! | `crossings.rs` | where two streets meet |
//! | `houses.rs` | the houses of a street or estate that fit it |
//! | `regions.rs` | regions against it, or for want of an address |

mod asked;
mod build;
mod crossings;
pub mod find;
mod houses;
mod regions;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

use crate::domain::address::AddressRow;
use crate::domain::address::parts::Parts;
use crate::domain::code::Code;
use crate::domain::hash::hash64_of_parts;
use crate::domain::id::AddressId;
use crate::geom::LatticePoint;
use crate::territory::Territory;
use std::collections::HashMap;
use std::ops::Range;

/// All addresses of one revision.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    texts: Texts,
    /// By key, then where they lie.
    streets: Vec<Street>,
    /// By street, then number.
    houses: Vec<House>,
    /// Houses with the name of an estate behind their number, by estate.
    places: Vec<u32>,
    /// By key, then where they lie.
    estates: Vec<Estate>,
    /// Streets and estates by names that are only near to theirs, by these.
    near: Vec<Near>,
    /// What looks like the name of a region in many of these addresses and is none today; sorted.
    spoken: Vec<Box<str>>,
    /// Houses with a name of their own, by its key.
    named: Vec<(Text, u32)>,
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

/// Houses with the name of one estate behind their number that lie together.
#[derive(Debug, Clone, Copy)]
struct Estate {
    key: Text,
    /// The place of its first house among [`Addresses::places`].
    first: u32,
}

/// A name that is near to that of a street or estate.
#[derive(Debug, Clone, Copy)]
struct Near {
    text: Text,
    site: Site,
    how: How,
}

/// Where houses of one name are, by its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Site {
    Street(u32),
    Estate(u32),
}

/// What makes a name near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// The short name of a region is taken off its beginning: 定海解放路.
    Short,
    /// Its numbers are all digits: 五一路, 中梁壹号院.
    Loose,
    /// What it is in is taken off its beginning: 工业园区解放路.
    Area,
}

/// One address.
#[derive(Debug, Clone, Copy)]
struct House {
    id: AddressId,
    /// As the register has it.
    text: Text,
    /// [`NOWHERE`] when it has no position.
    at: LatticePoint,
    parts: Parts,
    place: Text,
    tail: Text,
    /// The regions it names.
    prefix: Text,
    /// As the register has it.
    name: Text,
}

/// What stands for no position: no latitude is so far south.
const NOWHERE: LatticePoint = LatticePoint { x: i32::MIN, y: i32::MIN };

impl House {
    fn at(&self) -> Option<LatticePoint> {
        (self.at != NOWHERE).then_some(self.at)
    }
}

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
        if text.is_empty() {
            return Text::default();
        }
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let id = self.push(text);
        self.known.insert(text.into(), id);
        id
    }

    /// A text that hardly any other is like.
    fn push(&mut self, text: &str) -> Text {
        if self.texts.starts.is_empty() {
            self.texts.starts = vec![0, 0];
        }
        let id = Text(self.texts.starts.len() as u32 - 1);
        self.texts.all.push_str(text);
        self.texts.starts.push(u32::try_from(self.texts.all.len()).expect("the texts of a city are less than 4 GB"));
        id
    }
}

impl Addresses {
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
            + size_of_val(&self.estates[..])
            + size_of_val(&self.near[..])
            + size_of_val(&self.named[..])
            + size_of_val(&self.texts.starts[..])
            + self.texts.all.len()
            + self.within.len() * size_of::<(u32, Code)>()
    }

    /// Whether they were made with the names of this territory's regions.
    pub fn fits(&self, territory: &Territory) -> bool {
        self.is_empty() || self.words == territory.words().tag()
    }

    /// The rows that these were made of.
    fn taken_out(&self) -> Vec<AddressRow> {
        let row = |at: usize| {
            let house = &self.houses[at];
            AddressRow {
                id: house.id,
                at: house.at(),
                within: self.within.get(&(at as u32)).cloned(),
                text: self.texts.of(house.text).into(),
                name: self.texts.of(house.name).into(),
            }
        };
        (0..self.houses.len()).map(row).collect()
    }

    /// Names of all streets with the place of the house in their middle, by key.
    pub fn streets(&self) -> impl Iterator<Item = (&str, Option<LatticePoint>)> {
        (0..self.streets.len()).map(|at| (self.texts.of(self.streets[at].name), self.middle(self.houses_of(at))))
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

    /// The houses of an estate, among [`Self::places`].
    fn houses_of_estate(&self, estate: usize) -> &[u32] {
        let end = self.estates.get(estate + 1).map_or(self.places.len(), |next| next.first as usize);
        &self.places[self.estates[estate].first as usize..end]
    }
}
