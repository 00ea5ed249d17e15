use super::*;
use crate::geom::fuzz::{Mesh, Numbers, contact};

fn drawn(line: &[MercatorPoint], simplified: &Simplified, zoom: u8) -> Vec<MercatorPoint> {
    line.iter().zip(&simplified.first_zooms).filter(|(_, first)| **first <= zoom).map(|(p, _)| *p).collect()
}

#[test]
fn lines_meet_at_their_nodes_only_at_mixed_thresholds() {
    let mut removed = 0;
    for seed in 0..10_000 {
        let mut numbers = Numbers::new(seed);
        let mesh = Mesh::random(&mut numbers);
        if seed % 16 == 0 {
            assert_eq!(contact(&mesh.lines), None, "the mesh of seed {seed} itself");
        }
        let weights = simplified(&mesh.lines, 0);
        let one = 4 + numbers.below(12) as u8;
        let lines: Vec<Vec<MercatorPoint>> = mesh
            .lines
            .iter()
            .zip(&weights)
            .map(|(line, s)| {
                // Half of the lines at one zoom, the others at any.
                let zoom = if numbers.below(2) == 0 { one } else { 4 + numbers.below(12) as u8 };
                drawn(line, s, zoom)
            })
            .collect();
        removed += mesh.lines.iter().map(Vec::len).sum::<usize>() - lines.iter().map(Vec::len).sum::<usize>();
        assert_eq!(contact(&lines), None, "seed {seed}");
    }
    assert!(removed > 100_000, "only {removed} vertices were removed");
}

#[test]
fn a_closed_line_stays_a_ring_and_ends_stay() {
    for seed in 0..300 {
        let mesh = Mesh::random(&mut Numbers::new(seed));
        for (line, s) in mesh.lines.iter().zip(simplified(&mesh.lines, 0)) {
            let coarse = drawn(line, &s, 0);
            assert_eq!((coarse.first(), coarse.last()), (line.first(), line.last()));
            assert!(line.first() != line.last() || coarse.len() >= 4);
        }
    }
}

#[test]
fn zooms_not_asked_for_do_not_change_the_others() {
    for seed in 0..300 {
        let mesh = Mesh::random(&mut Numbers::new(seed));
        for (line, (all, some)) in mesh.lines.iter().zip(simplified(&mesh.lines, 0).into_iter().zip(simplified(&mesh.lines, 9))) {
            for zoom in 9..=16 {
                assert_eq!(drawn(line, &all, zoom), drawn(line, &some, zoom), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_line_depends_only_on_vertices_within_its_box() {
    for seed in 0..300 {
        let mesh = Mesh::random(&mut Numbers::new(seed));
        let whole = simplified(&mesh.lines, 0);
        for (at, line) in mesh.lines.iter().enumerate() {
            let bounds = Bounds::around(line.iter().map(|p| [p.x, p.y]));
            // The line itself, and single points instead of whatever else has vertices in its box.
            let mut near = vec![line.clone()];
            for other in mesh.lines.iter().enumerate().filter(|(other, _)| *other != at) {
                near.extend(other.1.iter().filter(|p| bounds.holds([p.x, p.y])).map(|p| vec![*p, *p]));
            }
            let alone = Coverage::new(&near).simplified(0, 0);
            assert_eq!(alone.last, whole[at].last, "seed {seed}, line {at}");
            let differing = alone.first_zooms.iter().zip(&whole[at].first_zooms).filter(|(a, b)| a != b).count();
            assert!(differing <= 1, "at most the vertex that keeps two lines apart");
        }
    }
}

#[test]
fn the_area_that_is_drawn_shrinks_by_four_with_each_zoom() {
    assert_eq!(threshold(10), 4 * threshold(11));
    assert!(threshold(16) < threshold(15));
    assert_eq!(first_zoom(threshold(12)), 13);
    assert_eq!(first_zoom(threshold(12) + 1), 12);
    assert_eq!(first_zoom(0), NEVER);
}
