//! The tables of rows: which columns they have, and how a record becomes a row and comes back.

use super::StoreError;
use super::commit::external_key;
use super::rows::{Named, Numbered, Sourced};
use super::values::{Fields, Values};
use crate::domain::address::AddressRecord;
use crate::domain::building::{BuildingRecord, Footprint, Site};
use crate::domain::case::CaseRecord;
use crate::domain::code::Code;
use crate::domain::facility::{FacilityRecord, OriginalPosition};
use crate::domain::grid::GridRecord;
use crate::domain::id::{AddressId, BuildingId, CaseId, Epoch, FacilityId, GridSet, ImportId, OrganizationId, Version};
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::Provenance;
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::scheme::Scheme;
use crate::domain::staff::StaffRecord;
use crate::geom::{Area, Crs, LatticeBox, LatticePoint, LonLat};
use crate::interchange::wkb;
use jiff::Timestamp;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// A table whose rows are records.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: &'static str,
    /// Type of the column `geom`, when it is a feature table with an R-tree.
    pub(super) geometry: Option<&'static str>,
    /// What it is, for those who open the file.
    pub(super) description: &'static str,
    /// What a record says: name and type of each column. Two rows are the same when these are.
    pub(super) content: &'static [(&'static str, &'static str)],
    /// What the store adds.
    pub(super) tail: &'static [(&'static str, &'static str)],
    /// Columns with a default that are not written row by row, and constraints.
    pub(super) more: &'static str,
}

/// `grid_set` of tables whose rows belong to the hierarchy's own partition.
const IN_SET: &str = "\"grid_set\" TEXT NOT NULL DEFAULT 'governance'";

pub(super) const FACILITIES: Layer = Layer {
    name: "facilities",
    geometry: Some("POINT"),
    description: "Facilities where they stand",
    content: &[
        ("geom", "POINT NOT NULL"),
        ("code", "TEXT"),
        ("category", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("state", "TEXT NOT NULL"),
        ("state_date", "DATE"),
        ("grid", "TEXT"),
        ("accuracy", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("properties", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const CASES: Layer = Layer {
    name: "cases",
    geometry: Some("POINT"),
    description: "Cases where they were found; some have no place",
    content: &[
        ("geom", "POINT"),
        ("category", "TEXT NOT NULL"),
        ("state", "TEXT NOT NULL"),
        ("text", "TEXT NOT NULL"),
        ("channel", "TEXT NOT NULL"),
        ("urgent", "BOOLEAN NOT NULL"),
        ("reported_at", "DATETIME NOT NULL"),
        ("due_at", "DATETIME"),
        ("overdue", "BOOLEAN NOT NULL"),
        ("located", "TEXT NOT NULL"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("within", "TEXT"),
        ("address_text", "TEXT"),
        ("grid", "TEXT"),
        ("epoch", "INTEGER NOT NULL"),
        ("owner", "TEXT NOT NULL"),
        ("source_system", "TEXT"),
        ("external_id", "TEXT"),
        ("external_url", "TEXT"),
        ("external_state", "TEXT"),
        ("source_updated_at", "DATETIME"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const ADDRESSES: Layer = Layer {
    name: "addresses",
    geometry: Some("POINT"),
    description: "Standard addresses where they are; of some only the region is known",
    content: &[
        ("geom", "POINT"),
        ("address_text", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("within", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const ORGANIZATIONS: Layer = Layer {
    name: "organizations",
    geometry: Some("POINT"),
    description: "Organizations where they are; of some only the grid or region is known",
    content: &[
        ("geom", "POINT"),
        ("category", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("within", "TEXT"),
        ("hours", "TEXT"),
        ("address_text", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const BUILDINGS: Layer = Layer {
    name: "buildings",
    geometry: Some("GEOMETRY"),
    description: "Buildings: footprints, or points of them; of some only the grid or region is known",
    content: &[
        ("geom", "GEOMETRY"),
        ("name", "TEXT NOT NULL"),
        ("storeys", "INTEGER"),
        ("households", "INTEGER"),
        ("within", "TEXT"),
        ("address_text", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const STAFF: Layer = Layer {
    name: "staff",
    geometry: None,
    description: "Who works for which grid or region",
    content: &[
        ("id", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("role", "TEXT NOT NULL"),
        ("assigned", "TEXT NOT NULL"),
        ("phone", "TEXT"),
        ("organization", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER")],
    more: "\"grid_set\" TEXT NOT NULL DEFAULT 'governance', UNIQUE (\"id\")",
};

pub(super) const EPOCH_TAIL: &[(&str, &str)] =
    &[("import_id", "INTEGER"), ("epoch_from", "INTEGER NOT NULL"), ("row_hash", "INTEGER NOT NULL")];

pub(super) const GRIDS: Layer = Layer {
    name: "grids",
    geometry: Some("MULTIPOLYGON"),
    description: "Grids of the current epoch",
    content: &[
        ("geom", "MULTIPOLYGON NOT NULL"),
        ("grid_set", "TEXT NOT NULL"),
        ("code", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("kind", "TEXT NOT NULL"),
        ("parent", "TEXT"),
        ("households", "INTEGER"),
        ("population", "INTEGER"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: EPOCH_TAIL,
    more: "UNIQUE (\"grid_set\", \"code\")",
};

pub(super) const REGIONS: Layer = Layer {
    name: "regions",
    geometry: Some("MULTIPOLYGON"),
    description: "Regions of the current epoch, from the top level down to the last above the grids",
    content: &[
        ("claim", "BLOB"),
        ("grid_set", "TEXT NOT NULL"),
        ("code", "TEXT NOT NULL"),
        ("level", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("parent", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[
        ("import_id", "INTEGER"),
        ("epoch_from", "INTEGER NOT NULL"),
        ("row_hash", "INTEGER NOT NULL"),
        ("geom", "MULTIPOLYGON"),
    ],
    more: "UNIQUE (\"grid_set\", \"code\")",
};

pub(super) const VOIDS: Layer = Layer {
    name: "voids",
    geometry: None,
    description: "Land of the current epoch that has no grid on purpose",
    content: &[
        ("area", "BLOB NOT NULL"),
        ("grid_set", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("kind", "TEXT NOT NULL"),
        ("reason", "TEXT NOT NULL"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: EPOCH_TAIL,
    more: "UNIQUE (\"grid_set\", \"name\")",
};

impl Layer {
    /// Names of the columns that are written row by row, without `fid`.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.content.iter().chain(self.tail).map(|(name, _)| *name)
    }

    /// How many values a row has, `fid` included.
    pub(super) fn width(&self) -> usize {
        1 + self.content.len() + self.tail.len()
    }

    /// `"fid", "a", "b" …`
    pub(super) fn list(&self) -> String {
        std::iter::once("fid").chain(self.columns()).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }

    /// Name of its R-tree (OGC 12-128r18, F.3).
    pub(super) fn rtree(&self) -> String {
        format!("rtree_{}_geom", self.name)
    }

    /// The statement that makes the table under another name.
    pub(super) fn create(&self, name: &str) -> String {
        let columns: String = self.content.iter().chain(self.tail).map(|(name, kind)| format!("\"{name}\" {kind}, ")).collect();
        format!("CREATE TABLE \"{name}\" (\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {columns}{})", self.more)
    }

    /// `INSERT` of whole rows into a table of this form.
    pub(super) fn insert(&self, table: &str) -> String {
        format!("INSERT INTO \"{table}\" ({})", self.list())
    }

    /// What follows `VALUES` when rows with a known `key` replace the stored ones if they say something else. A `version` counts up.
    pub(super) fn replace(&self, table: &str, key: &str) -> String {
        let content: Vec<&str> = self.content.iter().map(|(name, _)| *name).filter(|name| *name != key).collect();
        let set: String =
            content.iter().chain(&["import_id"]).map(|name| format!("\"{name}\" = excluded.\"{name}\", ")).collect();
        let version = if self.tail.iter().any(|(name, _)| *name == "version") {
            format!("\"version\" = \"{table}\".\"version\" + 1")
        } else {
            format!("\"{key}\" = excluded.\"{key}\"")
        };
        let differs: Vec<String> =
            content.iter().map(|name| format!("\"{table}\".\"{name}\" IS NOT excluded.\"{name}\"")).collect();
        format!("ON CONFLICT (\"{key}\") DO UPDATE SET {set}{version} WHERE {}", differs.join(" OR "))
    }
}

/// A record that is a row of a layer.
pub(super) trait Stored: Sourced + Send + Sync + 'static {
    const LAYER: &'static Layer;
    /// A record from `fid`, content and tail.
    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError>;

    /// The same from a row of a file.
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        Self::from_fields(&mut Fields::of(row))
    }

    /// The same from a row of PostGIS.
    #[cfg(feature = "postgres")]
    fn from_pg(row: &PgRow) -> Result<Self, StoreError> {
        Self::from_fields(&mut Fields::of_pg(row))
    }
}

/// A record with a number of its own, written by version.
pub(super) trait Written: Stored + Numbered {
    /// The values of `Layer::content`.
    fn content(&self, values: &mut Values);
    /// Where it is.
    fn place(&self) -> Option<LatticeBox>;
    /// Its names in other systems, where these are looked up.
    fn external(&self) -> Vec<i64> {
        Vec::new()
    }
    /// The whole row.
    fn row(&self, values: &mut Values) {
        values.int(self.id());
        self.content(values);
        values.opt_int(self.provenance().import_id.map(|id| id.0));
        values.int(i64::from(self.version().0));
    }
}

/// The box of a point.
fn point_box(p: LatticePoint) -> LatticeBox {
    LatticeBox { min: p, max: p }
}

/// Times as GeoPackage writes them: UTC, three decimals.
pub(super) fn time_text(time: Timestamp) -> String {
    format!("{time:.3}")
}

pub(super) fn provenance_content(provenance: &Provenance, values: &mut Values) {
    let Provenance { external_ids, source, source_date, import_id: _, source_hash } = provenance;
    let names = (!external_ids.is_empty()).then(|| serde_json::to_string(external_ids).expect("a map from text to text is JSON"));
    values.opt_text(names);
    values.opt_text(source.as_deref());
    values.opt_text(source_date.map(|date| date.to_string()));
    values.opt_int(source_hash.map(u64::cast_signed));
}

/// The four content columns of a provenance, then `import_id`, which follows them in every layer.
fn provenance_of(fields: &mut Fields<'_>) -> Result<Provenance, StoreError> {
    let names: Option<&str> = fields.take()?;
    let external_ids = match names {
        None => Default::default(),
        Some(json) => serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("external_ids {json}: {error}")))?,
    };
    Ok(Provenance {
        external_ids,
        source: fields.take()?,
        source_date: fields.opt_parsed()?,
        source_hash: fields.take::<Option<i64>>()?.map(i64::cast_unsigned),
        import_id: fields.take::<Option<i64>>()?.map(ImportId),
    })
}

fn original_content(original: Option<&OriginalPosition>, values: &mut Values) {
    values.opt_text(original.map(|original| original.crs.to_string()));
    values.opt_real(original.map(|original| original.position.lon()));
    values.opt_real(original.map(|original| original.position.lat()));
}

fn original_of(fields: &mut Fields<'_>) -> Result<Option<OriginalPosition>, StoreError> {
    let crs: Option<Crs> = fields.opt_parsed()?;
    let (lon, lat): (Option<f64>, Option<f64>) = (fields.take()?, fields.take()?);
    let (Some(crs), Some(lon), Some(lat)) = (crs, lon, lat) else { return Ok(None) };
    let position = LonLat::new(lon, lat).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Some(OriginalPosition { crs, position }))
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

fn code_text(code: Option<&Code>) -> Option<&str> {
    code.map(Code::as_str)
}

impl Stored for FacilityRecord {
    const LAYER: &'static Layer = &FACILITIES;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: FacilityId(f.take()?),
            at: f.point()?,
            code: f.take()?,
            category: f.take()?,
            name: f.take()?,
            state: f.parsed()?,
            state_date: f.opt_parsed()?,
            grid: f.opt_parsed()?,
            accuracy: f.take()?,
            original: original_of(f)?,
            properties: match f.take::<Option<&str>>()? {
                None => serde_json::Map::new(),
                Some(json) => serde_json::from_str(json).map_err(corrupt)?,
            },
            provenance: provenance_of(f)?,
            version: Version(f.number()?),
        })
    }
}

impl Written for FacilityRecord {
    fn content(&self, values: &mut Values) {
        values.opt_blob(Some(wkb::point_blob(self.at)));
        values.opt_text(self.code.as_deref());
        values.text(self.category.as_str());
        values.text(self.name.as_str());
        values.text(self.state.as_str());
        values.opt_text(self.state_date.map(|date| date.to_string()));
        values.opt_text(code_text(self.grid.as_ref()));
        values.opt_text(self.accuracy.as_deref());
        original_content(self.original.as_ref(), values);
        let properties = (!self.properties.is_empty())
            .then(|| serde_json::to_string(&self.properties).expect("a map from text to JSON values is JSON"));
        values.opt_text(properties);
        provenance_content(&self.provenance, values);
    }

    fn place(&self) -> Option<LatticeBox> {
        Some(point_box(self.at))
    }
    fn external(&self) -> Vec<i64> {
        self.provenance.external_ids.iter().map(|(system, id)| external_key(system, id).cast_signed()).collect()
    }
}

impl Stored for CaseRecord {
    const LAYER: &'static Layer = &CASES;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: CaseId(f.take()?),
            at: f.opt_point()?,
            category: f.take()?,
            state: f.parsed()?,
            text: f.take()?,
            channel: f.take()?,
            urgent: f.take()?,
            reported_at: f.parsed()?,
            due_at: f.opt_parsed()?,
            overdue: f.take()?,
            located: f.parsed()?,
            original: original_of(f)?,
            within: f.opt_parsed()?,
            address_text: f.take()?,
            grid: f.opt_parsed()?,
            epoch: Epoch(f.number()?),
            owner: f.take()?,
            source_system: f.take()?,
            external_id: f.take()?,
            external_url: f.take()?,
            external_state: f.take()?,
            source_updated_at: f.opt_parsed()?,
            provenance: provenance_of(f)?,
            version: Version(f.number()?),
        })
    }
}

impl Written for CaseRecord {
    fn content(&self, values: &mut Values) {
        values.opt_blob(self.at.map(wkb::point_blob));
        values.text(self.category.as_str());
        values.text(self.state.as_str());
        values.text(self.text.as_str());
        values.text(self.channel.as_str());
        values.int(self.urgent.into());
        values.text(time_text(self.reported_at));
        values.opt_text(self.due_at.map(time_text));
        values.int(self.overdue.into());
        values.text(self.located.as_str());
        original_content(self.original.as_ref(), values);
        values.opt_text(code_text(self.within.as_ref()));
        values.opt_text(self.address_text.as_deref());
        values.opt_text(code_text(self.grid.as_ref()));
        values.int(self.epoch.0.cast_signed());
        values.text(self.owner.as_str());
        values.opt_text(self.source_system.as_deref());
        values.opt_text(self.external_id.as_deref());
        values.opt_text(self.external_url.as_deref());
        values.opt_text(self.external_state.as_deref());
        values.opt_text(self.source_updated_at.map(time_text));
        provenance_content(&self.provenance, values);
    }

    fn place(&self) -> Option<LatticeBox> {
        self.at.map(point_box)
    }
}

impl Stored for AddressRecord {
    const LAYER: &'static Layer = &ADDRESSES;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: AddressId(f.take()?),
            at: f.opt_point()?,
            text: f.take()?,
            name: f.take()?,
            within: f.opt_parsed()?,
            original: original_of(f)?,
            provenance: provenance_of(f)?,
            version: Version(f.number()?),
        })
    }
}

impl Stored for OrganizationRecord {
    const LAYER: &'static Layer = &ORGANIZATIONS;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: OrganizationId(f.take()?),
            at: f.opt_point()?,
            category: f.take()?,
            name: f.take()?,
            within: f.opt_parsed()?,
            hours: f.take()?,
            address: f.take()?,
            original: original_of(f)?,
            provenance: provenance_of(f)?,
            version: Version(f.number()?),
        })
    }
}

impl Written for AddressRecord {
    fn content(&self, values: &mut Values) {
        values.opt_blob(self.at.map(wkb::point_blob));
        values.text(self.text.as_str());
        values.text(self.name.as_str());
        values.opt_text(code_text(self.within.as_ref()));
        original_content(self.original.as_ref(), values);
        provenance_content(&self.provenance, values);
    }

    fn place(&self) -> Option<LatticeBox> {
        self.at.map(point_box)
    }
}

impl Written for OrganizationRecord {
    fn content(&self, values: &mut Values) {
        values.opt_blob(self.at.map(wkb::point_blob));
        values.text(self.category.as_str());
        values.text(self.name.as_str());
        values.opt_text(code_text(self.within.as_ref()));
        values.opt_text(self.hours.as_deref());
        values.opt_text(self.address.as_deref());
        original_content(self.original.as_ref(), values);
        provenance_content(&self.provenance, values);
    }

    fn place(&self) -> Option<LatticeBox> {
        self.at.map(point_box)
    }
}

impl Stored for BuildingRecord {
    const LAYER: &'static Layer = &BUILDINGS;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: BuildingId(f.take()?),
            site: f.opt_geometry()?.map(site_of).transpose()?,
            name: f.take()?,
            storeys: f.opt_number()?,
            households: f.opt_number()?,
            within: f.opt_parsed()?,
            address: f.take()?,
            original: original_of(f)?,
            provenance: provenance_of(f)?,
            version: Version(f.number()?),
        })
    }
}

fn site_of(geometry: wkb::Geometry) -> Result<Site, StoreError> {
    if let wkb::Geometry::Point(_) = geometry {
        return wkb::point_of(geometry).map(Site::Point).map_err(corrupt);
    }
    let footprint = Footprint::proved(wkb::area_of(geometry).map_err(corrupt)?);
    footprint.map(Site::Footprint).ok_or_else(|| corrupt("a footprint is empty"))
}

impl Written for BuildingRecord {
    fn content(&self, values: &mut Values) {
        values.opt_blob(self.site.as_ref().map(|site| match site {
            Site::Point(at) => wkb::point_blob(*at),
            Site::Footprint(footprint) => wkb::area_blob(footprint.area()),
        }));
        values.text(self.name.as_str());
        values.opt_int(self.storeys.map(i64::from));
        values.opt_int(self.households.map(i64::from));
        values.opt_text(code_text(self.within.as_ref()));
        values.opt_text(self.address.as_deref());
        original_content(self.original.as_ref(), values);
        provenance_content(&self.provenance, values);
    }

    fn place(&self) -> Option<LatticeBox> {
        match self.site.as_ref()? {
            Site::Point(at) => Some(point_box(*at)),
            Site::Footprint(footprint) => footprint.area().bbox(),
        }
    }
}

impl Stored for StaffRecord {
    const LAYER: &'static Layer = &STAFF;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        let _fid: i64 = f.take()?;
        Ok(Self {
            id: f.take()?,
            name: f.take()?,
            role: f.parsed()?,
            assigned: f.parsed()?,
            phone: f.take()?,
            organization: f.take()?,
            provenance: provenance_of(f)?,
        })
    }
}

/// The values of a row of staff without `fid`.
pub(super) fn staff_row(staff: &StaffRecord, values: &mut Values) {
    values.text(staff.id.as_str());
    values.text(staff.name.as_str());
    values.text(staff.role.as_str());
    values.text(staff.assigned.as_str());
    values.opt_text(staff.phone.as_deref());
    values.opt_text(staff.organization.as_deref());
    provenance_content(&staff.provenance, values);
    values.opt_int(staff.provenance.import_id.map(|id| id.0));
}

/// A record of a boundary set: a row belongs to epochs.
pub(super) trait Bounding: Stored + Named {
    /// The values of `Layer::content`; `set`: which partition.
    fn content(&self, set: &GridSet, values: &mut Values);
    /// What its R-tree holds, when it has one.
    fn extent(&self) -> Option<LatticeBox>;
}

/// Hash of what a row says, whichever import wrote it.
pub(super) fn row_hash<R: Bounding>(record: &R, set: &GridSet) -> i64 {
    let mut values = Values::default();
    record.content(set, &mut values);
    values.hash()
}

/// Name of the column by which rows of a layer are known.
pub(super) fn key_column(layer: &Layer) -> &'static str {
    if layer.name == "voids" { "name" } else { "code" }
}

/// The keys of a stored column `external_ids`.
pub(super) fn keys_of(json: &str) -> Result<Vec<u64>, StoreError> {
    let names: BTreeMap<String, String> =
        serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("external_ids {json}: {error}")))?;
    let mut keys: Vec<u64> = names.iter().map(|(system, id)| external_key(system, id)).collect();
    keys.sort_unstable();
    Ok(keys)
}

/// Levels and lengths of a boundary set as they are stored.
pub(super) fn scheme_text(scheme: &Scheme) -> Result<String, StoreError> {
    serde_json::to_string(scheme).map_err(|error| StoreError::Invalid(format!("the scheme: {error}")))
}

impl Stored for GridRecord {
    const LAYER: &'static Layer = &GRIDS;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        let _fid: i64 = f.take()?;
        let area = f.area()?;
        let _set: &str = f.take()?;
        Ok(Self {
            area,
            code: f.parsed()?,
            name: f.take()?,
            kind: f.parsed()?,
            parent: f.opt_parsed()?,
            households: f.opt_number()?,
            population: f.opt_number()?,
            provenance: provenance_of(f)?,
        })
    }
}

impl Bounding for GridRecord {
    fn content(&self, set: &GridSet, values: &mut Values) {
        values.opt_blob(Some(wkb::area_blob(&self.area)));
        values.text(set.as_str());
        values.text(self.code.as_str());
        values.text(self.name.as_str());
        values.text(self.kind.as_str());
        values.opt_text(code_text(self.parent.as_ref()));
        values.opt_int(self.households.map(i64::from));
        values.opt_int(self.population.map(i64::from));
        provenance_content(&self.provenance, values);
    }
    fn extent(&self) -> Option<LatticeBox> {
        self.area.bbox()
    }
}

impl Stored for RegionRecord {
    const LAYER: &'static Layer = &REGIONS;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        let _fid: i64 = f.take()?;
        let claim = f.opt_area()?;
        let _set: &str = f.take()?;
        Ok(Self {
            claim,
            code: f.parsed()?,
            level: f.take()?,
            name: f.take()?,
            parent: f.opt_parsed()?,
            provenance: provenance_of(f)?,
        })
    }
}

impl Bounding for RegionRecord {
    fn content(&self, set: &GridSet, values: &mut Values) {
        values.opt_blob(self.claim.as_ref().map(wkb::area_blob));
        values.text(set.as_str());
        values.text(self.code.as_str());
        values.text(self.level.as_str());
        values.text(self.name.as_str());
        values.opt_text(code_text(self.parent.as_ref()));
        provenance_content(&self.provenance, values);
    }
    fn extent(&self) -> Option<LatticeBox> {
        self.claim.as_ref().and_then(Area::bbox)
    }
}

impl Stored for VoidRecord {
    const LAYER: &'static Layer = &VOIDS;

    fn from_fields(f: &mut Fields<'_>) -> Result<Self, StoreError> {
        let _fid: i64 = f.take()?;
        let area = f.area()?;
        let _set: &str = f.take()?;
        Ok(Self { area, name: f.take()?, kind: f.parsed()?, reason: f.take()?, provenance: provenance_of(f)? })
    }
}

impl Bounding for VoidRecord {
    fn content(&self, set: &GridSet, values: &mut Values) {
        values.opt_blob(Some(wkb::area_blob(&self.area)));
        values.text(set.as_str());
        values.text(self.name.as_str());
        values.text(self.kind.as_str());
        values.text(self.reason.as_str());
        provenance_content(&self.provenance, values);
    }
    fn extent(&self) -> Option<LatticeBox> {
        None
    }
}
