//! Coordinate reference systems of OGC API – Features, part 2: named by URI, coordinates in the order of their axes.

use crate::geom::lonlat::PositionError;
use crate::geom::{LonLat, mercator};
use crate::http::error::{Answer, Problem};
use crate::http::query::{Word, clipped, given};
use crate::http::shapes::Position;

/// A CRS that features are told in. CGCS2000 and WGS 84 are one for maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatureCrs {
    /// Longitude, latitude; what GeoJSON is told in.
    #[default]
    Crs84,
    /// CGCS2000: latitude, longitude. As stored.
    Cgcs2000,
    /// WGS 84: latitude, longitude.
    Wgs84,
    /// Web Mercator: metres east, north.
    WebMercator,
}

given!(FeatureCrs);

impl FeatureCrs {
    /// The default first.
    pub const ALL: [Self; 4] = [Self::Crs84, Self::Cgcs2000, Self::Wgs84, Self::WebMercator];

    /// Its name in parameters and headers.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Crs84 => "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            Self::Cgcs2000 => "http://www.opengis.net/def/crs/EPSG/0/4490",
            Self::Wgs84 => "http://www.opengis.net/def/crs/EPSG/0/4326",
            Self::WebMercator => "http://www.opengis.net/def/crs/EPSG/0/3857",
        }
    }

    /// A stored position in it.
    pub fn tell(self, p: LonLat) -> Position {
        match self {
            Self::Crs84 => Position([p.lon(), p.lat()]),
            Self::Cgcs2000 | Self::Wgs84 => Position([p.lat(), p.lon()]),
            // Centimetres, as the lattice holds.
            Self::WebMercator => Position(mercator::metres(p).map(|metres| (metres * 100.0).round() / 100.0)),
        }
    }

    /// The position of two coordinates.
    pub fn read(self, [first, second]: [f64; 2]) -> Result<LonLat, PositionError> {
        match self {
            Self::Crs84 => LonLat::new(first, second),
            Self::Cgcs2000 | Self::Wgs84 => LonLat::new(second, first),
            Self::WebMercator => mercator::of_metres([first, second]),
        }
    }
}

impl Word for FeatureCrs {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        Self::ALL.into_iter().find(|crs| crs.uri() == text).ok_or_else(|| {
            let allowed = Self::ALL.map(Self::uri);
            Problem::bad_parameter(field, format_args!("{:?} is none of {}", clipped(text), allowed.join(", ")))
                .with("allowed", allowed.as_slice())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crs_reads_what_it_tells() {
        let there = LonLat::new(122.1067731, 30.0198577).expect("on Earth");
        for crs in FeatureCrs::ALL {
            let Position(told) = crs.tell(there);
            let back = crs.read(told).unwrap_or_else(|error| panic!("{}: {error}", crs.uri()));
            assert!((back.lon() - there.lon()).abs() < 1e-7 && (back.lat() - there.lat()).abs() < 1e-7, "{}", crs.uri());
            assert_eq!(FeatureCrs::parse("crs", crs.uri()).expect("its own name"), crs);
        }
        assert!(FeatureCrs::parse("crs", "EPSG:4326").is_err());
    }

    #[test]
    fn axes_are_in_the_order_of_their_authority() {
        let there = LonLat::new(122.0, 30.0).expect("on Earth");
        assert_eq!(FeatureCrs::Crs84.tell(there), Position([122.0, 30.0]));
        assert_eq!(FeatureCrs::Cgcs2000.tell(there), Position([30.0, 122.0]));
        // As PROJ has it: echo 30 122 | cs2cs EPSG:4326 EPSG:3857
        assert_eq!(FeatureCrs::WebMercator.tell(there), Position([13_580_977.88, 3_503_549.84]));
        let pole = FeatureCrs::WebMercator.tell(LonLat::new(0.0, -90.0).expect("a pole"));
        assert!(pole.0.iter().all(|metres| metres.is_finite()));
    }
}
