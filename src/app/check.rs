//! `check`: every invariant of a data file, every fault with its place.

use super::imports::ImportError;
use crate::domain::address::AddressRow;
use crate::domain::building::Footprint;
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{Epoch, GridSet, Revision};
use crate::domain::records::BoundarySet;
use crate::geom::LatticePoint;
use crate::store::{Store, epoch_at, others_at};
use crate::territory::Territory;
use crate::territory::mend;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// The store's revision.
    pub revision: Revision,
    /// Boundary sets, each proved to be a partition.
    pub epochs: u64,
    /// The one in force.
    pub epoch: Epoch,
    /// Its regions.
    pub regions: u64,
    /// Its grids.
    pub grids: u64,
    /// Its voids.
    pub voids: u64,
    /// Grids in force of other grid sets, by set.
    pub other_grids: BTreeMap<GridSet, u64>,
    /// Facilities, each placed again.
    pub facilities: u64,
    /// Of these, outside every grid.
    pub outside: u64,
    /// Staff.
    pub staff: u64,
    /// Of these, working for a grid or region that is not in force: no fault, but somebody's work.
    pub staff_of_closed: u64,
    /// Organizations.
    pub organizations: u64,
    /// Buildings, each footprint proved again.
    pub buildings: u64,
    /// Open cases, each with a position placed again.
    pub open_cases: u64,
    /// Standard addresses.
    pub addresses: u64,
    /// Of these, only known to be in a region or grid that is not in force: no fault, but somebody's work.
    pub addresses_of_closed: u64,
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
}

/// Looks at everything. `tell` hears what is being looked at.
pub async fn check(store: &Store, at: Timestamp, tell: &(dyn Fn(&str) + Send + Sync)) -> Result<Checked, ImportError> {
    tell("the file's own rules");
    let mut faults = store.check().await?;
    let epochs = store.epochs().await?;
    let in_force = epoch_at(&epochs, &GridSet::default(), at).map(|record| record.epoch);
    let mut territory = None;
    let mut others = Vec::new();
    let others_in_force: Vec<Epoch> = others_at(&epochs, at).into_iter().map(|record| record.epoch).collect();
    for record in &epochs {
        tell(&format!("boundaries of epoch {}", record.epoch));
        let Some(set) = store.boundaries_at(record.epoch).await? else {
            faults.push(Fault::new(FaultKind::Corrupt, format!("epoch {} has no boundaries", record.epoch)));
            continue;
        };
        let epoch = record.epoch;
        let (proved, found) = tokio::task::spawn_blocking(move || prove(epoch, &set)).await?;
        faults.extend(found);
        if in_force == Some(epoch) {
            territory = proved;
        } else if others_in_force.contains(&epoch) {
            others.extend(proved);
        }
    }
    tell("facilities, staff and cases");
    let snapshot = store.snapshot(at).await?;
    let checked = tokio::task::spawn_blocking(move || {
        let mut checked = Checked {
            revision: snapshot.revision,
            epochs: epochs.len() as u64,
            epoch: in_force.unwrap_or_default(),
            regions: territory.as_ref().map_or(0, |territory| territory.regions.len() as u64),
            grids: territory.as_ref().map_or(0, |territory| territory.grids.len() as u64),
            voids: territory.as_ref().map_or(0, |territory| territory.voids.len() as u64),
            other_grids: others.iter().map(|territory| (territory.set.clone(), territory.grids.len() as u64)).collect(),
            facilities: snapshot.facilities.len() as u64,
            outside: snapshot.facilities.iter().filter(|row| row.grid.is_none()).count() as u64,
            staff: snapshot.staff.len() as u64,
            staff_of_closed: 0,
            organizations: snapshot.organizations.len() as u64,
            buildings: snapshot.buildings.len() as u64,
            open_cases: snapshot.cases.len() as u64,
            addresses: snapshot.addresses.len() as u64,
            addresses_of_closed: 0,
            faults,
        };
        let mut place = |what: &str, id: i64, at: LatticePoint, stored: Option<&Code>| {
            let found = territory.as_ref().and_then(|territory| {
                let ix = territory.grid_at(at)?;
                Some(&territory.grid(ix).code)
            });
            if found != stored {
                let name = |code: Option<&Code>| code.map_or_else(|| "no grid".to_owned(), |code| format!("grid {code}"));
                let detail = format!("{what} {id} says {}, it stands in {}", name(stored), name(found));
                let codes = stored.into_iter().chain(found).cloned().collect();
                checked.faults.push(Fault { codes, place: Some(at.lonlat()), ..Fault::new(FaultKind::Corrupt, detail) });
            }
        };
        for row in &snapshot.facilities {
            place("facility", row.id.0, row.at, row.grid.as_ref());
        }
        for case in snapshot.cases.iter().filter(|case| Some(case.epoch) == in_force) {
            if let Some(at) = case.at {
                place("case", case.id.0, at, case.grid.as_ref());
            }
        }
        let exists = |code: &Code| {
            let known = |t: &Territory| t.grid_ix(code.as_str()).is_some() || t.region_ix(code.as_str()).is_some();
            territory.iter().chain(&others).any(known)
        };
        checked.staff_of_closed = snapshot.staff.iter().filter(|row| !exists(&row.assigned)).count() as u64;
        for building in &snapshot.buildings {
            let Some(area) = building.footprint() else { continue };
            let why = match Footprint::new(area) {
                Ok(proved) if proved.area() == area => continue,
                Ok(_) => "it is not in canonical form".to_owned(),
                Err(why) => why.to_string(),
            };
            let detail = format!("the footprint of building {}: {why}", building.id);
            let place = building.at().map(LatticePoint::lonlat);
            checked.faults.push(Fault { place, ..Fault::new(FaultKind::Corrupt, detail) });
        }
        let lost = |row: &&AddressRow| row.at.is_none() && row.within.as_ref().is_none_or(|code| !exists(code));
        checked.addresses_of_closed = snapshot.addresses.iter().filter(lost).count() as u64;
        checked
    });
    Ok(checked.await?)
}

/// The set is a partition: codes, parents, borders and areas, shown from nothing but its records.
fn prove(epoch: Epoch, set: &BoundarySet) -> (Option<Territory>, Vec<Fault>) {
    let told = |mut fault: Fault| {
        fault.detail.insert_str(0, &format!("epoch {epoch}: "));
        fault
    };
    let faults = mend::check(set);
    match Territory::build(epoch, set) {
        Ok(territory) => (Some(territory), faults.into_iter().map(told).collect()),
        Err(more) => (None, faults.into_iter().chain(more).map(told).collect()),
    }
}

impl Checked {
    /// Several lines for a person.
    pub fn text(&self) -> String {
        let Self {
            revision,
            epochs,
            epoch,
            regions,
            grids,
            voids,
            facilities,
            outside,
            staff,
            staff_of_closed,
            organizations,
            buildings,
            open_cases,
            addresses,
            addresses_of_closed,
            ..
        } = self;
        let mut text = format!(
            "revision {revision}, {epochs} boundary sets, epoch {epoch} in force: {regions} regions, {grids} grids, {voids} voids\n\
             {facilities} facilities ({outside} outside every grid), {staff} staff ({staff_of_closed} of closed codes), \
             {organizations} organizations, {buildings} buildings, {open_cases} open cases, {addresses} addresses ({addresses_of_closed} of closed codes)\n"
        );
        for (set, grids) in &self.other_grids {
            text.push_str(&format!("{grids} grids of set {set}\n"));
        }
        for fault in &self.faults {
            text.push_str(&format!("fault: {fault}\n"));
        }
        text.push_str(&match self.faults.len() {
            0 => "every invariant holds\n".to_owned(),
            found => format!("{found} faults\n"),
        });
        text
    }
}
