//! Proof that stored boundaries are a partition: what `mend` establishes, shown again from nothing but the records.

use super::cover::Cover;
use super::patches::{Wrong, patches};
use super::{Lands, settle};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::records::BoundarySet;
use crate::geom::area::Ring;
use crate::geom::planar::{FaceIx, closed_pairs};
use crate::territory::hierarchy::Hierarchy;

/// Every invariant of stored boundaries that does not hold: codes and parents; every node a vertex of all rings that touch it; no gap, no
/// overlap, not even a sliver; areas in canonical form. Costs about as much as `mend`.
pub fn check(set: &BoundarySet) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tree = match Hierarchy::of(set) {
        Ok(tree) => tree,
        Err(faults) => return faults,
    };
    let lands = Lands::of(set, &tree);
    let cover = match Cover::of(&lands.areas, &[]) {
        Ok(cover) => cover,
        Err(error) => {
            let mut fault = Fault::new(FaultKind::Corrupt, error.to_string());
            fault.place = Some(error.place.lonlat());
            return vec![fault];
        }
    };
    let noding = cover.arrangement.noding();
    let lacks = |ring: &Ring| closed_pairs(ring).find(|(from, to)| noding.changed(*from, *to));
    for (land, area) in lands.areas.iter().enumerate() {
        let land = land as u32;
        if let Some((from, to)) = area.rings().find_map(lacks) {
            let mut fault = Fault::new(FaultKind::Corrupt, format!("an edge of {} lacks a vertex of another", lands.name(land)));
            let mut through = vec![from];
            noding.push_through(from, to, &mut through);
            fault.codes = lands.codes(&[land]);
            fault.place = Some(through[1].lonlat());
            faults.push(fault);
        }
    }
    let class = |face: FaceIx| settle::wrong(&lands, cover.around(face)).err().map(|wrong| (cover.of_face[face], wrong));
    for (_, patch) in patches(&cover, class) {
        let concerned: Vec<u32> = cover.around(patch.faces[0]).iter().map(|(land, _)| *land).collect();
        let (kind, detail) = match patch.wrong {
            Wrong::Gap => (FaultKind::Gap, "no one owns this land".to_owned()),
            Wrong::Overlap => (FaultKind::Overlap, format!("{} cover the same land", lands.names(&concerned))),
            Wrong::Crossing => (FaultKind::SelfCrossing, format!("the border of {} crosses itself", lands.names(&concerned))),
        };
        let mut fault = Fault::new(kind, detail);
        fault.codes = lands.codes(&concerned);
        fault.place = Some(patch.place.lonlat());
        fault.area_m2 = Some(patch.area_m2);
        fault.area = Some(patch.area);
        faults.push(fault);
    }
    if faults.is_empty() {
        let owner_of = settle::plain_owners(&cover, &lands);
        let areas = cover.arrangement.areas(&owner_of, lands.owned.len());
        for (land, area) in areas.iter().enumerate().filter(|(land, area)| *area != lands.areas[*land]) {
            let what = if area.is_empty() { "has no land" } else { "is not in canonical form" };
            let mut fault = Fault::new(FaultKind::Corrupt, format!("{} {what}", lands.name(land as u32)));
            fault.codes = lands.codes(&[land as u32]);
            fault.place = lands.areas[land].rings().next().and_then(|ring| ring.first()).map(|p| p.lonlat());
            faults.push(fault);
        }
    }
    faults
}
