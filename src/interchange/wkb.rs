//! Well-known binary and the GeoPackage blob around it, read from anyone and written for everyone.
//! OGC 06-103r4 §8.2 (WKB), ISO 13249-3 (Z, M as thousands in the type), PostGIS (EWKB flags), OGC 12-128r18 §2.1.3 (the blob).

use crate::geom::area::{Polygon, Ring};
use crate::geom::lonlat::PositionError;
use crate::geom::{Area, LatticePoint, LonLat};

/// EPSG:4490, CGCS2000: what everything is stored in.
pub const CGCS2000: i32 = 4490;

/// Deepest nesting of collections that is read.
const MAX_DEPTH: u32 = 8;

/// A geometry as it was given: positions not yet checked, rings with their last position as told. Z and M are left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// One position, `[x, y]`; an empty point (both NaN) is an empty `MultiPoint`.
    Point([f64; 2]),
    /// Positions.
    MultiPoint(Vec<[f64; 2]>),
    /// A line.
    LineString(Vec<[f64; 2]>),
    /// Lines.
    MultiLineString(Vec<Vec<[f64; 2]>>),
    /// Rings: the exterior first.
    Polygon(Vec<Vec<[f64; 2]>>),
    /// Polygons.
    MultiPolygon(Vec<Vec<Vec<[f64; 2]>>>),
    /// Anything.
    Collection(Vec<Geometry>),
}

/// A GeoPackage blob.
#[derive(Debug, Clone, PartialEq)]
pub struct Blob {
    /// Which row of `gpkg_spatial_ref_sys`.
    pub srs_id: i32,
    /// What it holds.
    pub geometry: Geometry,
}

/// Why bytes are no geometry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WkbError {
    /// The bytes end too early, or a count promises more than there is.
    #[error("the geometry is cut off: {needed} more bytes needed at byte {at}")]
    Truncated {
        /// Where.
        at: usize,
        /// How many are missing at least.
        needed: usize,
    },
    /// Neither 0 nor 1 where the byte order stands.
    #[error("byte order {0} is neither 0 nor 1")]
    ByteOrder(u8),
    /// A type that is not read: curves, surfaces, or none at all.
    #[error("geometry type {0} is not read; point, line string, polygon, their multiples and collections are")]
    Type(u32),
    /// A member of a multiple that is of another type.
    #[error("a multiple geometry of type {outer} holds one of type {inner}")]
    Member {
        /// Type of the whole.
        outer: u32,
        /// Type of the member.
        inner: u32,
    },
    /// Collections in collections in collections …
    #[error("collections are nested deeper than {MAX_DEPTH}")]
    Depth,
    /// Not a GeoPackage blob.
    #[error("not a GeoPackage geometry: {0}")]
    Blob(&'static str),
    /// A stored geometry that has to be an area is none.
    #[error("not an area")]
    NotAnArea,
    /// A stored geometry that has to be a point is none.
    #[error("not a point")]
    NotAPoint,
    /// A stored position is none.
    #[error(transparent)]
    Position(#[from] PositionError),
}

/// Reads WKB or EWKB in either byte order. What follows the geometry is not looked at.
pub fn read(bytes: &[u8]) -> Result<Geometry, WkbError> {
    Reader { bytes, at: 0 }.geometry(0).map(|(_, geometry)| geometry)
}

/// Reads a GeoPackage blob.
pub fn read_blob(bytes: &[u8]) -> Result<Blob, WkbError> {
    let header = bytes.get(..8).ok_or(WkbError::Blob("shorter than its header"))?;
    if &header[..2] != b"GP" {
        return Err(WkbError::Blob("it does not begin with GP"));
    }
    let flags = header[3];
    if flags & 0x20 != 0 {
        return Err(WkbError::Blob("an extended geometry type"));
    }
    let srs = [header[4], header[5], header[6], header[7]];
    let srs_id = if flags & 1 == 1 { i32::from_le_bytes(srs) } else { i32::from_be_bytes(srs) };
    let envelope = match flags >> 1 & 7 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return Err(WkbError::Blob("an unknown kind of envelope")),
    };
    let body = bytes.get(8 + envelope..).ok_or(WkbError::Blob("shorter than its envelope"))?;
    Ok(Blob { srs_id, geometry: read(body)? })
}

/// A stored area back from its blob.
pub fn area_of_blob(bytes: &[u8]) -> Result<Area, WkbError> {
    area_of(read_blob(bytes)?.geometry)
}

/// A stored area.
pub fn area_of(geometry: Geometry) -> Result<Area, WkbError> {
    let ring = |positions: Vec<[f64; 2]>| -> Result<Ring, WkbError> { positions.into_iter().map(lattice).collect() };
    let polygon = |rings: Vec<Vec<[f64; 2]>>| -> Result<Polygon, WkbError> {
        let mut rings = rings.into_iter().map(ring);
        let exterior = rings.next().transpose()?.unwrap_or_default();
        Ok(Polygon { exterior, holes: rings.collect::<Result<_, _>>()? })
    };
    let polygons = match geometry {
        Geometry::Polygon(rings) => vec![polygon(rings)?],
        Geometry::MultiPolygon(polygons) => polygons.into_iter().map(polygon).collect::<Result<_, _>>()?,
        _ => return Err(WkbError::NotAnArea),
    };
    Ok(Area::canonical(polygons))
}

/// A stored point back from its blob.
pub fn point_of_blob(bytes: &[u8]) -> Result<LatticePoint, WkbError> {
    point_of(read_blob(bytes)?.geometry)
}

/// A stored point.
pub fn point_of(geometry: Geometry) -> Result<LatticePoint, WkbError> {
    match geometry {
        Geometry::Point(position) => lattice(position),
        _ => Err(WkbError::NotAPoint),
    }
}

/// A point as a GeoPackage blob in CGCS2000, without envelope: 29 bytes.
pub fn point_blob(p: LatticePoint) -> Vec<u8> {
    let mut out = Vec::with_capacity(29);
    out.extend_from_slice(&[b'G', b'P', 0, 0b001]);
    out.extend_from_slice(&CGCS2000.to_le_bytes());
    header(&mut out, 1);
    position(&mut out, p);
    out
}

/// An area as a GeoPackage blob in CGCS2000: a multipolygon with its envelope.
pub fn area_blob(area: &Area) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 16 * (area.vertex_count() + area.polygons().len() * 2));
    out.extend_from_slice(&[b'G', b'P', 0]);
    match area.bbox() {
        Some(bbox) => {
            out.push(0b0_0011);
            out.extend_from_slice(&CGCS2000.to_le_bytes());
            let (min, max) = (bbox.min.lonlat(), bbox.max.lonlat());
            for side in [min.lon(), max.lon(), min.lat(), max.lat()] {
                out.extend_from_slice(&side.to_le_bytes());
            }
        }
        None => {
            out.push(0b1_0001);
            out.extend_from_slice(&CGCS2000.to_le_bytes());
        }
    }
    write_area(&mut out, area);
    out
}

fn lattice([lon, lat]: [f64; 2]) -> Result<LatticePoint, WkbError> {
    Ok(LatticePoint::nearest(LonLat::new(lon, lat)?))
}

fn header(out: &mut Vec<u8>, kind: u32) {
    out.push(1);
    out.extend_from_slice(&kind.to_le_bytes());
}

fn length(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("an area in memory has fewer than 2^32 vertices");
    out.extend_from_slice(&count.to_le_bytes());
}

fn position(out: &mut Vec<u8>, p: LatticePoint) {
    let p = p.lonlat();
    out.extend_from_slice(&p.lon().to_le_bytes());
    out.extend_from_slice(&p.lat().to_le_bytes());
}

fn write_area(out: &mut Vec<u8>, area: &Area) {
    header(out, 6);
    length(out, area.polygons().len());
    for polygon in area.polygons() {
        header(out, 3);
        length(out, 1 + polygon.holes.len());
        for ring in std::iter::once(&polygon.exterior).chain(&polygon.holes) {
            length(out, ring.len() + 1);
            for p in ring.iter().chain(ring.first()) {
                position(out, *p);
            }
        }
    }
}

/// The geometry of a blob of ours as PostGIS reads it: well-known binary with the number of its reference system.
pub fn ewkb_of_blob(blob: &[u8]) -> Option<Vec<u8>> {
    let envelope = match blob.get(3)? >> 1 & 7 {
        0 => 0,
        1 => 32,
        _ => return None,
    };
    let (order, rest) = blob.get(8 + envelope..)?.split_first()?;
    let (kind, rest) = rest.split_first_chunk()?;
    if *order != 1 {
        return None;
    }
    let mut out = Vec::with_capacity(rest.len() + 9);
    out.push(1);
    out.extend_from_slice(&(u32::from_le_bytes(*kind) | 0x2000_0000).to_le_bytes());
    out.extend_from_slice(&CGCS2000.to_le_bytes());
    out.extend_from_slice(rest);
    Some(out)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// How one geometry is written.
#[derive(Clone, Copy)]
struct Form {
    little: bool,
    /// Bytes of a position: 16, 24 or 32.
    stride: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], WkbError> {
        let left = self.bytes.len() - self.at;
        if left < count {
            return Err(WkbError::Truncated { at: self.at, needed: count - left });
        }
        self.at += count;
        Ok(&self.bytes[self.at - count..self.at])
    }

    fn u32(&mut self, little: bool) -> Result<u32, WkbError> {
        let four = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    /// A count of things of at least `size` bytes each: never more than the bytes that are left can hold, so that a count cannot
    /// make us allocate.
    fn count(&mut self, little: bool, size: usize) -> Result<usize, WkbError> {
        let count = self.u32(little)? as usize;
        let (left, needed) = (self.bytes.len() - self.at, count.saturating_mul(size));
        if needed > left {
            return Err(WkbError::Truncated { at: self.at, needed: needed - left });
        }
        Ok(count)
    }

    fn position(&mut self, form: Form) -> Result<[f64; 2], WkbError> {
        let bytes = self.take(form.stride)?;
        let ordinate = |at: usize| {
            let eight = bytes[at..at + 8].try_into().expect("a position has at least two ordinates");
            if form.little { f64::from_le_bytes(eight) } else { f64::from_be_bytes(eight) }
        };
        Ok([ordinate(0), ordinate(8)])
    }

    fn line(&mut self, form: Form) -> Result<Vec<[f64; 2]>, WkbError> {
        let count = self.count(form.little, form.stride)?;
        (0..count).map(|_| self.position(form)).collect()
    }

    fn rings(&mut self, form: Form) -> Result<Vec<Vec<[f64; 2]>>, WkbError> {
        let count = self.count(form.little, 4)?;
        (0..count).map(|_| self.line(form)).collect()
    }

    /// One geometry and its plain type number.
    fn geometry(&mut self, depth: u32) -> Result<(u32, Geometry), WkbError> {
        if depth > MAX_DEPTH {
            return Err(WkbError::Depth);
        }
        let little = match self.take(1)?[0] {
            0 => false,
            1 => true,
            other => return Err(WkbError::ByteOrder(other)),
        };
        let told = self.u32(little)?;
        // EWKB says Z, M and "an SRID follows" in the highest bits; ISO says Z, M, ZM by 1000, 2000, 3000.
        let flags = told >> 29;
        if flags & 1 != 0 {
            self.take(4)?;
        }
        let plain = told & 0x1fff_ffff;
        let (iso, kind) = (plain / 1000, plain % 1000);
        let more = match iso {
            0 => (flags >> 2 & 1) + (flags >> 1 & 1),
            1 | 2 => 1,
            3 => 2,
            _ => return Err(WkbError::Type(told)),
        };
        let form = Form { little, stride: 16 + 8 * more as usize };
        let geometry = match kind {
            1 => match self.position(form)? {
                [x, y] if x.is_nan() && y.is_nan() => Geometry::MultiPoint(Vec::new()),
                position => Geometry::Point(position),
            },
            2 => Geometry::LineString(self.line(form)?),
            3 => Geometry::Polygon(self.rings(form)?),
            4..=7 => {
                let count = self.count(little, 9)?;
                let members = (0..count).map(|_| self.geometry(depth + 1)).collect::<Result<Vec<_>, _>>()?;
                if let Some((inner, _)) = members.iter().find(|(inner, _)| kind != 7 && *inner != kind - 3) {
                    return Err(WkbError::Member { outer: kind, inner: *inner });
                }
                let members = members.into_iter().map(|(_, member)| member);
                match kind {
                    4 => Geometry::MultiPoint(
                        members.filter_map(|m| if let Geometry::Point(p) = m { Some(p) } else { None }).collect(),
                    ),
                    5 => Geometry::MultiLineString(
                        members.filter_map(|m| if let Geometry::LineString(l) = m { Some(l) } else { None }).collect(),
                    ),
                    6 => Geometry::MultiPolygon(
                        members.filter_map(|m| if let Geometry::Polygon(p) = m { Some(p) } else { None }).collect(),
                    ),
                    _ => Geometry::Collection(members.collect()),
                }
            }
            _ => return Err(WkbError::Type(told)),
        };
        Ok((kind, geometry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(points: &[(i32, i32)]) -> Ring {
        points.iter().map(|&(x, y)| LatticePoint::new(x, y)).collect()
    }

    fn island_with_a_lake() -> Area {
        let exterior = ring(&[(0, 0), (90, 0), (90, 90), (0, 90)]);
        let lake = ring(&[(10, 10), (10, 20), (20, 20), (20, 10)]);
        let skerry = ring(&[(1_800_000_000, 899_999_999), (1_799_999_990, 899_999_999), (1_799_999_990, 899_999_990)]);
        Area::canonical([Polygon { exterior, holes: vec![lake] }, Polygon { exterior: skerry, holes: vec![] }])
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn what_is_stored_comes_back_equal() {
        let area = island_with_a_lake();
        assert_eq!(area_of_blob(&area_blob(&area)).expect("an area"), area);
        let nothing = Area::default();
        assert_eq!(area_of_blob(&area_blob(&nothing)).expect("an area"), nothing);
        let p = LatticePoint::new(1_221_067_733, -300_198_587);
        assert_eq!(point_of_blob(&point_blob(p)).expect("a point"), p);
        assert_eq!(point_blob(p).len(), 29);
        assert_eq!(point_of_blob(&area_blob(&area)), Err(WkbError::NotAPoint));
        assert_eq!(area_of_blob(&point_blob(p)), Err(WkbError::NotAnArea));
    }

    #[test]
    fn other_writers_are_understood() {
        // ST_AsBinary, ST_AsEWKB with SRID 4326, ISO Z, EWKB Z of POINT(1 2 [3]); big and little endian.
        for text in [
            "0101000000000000000000f03f0000000000000040",
            "00000000013ff00000000000004000000000000000",
            "0101000020e6100000000000000000f03f0000000000000040",
            "01e9030000000000000000f03f00000000000000400000000000000840",
            "0101000080000000000000f03f00000000000000400000000000000840",
            "01b90b0000000000000000f03f000000000000004000000000000008400000000000000840",
        ] {
            assert_eq!(read(&hex(text)), Ok(Geometry::Point([1.0, 2.0])), "{text}");
        }
        let empty = "0101000000000000000000f87f000000000000f87f";
        assert_eq!(read(&hex(empty)), Ok(Geometry::MultiPoint(vec![])));
    }

    #[test]
    fn a_count_that_promises_too_much_is_refused_before_it_is_believed() {
        for kind in 2..=7 {
            let mut bytes = vec![1];
            bytes.extend_from_slice(&u32::to_le_bytes(kind));
            bytes.extend_from_slice(&[0xff; 4]);
            assert!(matches!(read(&bytes), Err(WkbError::Truncated { .. })), "type {kind}");
        }
    }

    #[test]
    fn nested_collections_end_somewhere() {
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            bytes.extend_from_slice(&[1, 7, 0, 0, 0, 1, 0, 0, 0]);
        }
        assert_eq!(read(&bytes), Err(WkbError::Depth));
    }

    #[test]
    fn what_is_not_read_is_named() {
        assert_eq!(read(&[1, 8, 0, 0, 0]), Err(WkbError::Type(8)), "a circular string");
        assert_eq!(read(&[2, 1, 0, 0, 0]), Err(WkbError::ByteOrder(2)));
        let line_in_points = hex("010400000001000000010200000000000000");
        assert_eq!(read(&line_in_points), Err(WkbError::Member { outer: 4, inner: 2 }));
        assert!(matches!(read_blob(b"GPX"), Err(WkbError::Blob(_))));
        assert!(matches!(read_blob(b"PK\x03\x04aaaaaaaa"), Err(WkbError::Blob(_))));
        assert!(matches!(read_blob(&[b'G', b'P', 0, 0x21, 0, 0, 0, 0]), Err(WkbError::Blob(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = read_blob(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(at in 0_usize..300, with in any::<u8>(), cut in 0_usize..400) {
            let mut bytes = area_blob(&island_with_a_lake());
            let place = at % bytes.len();
            bytes[place] = with;
            bytes.truncate(cut);
            let _ = area_of_blob(&bytes);
        }
    }
}
