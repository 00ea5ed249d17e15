//! The boundary set as it would be: what the files say, merged with what is in force.

use super::boundaries::{BoundaryTerms, Incoming};
use super::fits::Below;
use super::report::Tally;
use super::{Job, Report};
use crate::domain::code::Code;
use crate::domain::grid::GridRecord;
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::geom::{Area, LatticeBox};
use crate::interchange::boundaries::GridDraft;
use crate::interchange::fields::Kind;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A record with land of its own, from a file or from the store.
trait Landed {
    fn land(&self) -> Option<&Area>;
    fn provenance(&self) -> &Provenance;
}

macro_rules! landed {
    ($($record:ty: $land:expr),*) => {
        $(impl Landed for $record {
            fn land(&self) -> Option<&Area> {
                let land: fn(&Self) -> Option<&Area> = $land;
                land(self)
            }
            fn provenance(&self) -> &Provenance {
                &self.provenance
            }
        })*
    };
}
landed!(
    GridDraft: |grid| Some(&grid.area),
    GridRecord: |grid| Some(&grid.area),
    RegionRecord: |region| region.claim.as_ref(),
    VoidRecord: |void| Some(&void.area)
);

/// Where land changes.
#[derive(Default)]
struct Touched(Vec<LatticeBox>);

impl Touched {
    fn add(&mut self, record: &impl Landed) {
        self.0.extend(record.land().and_then(Area::bbox));
    }

    fn meets(&self, record: &impl Landed) -> bool {
        record.land().and_then(Area::bbox).is_some_and(|own| self.0.iter().any(|land| land.meets(own)))
    }
}

/// A record of the files beside the stored one of its code or name.
enum Told<'a, R> {
    New,
    /// The store says something else.
    Changed(&'a R),
    /// The store says the same.
    Same(&'a R),
}

/// What the files say about one kind of record, counted, and where land changes by it.
struct Merging<'t> {
    tally: &'t mut Tally,
    touched: Touched,
}

impl Merging<'_> {
    /// Finds the stored record of each record of the files.
    fn tell<'a, D: Landed, R: Landed>(
        &mut self,
        given: impl IntoIterator<Item = D>,
        stored: impl Fn(&D) -> Option<&'a R>,
    ) -> Vec<(D, Told<'a, R>)> {
        let told = given.into_iter().map(|record| match stored(&record) {
            None => {
                self.tally.new += 1;
                self.touched.add(&record);
                (record, Told::New)
            }
            Some(old) if old.provenance().source_hash == record.provenance().source_hash => {
                self.tally.same += 1;
                (record, Told::Same(old))
            }
            Some(old) => {
                self.tally.changed += 1;
                self.touched.add(old);
                self.touched.add(&record);
                (record, Told::Changed(old))
            }
        });
        told.collect()
    }

    /// What becomes of a stored record that the files do not have: whether it stays.
    fn stays(&mut self, old: &impl Landed, replaced: bool) -> bool {
        if replaced {
            self.tally.removed += 1;
            self.touched.add(old);
        }
        !replaced
    }

    /// A record that says the same stays as it was mended, unless land beside it changes: then it is mended anew from what its file
    /// says, since its border was cut to fit the land that was there.
    fn stands(&self, given: &impl Landed, old: &impl Landed) -> bool {
        !(self.touched.meets(given) || self.touched.meets(old))
    }
}

/// The set as it would be: what the files replace leaves, the rest stays.
pub(super) fn merge(job: &Job, incoming: Incoming, current: Option<&BoundarySet>, report: &mut Report) -> BoundarySet {
    let terms = &job.order.boundaries;
    let scheme = &job.meta.scheme;
    let none = BoundarySet::default();
    let current = current.unwrap_or(&none);
    let replaced = Replaced::of(terms, scheme, job.order.kind, &incoming, current);
    let Incoming { regions: given_regions, grids: given_grids, voids: given_voids, .. } = incoming;
    let mut merging = Merging { tally: &mut report.tally, touched: Touched::default() };

    let mut grids: BTreeMap<Code, GridRecord> = BTreeMap::new();
    let given: HashSet<Code> = given_grids.iter().filter_map(|grid| grid.code.clone()).collect();
    for grid in current.grids.iter().filter(|grid| !given.contains(&grid.code)) {
        if merging.stays(grid, replaced.grid(grid)) {
            grids.insert(grid.code.clone(), grid.clone());
        }
    }
    let before: HashMap<&Code, &GridRecord> = current.grids.iter().map(|grid| (&grid.code, grid)).collect();
    let told_grids = merging.tell(given_grids, |draft| before.get(draft.code.as_ref()?).copied());

    let mut regions: BTreeMap<Code, RegionRecord> = BTreeMap::new();
    let given: HashSet<Code> = given_regions.iter().map(|region| region.code.clone()).collect();
    let before: HashMap<&Code, &RegionRecord> =
        current.regions.iter().filter(|region| !is_derived(region)).map(|region| (&region.code, region)).collect();
    for region in before.values().filter(|region| !given.contains(&region.code)) {
        if merging.stays(*region, replaced.region(region)) {
            regions.insert(region.code.clone(), (*region).clone());
        }
    }
    let told_regions = merging.tell(given_regions, |region| before.get(&region.code).copied());

    let by_name: HashMap<&str, &VoidRecord> = current.voids.iter().map(|void| (void.name.as_str(), void)).collect();
    let told_voids = merging.tell(given_voids, |void| by_name.get(void.name.as_str()).copied());

    for (draft, told) in told_grids {
        let record = match told {
            Told::Same(old) if merging.stands(&draft, old) => old.clone(),
            // Only its land is told anew: everything else stands as it is stored.
            Told::Same(old) => GridRecord { area: draft.area, ..old.clone() },
            Told::Changed(old) => grid_record(draft, Some(old), scheme),
            Told::New => grid_record(draft, None, scheme),
        };
        grids.insert(record.code.clone(), record);
    }
    for (region, told) in told_regions {
        let record = match told {
            Told::Same(old) if merging.stands(&region, old) => old.clone(),
            Told::Same(old) => RegionRecord { claim: region.claim, ..old.clone() },
            Told::New | Told::Changed(_) => region,
        };
        regions.insert(record.code.clone(), record);
    }
    for parent in missing_parents(scheme, &grids, &regions) {
        regions.insert(parent.code.clone(), parent);
    }
    let mut voids: BTreeMap<String, VoidRecord> = BTreeMap::new();
    for (void, told) in told_voids {
        let record = match told {
            Told::Same(old) if merging.stands(&void, old) => old.clone(),
            _ => void,
        };
        voids.insert(record.name.clone(), record);
    }
    for void in &current.voids {
        // Voids that an import made are looked for anew where land changes.
        let made_by_import = void.provenance.source_hash.is_none();
        if !(voids.contains_key(&void.name) || made_by_import && merging.touched.meets(void)) {
            voids.insert(void.name.clone(), void.clone());
        }
    }
    BoundarySet {
        set: terms.set.clone(),
        scheme: scheme.clone(),
        period: terms.period,
        regions: regions.into_values().collect(),
        grids: grids.into_values().collect(),
        voids: voids.into_values().collect(),
    }
}

/// A grid as its file has it. Counts that the file does not give stay.
fn grid_record(draft: GridDraft, old: Option<&GridRecord>, scheme: &Scheme) -> GridRecord {
    let record = draft.record().expect("codes were asked for or assigned before");
    GridRecord {
        // A scheme with lengths knows it, and then says so in one way only.
        parent: if scheme.has_lengths() { None } else { record.parent },
        households: record.households.or(old.and_then(|old| old.households)),
        population: record.population.or(old.and_then(|old| old.population)),
        ..record
    }
}

/// A region that no file gave.
pub(super) fn is_derived(region: &RegionRecord) -> bool {
    region.provenance.source_hash.is_none() && region.claim.is_none() && region.name.is_empty()
}

/// In a scheme without lengths a parent that is only named is a region of the level above the grids.
fn missing_parents(
    scheme: &Scheme,
    grids: &BTreeMap<Code, GridRecord>,
    regions: &BTreeMap<Code, RegionRecord>,
) -> Vec<RegionRecord> {
    if scheme.has_lengths() || scheme.grid_level() != 1 {
        return Vec::new();
    }
    let named: BTreeSet<&Code> = grids.values().filter_map(|grid| grid.parent.as_ref()).collect();
    named
        .into_iter()
        .filter(|code| !regions.contains_key(*code))
        .map(|code| RegionRecord {
            code: code.clone(),
            level: scheme.levels()[0].name.clone(),
            name: String::new(),
            parent: None,
            claim: None,
            provenance: Provenance::default(),
        })
        .collect()
}

/// What leaves when the files do not have it.
struct Replaced {
    /// Everything at or below the code of `--within`.
    within: HashSet<Code>,
    /// The code itself, which stays.
    top: Option<Code>,
    /// Parents of the files' grids; `None` stands for grids without a parent.
    communities: HashSet<Option<Code>>,
    community_length: Option<usize>,
}

impl Replaced {
    fn of(terms: &BoundaryTerms, scheme: &Scheme, kind: Kind, incoming: &Incoming, current: &BoundarySet) -> Self {
        let above = scheme.grid_level().checked_sub(1).and_then(|level| scheme.levels()[level].length);
        let mut replaced =
            Self { within: HashSet::new(), top: terms.within.clone(), communities: HashSet::new(), community_length: above };
        if let Some(within) = &terms.within {
            // As it is stored: a grid that the files move out of it is in the files.
            let below = Below::of(within, scheme, incoming, current);
            let codes = current.regions.iter().map(|region| &region.code).chain(current.grids.iter().map(|grid| &grid.code));
            replaced.within = codes.filter(|code| below.has(code)).cloned().collect();
        } else if kind == Kind::Grids {
            replaced.communities = incoming
                .grids
                .iter()
                .filter_map(|grid| Some(replaced.community(grid.code.as_ref()?, grid.parent.as_ref())))
                .collect();
        }
        replaced
    }

    fn community(&self, code: &Code, parent: Option<&Code>) -> Option<Code> {
        match self.community_length {
            Some(length) => Code::new(&code.as_str().chars().take(length).collect::<String>()).ok(),
            None => parent.cloned(),
        }
    }

    fn grid(&self, grid: &GridRecord) -> bool {
        self.within.contains(&grid.code) || self.communities.contains(&self.community(&grid.code, grid.parent.as_ref()))
    }

    fn region(&self, region: &RegionRecord) -> bool {
        self.within.contains(&region.code) && self.top.as_ref() != Some(&region.code)
    }
}
