//! A persistent table of things of which some have a place and some are only known to be somewhere.

use super::table::{Placed, Table};
use crate::geom::{LatticeBox, LatticePoint};
use std::collections::BTreeMap;

/// A thing that has an identity, and perhaps a place.
pub trait Thing: Clone {
    /// Identity; unique in the table.
    fn id(&self) -> i64;
    /// Where it is.
    fn place(&self) -> Option<LatticePoint>;
}

/// One with a place.
#[derive(Debug, Clone)]
struct Pin<T> {
    at: LatticePoint,
    thing: T,
}

impl<T: Thing> Placed for Pin<T> {
    fn id(&self) -> i64 {
        self.thing.id()
    }
    fn at(&self) -> LatticePoint {
        self.at
    }
}

/// The table: those with a place by place, the others by identity. Cloning shares the blocks of the former.
#[derive(Debug, Clone)]
pub struct Pinned<T> {
    pins: Table<Pin<T>>,
    others: BTreeMap<i64, T>,
}

impl<T> Default for Pinned<T> {
    fn default() -> Self {
        Self { pins: Table::default(), others: BTreeMap::new() }
    }
}

impl<T: Thing> Pinned<T> {
    /// A table of these, in any order.
    pub fn new(things: impl IntoIterator<Item = T>) -> Self {
        let (mut pins, mut others) = (Vec::new(), BTreeMap::new());
        for thing in things {
            match thing.place() {
                Some(at) => pins.push(Pin { at, thing }),
                None => drop(others.insert(thing.id(), thing)),
            }
        }
        Self { pins: Table::from_rows(pins), others }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.pins.len() + self.others.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one with this identity.
    pub fn get(&self, id: i64) -> Option<&T> {
        self.pins.get(id).map(|pin| &pin.thing).or_else(|| self.others.get(&id))
    }

    /// All of them; those with a place first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pins.iter().map(|pin| &pin.thing).chain(self.others.values())
    }

    /// Those with a place in a closed box.
    pub fn in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = &T> {
        self.pins.in_box(bbox).map(|pin| &pin.thing)
    }

    /// Those without a place.
    pub fn unplaced(&self) -> impl Iterator<Item = &T> {
        self.others.values()
    }

    /// Adds one whose identity is not there.
    pub fn put(&mut self, thing: T) {
        match thing.place() {
            Some(at) => drop(self.pins.put(Pin { at, thing })),
            None => drop(self.others.insert(thing.id(), thing)),
        }
    }

    /// Removes and returns the one with this identity.
    pub fn remove(&mut self, id: i64) -> Option<T> {
        self.pins.remove(id).map(|pin| pin.thing).or_else(|| self.others.remove(&id))
    }
}
