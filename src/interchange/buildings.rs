//! Records of buildings from sorted-out fields: a footprint or a point, else the grid they stand in. Only counts are read, and no column
//! about persons has a field.

use super::boundaries::{Hashed, code_of, name_of, provenance, take};
use super::fields::{Field, Fields};
use super::own::{self, Origin};
use super::points::position;
use super::{RawShape, Terms, shape};
use crate::domain::building::{BadFootprint, BuildingRecord, Footprint, Site};
use crate::domain::code::Code;
use crate::domain::facility::OriginalPosition;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::domain::id::{BuildingId, Version};
use std::borrow::Cow;

/// More storeys than any building has: what is above is a slip.
const MOST_STOREYS: f64 = 300.0;

/// A building as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The record.
    pub record: BuildingRecord,
    /// When it comes from a copy of our own data.
    pub origin: Option<Origin>,
    /// Rings that turned the wrong way or collapsed.
    pub repairs: Vec<Repair>,
}

/// Where a record says it is, and what was mended in that.
type Placed = (Option<Site>, Option<OriginalPosition>, Vec<Repair>);

/// A building.
pub fn building(fields: &Fields, terms: &Terms) -> Result<Made, Vec<Fault>> {
    let mut faults = Vec::new();
    let (site, original, repairs) = placed(fields, terms).unwrap_or_else(|own| {
        faults.extend(own);
        Placed::default()
    });
    let name = take(&mut faults, name_of(fields)).unwrap_or_default();
    let storeys = take(&mut faults, storeys(fields)).flatten();
    let households = take(&mut faults, fields.count(Field::Households)).flatten();
    let within = take(&mut faults, code_of(fields, Field::StandsIn)).flatten();
    let mut provenance = take(&mut faults, provenance(fields, terms)).unwrap_or_default();
    if site.is_none() && within.is_none() && faults.is_empty() {
        let detail =
            "a building needs a footprint or a position (a Polygon, a Point, or columns lon and lat), or the code of its grid";
        faults.push(fields.fault(Field::StandsIn, detail));
    }
    if site.is_none() && provenance.external_ids.is_empty() && !terms.own && faults.is_empty() {
        let detail = "a building without a place needs an id: nothing else tells it from the others of its grid";
        faults.push(fields.fault(Field::Id, detail));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let within = within.filter(|_| site.is_none());
    let address = fields.text(Field::Address);
    let mut hash = Hashed::new(&name).count(storeys.map(u32::from)).count(households);
    hash = hash.text(within.as_ref().map_or("", Code::as_str)).text(address.as_deref().unwrap_or("")).ids(&provenance);
    hash = match &site {
        None => hash,
        Some(Site::Point(at)) => hash.point(*at),
        Some(Site::Footprint(footprint)) => hash.area(footprint.area()),
    };
    provenance.source_hash = Some(hash.finish());
    let origin = terms.own.then(|| Origin::of(fields));
    let original = if terms.own { own::original(fields) } else { original };
    let version = Version(0);
    let record =
        BuildingRecord { id: BuildingId(0), name, storeys, households, site, original, within, address, version, provenance };
    Ok(Made { record, origin, repairs })
}

/// The footprint when there is one, else the position.
fn placed(fields: &Fields, terms: &Terms) -> Result<Placed, Vec<Fault>> {
    match &fields.shape {
        RawShape::Polygons(_) => {}
        RawShape::Other(name) => {
            let detail = format!("{name}, where a Polygon, a MultiPolygon or a Point is needed");
            return Err(vec![told(fields, Fault::new(FaultKind::WrongGeometry, detail))]);
        }
        RawShape::Absent | RawShape::Point(_) => {
            let place = position(fields, terms).map_err(|fault| vec![fault])?;
            let (at, original) = place.map_or((None, None), |(at, original)| (Some(at), original));
            return Ok((at.map(Site::Point), original, Vec::new()));
        }
    }
    let shaped = shape::area(&fields.shape, &terms.positions, terms.max_vertices);
    let shaped = shaped.map_err(|faults| faults.into_iter().map(|fault| told(fields, fault)).collect::<Vec<_>>())?;
    let first = shaped.area.rings().flatten().next().copied();
    let footprint = Footprint::new(&shaped.area).map_err(|why| {
        let (kind, place) = match why {
            BadFootprint::Empty => (FaultKind::Vanished, first),
            BadFootprint::Crossing { place } => (FaultKind::SelfCrossing, Some(place)),
            BadFootprint::TooLong { .. } => (FaultKind::TooManyVertices, first),
        };
        vec![told(
            fields,
            Fault { place: place.map(|place| place.lonlat()), ..Fault::new(kind, format!("the footprint: {why}")) },
        )]
    })?;
    let mut repairs = shaped.repairs;
    for repair in &mut repairs {
        repair.detail.insert_str(0, &format!("record {}: ", fields.number));
    }
    Ok((Some(Site::Footprint(footprint)), None, repairs))
}

fn told(fields: &Fields, fault: Fault) -> Fault {
    Fault { record: Some(fields.number), field: fault.field.or_else(|| Some("geometry".to_owned())), ..fault }
}

/// Storeys. OpenStreetMap counts halves for roofs that are lived under: these are no storeys.
fn storeys(fields: &Fields) -> Result<Option<u16>, Fault> {
    let Some(text) = fields.told(Field::Storeys) else { return Ok(None) };
    let number = text.strip_suffix('层').map_or_else(|| text.clone(), |number| Cow::Borrowed(number.trim_end()));
    match number.parse::<f64>() {
        Ok(storeys) if (0.0..=MOST_STOREYS).contains(&storeys) => Ok(Some(storeys as u16)),
        _ => Err(fields.fault(Field::Storeys, format!("{text:?} is no count of storeys: 0 to {MOST_STOREYS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Crs;
    use crate::interchange::RawRecord;
    use crate::interchange::fields::{Columns, Kind};
    use serde_json::{Value, json};

    fn made(values: &Value, shape: RawShape) -> Result<Made, Vec<Fault>> {
        let fields = values.as_object().expect("an object").iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        let raw = RawRecord { number: 7, fields, shape };
        let mut columns = Columns::new(Kind::Buildings, &[]).expect("nothing told");
        let terms = Terms {
            positions: Crs::Wgs84.into(),
            zone: jiff::tz::TimeZone::UTC,
            system: "housing".to_owned(),
            source: None,
            source_date: None,
            max_vertices: 100,
            own: false,
            file: None,
        };
        building(&columns.sort_out(raw), &terms)
    }

    fn ring(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
        points.iter().map(|[x, y]| [122.0 + x / 1000.0, 30.0 + y / 1000.0]).collect()
    }

    fn house() -> RawShape {
        RawShape::Polygons(vec![vec![ring(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])]])
    }

    #[test]
    fn a_building_is_understood_in_the_words_of_an_office_and_of_openstreetmap() {
        let office =
            json!({"楼栋编号": 12, "楼栋名称": "东海花园3幢", "户数": "48", "层数": "6层", "地址": "东街1号", "户主": "某人"});
        let Made { record, .. } = made(&office, house()).expect("a building");
        assert_eq!((record.name.as_str(), record.storeys, record.households), ("东海花园3幢", Some(6), Some(48)));
        assert_eq!(record.provenance.external_ids.get("housing").map(String::as_str), Some("12"));
        assert_eq!(record.address.as_deref(), Some("东街1号"));
        assert!(record.footprint().is_some() && record.at().is_some() && record.within.is_none());
        assert!(!format!("{record:?}").contains("某人"));
        let osm = json!({"building": "yes", "building:levels": "2.5", "building:flats": "4", "name": "x"});
        let Made { record, .. } = made(&osm, RawShape::Point([122.0, 30.0])).expect("a building");
        assert_eq!((record.storeys, record.households, record.footprint()), (Some(2), Some(4), None));
        let row = json!({"网格编码": "330902002001001", "楼栋编号": "3-1", "户数": 3});
        let table = made(&row, RawShape::Absent).expect("a building").record;
        assert_eq!((table.at(), table.within.map(|code| code.to_string())), (None, Some("330902002001001".to_owned())));
    }

    #[test]
    fn a_bad_footprint_is_told_with_its_record_and_place() {
        let of = |points: &[[f64; 2]]| {
            let fault = made(&json!({}), RawShape::Polygons(vec![vec![ring(points)]])).expect_err("no footprint").remove(0);
            assert_eq!(
                (fault.record, fault.field.as_deref(), fault.place.is_some()),
                (Some(7), Some("geometry"), true),
                "{fault}"
            );
            fault.kind
        };
        assert_eq!(of(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), FaultKind::SelfCrossing);
        assert_eq!(of(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), FaultKind::UnclosedRing);
        assert_eq!(of(&[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), FaultKind::EmptyRing);
        assert_eq!(of(&[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 0.0]]), FaultKind::Vanished);
    }

    #[test]
    fn what_is_no_building_is_told_with_its_field() {
        let fault =
            |values: Value, shape: RawShape| made(&values, shape).expect_err("no building").remove(0).field.unwrap_or_default();
        assert_eq!(fault(json!({}), RawShape::Absent), "within");
        assert_eq!(fault(json!({"户数": "many"}), house()), "households");
        assert_eq!(fault(json!({"层数": "3;4"}), house()), "storeys");
        assert_eq!(fault(json!({"层数": 4000}), house()), "storeys");
        assert_eq!(fault(json!({}), RawShape::Other("LineString".to_owned())), "geometry");
        assert_eq!(fault(json!({"within": "a b"}), RawShape::Absent), "within");
        assert_eq!(fault(json!({"within": "330902002001001"}), RawShape::Absent), "id", "nothing tells it from the others there");
    }
}
