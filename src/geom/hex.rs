//! H3 cells. The only file that names `h3o`.

use super::lonlat::LonLat;

/// The cell of resolution 10 (about 66 m to a side) that holds a position, as its hexadecimal text.
pub fn cell(p: LonLat) -> String {
    let place = h3o::LatLng::new(p.lat(), p.lon()).expect("both parts are finite");
    place.to_cell(h3o::Resolution::Ten).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of H3's own documentation (command line, `latLngToCell`).
    #[test]
    fn cells_are_those_of_the_reference() {
        let liberty = LonLat::new(-74.044444, 40.689167).expect("in range");
        assert_eq!(cell(liberty), "8a2a1072b59ffff");
    }
}
