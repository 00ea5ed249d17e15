//! The one 64-bit hash: of tiles, of source records, of names in other systems. XXH3; the same on every machine.

/// The hash of some bytes.
pub fn hash64(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// The hash of some texts in order: `["ab", "c"]` and `["a", "bc"]` differ.
pub fn hash64_of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for part in parts {
        hash.update(part.as_bytes());
        // 0xff stands in no UTF-8 text.
        hash.update(&[0xff]);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_matters() {
        assert_ne!(hash64_of_parts(["ab", "c"]), hash64_of_parts(["a", "bc"]));
        assert_eq!(hash64(b""), 0x2d06_8005_38d3_94c2, "XXH3 of nothing, from its own test vectors");
    }
}
