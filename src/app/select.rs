//! Everything in a shape: counted, and listed in pages.

use super::cursor::Cursor;
use super::nearby::Looked;
use super::view::View;
use crate::domain::category::CategoryKind;
use crate::geom::disc::Disc;
use crate::geom::inside::{Corridor, EvenOdd};
use crate::geom::{LatticeBox, LatticePoint};
use std::collections::BTreeMap;

/// A shape on the map.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Within a ring and in no hole, borders included.
    Polygon(EvenOdd),
    /// Within some metres of a place.
    Circle(Disc),
    /// Within some metres of a line.
    Corridor(Corridor),
}

impl Shape {
    fn holds(&self, p: LatticePoint) -> bool {
        match self {
            Self::Polygon(rings) => rings.holds(p),
            Self::Circle(disc) => disc.holds(p),
            Self::Corridor(corridor) => corridor.holds(p),
        }
    }

    fn boxes(&self) -> Vec<LatticeBox> {
        match self {
            Self::Polygon(rings) => vec![rings.bbox()],
            Self::Circle(disc) => disc.boxes(),
            Self::Corridor(corridor) => vec![corridor.bbox()],
        }
    }
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A facility.
    Facility,
    /// An open case.
    Case,
    /// An organization.
    Organization,
    /// A building, by the point inside it.
    Building,
}

/// What a shape holds.
#[derive(Debug, Clone, Default)]
pub struct Selected {
    /// How many of each kind and category.
    pub counts: BTreeMap<Kind, BTreeMap<String, usize>>,
    /// Households of the buildings among them that say a number.
    pub households: u64,
    /// One page of them: kinds in their order, then by id.
    pub items: Vec<(Kind, i64)>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

impl View {
    /// Counts and lists what a shape holds. Cost: all rows in the box around it.
    pub fn select(&self, shape: &Shape, looked: &Looked, after: Option<Cursor>, limit: usize) -> Selected {
        let mut found: Vec<(Kind, i64)> = Vec::new();
        let mut selected = Selected::default();
        let mut households = 0;
        let mut count = |kind: Kind, category: &str| {
            let counts = selected.counts.entry(kind).or_default();
            match counts.get_mut(category) {
                Some(count) => *count += 1,
                None => drop(counts.insert(category.to_owned(), 1)),
            }
        };
        for bbox in shape.boxes() {
            if looked.facilities {
                let rows = self.city.facilities.in_box(bbox).filter(|row| shape.holds(row.at) && self.is_looked_for(looked, row));
                for row in rows {
                    count(Kind::Facility, &self.category_of(row).code);
                    found.push((Kind::Facility, row.id.0));
                }
            }
            if looked.cases {
                let inside = |at: Option<LatticePoint>| at.is_some_and(|at| shape.holds(at));
                let cases =
                    self.city.cases.in_box(bbox).filter(|case| inside(case.record.at) && self.is_looked_for_case(looked, case));
                for case in cases {
                    count(Kind::Case, &case.record.category);
                    found.push((Kind::Case, case.record.id.0));
                }
            }
            if looked.organizations {
                let inside = |at: Option<LatticePoint>| at.is_some_and(|at| shape.holds(at));
                let all = self.city.organizations.in_box(bbox).filter(|one| inside(one.record.at));
                for one in all.filter(|one| self.is_looked_for_organization(looked, one)) {
                    count(Kind::Organization, &one.record.category);
                    found.push((Kind::Organization, one.record.id.0));
                }
            }
            if looked.buildings {
                let all = self.city.buildings.in_box(bbox).filter(|one| one.record.at().is_some_and(|at| shape.holds(at)));
                for one in all.filter(|one| self.sees_at(self.standing_unit(one))) {
                    count(Kind::Building, "");
                    households += u64::from(one.record.households.unwrap_or(0));
                    found.push((Kind::Building, one.record.id.0));
                }
            }
        }
        selected.households = households;
        found.sort_unstable();
        let place = |(kind, id): &(Kind, i64)| Cursor::new(*kind as u64, *id);
        let start = after.map_or(0, |after| found.partition_point(|item| place(item) <= after));
        let end = start.saturating_add(limit).min(found.len());
        selected.next = found[start..end].last().filter(|_| end < found.len()).map(place);
        selected.items = found[start..end].to_vec();
        selected
    }
}

impl Kind {
    /// The kind of category that it has.
    pub fn category_kind(self) -> Option<CategoryKind> {
        match self {
            Self::Facility => Some(CategoryKind::Component),
            Self::Case => Some(CategoryKind::Matter),
            Self::Organization => Some(CategoryKind::Organization),
            Self::Building => None,
        }
    }
}
