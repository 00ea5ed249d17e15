//! Numbers for grids that come without a code. DB11/T 2157-2023: within a community from west to east, from north to south. Grids are
//! no chessboard, so rows are as high as the community's median grid, counted from the north, by label point.

use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::scheme::Scheme;
use crate::geom::planar::label_point;
use crate::geom::{Area, LatticePoint};
use crate::interchange::boundaries::GridDraft;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Gives a code to every draft without one. `known`: codes in force by external id (system and id) or source hash, so that a grid that
/// was numbered before keeps its number; new ones are numbered behind the highest of their community.
pub(super) fn assign(drafts: &mut [GridDraft], scheme: &Scheme, known: &Known) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut by_community: BTreeMap<Code, Vec<usize>> = BTreeMap::new();
    let mut taken: HashMap<Code, u64> = HashMap::new();
    for draft in drafts.iter().filter(|draft| draft.code.is_some()) {
        taken.extend(draft.code.clone().map(|code| (code, draft.number)));
    }
    for (at, draft) in drafts.iter_mut().enumerate().filter(|(_, draft)| draft.code.is_none()) {
        let Some(community) = draft.parent.clone() else {
            let detail = "a grid without a code needs its community (parent) to be numbered";
            faults.push(Fault {
                record: Some(draft.number),
                field: Some("parent".to_owned()),
                ..Fault::new(FaultKind::BadField, detail)
            });
            continue;
        };
        // A grid that now lies in another community gets a number there.
        match known.code(draft).filter(|code| !taken.contains_key(*code) && known.lies_in(scheme, code, &community)).cloned() {
            Some(code) => {
                taken.insert(code.clone(), draft.number);
                draft.code = Some(code);
            }
            None => by_community.entry(community).or_default().push(at),
        }
    }
    let is_taken: HashSet<&Code> = known.codes.iter().map(|(code, _)| code).collect();
    for (community, mut members) in by_community {
        let width = match width(scheme, &community) {
            Ok(width) => width,
            Err(fault) => {
                faults.push(Fault { record: Some(drafts[members[0]].number), ..fault });
                continue;
            }
        };
        let most = 10_u64.pow(u32::try_from(width.min(18)).unwrap_or(18)) - 1;
        sort_by_rows(&mut members, |at| &drafts[at].area);
        let given = drafts.iter().filter_map(|draft| Some((draft.code.as_ref()?, draft.parent.as_ref())));
        let codes = known.codes.iter().map(|(code, parent)| (code, parent.as_ref())).chain(given);
        let own = codes.filter(|(code, parent)| lies_in(scheme, code, *parent, &community));
        let last = own.filter_map(|(code, _)| sequence(code, &community)).max().unwrap_or(0);
        if last + members.len() as u64 > most {
            let detail = format!(
                "community {community} has {} grids to number behind {last}, the scheme has room for {most}",
                members.len()
            );
            let first = drafts[members[0]].number;
            faults.push(Fault { record: Some(first), codes: vec![community.clone()], ..Fault::new(FaultKind::BadField, detail) });
            continue;
        }
        // In a scheme without lengths the code of another community's grid may read like one of this one's.
        let mut free = (last + 1..).map(|number| Code::new(&format!("{community}{number:0width$}"))).filter(|code| {
            code.as_ref().is_ok_and(|code| !is_taken.contains(code) && !taken.contains_key(code)) || code.is_err()
        });
        for at in members {
            match free.next().expect("numbers do not end") {
                Ok(code) => drafts[at].code = Some(code),
                Err(error) => {
                    faults.push(Fault { record: Some(drafts[at].number), ..Fault::new(FaultKind::BadField, error.to_string()) })
                }
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Codes in force, to number behind and to recognise by.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) by_external: HashMap<(String, String), Code>,
    pub(super) by_hash: HashMap<u64, Code>,
    /// All codes there are or ever were, with the parents they stated: a code is never given twice.
    pub(super) codes: Vec<(Code, Option<Code>)>,
}

impl Known {
    fn code(&self, draft: &GridDraft) -> Option<&Code> {
        let external =
            || draft.provenance.external_ids.iter().find_map(|(system, id)| self.by_external.get(&(system.clone(), id.clone())));
        let hashed = || draft.provenance.source_hash.and_then(|hash| self.by_hash.get(&hash));
        external().or_else(hashed)
    }

    fn lies_in(&self, scheme: &Scheme, code: &Code, community: &Code) -> bool {
        let stated = self.codes.iter().rev().find(|(known, _)| known == code).and_then(|(_, parent)| parent.as_ref());
        lies_in(scheme, code, stated, community)
    }
}

/// Whether a grid lies in a community: by its code, or as it states.
fn lies_in(scheme: &Scheme, code: &Code, stated: Option<&Code>, community: &Code) -> bool {
    if scheme.has_lengths() {
        scheme.ancestors_of(code).next().is_some_and(|(_, above)| above == *community)
    } else {
        stated == Some(community)
    }
}

/// The number behind the community's code.
fn sequence(code: &Code, community: &Code) -> Option<u64> {
    code.as_str().strip_prefix(community.as_str())?.parse().ok()
}

/// Digits that a grid's code has behind its community's.
fn width(scheme: &Scheme, community: &Code) -> Result<usize, Fault> {
    let grid = scheme.levels()[scheme.grid_level()].length;
    let own = community.as_str().chars().count();
    match grid {
        // A scheme without lengths: three digits, as in the standard.
        None => Ok(3),
        // A number behind the code of a higher level would read as a code of a community in between.
        Some(grid) if scheme.level_of(community).is_ok_and(|level| level + 1 == scheme.grid_level()) => Ok(grid - own),
        Some(grid) => {
            let level = scheme.grid_level().checked_sub(1).map_or("none", |level| scheme.levels()[level].name.as_str());
            let detail = format!(
                "parent {community} has {own} characters, grids have {grid}: it must be of the level right above ({level})"
            );
            Err(Fault { field: Some("parent".to_owned()), ..Fault::new(FaultKind::NotInScheme, detail) })
        }
    }
}

/// Rows of the median height from the north, each from west to east.
fn sort_by_rows<'a>(members: &mut [usize], area: impl Fn(usize) -> &'a Area) {
    let label = |at: usize| label_point(area(at)).unwrap_or_default();
    let mut heights: Vec<i64> =
        members.iter().filter_map(|at| area(*at).bbox()).map(|bbox| i64::from(bbox.max.y) - i64::from(bbox.min.y)).collect();
    heights.sort_unstable();
    let height = heights.get(heights.len() / 2).copied().unwrap_or(1).max(1);
    let labels: HashMap<usize, LatticePoint> = members.iter().map(|at| (*at, label(*at))).collect();
    let north = labels.values().map(|label| i64::from(label.y)).max().unwrap_or(0);
    members.sort_by_key(|at| {
        let label = labels[at];
        ((north - i64::from(label.y)) / height, label.x, label.y, *at)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grid::GridKind;
    use crate::domain::records::Provenance;
    use crate::geom::Polygon;

    fn draft(number: u64, west: i32, south: i32) -> GridDraft {
        let corners = [(0, 0), (90, 0), (90, 90), (0, 90)];
        let exterior = corners.iter().map(|(x, y)| LatticePoint::new(west + x, south + y)).collect();
        GridDraft {
            number,
            code: None,
            name: String::new(),
            kind: GridKind::Base,
            parent: Some(Code::new("330902002001").expect("a code")),
            area: Area::canonical([Polygon { exterior, holes: Vec::new() }]),
            households: None,
            population: None,
            provenance: Provenance { source_hash: Some(number), ..Provenance::default() },
        }
    }

    fn numbers(drafts: &[GridDraft]) -> Vec<(u64, String)> {
        let mut found: Vec<_> =
            drafts.iter().map(|d| (d.number, d.code.as_ref().expect("assigned").as_str()[12..].to_owned())).collect();
        found.sort();
        found
    }

    #[test]
    fn numbers_run_in_rows_from_the_north_west() {
        // A row of three whose middles differ by less than a height, then one below.
        let mut drafts = vec![draft(1, 0, 0), draft(2, 200, 180), draft(3, 100, 210), draft(4, 0, 200)];
        assign(&mut drafts, &Scheme::cn(), &Known::default()).expect("there is room");
        let text = |n: &str| n.to_owned();
        assert_eq!(numbers(&drafts), [(1, text("004")), (2, text("003")), (3, text("002")), (4, text("001"))]);
    }

    #[test]
    fn who_was_numbered_before_keeps_the_number_and_no_number_comes_twice() {
        let code = |text: &str| Code::new(text).expect("a code");
        let known = Known {
            by_hash: HashMap::from([(2, code("330902002001007"))]),
            codes: ["330902002001007", "330902002001009", "330902002002050"].map(|text| (code(text), None)).to_vec(),
            ..Known::default()
        };
        let mut drafts = vec![draft(1, 0, 0), draft(2, 200, 180)];
        assign(&mut drafts, &Scheme::cn(), &known).expect("there is room");
        assert_eq!(numbers(&drafts), [(1, "010".to_owned()), (2, "007".to_owned())]);
    }

    #[test]
    fn a_grid_that_moved_to_another_community_is_numbered_there() {
        let code = |text: &str| Code::new(text).expect("a code");
        let known = Known {
            by_hash: HashMap::from([(1, code("330902002001007")), (2, code("330902002001008"))]),
            codes: ["330902002001007", "330902002001008"].map(|text| (code(text), None)).to_vec(),
            ..Known::default()
        };
        let mut drafts = vec![draft(1, 0, 0), GridDraft { parent: Some(code("330902002003")), ..draft(2, 200, 180) }];
        assign(&mut drafts, &Scheme::cn(), &known).expect("there is room");
        let codes: Vec<_> = drafts.iter().map(|draft| draft.code.as_ref().expect("assigned").as_str()).collect();
        assert_eq!(codes, ["330902002001007", "330902002003001"]);
    }

    #[test]
    fn where_parents_are_stated_only_their_own_grids_count() {
        let code = |text: &str| Code::new(text).expect("a code");
        let scheme: Scheme =
            serde_json::from_str(r#"{"name":"x","levels":[{"name":"area"},{"name":"grid"}]}"#).expect("a scheme");
        let codes =
            vec![(code("A10999"), Some(code("A10"))), (code("A1001"), Some(code("A10"))), (code("A1002"), Some(code("A1")))];
        let known = Known { codes, ..Known::default() };
        let mut drafts = vec![GridDraft { parent: Some(code("A1")), ..draft(1, 0, 0) }];
        assign(&mut drafts, &scheme, &known).expect("there is room");
        assert_eq!(drafts[0].code, Some(code("A1003")), "behind A1's own 002, not behind A10's 999");
        let known = Known { codes: vec![(code("A1001"), Some(code("A10")))], ..Known::default() };
        let mut drafts = vec![GridDraft { parent: Some(code("A1")), ..draft(1, 0, 0) }];
        assign(&mut drafts, &scheme, &known).expect("there is room");
        assert_eq!(drafts[0].code, Some(code("A1002")), "A1001 is another grid's");
    }

    #[test]
    fn a_full_community_and_a_wrong_one_are_faults() {
        let mut drafts: Vec<GridDraft> = (0..1000).map(|n| draft(n, i32::try_from(n).expect("small") * 100, 0)).collect();
        assert_eq!(assign(&mut drafts, &Scheme::cn(), &Known::default()).expect_err("999 at most").len(), 1);
        let mut drafts = vec![GridDraft { parent: Some(Code::new("33090200200").expect("a code")), ..draft(1, 0, 0) }];
        assert_eq!(
            assign(&mut drafts, &Scheme::cn(), &Known::default()).expect_err("11 characters")[0].kind,
            FaultKind::NotInScheme
        );
        let mut drafts = vec![GridDraft { parent: Some(Code::new("330902002").expect("a code")), ..draft(1, 0, 0) }];
        let faults = assign(&mut drafts, &Scheme::cn(), &Known::default()).expect_err("a township is two levels above");
        assert_eq!((faults[0].kind, faults[0].field.as_deref()), (FaultKind::NotInScheme, Some("parent")));
        let mut drafts = vec![GridDraft { parent: None, ..draft(1, 0, 0) }];
        assert!(assign(&mut drafts, &Scheme::cn(), &Known::default()).is_err());
    }
}
