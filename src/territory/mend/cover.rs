//! Which lands cover each face. Coverage is carried over edges from outside inwards: crossing an edge changes it by the rings that
//! run along that edge, so no point is ever tested against a polygon.

use crate::geom::planar::{Arrangement, Edge, FaceIx, Noding, TooManyRounds, closed_pairs};
use crate::geom::{Area, LatticePoint};
use rayon::prelude::*;
use std::collections::HashMap;

/// How often each land winds around a face, zeros left out, by land. An ordinary face of one land is `[(land, 1)]`.
pub(in crate::territory) type Windings = Box<[(u32, i32)]>;

/// A piece of some land's ring: the edge, whether the ring runs against it, and whose it is.
type Label = (Edge, bool, u32);

/// The arrangement of some lands' rings, and who covers what.
pub(in crate::territory) struct Cover {
    pub(in crate::territory) arrangement: Arrangement,
    /// Per face, as a position in `windings`.
    pub(in crate::territory) of_face: Vec<u32>,
    /// Every combination that occurs.
    pub(in crate::territory) windings: Vec<Windings>,
    /// Per edge of the arrangement: whether no land's ring runs along it (it is a bridge).
    bare: Vec<bool>,
    has_bridges: bool,
}

impl Cover {
    /// Lands in tie-break order; `bridges` are further lines that are nobody's border.
    pub(in crate::territory) fn of(lands: &[&Area], bridges: &[(LatticePoint, LatticePoint)]) -> Result<Self, TooManyRounds> {
        let mut labels: Vec<Label> = Vec::with_capacity(lands.iter().map(|land| land.vertex_count()).sum());
        for (land, area) in lands.iter().enumerate() {
            for (from, to) in area.rings().flat_map(|ring| closed_pairs(ring)) {
                labels.extend(Edge::between(from, to).map(|(edge, against)| (edge, against, land as u32)));
            }
        }
        labels.par_sort_unstable_by_key(sort_key);
        let mut edges: Vec<Edge> = labels.iter().map(|(edge, ..)| *edge).collect();
        edges.dedup();
        if !bridges.is_empty() {
            edges.extend(bridges.iter().filter_map(|&(from, to)| Edge::between(from, to)).map(|(edge, _)| edge));
            edges.sort();
            edges.dedup();
        }
        let noding = Noding::of(edges)?;
        renode(&mut labels, &noding);
        Ok(Self::of_labels(Arrangement::of_noded(noding), &labels))
    }

    fn of_labels(arrangement: Arrangement, labels: &[Label]) -> Self {
        // Labels of edge e: labels[starts[e]..starts[e + 1]]. Edges that bound nothing were dropped; their labels cancel out.
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(arrangement.edges().len());
        let mut at = 0;
        for &edge in arrangement.edges() {
            at += labels[at..].iter().take_while(|label| label.0 < edge).count();
            let count = labels[at..].iter().take_while(|label| label.0 == edge).count();
            ranges.push((at as u32, (at + count) as u32));
            at += count;
        }
        let mut windings: Vec<Windings> = vec![Windings::default()];
        let mut known: HashMap<Windings, u32> = HashMap::from([(Windings::default(), 0)]);
        let mut of_face = vec![0_u32; arrangement.face_count()];
        let mut next: Vec<(u32, i32)> = Vec::new();
        arrangement.spread(|half, from| {
            next.clear();
            next.extend_from_slice(&windings[from.map_or(0, |from| of_face[from]) as usize]);
            let (start, end) = ranges[half as usize / 2];
            for &(_, against, land) in &labels[start as usize..end as usize] {
                // Rings have their land on the left.
                let turn = if against == (half & 1 == 1) { 1 } else { -1 };
                match next.iter_mut().find(|(of, _)| *of == land) {
                    Some((_, winding)) => *winding += turn,
                    None => next.push((land, turn)),
                }
            }
            next.retain(|(_, winding)| *winding != 0);
            next.sort_unstable();
            of_face[arrangement.face_left_of(half)] = match known.get(&next[..]) {
                Some(&at) => at,
                None => {
                    let at = windings.len() as u32;
                    windings.push(next.clone().into());
                    known.insert(next.clone().into(), at);
                    at
                }
            };
        });
        let bare: Vec<bool> = ranges.iter().map(|(start, end)| start == end).collect();
        let has_bridges = bare.contains(&true);
        Self { arrangement, of_face, windings, bare, has_bridges }
    }

    /// Whether any edge of the arrangement is a bridge.
    pub(in crate::territory) fn has_bridges(&self) -> bool {
        self.has_bridges
    }

    /// Whether no land's ring runs along an edge of the arrangement.
    pub(in crate::territory) fn is_bare(&self, edge: Edge) -> bool {
        self.has_bridges && self.arrangement.edges().binary_search(&edge).is_ok_and(|at| self.bare[at])
    }

    /// The windings around a face.
    pub(in crate::territory) fn around(&self, face: FaceIx) -> &[(u32, i32)] {
        &self.windings[self.of_face[face] as usize]
    }
}

fn sort_key(&(edge, against, land): &Label) -> (u128, bool, u32) {
    (edge.key(), against, land)
}

/// Replaces the labels of edges that noding split by those of their pieces.
fn renode(labels: &mut Vec<Label>, noding: &Noding) {
    if noding.rounds() == 0 {
        return;
    }
    let mut pieces: Vec<Label> = Vec::new();
    let mut chain = Vec::new();
    labels.retain(|&(edge, against, land)| {
        let changed = noding.changed(edge.a(), edge.b());
        if changed {
            chain.clear();
            chain.push(edge.a());
            noding.push_through(edge.a(), edge.b(), &mut chain);
            let along = chain.windows(2).filter_map(|pair| Edge::between(pair[0], pair[1]));
            pieces.extend(along.map(|(piece, back)| (piece, against != back, land)));
        }
        !changed
    });
    pieces.sort_unstable_by_key(sort_key);
    labels.append(&mut pieces);
    labels.sort_by_key(sort_key); // Two sorted runs: merged.
}
