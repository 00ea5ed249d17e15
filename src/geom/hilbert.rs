//! Hilbert's curve: neighbours in number are neighbours on the plane. PMTiles numbers its tiles by it, FlatGeobuf packs its index by it.

/// How far along the curve through `2^order` × `2^order` squares the square (x, y) lies. `order` ≤ 31; x to the right, y down, the curve
/// begins at (0, 0) and ends at the end of the first row.
pub fn along(order: u8, x: u32, y: u32) -> u64 {
    let (mut x, mut y) = (x, y);
    let mut far = 0;
    for level in (0..order).rev() {
        let side = 1_u32 << level;
        let (right, below) = (x & side != 0, y & side != 0);
        far += (u64::from(side) * u64::from(side)) * ((3 * u64::from(right)) ^ u64::from(below));
        // The part of the curve in this quarter, turned so that it lies like the whole.
        let mask = side - 1;
        (x, y) = (x & mask, y & mask);
        if !below {
            if right {
                (x, y) = (mask - x, mask - y);
            }
            (x, y) = (y, x);
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_curve_visits_every_square_once_and_goes_on_to_a_neighbour() {
        for order in 0..6 {
            let side = 1_u32 << order;
            let squares: BTreeMap<u64, (u32, u32)> =
                (0..side).flat_map(|x| (0..side).map(move |y| (along(order, x, y), (x, y)))).collect();
            assert_eq!(squares.len() as u64, u64::from(side) * u64::from(side));
            assert_eq!((squares[&0], squares.keys().next_back()), ((0, 0), Some(&(u64::from(side) * u64::from(side) - 1))));
            for (from, to) in squares.values().zip(squares.values().skip(1)) {
                assert_eq!(from.0.abs_diff(to.0) + from.1.abs_diff(to.1), 1);
            }
        }
    }

    /// Numbers of the PMTiles specification's own table: zoom 1 is 1 to 4 in the order (0,0), (0,1), (1,1), (1,0).
    #[test]
    fn the_curve_lies_as_pmtiles_has_it() {
        assert_eq!([along(1, 0, 0), along(1, 0, 1), along(1, 1, 1), along(1, 1, 0)], [0, 1, 2, 3]);
        assert_eq!(along(2, 0, 0), 0);
        assert_eq!(along(2, 1, 0), 1, "the first quarter is turned");
        assert_eq!(along(12, 3423, 1763) + (4_u64.pow(12) - 1) / 3, 19_078_479);
    }
}
