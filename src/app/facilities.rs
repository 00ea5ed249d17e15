//! Lists of facilities: filtered, counted, in pages.

use super::view::{View, Within};
use super::{Actor, App, AppError};
use crate::city::Facility;
use crate::domain::facility::{FacilityRecord, FacilityState};
use crate::domain::id::FacilityId;
use crate::geom::LatticeBox;
use crate::geom::morton::morton;
use std::ops::Range;

/// What a list is narrowed to; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this closed box.
    pub bbox: Option<LatticeBox>,
    /// Here.
    pub within: Option<Within>,
    /// Of one of these categories (positions in the profile); empty: of any.
    pub categories: Vec<u16>,
    /// In this state.
    pub state: Option<FacilityState>,
    /// Only these.
    pub ids: Option<Vec<FacilityId>>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// How many there are on all pages.
    pub number_matched: usize,
    /// Those of this page.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A place in a list that stays right when rows are added and removed: lists are ordered by place, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    place: u64,
    id: i64,
}

impl Cursor {
    fn of(row: &Facility) -> Self {
        Self { place: morton(row.at.x, row.at.y), id: row.id.0 }
    }

    /// A position in a list that is made whole each time.
    pub fn at(position: usize) -> Self {
        Self { place: 0, id: i64::try_from(position).unwrap_or(i64::MAX) }
    }

    /// The position that [`Cursor::at`] was made of.
    pub fn position(self) -> usize {
        usize::try_from(self.id).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.place, self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = AppError;
    fn from_str(text: &str) -> Result<Self, AppError> {
        let number =
            |range: Range<usize>| text.get(range).and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or(AppError::BadCursor);
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(AppError::BadCursor);
        }
        Ok(Self { place: number(0..16)?, id: number(16..32)?.cast_signed() })
    }
}

impl App {
    /// Everything the store knows about some facilities; those that are gone are passed over.
    pub async fn facility_records(&self, _: &Actor, ids: &[FacilityId]) -> Result<Vec<FacilityRecord>, AppError> {
        Ok(self.store.facilities_by_ids(ids).await?)
    }

    /// The facilities that another system calls `id`.
    pub async fn facilities_called(&self, _: &Actor, system: &str, id: &str) -> Result<Vec<FacilityId>, AppError> {
        let records = self.store.facilities_by_external(system, id).await?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }
}

impl View {
    /// A page of facilities. Cost: all rows in the box, or all rows.
    pub fn facilities(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Page<Facility> {
        if let Some(ids) = &filter.ids {
            let mut rows: Vec<&Facility> = ids.iter().filter_map(|id| self.city.facilities.facility(*id)).collect();
            rows.sort_by_key(|row| Cursor::of(row));
            return self.page(rows.into_iter(), filter, after, limit);
        }
        match filter.bbox.or_else(|| filter.within.as_ref()?.bbox(&self.territory)) {
            Some(bbox) => self.page(self.city.facilities.in_box(bbox), filter, after, limit),
            None => self.page(self.city.facilities.iter(), filter, after, limit),
        }
    }

    fn page<'v>(
        &self,
        rows: impl Iterator<Item = &'v Facility>,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Page<Facility> {
        let mut page = Page { number_matched: 0, items: Vec::new(), next: None };
        for row in rows.filter(|row| self.passes(filter, row)) {
            page.number_matched += 1;
            if after.is_some_and(|after| Cursor::of(row) <= after) {
                continue;
            }
            if page.items.len() < limit {
                page.items.push(row.clone());
            } else if page.next.is_none() {
                page.next = page.items.last().map(Cursor::of);
            }
        }
        page
    }

    fn passes(&self, filter: &Filter, row: &Facility) -> bool {
        let leaf = self.leaf_of(row);
        filter.state.is_none_or(|state| row.state == state)
            && (filter.categories.is_empty() || filter.categories.contains(&row.category))
            && filter.bbox.is_none_or(|bbox| bbox.holds(row.at))
            && filter.within.as_ref().is_none_or(|within| leaf.is_some_and(|leaf| within.holds(leaf)))
            && self.sees_at(leaf)
    }
}
