//! Records of staff and of counts per grid from sorted-out fields.

use super::Terms;
use super::boundaries::{Hashed, code_of, name_of, provenance, take};
use super::fields::{Field, Fields};
use crate::domain::fault::Fault;
use crate::domain::records::HouseholdCount;
use crate::domain::staff::{StaffRecord, StaffRole};

/// A member of staff.
pub fn staff(fields: &Fields, terms: &Terms) -> Result<StaffRecord, Vec<Fault>> {
    let mut faults = Vec::new();
    let id = take(&mut faults, fields.required(Field::Id));
    let name = take(&mut faults, name_of(fields)).unwrap_or_default();
    let role = take(&mut faults, fields.required(Field::Role))
        .and_then(|_| take(&mut faults, fields.parsed::<StaffRole>(Field::Role)))
        .flatten();
    let assigned = take(&mut faults, fields.required(Field::Assigned))
        .and_then(|_| take(&mut faults, code_of(fields, Field::Assigned)))
        .flatten();
    let mut provenance = take(&mut faults, provenance(fields, terms)).unwrap_or_default();
    if id.is_some() && name.is_empty() {
        take(&mut faults, fields.required(Field::Name));
    }
    let (Some(id), Some(role), Some(assigned), true) = (id, role, assigned, faults.is_empty()) else { return Err(faults) };
    let (phone, organization) = (fields.text(Field::Phone), fields.text(Field::Organization));
    let hash = Hashed::new(&id)
        .text(&name)
        .text(role.as_str())
        .text(assigned.as_str())
        .text(phone.as_deref().unwrap_or(""))
        .text(organization.as_deref().unwrap_or(""));
    provenance.source_hash = Some(hash.finish());
    Ok(StaffRecord { id, name, role, assigned, phone, organization, provenance })
}

/// Counts of one grid.
pub fn households(fields: &Fields) -> Result<HouseholdCount, Vec<Fault>> {
    let mut faults = Vec::new();
    let grid =
        take(&mut faults, fields.required(Field::Grid)).and_then(|_| take(&mut faults, code_of(fields, Field::Grid))).flatten();
    let households = take(&mut faults, fields.count(Field::Households)).flatten();
    let population = take(&mut faults, fields.count(Field::Population)).flatten();
    if faults.is_empty() && households.is_none() && population.is_none() {
        faults.push(fields.fault(Field::Households, "neither households nor population has a value"));
    }
    match grid {
        Some(grid) if faults.is_empty() => Ok(HouseholdCount { grid, households, population }),
        _ => Err(faults),
    }
}
