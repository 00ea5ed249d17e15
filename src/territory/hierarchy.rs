//! Whose child a record is: by the length of its code, or as it states. Regions that only the codes below them name are derived.

use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::records::{BoundarySet, Provenance};
use crate::domain::region::RegionRecord;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The tree over the records of one set; positions are those in `BoundarySet::regions` and `grids`.
#[derive(Debug, Clone, Default)]
pub struct Hierarchy {
    /// Level of each region, as a position in the scheme.
    pub levels: Vec<usize>,
    /// Parent of each region.
    pub region_parents: Vec<Option<usize>>,
    /// Parent of each grid.
    pub grid_parents: Vec<Option<usize>>,
    /// Whether each region has a region or grid below it.
    pub has_children: Vec<bool>,
}

impl Hierarchy {
    /// Finds every parent, or every fault.
    pub fn of(set: &BoundarySet) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut region_at: HashMap<&str, usize> = HashMap::with_capacity(set.regions.len());
        for (at, region) in set.regions.iter().enumerate() {
            if region_at.insert(region.code.as_str(), at).is_some() {
                faults.push(duplicate("regions", &region.code));
            }
        }
        let mut grids = BTreeSet::new();
        for grid in &set.grids {
            if !grids.insert(grid.code.as_str()) {
                faults.push(duplicate("grids", &grid.code));
            }
        }
        let mut void_names = BTreeSet::new();
        for void in set.voids.iter().filter(|void| !void_names.insert(void.name.as_str())) {
            faults.push(Fault::new(FaultKind::DuplicateCode, format!("two voids are called {:?}", void.name)));
        }
        let mut tree = Self { levels: Vec::with_capacity(set.regions.len()), ..Self::default() };
        for region in &set.regions {
            let level = level_of(set, region).unwrap_or_else(|fault| {
                faults.push(fault);
                0
            });
            tree.levels.push(level);
        }
        for (at, region) in set.regions.iter().enumerate() {
            let parent = tree.parent_of(set, &region_at, &region.code, region.parent.as_ref(), tree.levels[at]);
            tree.region_parents.push(parent.unwrap_or_else(|fault| {
                faults.push(fault);
                None
            }));
        }
        for grid in &set.grids {
            let parent = grid_level_of(set, &grid.code)
                .and_then(|level| tree.parent_of(set, &region_at, &grid.code, grid.parent.as_ref(), level));
            tree.grid_parents.push(parent.unwrap_or_else(|fault| {
                faults.push(fault);
                None
            }));
        }
        tree.has_children = vec![false; set.regions.len()];
        for &parent in tree.region_parents.iter().chain(&tree.grid_parents).flatten() {
            tree.has_children[parent] = true;
        }
        if faults.is_empty() { Ok(tree) } else { Err(faults) }
    }

    fn parent_of(
        &self,
        set: &BoundarySet,
        region_at: &HashMap<&str, usize>,
        code: &Code,
        stated: Option<&Code>,
        level: usize,
    ) -> Result<Option<usize>, Fault> {
        let unknown = |detail: String| {
            let mut fault = Fault::new(FaultKind::UnknownParent, detail);
            fault.codes = vec![code.clone()];
            fault
        };
        if let Some(stated) = stated {
            let Some(&at) = region_at.get(stated.as_str()) else {
                return Err(unknown(format!("{code} states the parent {stated}, which is no region")));
            };
            if self.levels[at] >= level {
                return Err(unknown(format!("{code} states the parent {stated}, which is not of a level above it")));
            }
            if set.scheme.has_lengths() && !set.scheme.ancestors_of(code).any(|(_, above)| above == *stated) {
                return Err(unknown(format!("{code} states the parent {stated}, whose code does not begin it")));
            }
            return Ok(Some(at));
        }
        if set.scheme.has_lengths() {
            return Ok(set.scheme.ancestors_of(code).find_map(|(_, above)| region_at.get(above.as_str()).copied()));
        }
        if level == set.scheme.grid_level() && level > 0 {
            return Err(unknown(format!("{code} states no parent, and scheme {:?} does not tell it by code", set.scheme.name())));
        }
        Ok(None)
    }
}

fn duplicate(of: &str, code: &Code) -> Fault {
    let mut fault = Fault::new(FaultKind::DuplicateCode, format!("two {of} have the code {code}"));
    fault.codes = vec![code.clone()];
    fault
}

fn not_in_scheme(code: &Code, detail: String) -> Fault {
    let mut fault = Fault::new(FaultKind::NotInScheme, detail);
    fault.codes = vec![code.clone()];
    fault
}

fn level_of(set: &BoundarySet, region: &RegionRecord) -> Result<usize, Fault> {
    let scheme = &set.scheme;
    let code = &region.code;
    let named = scheme.level_named(&region.level);
    let level = if scheme.has_lengths() {
        let level = scheme.level_of(code).map_err(|error| not_in_scheme(code, error.to_string()))?;
        if !region.level.is_empty() && named != Some(level) {
            let (stated, own) = (&region.level, &scheme.levels()[level].name);
            return Err(not_in_scheme(
                code,
                format!("region {code} says it is of level {stated:?}, its code is of level {own:?}"),
            ));
        }
        level
    } else {
        named.ok_or_else(|| {
            let detail = format!("region {code} is of level {:?}, which scheme {:?} does not have", region.level, scheme.name());
            not_in_scheme(code, detail)
        })?
    };
    if level == scheme.grid_level() {
        return Err(not_in_scheme(code, format!("region {code} is of the lowest level, which is that of grids")));
    }
    Ok(level)
}

fn grid_level_of(set: &BoundarySet, code: &Code) -> Result<usize, Fault> {
    let lowest = set.scheme.grid_level();
    if !set.scheme.has_lengths() {
        return Ok(lowest);
    }
    let level = set.scheme.level_of(code).map_err(|error| not_in_scheme(code, error.to_string()))?;
    if level != lowest {
        let name = &set.scheme.levels()[level].name;
        return Err(not_in_scheme(code, format!("grid {code} has a code of level {name:?}, not of the lowest one")));
    }
    Ok(lowest)
}

/// The regions that codes below them name and that have no record, nameless, sorted by code. Only for schemes with lengths. The top
/// level of a scheme of three or more is derived only where it joins two codes of the level below: one city needs no province above it.
pub fn derived_regions(set: &BoundarySet) -> Vec<RegionRecord> {
    if !set.scheme.has_lengths() {
        return Vec::new();
    }
    let known: BTreeSet<&str> = set.regions.iter().map(|region| region.code.as_str()).collect();
    let mut derived: BTreeMap<Code, usize> = BTreeMap::new();
    let mut below_top: BTreeMap<Code, BTreeSet<Code>> = BTreeMap::new();
    // Most neighbours in code order share their ancestors.
    let mut last: Option<Code> = None;
    for code in set.regions.iter().map(|region| &region.code).chain(set.grids.iter().map(|grid| &grid.code)) {
        let above: Vec<(usize, Code)> = set.scheme.ancestors_of(code).collect();
        if above.first().map(|(_, code)| code) == last.as_ref() && last.is_some() {
            continue;
        }
        last = above.first().map(|(_, code)| code.clone());
        for (level, ancestor) in &above {
            if *level > 0 || set.scheme.grid_level() < 2 {
                if !known.contains(ancestor.as_str()) {
                    derived.insert(ancestor.clone(), *level);
                }
            } else {
                let next = above.iter().rev().nth(1).map_or_else(|| code.clone(), |(_, next)| next.clone());
                below_top.entry(ancestor.clone()).or_default().insert(next);
            }
        }
    }
    derived.extend(
        below_top.into_iter().filter(|(top, below)| below.len() > 1 && !known.contains(top.as_str())).map(|(top, _)| (top, 0)),
    );
    derived
        .into_iter()
        .map(|(code, level)| RegionRecord {
            code,
            level: set.scheme.levels()[level].name.clone(),
            name: String::new(),
            parent: None,
            claim: None,
            provenance: Provenance::default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grid::{GridKind, GridRecord};
    use crate::geom::Area;

    fn grid(code: &str, parent: Option<&str>) -> GridRecord {
        GridRecord {
            code: Code::new(code).expect("a code"),
            name: String::new(),
            kind: GridKind::Base,
            parent: parent.map(|code| Code::new(code).expect("a code")),
            area: Area::default(),
            households: None,
            population: None,
            provenance: Provenance::default(),
        }
    }

    fn region(code: &str, level: &str) -> RegionRecord {
        let code = Code::new(code).expect("a code");
        RegionRecord {
            code,
            level: level.to_owned(),
            name: String::new(),
            parent: None,
            claim: None,
            provenance: Provenance::default(),
        }
    }

    fn derived(grids: &[&str]) -> Vec<String> {
        let set = BoundarySet { grids: grids.iter().map(|code| grid(code, None)).collect(), ..BoundarySet::default() };
        derived_regions(&set).into_iter().map(|region| region.code.to_string()).collect()
    }

    #[test]
    fn a_grid_code_names_its_regions_but_one_city_needs_no_province() {
        assert_eq!(
            derived(&["330902002001001", "330902002002001"]),
            ["3309", "330902", "330902002", "330902002001", "330902002002"]
        );
        assert_eq!(derived(&["330902002001001", "330102002001001"])[0], "33");
    }

    #[test]
    fn a_level_that_is_skipped_is_skipped() {
        let set = BoundarySet {
            grids: vec![grid("330902002001001", None)],
            regions: vec![region("3309", "city"), region("330902", "county")],
            ..BoundarySet::default()
        };
        let tree = Hierarchy::of(&set).expect("a tree");
        assert_eq!(tree.grid_parents, [Some(1)]);
        assert_eq!(tree.region_parents, [None, Some(0)]);
        assert_eq!(tree.has_children, [true, true]);
    }

    #[test]
    fn every_misplaced_code_is_named() {
        let set = BoundarySet {
            grids: vec![grid("330902002001", None), grid("330902002001001", Some("330903")), grid("330902002001001", None)],
            regions: vec![region("3309", "county"), region("330902002001001", "")],
            ..BoundarySet::default()
        };
        let faults = Hierarchy::of(&set).expect_err("faults");
        let kinds: Vec<FaultKind> = faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(
            kinds,
            [
                FaultKind::DuplicateCode,
                FaultKind::NotInScheme,
                FaultKind::NotInScheme,
                FaultKind::NotInScheme,
                FaultKind::UnknownParent
            ]
        );
    }

    #[test]
    fn in_a_scheme_without_lengths_parents_are_stated() {
        let scheme = serde_json::from_str(r#"{"name":"xx","levels":[{"name":"district"},{"name":"block"}]}"#).expect("a scheme");
        let mut set = BoundarySet {
            scheme,
            grids: vec![grid("b", Some("a"))],
            regions: vec![region("a", "district")],
            ..BoundarySet::default()
        };
        assert_eq!(Hierarchy::of(&set).expect("a tree").grid_parents, [Some(0)]);
        set.grids[0].parent = None;
        assert_eq!(Hierarchy::of(&set).expect_err("no parent")[0].kind, FaultKind::UnknownParent);
    }
}
