//! Patches: connected land with one and the same thing wrong.

use super::cover::Cover;
use super::{SLIVER_AREA_M2, SLIVER_WIDTH_M};
use crate::geom::planar::{FaceIx, label_point};
use crate::geom::{Area, LatticePoint, measure};
use std::collections::BTreeMap;

/// What is wrong with a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrong {
    /// No land covers it.
    Gap,
    /// Two or more do.
    Overlap,
    /// A ring winds around it more than once, or the wrong way.
    Crossing,
}

/// Some faces that touch, all covered in the same way.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) wrong: Wrong,
    pub(super) faces: Vec<FaceIx>,
    pub(super) area: Area,
    pub(super) area_m2: f64,
    /// 2 · area / perimeter.
    pub(super) width_m: f64,
    /// Half the perimeter: the length of what is narrow.
    pub(super) length_m: f64,
    pub(super) place: LatticePoint,
    /// Whether it is closed only by bridges.
    pub(super) bridged: bool,
}

impl Patch {
    pub(super) fn of(cover: &Cover, wrong: Wrong, faces: Vec<FaceIx>) -> Self {
        let border = cover.arrangement.border(&faces);
        let perimeter_m: f64 = border.iter().map(|(edge, _)| edge.length_m()).sum();
        let bridged = wrong == Wrong::Gap && border.iter().any(|(edge, _)| cover.is_bare(*edge));
        let area = cover.arrangement.union(&faces);
        let area_m2 = measure::area_m2(&area);
        let place = inside(&area);
        Self { wrong, faces, area, area_m2, width_m: 2.0 * area_m2 / perimeter_m, length_m: perimeter_m / 2.0, place, bridged }
    }

    pub(super) fn is_narrow(&self) -> bool {
        self.width_m < SLIVER_WIDTH_M
    }

    pub(super) fn is_sliver(&self) -> bool {
        self.is_narrow() && self.area_m2 < SLIVER_AREA_M2
    }

    /// How much border, in metres, the patch shares with each owner, by owner.
    pub(super) fn shared_m(&self, cover: &Cover, owner_of: &[Option<u32>]) -> BTreeMap<u32, f64> {
        let mut shared = BTreeMap::new();
        for (edge, across) in cover.arrangement.border(&self.faces) {
            if let Some(owner) = across.and_then(|face| owner_of[face]) {
                *shared.entry(owner).or_insert(0.0) += edge.length_m();
            }
        }
        shared
    }
}

/// A point inside the largest part.
pub(super) fn inside(area: &Area) -> LatticePoint {
    label_point(area).unwrap_or_default()
}

/// The patches of all faces that something is wrong with. Faces are of one patch when they touch along an edge and have the same
/// class; `class(face)` is `None` where nothing is wrong.
pub(super) fn patches<C: Copy + Eq>(cover: &Cover, class: impl Fn(FaceIx) -> Option<(C, Wrong)>) -> Vec<(C, Patch)> {
    let classes: Vec<Option<(C, Wrong)>> = (0..cover.arrangement.face_count()).map(class).collect();
    let mut done = vec![false; classes.len()];
    let mut found = Vec::new();
    for start in 0..done.len() {
        let Some((of, wrong)) = classes[start] else { continue };
        if std::mem::replace(&mut done[start], true) {
            continue;
        }
        let mut faces = vec![start];
        let mut at = 0;
        while at < faces.len() {
            for other in cover.arrangement.shared(faces[at]).into_iter().filter_map(|(other, _)| other) {
                if !done[other] && classes[other].is_some_and(|(class, _)| class == of) {
                    done[other] = true;
                    faces.push(other);
                }
            }
            at += 1;
        }
        found.push((of, Patch::of(cover, wrong, faces)));
    }
    found
}
