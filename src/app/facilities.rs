//! Lists of facilities: filtered, counted, in pages.

use super::cursor::Cursor;
use super::view::{View, Within};
use super::{Actor, App, AppError};
use crate::city::Facility;
use crate::domain::facility::{FacilityRecord, FacilityState};
use crate::domain::id::FacilityId;
use crate::domain::private::mask_members;
use crate::domain::rights::Right;
use crate::geom::LatticeBox;
use crate::geom::morton::morton;

/// What a list is narrowed to; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these closed boxes; none: anywhere.
    pub boxes: Vec<LatticeBox>,
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

/// The place of a facility in a list.
fn place(row: &Facility) -> Cursor {
    Cursor::new(morton(row.at.x, row.at.y), row.id.0)
}

impl App {
    /// Everything the store knows about some facilities; those that are gone are passed over.
    pub async fn facility_records(&self, actor: &Actor, ids: &[FacilityId]) -> Result<Vec<FacilityRecord>, AppError> {
        let records = self.store.facilities_by_ids(ids).await?;
        Ok(records.into_iter().map(|record| actor.shown(record)).collect())
    }

    /// The facilities that another system calls `id`.
    pub async fn facilities_called(&self, _: &Actor, system: &str, id: &str) -> Result<Vec<FacilityId>, AppError> {
        let records = self.store.facilities_by_external(system, id).await?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }
}

impl Actor {
    /// A record as they may see it: without numbers in its texts that may be somebody's, unless they may see texts as they were written.
    pub(super) fn shown(&self, mut record: FacilityRecord) -> FacilityRecord {
        if !self.rights.has(Right::Texts) {
            mask_members(&mut record.properties);
        }
        record
    }
}

impl View {
    /// A page of facilities. Cost: all rows in the box, or all rows.
    pub fn facilities(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Page<Facility> {
        if let Some(ids) = &filter.ids {
            let mut rows: Vec<&Facility> = ids.iter().filter_map(|id| self.city.facilities.facility(*id)).collect();
            rows.sort_by_key(|row| place(row));
            return self.page(rows.into_iter(), filter, after, limit);
        }
        let bbox = match &filter.boxes[..] {
            [bbox] => Some(*bbox),
            // Two boxes, one behind the other, would not be in the order of the list.
            [_, ..] => None,
            [] => filter.within.as_ref().and_then(|within| within.bbox(&self.territory)),
        };
        match bbox {
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
            if after.is_some_and(|after| place(row) <= after) {
                continue;
            }
            if page.items.len() < limit {
                page.items.push(row.clone());
            } else if page.next.is_none() {
                page.next = page.items.last().map(place);
            }
        }
        page
    }

    fn passes(&self, filter: &Filter, row: &Facility) -> bool {
        // The leaf last: in boundaries that are not in force it is looked up.
        filter.state.is_none_or(|state| row.state == state)
            && (filter.categories.is_empty() || filter.categories.contains(&row.category))
            && (filter.boxes.is_empty() || filter.boxes.iter().any(|bbox| bbox.holds(row.at)))
            && self.sees_category(row.category)
            && {
                let leaf = self.leaf_of(row);
                let within = filter.within.as_ref().is_none_or(|within| leaf.is_some_and(|leaf| within.holds(leaf)));
                within && self.sees_at(leaf)
            }
    }
}
