use super::*;
use crate::geom::fuzz::{Mesh, Numbers, crossing_after_rounding};
use crate::geom::mercator::{MercatorPoint, PixelGrid, tile_at};
use crate::geom::route::HotPixels;
use crate::geom::simplify::simplified;
use std::collections::BTreeSet;

type Line = ((i32, i32), (i32, i32));

fn rings_of(edges: &[Line]) -> Vec<Vec<Pixel>> {
    let mut rings = Rings::default();
    let mut edges: Vec<Edge> = edges.iter().map(|(a, b)| ([a.0, a.1], [b.0, b.1])).collect();
    Tracer::default().trace(&mut edges, &mut rings);
    rings.iter().map(<[Pixel]>::to_vec).collect()
}

/// Edges of a ring told as its corners.
fn around(corners: &[(i32, i32)]) -> Vec<Line> {
    (0..corners.len()).map(|at| (corners[at], corners[(at + 1) % corners.len()])).collect()
}

#[test]
fn edges_in_both_directions_cancel_and_leave_nothing() {
    assert!(rings_of(&[((0, 0), (5, 5)), ((5, 5), (0, 0))]).is_empty());
    let square = around(&[(0, 0), (4, 0), (4, 4), (0, 4)]);
    let mut spiked = square.clone();
    spiked.extend([((4, 4), (9, 9)), ((9, 9), (4, 4))]);
    assert_eq!(rings_of(&spiked), rings_of(&square));
}

#[test]
fn parts_and_holes_that_touch_in_a_point_stay_rings_of_their_own() {
    let mut two = around(&[(0, 0), (4, 0), (4, 4), (0, 4)]);
    two.extend(around(&[(4, 4), (8, 4), (8, 8), (4, 8)]));
    assert_eq!(rings_of(&two).len(), 2);
    assert!(rings_of(&two).iter().all(|ring| area2(ring) == 32 && ring.len() == 4));

    let mut touching_hole = around(&[(0, 0), (4, 0), (8, 0), (8, 8), (0, 8)]);
    touching_hole.extend(around(&[(4, 0), (3, 4), (5, 4)]));
    let rings = rings_of(&touching_hole);
    assert_eq!(rings.len(), 2);
    assert!(area2(&rings[0]) > 0 && area2(&rings[1]) < 0);
}

#[test]
fn a_hole_that_touches_twice_parts_the_exterior() {
    let mut edges = around(&[(0, 0), (4, 0), (8, 0), (8, 8), (4, 8), (0, 8)]);
    edges.extend(around(&[(4, 0), (3, 4), (4, 8), (5, 4)]));
    let rings = rings_of(&edges);
    assert_eq!(rings.len(), 2);
    assert!(rings.iter().all(|ring| area2(ring) > 0));
}

#[test]
fn holes_follow_the_smallest_exterior_around_them() {
    let mut edges = around(&[(0, 0), (40, 0), (40, 40), (0, 40)]);
    edges.extend(around(&[(5, 5), (5, 30), (30, 30), (30, 5)]));
    edges.extend(around(&[(10, 10), (20, 10), (20, 20), (10, 20)]));
    edges.extend(around(&[(12, 12), (12, 14), (14, 14), (14, 12)]));
    let rings = rings_of(&edges);
    let areas: Vec<i64> = rings.iter().map(|ring| area2(ring)).collect();
    assert_eq!(areas, [3200, -1250, 200, -8]);
}

/// By winding: whether the face of `edges` holds a point in half pixels that lies on no vertex' row.
fn winds(edges: &[Edge], x: i64, y: i64) -> i32 {
    edges
        .iter()
        .map(|(a, b)| {
            let ((ax, ay), (bx, by)) = ((2 * i64::from(a[0]), 2 * i64::from(a[1])), (2 * i64::from(b[0]), 2 * i64::from(b[1])));
            let turn = i128::from(bx - ax) * i128::from(y - ay) - i128::from(by - ay) * i128::from(x - ax);
            match (ay < y, by < y) {
                (true, false) if turn > 0 => 1,
                (false, true) if turn < 0 => -1,
                _ => 0,
            }
        })
        .sum()
}

#[test]
fn the_pieces_of_all_faces_fill_each_window_once_and_hold_what_the_face_holds() {
    let mut windows = 0;
    let mut parted = 0;
    for seed in 0..1_500 {
        let mut numbers = Numbers::new(seed);
        let mesh = Mesh::random(&mut numbers);
        let simplified = simplified(&mesh.lines, 0);
        let zoom = 8 + numbers.below(13) as u8;
        let grid = PixelGrid::of_zoom(zoom);
        let drawn: Vec<Vec<MercatorPoint>> = mesh
            .lines
            .iter()
            .zip(&simplified)
            .map(|(line, s)| line.iter().zip(&s.first_zooms).filter(|(_, first)| **first <= zoom).map(|(p, _)| *p).collect())
            .collect();
        let hot = HotPixels::of(grid, &drawn);
        let routed: Vec<Vec<Pixel>> = drawn
            .iter()
            .map(|line| {
                let mut routed = vec![];
                hot.route(line, &mut routed);
                routed.into_iter().map(|at| hot.pixels()[at as usize]).collect()
            })
            .collect();
        let faces: BTreeSet<u32> = mesh.sides.iter().flatten().flatten().copied().collect();
        let edges_of = |face: Option<u32>| -> Vec<Edge> {
            routed
                .iter()
                .zip(&mesh.sides)
                .flat_map(|(line, sides)| {
                    let (forward, back) = (sides[0] == face, sides[1] == face);
                    line.windows(2).flat_map(move |pair| {
                        [forward.then_some((pair[0], pair[1])), back.then_some((pair[1], pair[0]))].into_iter().flatten()
                    })
                })
                .collect()
        };
        // A tile at a random vertex of the mesh.
        let line = &mesh.lines[numbers.below(mesh.lines.len().max(1) as u32) as usize % mesh.lines.len().max(1)..];
        let Some(line) = line.first() else { continue };
        let tile = tile_at(line[numbers.below(line.len() as u32) as usize], zoom);
        let (origin, width, buffer) = (grid.origin(tile), grid.tile_width(), grid.buffer());
        let window = Window { min: origin.map(|at| at - buffer), max: origin.map(|at| at + width + buffer) };
        windows += 1;
        let mut filled = 0;
        for face in faces.iter().copied().map(Some).chain([None]) {
            let all = edges_of(face);
            let mut inside: Vec<Edge> = all.iter().copied().filter(|(a, b)| window.takes(*a, *b)).collect();
            let border = window.close(inside.iter().copied());
            let told = border.is_some();
            inside.extend(border.unwrap_or_default());
            // The outside has winding number 0 where a face has 1, and −1 elsewhere.
            let shift = i32::from(face.is_none());
            if !told && winds(&all, 2 * i64::from(window.min[0]) + 1, 2 * i64::from(window.min[1]) + 1) + shift == 1 {
                // The odd position is between pixels, so just inside unless an edge runs through the corner's square.
                let corner_square = all.iter().any(|(a, b)| {
                    let near = |p: &Pixel| (p[0] - window.min[0]).abs() <= 1 && (p[1] - window.min[1]).abs() <= 1;
                    near(a) || near(b)
                });
                if !corner_square {
                    inside.extend(window.all_around());
                }
            }
            let mut rings = Rings::default();
            Tracer::default().trace(&mut inside, &mut rings);
            let rings: Vec<Vec<Pixel>> = rings.iter().map(<[Pixel]>::to_vec).collect();
            parted += usize::from(rings.len() > 1);
            filled += rings.iter().map(|ring| area2(ring)).sum::<i64>();
            let closed: Vec<Vec<Pixel>> = rings.iter().map(|ring| ring.iter().copied().chain([ring[0]]).collect()).collect();
            assert_eq!(crossing_after_rounding(&closed), None, "seed {seed}");
            for ring in &rings {
                assert_eq!(ring.iter().collect::<BTreeSet<_>>().len(), ring.len(), "seed {seed}: a ring passes a point twice");
            }
            let as_edges: Vec<Edge> = closed.iter().flat_map(|ring| ring.windows(2).map(|pair| (pair[0], pair[1]))).collect();
            for _ in 0..12 {
                let mut at = |low: i32| 2 * (i64::from(low) + i64::from(numbers.below((width + 2 * buffer) as u32))) + 1;
                let (x, y) = (at(window.min[0]), at(window.min[1]));
                let wanted = winds(&all, x, y) + shift;
                if told {
                    assert_eq!(winds(&as_edges, x, y), wanted, "seed {seed} zoom {zoom} face {face:?} at {x} {y}");
                }
            }
        }
        let side = i64::from(width + 2 * buffer);
        assert_eq!(filled, 2 * side * side, "seed {seed} zoom {zoom}");
    }
    assert!(windows > 1_000 && parted > 200, "{windows} windows, {parted} faces of several rings");
}
