//! Records of addresses from sorted-out fields: the whole text, or its parts in columns of their own. Only what names a place is read; no
//! column about persons has a field.

use super::Terms;
use super::boundaries::{Hashed, code_of, provenance, take};
use super::fields::{Field, Fields};
use super::own::{self, Origin};
use super::points::position;
use crate::domain::address::clean::clean;
use crate::domain::address::{AddressRecord, MOST_CHARS};
use crate::domain::fault::Fault;
use crate::domain::id::{AddressId, Version};

/// Columns that a text is put together from, with what a bare number in them lacks.
const PARTS: [(Field, &str); 10] = [
    (Field::District, ""),
    (Field::Township, ""),
    (Field::Community, ""),
    (Field::Road, ""),
    (Field::Lane, "弄"),
    (Field::Group, "组"),
    (Field::Number, "号"),
    (Field::Building, "幢"),
    (Field::Unit, "单元"),
    (Field::Room, "室"),
];

/// An address, and where it was copied from when it comes from a copy of our own data.
pub fn address(fields: &Fields, terms: &Terms) -> Result<(AddressRecord, Option<Origin>), Vec<Fault>> {
    let mut faults = Vec::new();
    let place = take(&mut faults, position(fields, terms)).flatten();
    let within = take(&mut faults, code_of(fields, Field::Within)).flatten();
    let mut provenance = take(&mut faults, provenance(fields, terms)).unwrap_or_default();
    let text = fields.text(Field::Address).unwrap_or_else(|| put_together(fields));
    let name = fields.text(Field::PlaceName).unwrap_or_default();
    for (field, text) in [(Field::Address, &text), (Field::PlaceName, &name)] {
        if text.chars().count() > MOST_CHARS {
            faults.push(fields.fault(field, format!("is longer than {MOST_CHARS} characters")));
        }
        if text.contains('\u{fffd}') {
            let detail = "holds the replacement character U+FFFD: some program read it in the wrong encoding before";
            faults.push(fields.fault(field, detail));
        }
    }
    if !clean(&text).chars().any(|c| c.is_alphabetic()) {
        let detail = match text.is_empty() {
            true => "is missing: no column called address … or road, number … has a value; say --map address=COLUMN".to_owned(),
            // What stands there instead may be a telephone or identity number: it is not repeated.
            false => format!("a value of {} characters is no address: it has no letter", text.chars().count()),
        };
        faults.push(fields.fault(Field::Address, detail));
    }
    if place.is_none() && within.is_none() && faults.is_empty() {
        let detail = "an address needs a position (a Point, or columns lon and lat), or the code of the region it is in";
        faults.push(fields.fault(Field::Within, detail));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let origin = terms.own.then(|| Origin::of(fields));
    let original = if terms.own { own::original(fields) } else { place.and_then(|(_, original)| original) };
    let at = place.map(|(at, _)| at);
    let within = within.filter(|_| at.is_none());
    let mut hash = Hashed::new(&text).text(&name).text(within.as_ref().map_or("", |code| code.as_str())).ids(&provenance);
    if let Some(at) = at {
        hash = hash.point(at);
    }
    provenance.source_hash = Some(hash.finish());
    let record = AddressRecord { id: AddressId(0), text, name, at, original, within, version: Version(0), provenance };
    Ok((record, origin))
}

/// The text that the parts say. A bare number gets its word.
fn put_together(fields: &Fields) -> String {
    let mut text = String::new();
    for (field, word) in PARTS {
        let Some(part) = fields.told(field) else { continue };
        text.push_str(&part);
        if part.ends_with(|c: char| c.is_ascii_alphanumeric() || ('０'..='９').contains(&c)) {
            text.push_str(word);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Crs;
    use crate::interchange::fields::{Columns, Kind};
    use crate::interchange::{RawRecord, RawShape};
    use serde_json::{Value, json};

    fn made(values: &Value) -> Result<AddressRecord, Vec<Fault>> {
        let fields = values.as_object().expect("an object").iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        let raw = RawRecord { number: 7, fields, shape: RawShape::Absent };
        let mut columns = Columns::new(Kind::Addresses, &[]).expect("nothing told");
        let terms = Terms {
            positions: Crs::Wgs84.into(),
            zone: jiff::tz::TimeZone::UTC,
            system: "police".to_owned(),
            source: None,
            source_date: None,
            max_vertices: 100,
            own: false,
            file: None,
        };
        address(&columns.sort_out(raw), &terms).map(|(record, _)| record)
    }

    #[test]
    fn a_text_is_told_or_put_together_and_persons_are_left_out() {
        let record = made(&json!({
            "标准地址": "定海区解放路5号", "lon": 122.1, "lat": 30.0, "户主": "某人", "姓名": "某人", "电话": "13800000000", "id": "a-1",
        }));
        let record = record.expect("an address");
        assert_eq!((record.text.as_str(), record.name.as_str()), ("定海区解放路5号", ""));
        assert!(!format!("{record:?}").contains("某人") && !format!("{record:?}").contains("138"));
        let record = made(&json!({
            "区县": "定海区", "街道": "昌国街道", "路名": "解放路", "弄": "", "门牌号": 5, "幢": "3", "单元": "2单元", "室号": "301",
            "within": "330902",
        }));
        let record = record.expect("an address");
        assert_eq!(record.text, "定海区昌国街道解放路5号3幢2单元301室");
        assert_eq!((record.at, record.within.map(|code| code.to_string())), (None, Some("330902".to_owned())));
    }

    #[test]
    fn what_is_no_address_is_told_with_its_field() {
        let fault = |values: Value| {
            let faults = made(&values).expect_err("no address");
            assert_eq!(faults[0].record, Some(7));
            faults[0].field.clone().unwrap_or_default()
        };
        assert_eq!(fault(json!({"lon": 122.1, "lat": 30.0})), "address");
        assert_eq!(fault(json!({"address": "12-34", "lon": 122.1, "lat": 30.0})), "address");
        assert_eq!(fault(json!({"address": "路".repeat(201), "lon": 122.1, "lat": 30.0})), "address");
        assert_eq!(fault(json!({"address": "解放路5号"})), "within");
        assert_eq!(fault(json!({"address": "解放路5号", "within": "a b"})), "within");
        assert_eq!(fault(json!({"address": "解放路5号", "lon": 122.1})), "lat");
    }
}
