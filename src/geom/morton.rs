//! Interleaved bits: near in number is mostly near on the plane, and every square of a quadtree is one range.

/// The bits of `v`, a gap of one bit after each.
pub fn spread(v: u32) -> u64 {
    let mut bits = u64::from(v);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | (bits << shift)) & mask;
    }
    bits
}

/// Every second bit, from the lowest on: what [`spread`] was given.
pub fn gather(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | (bits >> shift)) & mask;
    }
    bits as u32
}

/// Of signed coordinates, in the order of their values.
pub fn morton(x: i32, y: i32) -> u64 {
    let unsigned = |v: i32| v as u32 ^ 0x8000_0000;
    spread(unsigned(x)) | spread(unsigned(y)) << 1
}

/// The coordinates of a [`morton`] number.
pub fn unmorton(number: u64) -> [i32; 2] {
    [number, number >> 1].map(|bits| (gather(bits) ^ 0x8000_0000) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_back_to_its_coordinates_and_quadrants_are_ranges() {
        for (x, y) in [(0, 0), (i32::MIN, i32::MAX), (-1, 1), (123_456_789, -987_654_321)] {
            assert_eq!(unmorton(morton(x, y)), [x, y]);
        }
        let corner = morton(-8, 16);
        let square: Vec<u64> = (-8..0).flat_map(|x| (16..24).map(move |y| morton(x, y))).collect();
        assert!(square.iter().all(|number| (corner..corner + 64).contains(number)));
        assert_eq!(spread(0b1011), 0b100_0101);
    }
}
