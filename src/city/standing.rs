//! Things that stand in a grid or region, or are only said to be in one, counted by where they belong: organizations, buildings.

use super::pinned::{Pinned, Thing};
use crate::domain::code::Code;
use crate::domain::id::{GridIx, RegionIx, Unit};
use crate::domain::records::Provenance;
use crate::geom::{LatticeBox, LatticePoint};
use crate::territory::Territory;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// A kind of record that belongs somewhere.
pub trait Record: std::fmt::Debug {
    /// What its key is called.
    type Id: Copy + Eq + Hash;
    /// Its key.
    fn id(&self) -> Self::Id;
    /// The number of a key.
    fn number(id: Self::Id) -> i64;
    /// Where it is.
    fn at(&self) -> Option<LatticePoint>;
    /// The grid or region it says.
    fn within(&self) -> Option<&Code>;
    /// Where it comes from.
    fn provenance(&self) -> &Provenance;
    /// The box around its land, when it has some.
    fn land(&self) -> Option<LatticeBox> {
        None
    }
    /// Households that it says.
    fn households(&self) -> Option<u32> {
        None
    }
}

/// One thing.
#[derive(Debug)]
pub struct Standing<R> {
    /// All that is known about it.
    pub record: Arc<R>,
    /// Where it belongs in the territory beside it in the same `City`: see [`unit_of`].
    pub unit: Option<Unit>,
}

impl<R> Clone for Standing<R> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), unit: self.unit }
    }
}

impl<R: Record> Thing for Standing<R> {
    fn id(&self) -> i64 {
        R::number(self.record.id())
    }
    fn place(&self) -> Option<LatticePoint> {
        self.record.at()
    }
}

/// The grid, or the region without grids, on whose land it is; without a place the grid or region that it says.
pub fn unit_of(record: &impl Record, territory: &Territory) -> Option<Unit> {
    match (record.at(), record.within()) {
        (Some(at), _) => territory.leaf_at(at),
        (None, Some(within)) => {
            let grid = territory.grid_ix(within.as_str()).map(Unit::Grid);
            grid.or_else(|| territory.region_ix(within.as_str()).map(Unit::Region))
        }
        (None, None) => None,
    }
}

/// Sums over what belongs to one unit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tally {
    count: u32,
    /// How many say households.
    said: u32,
    households: u64,
}

/// How far land reaches from its point: west and south, east and north.
#[derive(Debug, Clone, Copy, Default)]
struct Reach {
    back: (i64, i64),
    forth: (i64, i64),
}

impl Reach {
    fn with(self, record: &impl Record) -> Self {
        let (Some(at), Some(land)) = (record.at(), record.land()) else { return self };
        let ((west, south), (east, north)) = (at.minus(land.min), land.max.minus(at));
        Self { back: (self.back.0.max(west), self.back.1.max(south)), forth: (self.forth.0.max(east), self.forth.1.max(north)) }
    }

    /// Where the points lie of all that can meet a box.
    fn around(self, bbox: LatticeBox) -> LatticeBox {
        let moved = |at: i32, by: i64| (i64::from(at) + by).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        LatticeBox {
            min: LatticePoint::new(moved(bbox.min.x, -self.forth.0), moved(bbox.min.y, -self.forth.1)),
            max: LatticePoint::new(moved(bbox.max.x, self.back.0), moved(bbox.max.y, self.back.1)),
        }
    }
}

/// All things of one kind and one revision.
#[derive(Debug)]
pub struct Standings<R> {
    all: Pinned<Standing<R>>,
    by_unit: HashMap<Unit, Tally>,
    /// At least that of every record: it does not shrink when one goes.
    reach: Reach,
}

impl<R> Clone for Standings<R> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), by_unit: self.by_unit.clone(), reach: self.reach }
    }
}

impl<R> Default for Standings<R> {
    fn default() -> Self {
        Self { all: Pinned::default(), by_unit: HashMap::new(), reach: Reach::default() }
    }
}

/// Above this many rows, and one in 128 of all, the table is made anew: see `super::apply`.
const MANY: usize = 256;

impl<R: Record> Standings<R> {
    /// All at once, found in a territory.
    pub fn new(records: impl IntoIterator<Item = Arc<R>>, territory: &Territory) -> Self {
        let found = records.into_iter().map(|record| Standing { unit: unit_of(&*record, territory), record });
        let all = Pinned::new(found);
        let mut standings = Self { all: Pinned::default(), by_unit: HashMap::new(), reach: Reach::default() };
        for one in all.iter() {
            standings.count(one);
        }
        Self { all, ..standings }
    }

    /// Adds one to the sums.
    fn count(&mut self, one: &Standing<R>) {
        self.reach = self.reach.with(&*one.record);
        if let Some(unit) = one.unit {
            let tally = self.by_unit.entry(unit).or_default();
            tally.count += 1;
            if let Some(households) = one.record.households() {
                tally.said += 1;
                tally.households += u64::from(households);
            }
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The one with this key.
    pub fn get(&self, id: R::Id) -> Option<&Standing<R>> {
        self.all.get(R::number(id))
    }

    /// All of them; those with a place first.
    pub fn iter(&self) -> impl Iterator<Item = &Standing<R>> {
        self.all.iter()
    }

    /// Those with a place in a closed box.
    pub fn in_box(&self, bbox: LatticeBox) -> impl Iterator<Item = &Standing<R>> {
        self.all.in_box(bbox)
    }

    /// Those whose land, or else whose place, meets a closed box.
    pub fn meeting(&self, bbox: LatticeBox) -> impl Iterator<Item = &Standing<R>> {
        let meets = move |one: &&Standing<R>| match (one.record.land(), one.record.at()) {
            (Some(land), _) => land.meets(bbox),
            (None, at) => at.is_some_and(|at| bbox.holds(at)),
        };
        self.all.in_box(self.reach.around(bbox)).filter(meets)
    }

    /// Those without a place.
    pub fn unplaced(&self) -> impl Iterator<Item = &Standing<R>> {
        self.all.unplaced()
    }

    /// How many belong to a grid.
    pub fn grid_count(&self, ix: GridIx) -> u32 {
        self.by_unit.get(&Unit::Grid(ix)).map_or(0, |tally| tally.count)
    }

    /// How many belong to this very region: on its land when it has no grids, or working for it without a place.
    pub fn region_count(&self, ix: RegionIx) -> u32 {
        self.by_unit.get(&Unit::Region(ix)).map_or(0, |tally| tally.count)
    }

    /// Households of all that belong to a unit; `None` when none of them says a number.
    pub fn households(&self, unit: Unit) -> Option<u64> {
        self.by_unit.get(&unit).filter(|tally| tally.said > 0).map(|tally| tally.households)
    }

    /// After some were added or changed, or removed.
    #[must_use]
    pub fn after(&self, put: &[Arc<R>], removed: &[R::Id], territory: &Territory) -> Self {
        if put.len() + removed.len() > MANY + self.len() / 128 {
            let gone: HashSet<R::Id> = removed.iter().copied().chain(put.iter().map(|record| record.id())).collect();
            let stay = self.iter().filter(|one| !gone.contains(&one.record.id())).map(|one| Arc::clone(&one.record));
            return Self::new(stay.chain(put.iter().cloned()), territory);
        }
        let mut next = self.clone();
        for id in removed.iter().copied().chain(put.iter().map(|record| record.id())) {
            next.remove(id);
        }
        for record in put {
            let one = Standing { unit: unit_of(&**record, territory), record: Arc::clone(record) };
            next.count(&one);
            next.all.put(one);
        }
        next
    }

    fn remove(&mut self, id: R::Id) {
        let Some(gone) = self.all.remove(R::number(id)) else { return };
        if let Some(tally) = gone.unit.and_then(|unit| self.by_unit.get_mut(&unit)) {
            tally.count -= 1;
            if let Some(households) = gone.record.households() {
                tally.said -= 1;
                tally.households -= u64::from(households);
            }
        }
    }

    /// The same things found again in another territory.
    #[must_use]
    pub fn relocated(&self, territory: &Territory) -> Self {
        Self::new(self.iter().map(|one| Arc::clone(&one.record)), territory)
    }
}
