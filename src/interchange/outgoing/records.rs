//! Records → rows under the names by which an import takes them back ([`Field`]): the way back from `points`, `people` and `boundaries`.

use super::survey::Layer;
use super::{Column, Format, Geometry, Row, Shape, Terms, ValueKind, WriteError};
use crate::domain::building::BuildingRecord;
use crate::domain::case::CaseRecord;
use crate::domain::code::Code;
use crate::domain::facility::FacilityRecord;
use crate::domain::grid::GridRecord;
use crate::domain::organization::OrganizationRecord;
use crate::domain::records::Provenance;
use crate::domain::region::{RegionRecord, VoidRecord};
use crate::domain::staff::StaffRecord;
use crate::geom::{Area, LatticePoint, measure};
use crate::interchange::fields::{Field, Kind};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Names that records have in other systems: those of one of them are the column `id`.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    /// Whose; absent: not chosen yet, the longest name stands for all.
    pub system: Option<String>,
    /// How many records have one, by system.
    pub met: BTreeMap<String, u64>,
}

impl Ids {
    fn of<'a>(&mut self, names: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
        let mut chosen: Option<&str> = None;
        for (system, id) in names {
            match self.met.get_mut(system) {
                Some(met) => *met += 1,
                None => drop(self.met.insert(system.to_owned(), 1)),
            }
            let better = match &self.system {
                Some(wanted) => wanted == system,
                None => chosen.is_none_or(|other| other.len() < id.len()),
            };
            if better {
                chosen = Some(id);
            }
        }
        text(chosen)
    }

    /// Chooses the system that names most records, unless one was asked for. What is to be told about it.
    pub fn choose(&mut self, layer: &str) -> Option<String> {
        let most = self.met.iter().max_by_key(|(_, met)| **met).map(|(system, _)| system.clone());
        let asked = self.system.is_some();
        self.system = self.system.take().or(most);
        let others: Vec<String> = self
            .met
            .iter()
            .filter(|(system, _)| Some(*system) != self.system.as_ref())
            .map(|(system, met)| format!("{met} of {system:?}"))
            .collect();
        let chosen = self.system.as_deref()?;
        (!others.is_empty()).then(|| {
            let ask = if asked { "" } else { " (--system names another)" };
            format!("{layer}: the column id has the names of the system {chosen:?}{ask}; left out: {}", others.join(", "))
        })
    }
}

/// Makes rows.
#[derive(Debug, Clone)]
pub struct Rows {
    kind: Kind,
    /// With columns that are derived here.
    derived: bool,
    /// Positions are two columns.
    columns: bool,
    /// Names in other systems.
    pub ids: Ids,
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Value::from)
}

fn code(value: Option<&Code>) -> Value {
    text(value.map(Code::as_str))
}

fn shown(value: Option<impl std::fmt::Display>) -> Value {
    value.map_or(Value::Null, |value| Value::from(value.to_string()))
}

/// Blank says nothing.
fn blank(value: &str) -> Value {
    text(Some(value).filter(|value| !value.is_empty()))
}

fn names(provenance: &Provenance) -> impl Iterator<Item = (&str, &str)> {
    provenance.external_ids.iter().map(|(system, id)| (system.as_str(), id.as_str()))
}

/// Columns that an import would not take back as they are.
fn derived(kind: Kind) -> &'static [(&'static str, ValueKind)] {
    match kind {
        Kind::Regions | Kind::Grids => {
            &[("area_m2", ValueKind::Real), ("label_lon", ValueKind::Real), ("label_lat", ValueKind::Real)]
        }
        Kind::Facilities | Kind::Cases | Kind::Organizations | Kind::Buildings => &[("grid", ValueKind::Text)],
        Kind::Staff | Kind::Households | Kind::Addresses => &[],
    }
}

fn value_kind(field: Field) -> ValueKind {
    match field {
        Field::Households | Field::Population | Field::Storeys => ValueKind::Integer,
        Field::Lon | Field::Lat => ValueKind::Real,
        Field::Urgent | Field::Overdue => ValueKind::Flag,
        Field::ReportedAt | Field::DueAt | Field::UpdatedAt => ValueKind::Time,
        _ => ValueKind::Text,
    }
}

/// What is known about a region or grid besides its record.
#[derive(Debug, Clone, Copy)]
pub struct Derived {
    /// A point inside its largest part.
    pub label: Option<LatticePoint>,
}

impl Rows {
    /// Rows of one kind in one format.
    pub fn new(kind: Kind, format: Format, derived: bool, system: Option<String>) -> Self {
        Self { kind, derived, columns: !format.has_geometry(), ids: Ids { system, met: BTreeMap::new() } }
    }

    /// The layer that its rows make.
    pub fn layer(&self) -> Layer {
        let geometry = match self.kind {
            _ if self.columns => Geometry::None,
            // Of buildings some are points; only formats in which rows may differ have them.
            Kind::Regions | Kind::Grids | Kind::Buildings => Geometry::Area,
            Kind::Facilities | Kind::Cases | Kind::Addresses | Kind::Organizations => Geometry::Point,
            Kind::Staff | Kind::Households => Geometry::None,
        };
        let fields = self.fields().map(|field| Column { name: field.as_str().to_owned(), kind: value_kind(field) });
        let more = derived(self.kind).iter().filter(|_| self.derived);
        let more = more.map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind });
        Layer { name: self.kind.as_str(), columns: fields.chain(more).collect(), geometry }
    }

    /// Fields that are columns.
    fn fields(&self) -> impl Iterator<Item = Field> + use<> {
        let columns = self.columns;
        self.kind.fields().iter().copied().filter(move |field| columns || !matches!(field, Field::Lon | Field::Lat))
    }

    fn row(&self, name: String, value: impl Fn(Field) -> Value, derived: impl FnOnce() -> Vec<Value>, shape: Shape) -> Row {
        let mut cells: Vec<Value> = self.fields().map(value).collect();
        if self.derived {
            cells.extend(derived());
        }
        Row { name, cells, more: Map::new(), shape }
    }

    /// What stands in the columns `lon` and `lat`, and the geometry.
    fn placed(&self, terms: &Terms, name: &str, at: Option<LatticePoint>) -> Result<([Value; 2], Shape), WriteError> {
        let Some(at) = at else { return Ok(([Value::Null, Value::Null], Shape::None)) };
        if !self.columns {
            return Ok(([Value::Null, Value::Null], Shape::Point(at)));
        }
        let told = terms.outgoing.coordinates(at.lonlat());
        let told = told.map_err(|source| WriteError::Position { row: name.to_owned(), source })?;
        // A tenth of a millimetre, of a second's 300,000th: the lattice is coarser.
        let digits = if terms.outgoing.is_plane() { 1e4 } else { 1e9 };
        Ok((told.map(|number| Value::from((number * digits).round() / digits)), Shape::None))
    }

    fn land(&self, area: Area) -> Shape {
        if self.columns { Shape::None } else { Shape::Area(area) }
    }

    fn derived_land(&self, area: &Area, derived: Derived) -> Vec<Value> {
        let label = derived.label.map(LatticePoint::lonlat);
        let number = |value: Option<f64>| value.map_or(Value::Null, Value::from);
        vec![
            number(Some((measure::area_m2(area) * 10.0).round() / 10.0)),
            number(label.map(|label| label.lon())),
            number(label.map(|label| label.lat())),
        ]
    }

    /// A region with its land.
    pub fn region(&mut self, record: &RegionRecord, area: Area, derived: Derived) -> Row {
        let id = self.ids.of(names(&record.provenance));
        let value = |field| match field {
            Field::Code => code(Some(&record.code)),
            Field::Name => blank(&record.name),
            Field::Level => blank(&record.level),
            Field::Parent => code(record.parent.as_ref()),
            Field::Id => id.clone(),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        let shape = if area.is_empty() { Shape::None } else { self.land(area.clone()) };
        self.row(record.code.to_string(), value, || self.derived_land(&area, derived), shape)
    }

    /// A grid, with the households that are shown of it.
    pub fn grid(&mut self, record: &GridRecord, households: Option<u64>, derived: Derived) -> Row {
        let id = self.ids.of(names(&record.provenance));
        let value = |field| match field {
            Field::Code => code(Some(&record.code)),
            Field::Name => blank(&record.name),
            Field::GridKind => record.kind.as_str().into(),
            Field::Parent => code(record.parent.as_ref()),
            Field::Households => households.map_or(Value::Null, Value::from),
            Field::Population => record.population.map_or(Value::Null, Value::from),
            Field::Id => id.clone(),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        let shape = self.land(record.area.clone());
        self.row(record.code.to_string(), value, || self.derived_land(&record.area, derived), shape)
    }

    /// Land without a grid, among the grids, as an import takes it.
    pub fn void(&mut self, record: &VoidRecord) -> Row {
        let value = |field| match field {
            Field::Name => blank(&record.name),
            Field::GridKind => record.kind.as_str().into(),
            Field::Reason => blank(&record.reason),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        let shape = self.land(record.area.clone());
        self.row(record.name.clone(), value, || self.derived_land(&record.area, Derived { label: None }), shape)
    }

    /// A facility; its properties are further columns.
    pub fn facility(&mut self, record: FacilityRecord, terms: &Terms) -> Result<Row, WriteError> {
        let id = self.ids.of(names(&record.provenance));
        let name = record.code.clone().unwrap_or_else(|| format!("facility {}", record.id));
        let (place, shape) = self.placed(terms, &name, Some(record.at))?;
        let value = |field| match field {
            Field::Code => text(record.code.as_deref()),
            Field::Id => id.clone(),
            Field::Category => blank(&record.category),
            Field::Name => blank(&record.name),
            Field::State => record.state.as_str().into(),
            Field::StateDate => shown(record.state_date),
            Field::Lon => place[0].clone(),
            Field::Lat => place[1].clone(),
            Field::Accuracy => text(record.accuracy.as_deref()),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        let row = self.row(name, value, || vec![code(record.grid.as_ref())], shape);
        Ok(Row { more: record.properties, ..row })
    }

    /// A case.
    pub fn case(&mut self, record: &CaseRecord, terms: &Terms) -> Result<Row, WriteError> {
        let own = record.source_system.as_deref().zip(record.external_id.as_deref());
        let others = names(&record.provenance).filter(|(system, _)| own.is_none_or(|(own, _)| own != *system));
        let id = self.ids.of(own.into_iter().chain(others));
        let name = format!("case {}", record.id);
        let (place, shape) = self.placed(terms, &name, record.at)?;
        let value = |field| match field {
            Field::Id => id.clone(),
            Field::Category => blank(&record.category),
            Field::State => record.state.as_str().into(),
            Field::Text => blank(&record.text),
            Field::Channel => blank(&record.channel),
            Field::Urgent => record.urgent.into(),
            Field::ReportedAt => shown(Some(record.reported_at)),
            Field::DueAt => shown(record.due_at),
            Field::Overdue => record.overdue.into(),
            Field::Lon => place[0].clone(),
            Field::Lat => place[1].clone(),
            Field::Located => record.located.as_str().into(),
            Field::Within => code(record.within.as_ref()),
            Field::Address => text(record.address_text.as_deref()),
            Field::Url => text(record.external_url.as_deref()),
            Field::ExternalState => text(record.external_state.as_deref()),
            Field::UpdatedAt => shown(record.source_updated_at),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        Ok(self.row(name, value, || vec![code(record.grid.as_ref())], shape))
    }

    /// An organization, and the grid it belongs to.
    pub fn organization(&mut self, record: &OrganizationRecord, grid: Option<&Code>, terms: &Terms) -> Result<Row, WriteError> {
        let id = self.ids.of(names(&record.provenance));
        let name = format!("organization {}", record.id);
        let (place, shape) = self.placed(terms, &name, record.at)?;
        let value = |field| match field {
            Field::Id => id.clone(),
            Field::Category => blank(&record.category),
            Field::Name => blank(&record.name),
            Field::Lon => place[0].clone(),
            Field::Lat => place[1].clone(),
            Field::Within => code(record.within.as_ref()),
            Field::Hours => text(record.hours.as_deref()),
            Field::Address => text(record.address.as_deref()),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        Ok(self.row(name, value, || vec![code(grid)], shape))
    }

    /// A building, and the grid it belongs to. Where positions are two columns, those of the point inside its footprint.
    pub fn building(&mut self, record: &BuildingRecord, grid: Option<&Code>, terms: &Terms) -> Result<Row, WriteError> {
        let id = self.ids.of(names(&record.provenance));
        let name = format!("building {}", record.id);
        let (place, point) = self.placed(terms, &name, record.at())?;
        let shape = record.footprint().map_or(point, |area| self.land(area.clone()));
        let value = |field| match field {
            Field::Id => id.clone(),
            Field::Name => blank(&record.name),
            Field::Storeys => record.storeys.map_or(Value::Null, Value::from),
            Field::Households => record.households.map_or(Value::Null, Value::from),
            Field::Lon => place[0].clone(),
            Field::Lat => place[1].clone(),
            Field::StandsIn => code(record.within.as_ref()),
            Field::Address => text(record.address.as_deref()),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        Ok(self.row(name, value, || vec![code(grid)], shape))
    }

    /// A member of staff: what their work needs, no more is stored.
    pub fn staff(&mut self, record: &StaffRecord) -> Row {
        let value = |field| match field {
            Field::Id => blank(&record.id),
            Field::Name => blank(&record.name),
            Field::Role => record.role.as_str().into(),
            Field::Assigned => code(Some(&record.assigned)),
            Field::Phone => text(record.phone.as_deref()),
            Field::Organization => text(record.organization.as_deref()),
            Field::SourceDate => shown(record.provenance.source_date),
            _ => Value::Null,
        };
        self.row(record.id.clone(), value, Vec::new, Shape::None)
    }

    /// The counts of a grid; none when it has none.
    pub fn households(&self, record: &GridRecord, households: Option<u64>) -> Option<Row> {
        if households.is_none() && record.population.is_none() {
            return None;
        }
        let value = |field| match field {
            Field::Grid => code(Some(&record.code)),
            Field::Households => households.map_or(Value::Null, Value::from),
            Field::Population => record.population.map_or(Value::Null, Value::from),
            _ => Value::Null,
        };
        Some(self.row(record.code.to_string(), value, Vec::new, Shape::None))
    }
}
