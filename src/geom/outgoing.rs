//! The way out: positions on CGCS2000 → the coordinates of a file's CRS. [`super::file_crs`] is the way in.

use super::file_crs::{Frame, OldDatum};
use super::lattice::LatticePoint;
use super::lonlat::{LonLat, PositionError};
use super::transverse_mercator::{Plane, ProjectionError};
use super::{Crs, NamedCrs};

/// A CRS that nothing is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing is written on {}: take CGCS2000 (cgcs2000, epsg:4491 to epsg:4554, cgcs2000:tm:cm=122,fe=500000), wgs84, gcj02 or bd09", .0.title())]
pub struct OldDatumOut(pub OldDatum);

/// A position that the CRS has no coordinates for.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoCoordinates {
    /// As degrees.
    #[error(transparent)]
    Degrees(#[from] PositionError),
    /// As metres.
    #[error(transparent)]
    Metres(#[from] ProjectionError),
}

/// Turns positions into the coordinates of one file.
#[derive(Debug, Clone)]
pub struct Outgoing {
    named: NamedCrs,
    frame: Crs,
    plane: Option<Plane>,
}

/// How far an edge may bow from the straight edge between its ends in degrees, in metres. Half of what the way in lets pass, so that it
/// puts no position between those that were put here.
const MOST_BOW_M: f64 = 2.5e-3;
/// No edge shorter than this, in metres, bows so much south of 80°.
const SHORT_M: f64 = 120.0;
/// An edge is halved at most so often.
const MOST_HALVINGS: u32 = 12;

impl Outgoing {
    /// Works out what all positions of a file need.
    pub fn new(named: NamedCrs) -> Result<Self, OldDatumOut> {
        match named.frame {
            Frame::Old(datum) => Err(OldDatumOut(datum)),
            Frame::Position(frame) => {
                Ok(Self { named, frame, plane: named.plane.map(|plane| plane.on(named.frame.ellipsoid())) })
            }
        }
    }

    /// Its name.
    pub fn named(&self) -> NamedCrs {
        self.named
    }

    /// What degrees refer to.
    pub fn frame(&self) -> Crs {
        self.frame
    }

    /// Whether it has metres.
    pub fn is_plane(&self) -> bool {
        self.plane.is_some()
    }

    /// Longitude and latitude, or easting and northing.
    pub fn coordinates(&self, at: LonLat) -> Result<[f64; 2], NoCoordinates> {
        let told = self.frame.from_cgcs2000(at)?;
        match &self.plane {
            Some(plane) => Ok(plane.forward(told)?),
            None => Ok([told.lon(), told.lat()]),
        }
    }

    /// The coordinates of a ring, its first not repeated at the end. In a plane, an edge that is straight in degrees bows: where it does so
    /// by more than [`MOST_BOW_M`] it gets positions between, the same from either end, so that neighbours still meet.
    pub fn ring(&self, ring: &[LatticePoint], out: &mut Vec<[f64; 2]>) -> Result<(), NoCoordinates> {
        let corners = ring.iter().zip(ring.iter().cycle().skip(1));
        for (start, end) in corners {
            let ends = [start.lonlat(), end.lonlat()];
            let told = [self.coordinates(ends[0])?, self.coordinates(ends[1])?];
            out.push(told[0]);
            if self.plane.is_some() {
                self.halve(ends, told, MOST_HALVINGS, out)?;
            }
        }
        Ok(())
    }

    fn halve(
        &self,
        [a, b]: [LonLat; 2],
        [from, to]: [[f64; 2]; 2],
        left: u32,
        out: &mut Vec<[f64; 2]>,
    ) -> Result<(), NoCoordinates> {
        if left == 0 || libm::hypot(to[0] - from[0], to[1] - from[1]) < SHORT_M {
            return Ok(());
        }
        let half = middle(a, b)?;
        let at = self.coordinates(half)?;
        let mut bow = 0.0_f64;
        // An edge across the meridian bows to both sides: the quarters say so when the middle does not.
        for (place, share) in [(half, 0.5), (middle(a, half)?, 0.25), (middle(half, b)?, 0.75)] {
            let there = self.coordinates(place)?;
            let straight = |axis: usize| from[axis] + (to[axis] - from[axis]) * share;
            bow = bow.max(libm::hypot(there[0] - straight(0), there[1] - straight(1)));
        }
        if bow > MOST_BOW_M {
            self.halve([a, half], [from, at], left - 1, out)?;
            out.push(at);
            self.halve([half, b], [at, to], left - 1, out)?;
        }
        Ok(())
    }
}

/// The same whichever end comes first: a sum of two has one rounding.
fn middle(a: LonLat, b: LonLat) -> Result<LonLat, PositionError> {
    LonLat::new(0.5 * (a.lon() + b.lon()), 0.5 * (a.lat() + b.lat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(name: &str) -> Outgoing {
        Outgoing::new(name.parse().expect("a crs")).expect("none of an old datum")
    }

    #[test]
    fn what_goes_out_comes_back_to_the_same_lattice_point() {
        let names = ["wgs84", "cgcs2000", "gcj02", "bd09", "epsg:4529", "epsg:4549", "cgcs2000:tm:cm=122,fe=500000,k=0.9999"];
        for name in names {
            let (out, back) = (outgoing(name), outgoing(name).named().settle(None).expect("on CGCS2000").ready());
            for step in 0..500 {
                let p = LatticePoint::new(1_215_000_000 + step * 31_337, 295_000_000 + step * 20_011);
                let told = out.coordinates(p.lonlat()).expect("in range");
                assert_eq!(LatticePoint::nearest(back.position(told).expect("in range")), p, "{name}");
            }
        }
    }

    #[test]
    fn a_long_edge_is_told_in_pieces_that_the_way_in_does_not_halve_again() {
        let ring = [(1_220_000_000, 300_000_000), (1_221_500_000, 300_300_000), (1_220_100_000, 301_000_000)];
        let ring: Vec<LatticePoint> = ring.into_iter().map(|(x, y)| LatticePoint::new(x, y)).collect();
        let (mut told, mut backwards) = (Vec::new(), Vec::new());
        let out = outgoing("epsg:4549");
        out.ring(&ring, &mut told).expect("in range");
        assert!(told.len() > 20, "{}", told.len());
        let reversed: Vec<LatticePoint> = ring.iter().rev().copied().collect();
        out.ring(&reversed, &mut backwards).expect("in range");
        let sorted = |mut positions: Vec<[f64; 2]>| {
            positions.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
            positions
        };
        let back = out.named().settle(None).expect("on CGCS2000").ready();
        for (start, end) in told.iter().zip(told.iter().cycle().skip(1)) {
            let ends = [back.position(*start).expect("in range"), back.position(*end).expect("in range")];
            back.between([*start, *end], ends, &mut |_| panic!("{start:?}–{end:?} is halved again")).expect("in range");
        }
        assert_eq!(sorted(told), sorted(backwards), "the same from either end");
    }
}
