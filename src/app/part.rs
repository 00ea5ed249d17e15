//! The part of the city that a server was told to have (`--within`): everything at or below some codes. Around it lie neighbours, so that
//! its borders are drawn as everywhere, but nobody is shown them, and nothing that stands there is loaded.

use super::{Actor, App, AppError};
use crate::city::standing::{Record, unit_of};
use crate::city::{City, Sight};
use crate::domain::address::AddressRow;
use crate::domain::case::CaseRecord;
use crate::domain::code::Code;
use crate::domain::id::{Epoch, Unit};
use crate::domain::records::BoundarySet;
use crate::domain::scope::Scope;
use crate::domain::staff::StaffRecord;
use crate::geom::LatticePoint;
use crate::store::{Snapshot, Update};
use crate::territory::Territory;
use crate::territory::excerpt::excerpt;
use std::sync::Arc;

/// The boundaries that a server has of a set. Cost: a look at every vertex, for those that have a part.
pub(super) fn boundaries_of(within: &Scope, epoch: Epoch, set: BoundarySet) -> Result<BoundarySet, AppError> {
    match within {
        Scope::All => Ok(set),
        Scope::Within(codes) => excerpt(set, codes).map_err(|faults| AppError::Damaged { epoch, faults }),
    }
}

/// What of the rows of a store a server has, in the boundaries in force: what lies in the part in any of the grid sets.
pub(super) struct Part<'a>(Vec<(&'a Territory, Sight)>);

impl<'a> Part<'a> {
    /// `None`: everything.
    pub(super) fn of(within: &Scope, territories: impl IntoIterator<Item = &'a Arc<Territory>>) -> Option<Self> {
        let Scope::Within(codes) = within else { return None };
        let sets = territories.into_iter().map(|territory| (&**territory, Sight::of_codes(territory, codes)));
        Some(Self(sets.collect()))
    }

    fn of_city(within: &Scope, city: &'a City) -> Option<Self> {
        Self::of(within, std::iter::once(&city.territory).chain(city.others.values()))
    }

    fn has(&self, unit: impl Fn(&Territory) -> Option<Unit>) -> bool {
        self.0.iter().any(|(territory, sight)| sight.at(unit(territory)))
    }

    fn has_code(&self, code: &Code) -> bool {
        self.has(|territory| territory.unit(code.as_str()))
    }

    fn has_place(&self, at: Option<LatticePoint>, said: Option<&Code>) -> bool {
        match at {
            Some(at) => self.has(|territory| territory.leaf_at(at)),
            None => said.is_some_and(|code| self.has_code(code)),
        }
    }

    fn has_case(&self, record: &CaseRecord) -> bool {
        self.has_place(record.at, record.within.as_ref())
    }

    fn has_address(&self, row: &AddressRow) -> bool {
        self.has_place(row.at, row.within.as_ref())
    }

    fn has_staff(&self, record: &StaffRecord) -> bool {
        self.has_code(&record.assigned)
    }

    fn has_record(&self, record: &impl Record) -> bool {
        self.has(|territory| unit_of(record, territory))
    }

    /// Takes everything out of a snapshot that the part does not have.
    pub(super) fn keep_of_snapshot(&self, snapshot: &mut Snapshot) {
        snapshot.facilities.retain(|row| self.has_place(Some(row.at), None));
        snapshot.cases.retain(|record| self.has_case(record));
        snapshot.staff.retain(|record| self.has_staff(record));
        snapshot.addresses.retain(|row| self.has_address(row));
        snapshot.organizations.retain(|record| self.has_record(record));
        snapshot.buildings.retain(|record| self.has_record(record));
    }

    /// The same of an update. A row that commits named and that is not in the part counts as gone.
    pub(super) fn keep_of_update(&self, update: &mut Update) {
        update.facilities.retain(|row| self.has_place(Some(row.at), None), |row| self.has_place(Some(row.at), None));
        update.cases.retain(|record| self.has_case(record), |record| self.has_case(record));
        if let Some(staff) = &mut update.staff {
            staff.retain(|record| self.has_staff(record));
        }
        if let Some(addresses) = &mut update.addresses {
            addresses.retain(|row| self.has_address(row));
        }
        update.organizations.retain(|record| self.has_record(record), |record| self.has_record(record));
        update.buildings.retain(|record| self.has_record(record), |record| self.has_record(record));
    }
}

/// Refuses codes that no boundaries in force have: a server of nothing would answer that there is nothing.
pub(super) fn known(within: &Scope, city: &City) -> Result<(), AppError> {
    let Scope::Within(codes) = within else { return Ok(()) };
    let is_known = |code: &Code| {
        let mut sets = std::iter::once(&city.territory).chain(city.others.values());
        sets.any(|territory| territory.unit(code.as_str()).is_some())
    };
    match codes.iter().find(|code| !is_known(code)) {
        Some(code) => Err(AppError::UnknownCode { what: "region or grid", code: code.to_string(), epoch: city.territory.epoch }),
        None => Ok(()),
    }
}

impl App {
    /// A caller as far as this server knows the city: of one that has a part nobody sees more than that, and nobody does what needs the whole.
    pub fn here(&self, actor: &Arc<Actor>) -> Arc<Actor> {
        let Scope::Within(own) = &self.config.within else { return Arc::clone(actor) };
        let scope = match &actor.scope {
            Scope::All => self.config.within.clone(),
            Scope::Within(codes) => {
                let city = self.published.load();
                let part = |scope: &Scope| Part::of_city(scope, &city);
                let has = |part: &Option<Part<'_>>, code: &Code| part.as_ref().is_none_or(|part| part.has_code(code));
                let (here, theirs) = (part(&self.config.within), part(&actor.scope));
                // Of two subtrees one holds the other, or they have nothing in common.
                let theirs_here = codes.iter().filter(|code| has(&here, code));
                Scope::within(theirs_here.chain(own.iter().filter(|code| has(&theirs, code))).cloned())
            }
        };
        Arc::new(Actor { scope, rights: actor.rights.of_a_part_server(), ..Actor::clone(actor) })
    }
}
