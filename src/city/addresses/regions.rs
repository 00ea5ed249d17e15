//! Regions in an answer: those that speak against a place, and those that are all that was found.

use super::asked::Reading;
use super::find::{Candidate, MatchKind};
use crate::domain::id::{RegionIx, Unit};
use crate::territory::Territory;
use crate::territory::search::{Fit, Named};
use crate::territory::words::Mention;

/// Regions and grids of one name that are candidates.
const MOST: usize = 100;
/// The place is in another county than the text says.
const OTHER_COUNTY: f64 = 0.25;
/// The place is in another township or community: people often name the next one.
const OTHER_COMMUNITY: f64 = 0.6;

/// The region or grid with a code.
pub(super) fn unit_of(territory: &Territory, code: &str) -> Option<Unit> {
    territory.grid_ix(code).map(Unit::Grid).or_else(|| territory.region_ix(code).map(Unit::Region))
}

/// What the regions that a text names leave of the score of a place in `unit`, whose address names those in `prefix`.
pub(super) fn agreement(territory: &Territory, mentions: &[Mention<'_>], unit: Option<Unit>, prefix: &str) -> f64 {
    let against = |mention: &&Mention<'_>| elsewhere(territory, mention, unit, prefix);
    let is_county = |mention: &Mention<'_>| mention.regions.iter().any(|ix| territory.words().is_county(*ix));
    let factor = |mention: &Mention<'_>| if is_county(mention) { OTHER_COUNTY } else { OTHER_COMMUNITY };
    mentions.iter().filter(against).map(factor).fold(1.0, f64::min)
}

/// Whether a region that was named is another one than where the place is. One below it says nothing against it.
fn elsewhere(territory: &Territory, mention: &Mention<'_>, unit: Option<Unit>, prefix: &str) -> bool {
    if mention.regions.is_empty() || prefix.contains(mention.text) {
        return false;
    }
    let Some(own) = unit.and_then(|unit| region_of(territory, unit)) else { return true };
    let related =
        |named: &RegionIx| territory.region(*named).subtree.contains(&own.0) || territory.region(own).subtree.contains(&named.0);
    !mention.regions.iter().any(related)
}

/// The region that a unit is, or lies in.
fn region_of(territory: &Territory, unit: Unit) -> Option<RegionIx> {
    match unit {
        Unit::Grid(ix) => territory.grid(ix).parent,
        Unit::Region(ix) => Some(ix),
    }
}

/// When there is no address: the lowest regions named, or a region or grid of just this name. `rest` is the text without the regions at its
/// beginning.
pub(super) fn regions(
    territory: &Territory,
    rest: &str,
    reading: &Reading<'_>,
    allowed: &impl Fn(Option<Unit>) -> bool,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    let candidate = |unit: Unit, score: f64| Candidate {
        kind: MatchKind::Region,
        score,
        text: match unit {
            Unit::Grid(ix) => territory.grid(ix).name.clone(),
            Unit::Region(ix) => territory.region(ix).name.clone(),
        },
        name: String::new(),
        id: None,
        at: None,
        unit: Some(unit),
        between: None,
    };
    let wanted = rest.to_lowercase();
    if !wanted.is_empty() {
        let unit = |named: Named| match named {
            Named::Region(ix) => Unit::Region(ix),
            Named::Grid(ix) => Unit::Grid(ix),
        };
        let hits = territory.search(&wanted, MOST, |named| allowed(Some(unit(named))));
        for hit in hits.into_iter().filter(|hit| hit.fit == Fit::Exact) {
            let unit = unit(hit.named);
            let agrees = agreement(territory, &reading.mentions, Some(unit), "") == 1.0;
            found.push(candidate(unit, if agrees { 0.2 } else { 0.1 }));
        }
        if !found.is_empty() {
            return found;
        }
    }
    // Where a province or city is told that is not this one, only regions above it have been understood, if any.
    let (short, between) = match reading.elsewhere.is_empty() {
        true => territory.words().mentions(rest),
        false => (Vec::new(), rest.to_owned()),
    };
    let all: Vec<Mention<'_>> = reading.mentions.iter().copied().chain(short).collect();
    if all.iter().any(|mention| mention.foreign) {
        return found;
    }
    let Some(last) = all.iter().rev().find(|mention| !mention.regions.is_empty()) else { return found };
    let score = if between.is_empty() { 0.2 } else { 0.1 };
    for ix in last.regions {
        let unit = Unit::Region(*ix);
        if allowed(Some(unit)) && agreement(territory, &all, Some(unit), "") == 1.0 {
            found.push(candidate(unit, score));
        }
    }
    found
}
