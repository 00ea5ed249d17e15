//! Who gets which face: the plain ones, the slivers, and what is accepted; the rest are faults.

use super::cover::Cover;
use super::patches::{Patch, Wrong, patches};
use super::slits::{self, Uncovered};
use super::{Accept, Lands};
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::geom::measure::segment_distance_m;
use crate::geom::planar::{Edge, FaceIx, Noding, TooManyRounds};
use crate::geom::{Area, LatticePoint, Polygon};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// Pairs of edges of one patch that are looked at: more have no two borders that run along each other.
const MOST_PAIRS: usize = 10_000_000;

/// All land given out.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Per land of `Lands`, then new voids. Where there are faults, overlaps went to the least land, gaps to none.
    pub(super) areas: Vec<Area>,
    pub(super) repairs: Vec<Repair>,
    pub(super) faults: Vec<Fault>,
    pub(super) accepted: Vec<Fault>,
}

impl Settled {
    /// Nodes all land and gives out its faces.
    pub(super) fn of(lands: &Lands<'_>, accept: &Accept) -> Result<Self, Box<Fault>> {
        let unrest = |error: TooManyRounds| {
            let mut fault = Fault::new(FaultKind::Corrupt, error.to_string());
            fault.place = Some(error.place.lonlat());
            Box::new(fault)
        };
        let mut cover = Cover::of(&lands.areas, &[]).map_err(unrest)?;
        let bridges = slits::bridges(&cover, &plain_owners(&cover, lands));
        if !bridges.is_empty() {
            let bridged = Cover::of(&lands.areas, &bridges).map_err(unrest)?;
            let useful = slits::useful(&bridged, &bridges);
            // Without the others, which would leave their ends as vertices.
            cover = match useful.len() {
                0 => cover,
                len if len == bridges.len() => bridged,
                _ => Cover::of(&lands.areas, &useful).map_err(unrest)?,
            };
        }
        let mut settling = Settling {
            lands,
            accept,
            owner_of: plain_owners(&cover, lands),
            cover,
            touched: HashSet::new(),
            new_voids: 0,
            settled: Self::default(),
        };
        settling.settle();
        Ok(settling.finish())
    }
}

/// What a combination of windings means.
pub(super) fn wrong(lands: &Lands<'_>, windings: &[(u32, i32)]) -> Result<u32, Wrong> {
    match windings {
        [] => Err(Wrong::Gap),
        _ if windings.iter().any(|(_, winding)| *winding != 1) => Err(Wrong::Crossing),
        [(land, _)] => Ok(*land),
        // Voids over voids need no owner's word; the first name takes it.
        [(land, _), ..] if lands.is_void(*land) => Ok(*land),
        _ => Err(Wrong::Overlap),
    }
}

/// Owners of the faces with which nothing is wrong.
pub(super) fn plain_owners(cover: &Cover, lands: &Lands<'_>) -> Vec<Option<u32>> {
    let by_windings: Vec<Option<u32>> = cover.windings.iter().map(|windings| wrong(lands, windings).ok()).collect();
    cover.of_face.iter().map(|&at| by_windings[at as usize]).collect()
}

struct Settling<'a> {
    lands: &'a Lands<'a>,
    accept: &'a Accept,
    cover: Cover,
    owner_of: Vec<Option<u32>>,
    /// Lands that a repair or an accepted fault changed.
    touched: HashSet<u32>,
    new_voids: u32,
    settled: Settled,
}

impl Settling<'_> {
    fn settle(&mut self) {
        let by_windings: Vec<Option<Wrong>> =
            self.cover.windings.iter().map(|windings| wrong(self.lands, windings).err()).collect();
        let class = |face: FaceIx| {
            let at = self.cover.of_face[face];
            let wrong = by_windings[at as usize]?;
            let kind = if wrong == Wrong::Gap { slits::uncovered(&self.cover, face) } else { Uncovered::Gap };
            Some(((at, kind), wrong))
        };
        let mut bays = Vec::new();
        let mut all = Vec::new();
        for ((_, kind), patch) in patches(&self.cover, class) {
            match kind {
                Uncovered::Bay(_) => bays.push(patch),
                Uncovered::Slit if !slits::matters(&patch) => {}
                Uncovered::Gap | Uncovered::Slit => all.push(patch),
            }
        }
        let (slivers, large): (Vec<Patch>, Vec<Patch>) = all.into_iter().partition(Patch::is_sliver);
        let (matched, large): (Vec<Patch>, Vec<Patch>) =
            large.into_iter().partition(|patch| self.turn_left_by_matching(patch).is_some());
        let left = self.give_slivers(slivers.into_iter().chain(matched).collect());

        // Overlaps and crossings are told once for all patches of the same lands.
        let mut grouped: BTreeMap<(Wrong, Vec<u32>), Vec<Patch>> = BTreeMap::new();
        let mut gaps = Vec::new();
        for patch in large.into_iter().chain(left) {
            let windings = self.cover.around(patch.faces[0]);
            let concerned = match patch.wrong {
                Wrong::Gap => {
                    gaps.push(patch);
                    continue;
                }
                Wrong::Overlap => windings.iter().map(|(land, _)| *land).collect(),
                Wrong::Crossing => windings.iter().filter(|(_, winding)| *winding != 1).map(|(land, _)| *land).collect(),
            };
            grouped.entry((patch.wrong, concerned)).or_default().push(patch);
        }
        for ((wrong, concerned), patches) in grouped {
            self.tell_group(wrong, &concerned, &patches);
        }
        for gap in gaps {
            let kind = if gap.bridged { FaultKind::Slit } else { FaultKind::Gap };
            self.tell_gap(gap, kind);
        }
        // A bay is a gap when the slits before it were filled, and else outside.
        for bay in bays {
            let open = |(edge, across): &(_, Option<FaceIx>)| {
                self.cover.is_bare(*edge) && across.is_none_or(|face| self.owner_of[face].is_none())
            };
            if !self.cover.arrangement.border(&bay.faces).iter().any(open) {
                self.tell_gap(bay, FaultKind::Gap);
            }
        }
    }

    /// Gives slivers to the neighbour with the longest shared border; for overlaps, to one of those that cover it. Slivers beside slivers
    /// wait for those. Returns what no neighbour can take.
    fn give_slivers(&mut self, mut waiting: Vec<Patch>) -> Vec<Patch> {
        loop {
            let mut left = Vec::new();
            let before = waiting.len();
            for patch in waiting {
                let shared = patch.shared_m(&self.cover, &self.owner_of);
                let covering: Vec<u32> =
                    self.cover.around(patch.faces[0]).iter().filter(|(_, winding)| *winding > 0).map(|(land, _)| *land).collect();
                let turn = self.turn_left_by_matching(&patch);
                let may_have = |land: &u32| turn.is_none_or(|turn| self.turn(*land) == turn);
                let among = |land: &u32| (covering.is_empty() || covering.contains(land)) && may_have(land);
                // Of equals the least land.
                let longest = shared.iter().filter(|(land, _)| among(land)).max_by(|l, r| l.1.total_cmp(r.1).then(r.0.cmp(l.0)));
                match longest.map(|(land, _)| *land).or(covering.iter().copied().find(may_have)) {
                    Some(land) => self.give_sliver(&patch, &covering, &shared, land),
                    None => left.push(patch),
                }
            }
            if left.is_empty() || left.len() == before {
                return left;
            }
            waiting = left;
        }
    }

    /// In which turn land came in; 0: it stood before.
    fn turn(&self, land: u32) -> u32 {
        let Some(matched) = &self.accept.matched else { return 0 };
        matched.turn.get(&self.lands.name(land)).copied().unwrap_or(0)
    }

    /// Of a patch between the borders of land that was drawn up and of what it was drawn up to, when these are near enough all along: the
    /// turn of those who get it.
    fn turn_left_by_matching(&self, patch: &Patch) -> Option<u32> {
        let within_m = self.accept.matched.as_ref()?.width_m;
        if patch.width_m > within_m || patch.wrong == Wrong::Crossing {
            return None;
        }
        // Each edge of the patch lies on the borders of those whose land begins or ends there.
        let inside = self.cover.around(patch.faces[0]);
        let mut borders: Vec<(Edge, u32)> = Vec::new();
        for (edge, across) in self.cover.arrangement.border(&patch.faces) {
            let outside = across.map_or(&[][..], |face| self.cover.around(face));
            let differs =
                inside.iter().filter(|of| !outside.contains(of)).chain(outside.iter().filter(|of| !inside.contains(of)));
            borders.extend(differs.map(|(land, _)| (edge, self.turn(*land))));
        }
        let (first, last) = (borders.iter().map(|(_, turn)| *turn).min()?, borders.iter().map(|(_, turn)| *turn).max()?);
        let (later, earlier): (Vec<_>, Vec<_>) = borders.into_iter().partition(|(_, turn)| *turn == last);
        let near = |edges: &[(Edge, u32)], others: &[(Edge, u32)]| {
            let distance_m = |p: LatticePoint| {
                others.iter().map(|(other, _)| segment_distance_m(p, other.a(), other.b())).fold(f64::INFINITY, f64::min)
            };
            edges.iter().flat_map(|(edge, _)| [edge.a(), edge.b()]).all(|p| distance_m(p) <= within_m)
        };
        let between = first != last
            && earlier.len().saturating_mul(later.len()) < MOST_PAIRS
            && near(&earlier, &later)
            && near(&later, &earlier);
        between.then_some(if patch.wrong == Wrong::Gap { last } else { first })
    }

    fn give_sliver(&mut self, patch: &Patch, covering: &[u32], shared: &BTreeMap<u32, f64>, to: u32) {
        for &face in &patch.faces {
            self.owner_of[face] = Some(to);
        }
        let (kind, what) = match patch.wrong {
            Wrong::Gap if patch.bridged => ("sliver_slit", "a slit"),
            Wrong::Gap => ("sliver_gap", "a gap"),
            Wrong::Overlap => ("sliver_overlap", "an overlap"),
            Wrong::Crossing => ("sliver_crossing", "a crossing"),
        };
        let concerned: Vec<u32> = if covering.is_empty() { shared.keys().copied().collect() } else { covering.to_vec() };
        self.touched.extend(&concerned);
        self.touched.insert(to);
        let others: Vec<u32> = concerned.into_iter().filter(|land| *land != to).chain([to]).collect();
        self.settled.repairs.push(Repair {
            kind: kind.to_owned(),
            detail: format!("{what} {:.3} m wide was given to {}", patch.width_m, self.lands.name(to)),
            codes: self.lands.codes(&others),
            place: Some(patch.place.lonlat()),
            area_m2: patch.area_m2,
        });
    }

    fn tell_group(&mut self, wrong: Wrong, concerned: &[u32], patches: &[Patch]) {
        let faces: Vec<FaceIx> = patches.iter().flat_map(|patch| patch.faces.iter().copied()).collect();
        for &face in &faces {
            // Also when it is refused: claims are compared with this.
            self.owner_of[face] = self.cover.around(face).iter().find(|(_, winding)| *winding > 0).map(|(land, _)| *land);
        }
        self.touched.extend(concerned);
        let names = self.lands.names(concerned);
        let (kind, detail) = match wrong {
            Wrong::Crossing => (FaultKind::SelfCrossing, format!("the border of {names} crosses itself")),
            _ => (FaultKind::Overlap, format!("{names} cover the same land, {}", pieces(patches.len()))),
        };
        let mut fault = Fault::new(kind, detail);
        fault.codes = self.lands.codes(concerned);
        fault.place = largest(patches).map(LatticePoint::lonlat);
        fault.area_m2 = Some(patches.iter().map(|patch| patch.area_m2).sum());
        fault.area = Some(if let [patch] = patches { patch.area.clone() } else { self.cover.arrangement.union(&faces) });
        let accepted = wrong == Wrong::Overlap && self.accept.overlap_to_least_code;
        if accepted { self.settled.accepted.push(fault) } else { self.settled.faults.push(fault) }
    }

    fn tell_gap(&mut self, patch: Patch, kind: FaultKind) {
        let around: Vec<u32> = patch.shared_m(&self.cover, &self.owner_of).into_keys().collect();
        let detail = match kind {
            FaultKind::Slit => {
                format!("a slit {:.3} m wide, open to the outside, between {}", patch.width_m, self.lands.names(&around))
            }
            _ if around.len() > 4 => format!("no one owns the land between {} areas", around.len()),
            _ => format!("no one owns the land beside {}", self.lands.names(&around)),
        };
        let mut fault = Fault::new(kind, detail);
        fault.codes = self.lands.codes(&around);
        fault.place = Some(patch.place.lonlat());
        fault.area_m2 = Some(patch.area_m2);
        fault.area = Some(patch.area);
        if !self.accept.gaps_as_void {
            self.settled.faults.push(fault);
            return;
        }
        let void = self.lands.owned.len() as u32 + self.new_voids;
        self.new_voids += 1;
        for &face in &patch.faces {
            self.owner_of[face] = Some(void);
        }
        self.settled.accepted.push(fault);
    }

    fn finish(mut self) -> Settled {
        let owners = self.lands.owned.len() + self.new_voids as usize;
        self.settled.areas = self.cover.arrangement.areas(&self.owner_of, owners);
        for (land, (&given, area)) in self.lands.areas.iter().zip(&self.settled.areas).enumerate() {
            let land = land as u32;
            if area.is_empty() {
                if !self.lands.is_void(land) {
                    let mut fault = Fault::new(FaultKind::Vanished, format!("{} has no land left", self.lands.name(land)));
                    fault.codes = self.lands.codes(&[land]);
                    fault.place = given.rings().next().and_then(|ring| ring.first()).map(|p| p.lonlat());
                    self.settled.faults.push(fault);
                }
            } else if !self.touched.contains(&land) {
                let noded = noded(given, self.cover.arrangement.noding());
                if *noded != *area {
                    self.settled.repairs.push(self.redrawn(land, &noded, area));
                }
            }
        }
        self.settled
    }

    /// The same land, told with other rings.
    fn redrawn(&self, land: u32, given: &Area, area: &Area) -> Repair {
        let (before, after) = (given.rings().count(), area.rings().count());
        let (kind, what) = if after > before {
            ("ring_split", "a ring that touches itself was split")
        } else if after < before {
            ("rings_joined", "rings along a common edge were joined")
        } else {
            ("spike_removed", "a border that runs forth and back over the same line was removed")
        };
        let mut seen = HashSet::new();
        let twice = given.rings().flatten().find(|p| !seen.insert(**p)).or_else(|| given.rings().flatten().next());
        Repair {
            kind: kind.to_owned(),
            detail: format!("{}: {what}", self.lands.name(land)),
            codes: self.lands.codes(&[land]),
            place: twice.map(|p| p.lonlat()),
            area_m2: 0.0,
        }
    }
}

fn pieces(count: usize) -> String {
    if count == 1 { "in one piece".to_owned() } else { format!("in {count} pieces") }
}

fn largest(patches: &[Patch]) -> Option<LatticePoint> {
    patches.iter().max_by(|l, r| l.area_m2.total_cmp(&r.area_m2)).map(|patch| patch.place)
}

/// The area with the vertices that noding gave its rings.
fn noded<'a>(area: &'a Area, noding: &Noding) -> Cow<'a, Area> {
    if noding.rounds() == 0 || area.rings().all(|ring| noding.ring(ring).is_none()) {
        return Cow::Borrowed(area);
    }
    let ring = |ring: &Vec<LatticePoint>| noding.ring(ring).unwrap_or_else(|| ring.clone());
    Cow::Owned(Area::canonical(
        area.polygons()
            .iter()
            .map(|polygon| Polygon { exterior: ring(&polygon.exterior), holes: polygon.holes.iter().map(ring).collect() }),
    ))
}
