//! Records of regions, grids and voids from sorted-out fields.

use super::fields::{Field, Fields};
use super::shape;
use super::text::is_damaged;
use super::{Terms, own};
use crate::domain::code::{BadCode, Code};
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::domain::grid::{GridKind, GridRecord};
use crate::domain::hash::hash64;
use crate::domain::records::Provenance;
use crate::domain::region::{RegionRecord, VoidKind, VoidRecord};
use crate::geom::Area;

/// A grid as its file has it; its code may still be to be assigned.
#[derive(Debug, Clone, PartialEq)]
pub struct GridDraft {
    /// Number of the record.
    pub number: u64,
    /// As stated.
    pub code: Option<Code>,
    /// May be empty.
    pub name: String,
    /// What it is for.
    pub kind: GridKind,
    /// The region above, as stated.
    pub parent: Option<Code>,
    /// On the lattice, not yet proved.
    pub area: Area,
    /// A count.
    pub households: Option<u32>,
    /// A count.
    pub population: Option<u32>,
    /// With the hash of all of the above.
    pub provenance: Provenance,
}

impl GridDraft {
    /// A grid that comes as a record: what a file that says the same would give. `number` counts from 1.
    pub fn of(record: GridRecord, number: u64) -> Self {
        let GridRecord { code, name, kind, parent, area, households, population, provenance } = record;
        Self { number, code: Some(code), name, kind, parent, area, households, population, provenance }.hashed()
    }

    /// As a record, when it has a code.
    pub fn record(self) -> Option<GridRecord> {
        let Self { number: _, code, name, kind, parent, area, households, population, provenance } = self;
        Some(GridRecord { code: code?, name, kind, parent, area, households, population, provenance })
    }

    /// With the hash of what it says. The code is not part of it: codes that are assigned here must not make a record different.
    fn hashed(mut self) -> Self {
        let hash = Hashed::new(&self.name)
            .text(self.kind.as_str())
            .text(self.parent.as_ref().map_or("", Code::as_str))
            .count(self.households)
            .count(self.population)
            .ids(&self.provenance)
            .area(&self.area)
            .finish();
        self.provenance.source_hash = Some(hash);
        self
    }
}

/// A region with the hash of what it says, as a file that says the same would give it.
pub fn hashed_region(mut record: RegionRecord) -> RegionRecord {
    let hash = Hashed::new(&record.name)
        .text(&record.level)
        .text(record.parent.as_ref().map_or("", Code::as_str))
        .ids(&record.provenance)
        .area(record.claim.as_ref().unwrap_or(&Area::default()))
        .finish();
    record.provenance.source_hash = Some(hash);
    record
}

/// One record of a file of grids.
#[derive(Debug, Clone, PartialEq)]
pub enum Land {
    /// A grid.
    Grid(GridDraft),
    /// No grid, on purpose.
    Void(VoidRecord),
}

/// A record and what was mended in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made<T> {
    /// The record.
    pub record: T,
    /// Small things, each with its place.
    pub repairs: Vec<Repair>,
}

/// A grid or a void.
pub fn land(fields: &Fields, terms: &Terms) -> Result<Made<Land>, Vec<Fault>> {
    let mut faults = Vec::new();
    let code = take(&mut faults, code_of(fields, Field::Code));
    let parent = take(&mut faults, code_of(fields, Field::Parent));
    let name = take(&mut faults, name_of(fields)).unwrap_or_default();
    let households = take(&mut faults, fields.count(Field::Households));
    let population = take(&mut faults, fields.count(Field::Population));
    let provenance = take(&mut faults, provenance(fields, terms)).unwrap_or_default();
    let kind_word = fields.text(Field::GridKind).unwrap_or_default();
    let void = kind_word.parse::<VoidKind>().ok();
    let kind = match void {
        Some(_) => GridKind::default(),
        None => take(&mut faults, fields.parsed::<GridKind>(Field::GridKind)).flatten().unwrap_or_default(),
    };
    let (code, parent) = (code.flatten(), parent.flatten());
    let whose = code.clone();
    let shaped = shape::area(&fields.shape, &terms.positions, terms.max_vertices).map_err(|own| {
        faults.extend(own.into_iter().map(|fault| Fault {
            record: Some(fields.number),
            codes: whose.iter().cloned().collect(),
            ..fault
        }));
    });
    let (Ok(mut shaped), true) = (shaped, faults.is_empty()) else { return Err(faults) };
    name_repairs(&mut shaped.repairs, &code, fields.number);
    let (households, population) = (households.flatten(), population.flatten());
    let record = if let Some(kind) = void {
        let name = match (&code, name.is_empty()) {
            (_, false) => name,
            (Some(code), true) => code.to_string(),
            (None, true) => format!("{kind_word}-{}", fields.number),
        };
        let reason = fields.text(Field::Reason).unwrap_or_else(|| "as imported".to_owned());
        let hash = Hashed::new(&name).text(kind.as_str()).text(&reason).area(&shaped.area).finish();
        let provenance = Provenance { source_hash: Some(hash), ..provenance };
        Land::Void(VoidRecord { name, kind, reason, area: shaped.area, provenance })
    } else {
        let area = shaped.area;
        let draft = GridDraft { number: fields.number, code, name, kind, parent, area, households, population, provenance };
        Land::Grid(draft.hashed())
    };
    Ok(Made { record, repairs: shaped.repairs })
}

/// A region; without geometry its outline is that of what lies below it.
pub fn region(fields: &Fields, terms: &Terms) -> Result<Made<RegionRecord>, Vec<Fault>> {
    let mut faults = Vec::new();
    let code =
        take(&mut faults, fields.required(Field::Code)).and_then(|_| take(&mut faults, code_of(fields, Field::Code))).flatten();
    let parent = take(&mut faults, code_of(fields, Field::Parent)).flatten();
    let name = take(&mut faults, name_of(fields)).unwrap_or_default();
    let provenance = take(&mut faults, provenance(fields, terms)).unwrap_or_default();
    let level = fields.text(Field::Level).unwrap_or_default();
    let mut repairs = Vec::new();
    let claim = if fields.shape == super::RawShape::Absent {
        None
    } else {
        match shape::area(&fields.shape, &terms.positions, terms.max_vertices) {
            Ok(shaped) => {
                repairs = shaped.repairs;
                Some(shaped.area)
            }
            Err(own) => {
                faults.extend(own.into_iter().map(|fault| Fault {
                    record: Some(fields.number),
                    codes: code.iter().cloned().collect(),
                    ..fault
                }));
                None
            }
        }
    };
    let (Some(code), true) = (code, faults.is_empty()) else { return Err(faults) };
    name_repairs(&mut repairs, &Some(code.clone()), fields.number);
    Ok(Made { record: hashed_region(RegionRecord { code, level, name, parent, claim, provenance }), repairs })
}

fn name_repairs(repairs: &mut [Repair], code: &Option<Code>, number: u64) {
    for repair in repairs {
        repair.codes = code.iter().cloned().collect();
        repair.detail = format!("record {number}: {}", repair.detail);
    }
}

/// Keeps the value or the fault.
pub(super) fn take<T>(faults: &mut Vec<Fault>, value: Result<T, Fault>) -> Option<T> {
    value.map_err(|fault| faults.push(fault)).ok()
}

/// A field that holds a code.
pub fn code_of(fields: &Fields, field: Field) -> Result<Option<Code>, Fault> {
    let Some(text) = fields.identifier(field)? else { return Ok(None) };
    text.parse().map(Some).map_err(|error: BadCode| fields.fault(field, error.to_string()))
}

/// The name, which must have come through undamaged.
pub(super) fn name_of(fields: &Fields) -> Result<String, Fault> {
    let name = fields.text(Field::Name).unwrap_or_default();
    if is_damaged(&name) {
        let detail = format!(
            "{name:?} holds the replacement character U+FFFD: some program read it in the wrong encoding (GBK as UTF-8) before; \
             go back to the file before that"
        );
        return Err(Fault { kind: FaultKind::NotUtf8, ..fields.fault(Field::Name, detail) });
    }
    Ok(name)
}

/// Where the record comes from, without its hash.
pub(super) fn provenance(fields: &Fields, terms: &Terms) -> Result<Provenance, Fault> {
    let source_date = fields.day(Field::SourceDate)?;
    if terms.own {
        let (external_ids, source) = (own::external_ids(fields)?, own::text(fields, "source"));
        return Ok(Provenance { external_ids, source, source_date, import_id: None, source_hash: None });
    }
    let external_ids = fields.text(Field::Id).map(|id| (terms.system.clone(), id)).into_iter().collect();
    let source_date = source_date.or(terms.source_date);
    Ok(Provenance { external_ids, source: terms.source.clone(), source_date, import_id: None, source_hash: None })
}

/// Collects what a source record says. Two records with one hash say the same.
pub(super) struct Hashed(Vec<u8>);

impl Hashed {
    pub(super) fn new(text: &str) -> Self {
        Self(Vec::with_capacity(256)).text(text)
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        // 0xff stands in no UTF-8 text.
        self.0.push(0xff);
        self
    }

    pub(super) fn count(self, count: Option<u32>) -> Self {
        match count {
            Some(count) => self.text(&count.to_string()),
            None => self.text(""),
        }
    }

    pub(super) fn ids(mut self, provenance: &Provenance) -> Self {
        for (system, id) in &provenance.external_ids {
            self = self.text(system).text(id);
        }
        self.text("")
    }

    pub(super) fn point(mut self, p: crate::geom::LatticePoint) -> Self {
        self.0.extend_from_slice(&p.x.to_le_bytes());
        self.0.extend_from_slice(&p.y.to_le_bytes());
        self
    }

    pub(super) fn area(mut self, area: &Area) -> Self {
        for polygon in area.polygons() {
            for ring in std::iter::once(&polygon.exterior).chain(&polygon.holes) {
                self = self.text("ring");
                for p in ring {
                    self = self.point(*p);
                }
            }
            self = self.text("part");
        }
        self
    }

    pub(super) fn finish(self) -> u64 {
        hash64(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Crs;
    use crate::interchange::fields::{Columns, Kind};
    use crate::interchange::{RawRecord, RawShape};
    use serde_json::{Value, json};

    fn terms() -> Terms {
        Terms {
            positions: Crs::Wgs84.into(),
            zone: jiff::tz::TimeZone::UTC,
            system: "planning".to_owned(),
            source: None,
            source_date: None,
            max_vertices: 100,
            own: false,
            file: None,
        }
    }

    fn fields(kind: Kind, values: Value) -> Fields {
        let fields = values.as_object().expect("an object").iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        let ring = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]];
        let record = RawRecord { number: 5, fields, shape: RawShape::Polygons(vec![vec![ring]]) };
        Columns::new(kind, &[]).expect("nothing told").sort_out(record)
    }

    #[test]
    fn the_hash_tells_what_the_source_says_and_not_when_or_under_which_code() {
        let hash = |values: Value| match land(&fields(Kind::Grids, values), &terms()).expect("a grid").record {
            Land::Grid(grid) => grid.provenance.source_hash,
            Land::Void(_) => None,
        };
        let plain = hash(json!({"code": "330902002001001", "name": "一"}));
        assert_eq!(plain, hash(json!({"code": "330902002001002", "name": "一", "source_date": "2026-01-01"})));
        assert_ne!(plain, hash(json!({"code": "330902002001001", "name": "二"})));
        assert_ne!(plain, hash(json!({"code": "330902002001001", "name": "一", "households": 3})));
    }

    #[test]
    fn water_is_a_void_with_a_reason() {
        let made = land(&fields(Kind::Grids, json!({"kind": "water", "name": "北湖"})), &terms()).expect("a void");
        let Land::Void(void) = made.record else { panic!("not a void") };
        assert_eq!((void.name.as_str(), void.kind), ("北湖", VoidKind::Water));
    }

    #[test]
    fn every_bad_field_of_a_record_is_said_at_once() {
        let faults = land(&fields(Kind::Grids, json!({"code": "a/b", "kind": "round", "households": "many"})), &terms())
            .expect_err("three things are wrong");
        let named: Vec<_> = faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
        assert_eq!(named, ["code", "households", "kind"]);
        assert!(faults.iter().all(|fault| fault.record == Some(5)));
        let damaged = region(&fields(Kind::Regions, json!({"code": "33", "name": "\u{FFFD}\u{FFFD}"})), &terms());
        assert_eq!(damaged.expect_err("damaged")[0].kind, FaultKind::NotUtf8);
    }
}
