//! Records of facilities and cases from sorted-out fields.

use super::boundaries::{Hashed, code_of, name_of, provenance, take};
use super::fields::{Columns, Field, Fields};
use super::own::Origin;
use super::tags::{TagRules, Tagged};
use super::{RawRecord, RawShape, Terms, own, profile, shape};
use crate::domain::case::{CaseRecord, CaseState, Located};
use crate::domain::category::{Category, CategoryKind, CodeProfile};
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, FacilityState, OriginalPosition};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::id::{CaseId, Epoch, FacilityId, OrganizationId, Version};
use crate::domain::organization::OrganizationRecord;
use crate::geom::{LatticePoint, LonLat};
use std::borrow::Cow;
use std::collections::HashMap;

/// How categories are found.
#[derive(Debug)]
pub struct Catalogue<'a> {
    profile: &'a CodeProfile,
    kind: CategoryKind,
    rules: Option<&'a TagRules>,
    unmapped_as: Option<String>,
    by_name: HashMap<&'a str, &'a str>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// A record.
    Made {
        /// With the hash of what it says.
        record: T,
        /// When it comes from a copy of our own data.
        origin: Option<Origin>,
    },
    /// The tag rules leave it out.
    Skipped,
    /// No category: the tag or word that has none.
    Unmapped {
        /// Which.
        word: String,
        /// Where the record is.
        place: Option<LonLat>,
    },
    /// All that is wrong with it.
    Faulty(Vec<Fault>),
}

/// A category, before the rest of the record is looked at.
enum Found {
    Category(String),
    Skipped,
    Unmapped(String),
}

/// The categories of a kind that a city has.
fn of_kind(profile: &CodeProfile, kind: CategoryKind) -> Box<dyn Iterator<Item = &Category> + '_> {
    match kind {
        CategoryKind::Organization => Box::new(profile::organizations_of(profile).into_iter()),
        _ => Box::new(profile.categories.iter().filter(move |category| category.kind == kind)),
    }
}

impl<'a> Catalogue<'a> {
    /// `unmapped_as`: the category of what has none otherwise; it must exist.
    pub fn new(
        profile: &'a CodeProfile,
        kind: CategoryKind,
        rules: Option<&'a TagRules>,
        unmapped_as: Option<String>,
    ) -> Result<Self, Fault> {
        let known = |code: &str| of_kind(profile, kind).any(|category| category.code == code);
        if let Some(code) = unmapped_as.as_deref().filter(|code| !known(code)) {
            let detail = format!("unmapped-as={code}: the code profile {} has no {} of that code", profile.name, kind.as_str());
            return Err(Fault { field: Some("--accept".to_owned()), ..Fault::new(FaultKind::UnknownCategory, detail) });
        }
        let by_name = of_kind(profile, kind).map(|category| (category.name.as_str(), category.code.as_str())).collect();
        Ok(Self { profile, kind, rules, unmapped_as, by_name })
    }

    fn known(&self, code: &str) -> Option<String> {
        let shipped = || of_kind(self.profile, self.kind).find(|category| category.code == code);
        let category = self.profile.category(self.kind, code);
        // Organizations alone have categories that stand in no profile.
        category
            .or_else(|| if self.kind == CategoryKind::Organization { shipped() } else { None })
            .map(|category| category.code.clone())
    }

    /// By the tag rules when there are any; else the field, by code or name; else what the record's own code says.
    fn find(&self, tagged: Option<Tagged<'_>>, telling: impl FnOnce() -> String, fields: &Fields) -> Found {
        let unmapped = |what: String| match &self.unmapped_as {
            Some(code) => Found::Category(code.clone()),
            None => Found::Unmapped(what),
        };
        match tagged {
            Some(Tagged::Category(code)) => return Found::Category(code.to_owned()),
            Some(Tagged::Skipped) => return Found::Skipped,
            Some(Tagged::Unmapped) => return unmapped(telling()),
            None => {}
        }
        let stated = fields.told(Field::Category);
        let own = || fields.told(Field::Code).and_then(|code| self.in_component_code(&code));
        match stated {
            None => own().map_or_else(|| unmapped("(no category)".to_owned()), Found::Category),
            Some(word) => self
                .known(&word)
                .or_else(|| self.by_name.get(&*word).map(|code| (*code).to_owned()))
                .or_else(|| self.in_matter_code(&word))
                .map_or_else(|| unmapped(format!("category={word}")), Found::Category),
        }
    }

    /// GB/T 47678.5: 17 digits, 6 division + 5 category + 6 sequence. CJ/T 214: 16 digits, 6 + 4 + 6.
    fn in_component_code(&self, code: &str) -> Option<String> {
        if self.kind != CategoryKind::Component || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        match code.len() {
            17 => self.known(&code[6..11]),
            16 => self.known(&code[6..10]),
            _ => None,
        }
    }

    /// GB/T 47678.5: 11 digits, 6 division + 5 category.
    fn in_matter_code(&self, code: &str) -> Option<String> {
        let fits = self.kind == CategoryKind::Matter && code.len() == 11 && code.bytes().all(|b| b.is_ascii_digit());
        if fits { self.known(&code[6..]) } else { None }
    }
}

/// Tags are looked at before columns are sorted out, since a column may be both.
fn tags<'r>(catalogue: &'r Catalogue<'_>, raw: &RawRecord) -> (Option<Tagged<'r>>, String) {
    match catalogue.rules {
        None => (None, String::new()),
        Some(rules) => {
            let tagged = rules.category(&raw.fields);
            let telling = if tagged == Tagged::Unmapped { rules.telling_tag(&raw.fields) } else { String::new() };
            (Some(tagged), telling)
        }
    }
}

/// The columns of a record sorted out, and its category; else what becomes of it.
fn categorised<T>(
    raw: RawRecord,
    columns: &mut Columns,
    catalogue: &Catalogue<'_>,
    terms: &Terms,
) -> Result<(Fields, String), Outcome<T>> {
    let (tagged, telling) = tags(catalogue, &raw);
    let fields = columns.sort_out(raw);
    match catalogue.find(tagged, || telling, &fields) {
        Found::Category(code) => Ok((fields, code)),
        Found::Skipped => Err(Outcome::Skipped),
        Found::Unmapped(word) => {
            let place = position(&fields, terms).ok().flatten().map(|(at, _)| at.lonlat());
            Err(Outcome::Unmapped { word, place })
        }
    }
}

/// A facility.
pub fn facility(raw: RawRecord, columns: &mut Columns, catalogue: &Catalogue<'_>, terms: &Terms) -> Outcome<FacilityRecord> {
    let (fields, category) = match categorised(raw, columns, catalogue, terms) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    let place = take(&mut faults, position(&fields, terms)).flatten();
    let name = take(&mut faults, name_of(&fields)).unwrap_or_default();
    let state = take(&mut faults, fields.parsed::<FacilityState>(Field::State)).flatten().unwrap_or_default();
    let state_date = take(&mut faults, fields.day(Field::StateDate)).flatten();
    let mut provenance = take(&mut faults, provenance(&fields, terms)).unwrap_or_default();
    let code = take(&mut faults, fields.identifier(Field::Code)).flatten().map(Cow::into_owned);
    if let Some(code) = &code {
        if code.chars().count() > MAX_CODE {
            faults.push(fields.fault(Field::Code, format!("is longer than {MAX_CODE} characters")));
        }
        if let Some(own) = catalogue.in_component_code(code).filter(|own| *own != category && fields.has(Field::Category)) {
            faults.push(fields.fault(Field::Code, format!("{code} is of category {own}, the record says {category}")));
        }
    }
    let accuracy = fields.text(Field::Accuracy);
    if place.is_none() && faults.is_empty() {
        faults.push(fields.fault(Field::Lon, "a facility needs a position: a Point, or columns lon and lat"));
    }
    let told = if terms.own { take(&mut faults, own::properties(&fields)) } else { None };
    let (Some((at, mut original)), true) = (place, faults.is_empty()) else { return Outcome::Faulty(faults) };
    let origin = terms.own.then(|| Origin::of(&fields));
    if terms.own {
        original = own::original(&fields);
    }
    let mut properties = serde_json::Map::new();
    let mut hash = Hashed::new(&category).text(code.as_deref().unwrap_or("")).text(&name).text(state.as_str());
    hash = hash.text(accuracy.as_deref().unwrap_or("")).ids(&provenance).point(at);
    if let Some(date) = state_date {
        hash = hash.text("\u{1}").text(&date.to_string());
    }
    let told = told.into_iter().flatten().map(|(column, value)| (column.into(), value));
    for (column, value) in fields.rest.into_iter().filter(|(column, _)| !(terms.own && own::is_beside(column))).chain(told) {
        // A string is by far the most frequent value, and the quotes would only cost.
        hash = match &value {
            serde_json::Value::String(text) => hash.text(&column).text(text),
            other => hash.text(&column).text("\u{1}").text(&other.to_string()),
        };
        properties.insert(column.to_string(), value);
    }
    provenance.source_hash = Some(hash.finish());
    let record = FacilityRecord {
        id: FacilityId(0),
        code,
        category,
        name,
        state,
        state_date,
        at,
        original,
        grid: None,
        accuracy,
        properties,
        version: Version(0),
        provenance,
    };
    Outcome::Made { record, origin }
}

/// Longest identifier of a facility. Standards have 17; 20 for cameras (GB/T 28181).
const MAX_CODE: usize = 64;

/// The position of a point record: its geometry, else its two columns; `None` when it has neither. Longitude and latitude that are
/// both exactly zero are how many systems write "unknown".
pub(super) fn position(fields: &Fields, terms: &Terms) -> Result<Option<(LatticePoint, Option<OriginalPosition>)>, Fault> {
    let raw = match &fields.shape {
        RawShape::Point(position) => *position,
        RawShape::Absent => match (fields.degrees(Field::Lon)?, fields.degrees(Field::Lat)?) {
            (None, None) => return Ok(None),
            (Some(lon), Some(lat)) => [lon, lat],
            (None, Some(_)) => return Err(fields.fault(Field::Lon, "is missing while lat is there")),
            (Some(_), None) => return Err(fields.fault(Field::Lat, "is missing while lon is there")),
        },
        other => {
            let detail = format!("{}, where a Point is needed", other.name());
            return Err(Fault {
                record: Some(fields.number),
                field: Some("geometry".to_owned()),
                ..Fault::new(FaultKind::WrongGeometry, detail)
            });
        }
    };
    if raw == [0.0, 0.0] {
        return Ok(None);
    }
    shape::point(raw, &terms.positions).map(Some).map_err(|fault| Fault {
        record: Some(fields.number),
        field: Some(if fields.has(Field::Lon) { "lon, lat" } else { "geometry" }.to_owned()),
        ..fault
    })
}

/// An organization. Columns that feed no field are not kept: they may name persons.
pub fn organization(
    raw: RawRecord,
    columns: &mut Columns,
    catalogue: &Catalogue<'_>,
    terms: &Terms,
) -> Outcome<OrganizationRecord> {
    let (fields, category) = match categorised(raw, columns, catalogue, terms) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    let place = take(&mut faults, position(&fields, terms)).flatten();
    let name = take(&mut faults, name_of(&fields)).unwrap_or_default();
    if name.is_empty() && faults.is_empty() {
        take(&mut faults, fields.required(Field::Name));
    }
    let within = take(&mut faults, code_of(&fields, Field::Within)).flatten();
    let mut provenance = take(&mut faults, provenance(&fields, terms)).unwrap_or_default();
    if place.is_none() && within.is_none() && faults.is_empty() {
        faults.push(fields.fault(Field::Within, "an organization needs a position, or the grid or region it works for"));
    }
    if !faults.is_empty() {
        return Outcome::Faulty(faults);
    }
    let (hours, address) = (fields.text(Field::Hours), fields.text(Field::Address));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut hash = Hashed::new(&category).text(&name).text(within.as_ref().map_or("", Code::as_str));
    hash = hash.text(&text(&hours)).text(&text(&address)).ids(&provenance);
    if let Some((at, _)) = place {
        hash = hash.point(at);
    }
    provenance.source_hash = Some(hash.finish());
    let origin = terms.own.then(|| Origin::of(&fields));
    let (at, mut original) = place.map_or((None, None), |(at, original)| (Some(at), original));
    if terms.own {
        original = own::original(&fields);
    }
    let record = OrganizationRecord {
        id: OrganizationId(0),
        category,
        name,
        at,
        original,
        within,
        hours,
        address,
        version: Version(0),
        provenance,
    };
    Outcome::Made { record, origin }
}

/// An open case. One with an id belongs to the system the id is of and is only mirrored here.
pub fn case(raw: RawRecord, columns: &mut Columns, catalogue: &Catalogue<'_>, terms: &Terms) -> Outcome<CaseRecord> {
    let (fields, category) = match categorised(raw, columns, catalogue, terms) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    let place = take(&mut faults, position(&fields, terms)).flatten();
    let state = take(&mut faults, fields.parsed::<CaseState>(Field::State)).flatten().unwrap_or(CaseState::Reported);
    let reported_at = take(&mut faults, fields.instant(Field::ReportedAt, &terms.zone)).flatten();
    if reported_at.is_none() && faults.is_empty() {
        take(&mut faults, fields.required(Field::ReportedAt));
    }
    let due_at = take(&mut faults, fields.instant(Field::DueAt, &terms.zone)).flatten();
    let source_updated_at = take(&mut faults, fields.instant(Field::UpdatedAt, &terms.zone)).flatten();
    let overdue = take(&mut faults, fields.flag(Field::Overdue)).flatten().unwrap_or(false);
    let urgent = take(&mut faults, fields.flag(Field::Urgent)).flatten().unwrap_or(false);
    let within = take(&mut faults, code_of(&fields, Field::Within)).flatten();
    let stated = take(&mut faults, fields.parsed::<Located>(Field::Located)).flatten();
    let mut provenance = take(&mut faults, provenance(&fields, terms)).unwrap_or_default();
    let located = match (stated, place.is_some(), within.is_some()) {
        (Some(Located::Address), true, _) => Located::Address,
        (_, true, _) => Located::Exact,
        (_, false, true) => Located::Region,
        (_, false, false) => Located::None,
    };
    let (Some(reported_at), true) = (reported_at, faults.is_empty()) else { return Outcome::Faulty(faults) };
    let mut external_id = provenance.external_ids.get(&terms.system).cloned();
    let mut source_system = external_id.is_some().then(|| terms.system.clone());
    let mut owner = source_system.clone();
    let mut original = place.and_then(|(_, original)| original);
    let origin = terms.own.then(|| Origin::of(&fields));
    if terms.own {
        let told = |column| own::text(&fields, column);
        (external_id, source_system, owner) = (told("external_id"), told("source_system"), told("owner"));
        original = own::original(&fields);
    }
    let mut record = CaseRecord {
        id: CaseId(0),
        category,
        state,
        text: fields.text(Field::Text).unwrap_or_default(),
        channel: fields.text(Field::Channel).unwrap_or_else(|| "transfer".to_owned()),
        urgent,
        reported_at,
        due_at,
        overdue,
        located,
        at: place.map(|(at, _)| at),
        original,
        within: within.filter(|_| located == Located::Region),
        address_text: fields.text(Field::Address),
        grid: None,
        epoch: Epoch(0),
        owner: owner.unwrap_or_else(|| "wangge".to_owned()),
        source_system,
        external_id,
        external_url: fields.text(Field::Url),
        external_state: fields.text(Field::ExternalState),
        source_updated_at,
        version: Version(0),
        provenance: crate::domain::records::Provenance::default(),
    };
    let said = serde_json::to_string(&record).expect("a case is plain data");
    provenance.source_hash = Some(Hashed::new(&said).finish());
    record.provenance = provenance;
    Outcome::Made { record, origin }
}

/// The grid or region code that a case or a member of staff names must exist; whoever knows the territory asks this.
pub fn unknown_code(number: u64, field: Field, code: &Code) -> Fault {
    Fault {
        record: Some(number),
        field: Some(field.as_str().to_owned()),
        codes: vec![code.clone()],
        ..Fault::new(FaultKind::UnknownCode, format!("no grid or region has the code {code}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Crs;
    use crate::interchange::fields::{Columns, Kind};
    use crate::interchange::profile;
    use serde_json::{Value, json};

    fn terms(crs: Crs) -> Terms {
        Terms {
            positions: crs.into(),
            zone: jiff::tz::TimeZone::get("Asia/Shanghai").expect("a zone"),
            system: "hotline".to_owned(),
            source: None,
            source_date: None,
            max_vertices: 100,
            own: false,
            file: None,
        }
    }

    fn raw(values: &Value, shape: RawShape) -> RawRecord {
        let fields = values.as_object().expect("an object").iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        RawRecord { number: 9, fields, shape }
    }

    fn made(values: Value) -> Outcome<FacilityRecord> {
        let profile = profile::standard();
        let catalogue = Catalogue::new(&profile, CategoryKind::Component, None, None).expect("nothing unmapped");
        let mut columns = Columns::new(Kind::Facilities, &[]).expect("nothing told");
        facility(raw(&values, RawShape::Point([122.1, 30.0])), &mut columns, &catalogue, &terms(Crs::Gcj02))
    }

    #[test]
    fn a_facility_with_the_attributes_of_the_standard_is_understood() {
        let Outcome::Made { record: facility, .. } = made(json!({
            "标识码": "33090201037000123", "名称": "解放路12号杆", "状态": "破损", "变更日期": "20260301", "材质": "钢"
        })) else {
            panic!("it is complete")
        };
        assert_eq!(facility.category, "01037", "digits 7 to 11 of the code");
        assert_eq!((facility.name.as_str(), facility.state), ("解放路12号杆", FacilityState::Damaged));
        assert_eq!(facility.provenance.source_date, Some(jiff::civil::date(2026, 3, 1)));
        assert_eq!(facility.properties.get("材质"), Some(&json!("钢")));
        assert_eq!(facility.original.map(|original| original.position.lon()), Some(122.1));
    }

    #[test]
    fn categories_are_known_by_code_and_by_name_and_must_agree_with_the_record_s_own_code() {
        let category = |values| match made(values) {
            Outcome::Made { record, .. } => Ok(record.category),
            Outcome::Unmapped { word, place } => {
                assert!(place.is_some(), "it can be found");
                Err(word)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(category(json!({"category": "01050"})), Ok("01050".to_owned()));
        assert_eq!(category(json!({"类别": "路灯"})), Ok("01037".to_owned()));
        assert_eq!(category(json!({"类别": "飞碟"})), Err("category=飞碟".to_owned()));
        assert_eq!(category(json!({"名称": "x"})), Err("(no category)".to_owned()));
        let Outcome::Faulty(faults) = made(json!({"标识码": "33090201037000123", "category": "01050"})) else {
            panic!("they contradict each other")
        };
        assert_eq!(faults[0].field.as_deref(), Some("code"));
    }

    #[test]
    fn zero_zero_is_no_place_for_a_facility_and_an_unlocated_case() {
        let profile = profile::standard();
        let components = Catalogue::new(&profile, CategoryKind::Component, None, None).expect("nothing unmapped");
        let matters = Catalogue::new(&profile, CategoryKind::Matter, None, None).expect("nothing unmapped");
        let values = json!({"category": "06010", "lon": "0.0", "lat": "0.0", "上报时间": "2026-03-01 09:30:00", "id": "A-1"});
        let mut columns = Columns::new(Kind::Cases, &[]).expect("nothing told");
        let Outcome::Made { record: case, .. } = case(raw(&values, RawShape::Absent), &mut columns, &matters, &terms(Crs::Wgs84))
        else {
            panic!("a case needs no place")
        };
        assert_eq!((case.located, case.at), (Located::None, None));
        assert_eq!((case.owner.as_str(), case.external_id.as_deref()), ("hotline", Some("A-1")));
        assert_eq!(case.reported_at.to_string(), "2026-03-01T01:30:00Z");
        let values = json!({"category": "01037", "lon": "0.0", "lat": "0.0"});
        let mut columns = Columns::new(Kind::Facilities, &[]).expect("nothing told");
        let facility = facility(raw(&values, RawShape::Absent), &mut columns, &components, &terms(Crs::Wgs84));
        assert!(matches!(facility, Outcome::Faulty(_)));
    }
}
