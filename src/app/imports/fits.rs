//! What boundaries must be to go with the city: codes of the scheme, each once, below `--within`; a period that can be.

use super::Job;
use super::boundaries::Incoming;
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::period::Period;
use crate::domain::records::BoundarySet;
use crate::domain::region::RegionRecord;
use crate::domain::scheme::Scheme;
use crate::geom::{Area, LonLat};
use crate::interchange::boundaries::GridDraft;
use crate::interchange::fields::Field;
use std::collections::{HashMap, HashSet};

/// The code's length must be that of grids.
pub(super) fn fits_grid(scheme: &Scheme, draft: &GridDraft) -> Result<(), Fault> {
    spelled(scheme, Field::Parent, draft.parent.as_ref())?;
    let Some(code) = &draft.code else { return Ok(()) };
    spelled(scheme, Field::Code, Some(code))?;
    if !scheme.has_lengths() {
        return Ok(());
    }
    let misfit = |detail: String| Fault {
        field: Some("code".to_owned()),
        codes: vec![code.clone()],
        ..Fault::new(FaultKind::NotInScheme, detail)
    };
    let level = scheme.level_of(code).map_err(|error| misfit(error.to_string()))?;
    if level != scheme.grid_level() {
        let name = &scheme.levels()[level].name;
        return Err(misfit(format!("{code} is a code of level {name:?}, not of grids; import it as regions")));
    }
    match &draft.parent {
        Some(parent) if !scheme.ancestors_of(code).any(|(_, above)| above == *parent) => Err(Fault {
            field: Some("parent".to_owned()),
            ..misfit(format!("{parent} is not the beginning of {code} on a level above it"))
        }),
        _ => Ok(()),
    }
}

/// A code is made of the characters that codes of the scheme have.
fn spelled(scheme: &Scheme, field: Field, code: Option<&Code>) -> Result<(), Fault> {
    let Some(code) = code else { return Ok(()) };
    scheme.spells(code).map_err(|error| Fault {
        field: Some(field.as_str().to_owned()),
        codes: vec![code.clone()],
        ..Fault::new(FaultKind::NotInScheme, error.to_string())
    })
}

/// The level of a region by its code's length, or as stated: one above grids.
pub(super) fn fits_region(scheme: &Scheme, record: &RegionRecord) -> Result<usize, Fault> {
    spelled(scheme, Field::Parent, record.parent.as_ref())?;
    spelled(scheme, Field::Code, Some(&record.code))?;
    let misfit = |field: &str, detail: String| Fault {
        field: Some(field.to_owned()),
        codes: vec![record.code.clone()],
        ..Fault::new(FaultKind::NotInScheme, detail)
    };
    let names = || scheme.levels()[..scheme.grid_level()].iter().map(|level| level.name.as_str()).collect::<Vec<_>>().join(", ");
    let level = if scheme.has_lengths() {
        scheme.level_of(&record.code).map_err(|error| misfit("code", error.to_string()))?
    } else {
        scheme.level_named(&record.level).ok_or_else(|| {
            misfit("level", format!("{:?} is no level of scheme {:?}: one of {}", record.level, scheme.name(), names()))
        })?
    };
    if level == scheme.grid_level() {
        return Err(misfit("code", format!("{} is on the level of grids; import it as grids", record.code)));
    }
    Ok(level)
}

/// Periods that no import can have.
pub(super) fn plausible(job: &Job) -> Result<(), Fault> {
    let terms = &job.order.boundaries;
    let bad = |field: &str, detail: &str| Err(Fault { field: Some(field.to_owned()), ..Fault::new(FaultKind::BadField, detail) });
    match terms.period {
        period if period.is_empty() => bad("--until", "the period is empty: --until must come after --from"),
        Period { from: Some(from), .. } if from > job.at && !terms.beside => {
            bad("--from", "boundaries for later are published by a plan, not by an import")
        }
        Period { until: Some(_), .. } if !terms.beside => {
            bad("--until", "boundaries in force end when the next ones begin; with an end of its own the set stands --beside")
        }
        // Otherwise it would be in force, with none of what a publication does.
        Period { until, .. } if terms.beside && until.is_none_or(|until| until > job.at) => {
            bad("--until", "a set beside the chain needs a period that has ended: --until, at the latest now")
        }
        _ => Ok(()),
    }
}

/// Record numbers by code; a code that stands twice is a fault of both records.
pub(super) fn numbers(incoming: &Incoming) -> Result<HashMap<Code, u64>, Vec<Fault>> {
    let mut numbers: HashMap<Code, u64> = HashMap::new();
    let mut faults = Vec::new();
    let regions = incoming.regions.iter().zip(incoming.region_numbers.iter().chain(std::iter::repeat(&0)));
    let regions = regions.map(|(region, number)| (&region.code, *number, region.claim.as_ref()));
    let grids = incoming.grids.iter().filter_map(|grid| Some((grid.code.as_ref()?, grid.number, Some(&grid.area))));
    for (code, number, area) in regions.chain(grids) {
        if let Some(first) = numbers.insert(code.clone(), number) {
            faults.push(Fault {
                record: (number > 0).then_some(number),
                field: Some("code".to_owned()),
                codes: vec![code.clone()],
                place: area.and_then(first_place),
                ..Fault::new(FaultKind::DuplicateCode, format!("code {code} stands in record {first} too"))
            });
        }
    }
    let mut names = HashSet::new();
    for void in incoming.voids.iter().filter(|void| !names.insert(void.name.as_str())) {
        let detail = format!("two voids are called {:?}", void.name);
        faults.push(Fault { place: first_place(&void.area), ..Fault::new(FaultKind::DuplicateCode, detail) });
    }
    if faults.is_empty() { Ok(numbers) } else { Err(faults) }
}

fn first_place(area: &Area) -> Option<LonLat> {
    area.rings().next().and_then(|ring| ring.first()).map(|p| p.lonlat())
}

/// What lies at or below a code: by the codes, or by the stated parents.
pub(super) struct Below<'a> {
    within: &'a Code,
    scheme: &'a Scheme,
    parents: HashMap<&'a Code, &'a Code>,
}

impl<'a> Below<'a> {
    pub(super) fn of(within: &'a Code, scheme: &'a Scheme, incoming: &'a Incoming, current: &'a BoundarySet) -> Self {
        let mut parents = HashMap::new();
        if !scheme.has_lengths() {
            let regions = current.regions.iter().chain(&incoming.regions).map(|region| (Some(&region.code), &region.parent));
            let stored = current.grids.iter().map(|grid| (Some(&grid.code), &grid.parent));
            let given = incoming.grids.iter().map(|grid| (grid.code.as_ref(), &grid.parent));
            // What the files say goes before what is stored.
            for (code, parent) in stored.chain(regions).chain(given) {
                parents.extend(code.zip(parent.as_ref()));
            }
        }
        Self { within, scheme, parents }
    }

    pub(super) fn has(&self, code: &Code) -> bool {
        if self.scheme.has_lengths() {
            return code == self.within || self.scheme.ancestors_of(code).any(|(_, above)| above == *self.within);
        }
        // A chain of parents that bites its tail is refused elsewhere; here it must only end.
        let chain = std::iter::successors(Some(code), |code| self.parents.get(*code).copied());
        chain.take(self.scheme.levels().len() + 1).any(|above| above == self.within)
    }

    /// A grid that is to be numbered has only its parent.
    fn has_draft(&self, grid: &GridDraft) -> bool {
        grid.code.iter().chain(&grid.parent).any(|code| self.has(code))
    }
}

/// The code of `--within` is one of the city's, or the files bring it; and everything in the files lies below it.
pub(super) fn within_fits(job: &Job, incoming: &Incoming, current: Option<&BoundarySet>) -> Result<(), Vec<Fault>> {
    let Some(within) = &job.order.boundaries.within else { return Ok(()) };
    let none = BoundarySet::default();
    let current = current.unwrap_or(&none);
    let below = Below::of(within, &job.meta.scheme, incoming, current);
    let stray = |number: u64, code: Option<&Code>| Fault {
        record: (number > 0).then_some(number),
        field: Some("--within".to_owned()),
        codes: code.into_iter().cloned().collect(),
        ..Fault::new(FaultKind::BadField, format!("the record does not lie below {within}"))
    };
    let numbers = incoming.region_numbers.iter().copied().chain(std::iter::repeat(0));
    let regions = incoming.regions.iter().zip(numbers).filter(|(region, _)| !below.has(&region.code));
    let grids = incoming.grids.iter().filter(|grid| !below.has_draft(grid));
    let faults: Vec<Fault> = regions
        .map(|(region, number)| stray(number, Some(&region.code)))
        .chain(grids.map(|grid| stray(grid.number, grid.code.as_ref().or(grid.parent.as_ref()))))
        .collect();
    let is_known = || {
        let codes = current.regions.iter().map(|region| &region.code).chain(current.grids.iter().map(|grid| &grid.code));
        let given = incoming.regions.iter().map(|region| &region.code);
        codes.chain(given).any(|code| below.has(code)) || incoming.grids.iter().any(|grid| below.has_draft(grid))
    };
    if faults.is_empty() && !is_known() {
        let fault =
            Fault::new(FaultKind::UnknownCode, format!("no region or grid has the code {within}, and none lies below it"));
        return Err(vec![Fault { field: Some("--within".to_owned()), codes: vec![within.clone()], ..fault }]);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
