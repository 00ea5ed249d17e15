//! The city as files that anyone could bring: GeoJSON for boundaries, CSV for everything else, columns named as `wangge import` knows
//! them.

use super::City;
use crate::domain::records::BoundarySet;
use crate::geom::{Area, LatticePoint};
use std::fmt::Write;

/// Tables that `wangge import` reads, by its words for what they hold. Positions are WGS 84.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The regions' names; they have no outlines of their own.
    pub regions: String,
    /// Grids in force, GeoJSON.
    pub grids: String,
    /// Facilities, CSV.
    pub facilities: String,
    /// Staff, CSV.
    pub staff: String,
    /// Households, CSV.
    pub households: String,
    /// Open cases, CSV.
    pub cases: String,
    /// Organizations, CSV.
    pub organizations: String,
    /// Buildings, GeoJSON.
    pub buildings: String,
    /// Grids of other sets, GeoJSON, with the names of their files.
    pub others: Vec<(String, String)>,
    /// Standard addresses, CSV.
    pub addresses: String,
}

impl Files {
    /// Writes a city down. The boundaries of its past are not among the files.
    pub fn of(city: &City) -> Self {
        Self {
            regions: regions(&city.boundaries),
            grids: grids(&city.boundaries),
            facilities: facilities(city),
            staff: staff(city),
            households: households(city),
            cases: cases(city),
            organizations: organizations(city),
            buildings: buildings(city),
            others: city.others.iter().map(|set| (format!("grids_{}.geojson", set.set), grids(set))).collect(),
            addresses: addresses(city),
        }
    }

    /// The files with the names they go by.
    pub fn named(&self) -> Vec<(&str, &str)> {
        let others = self.others.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let own: [(&str, &str); 9] = [
            ("regions.csv", &self.regions),
            ("grids.geojson", &self.grids),
            ("facilities.csv", &self.facilities),
            ("staff.csv", &self.staff),
            ("households.csv", &self.households),
            ("cases.csv", &self.cases),
            ("addresses.csv", &self.addresses),
            ("organizations.csv", &self.organizations),
            ("buildings.geojson", &self.buildings),
        ];
        own.into_iter().chain(others).collect()
    }
}

/// One line of a table (RFC 4180).
fn line(table: &mut String, cells: &[&str]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            table.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            let _ = write!(table, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            table.push_str(cell);
        }
    }
    table.push_str("\r\n");
}

/// Degrees with seven decimals, from the lattice without a detour.
fn degrees(units: i32) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:07}", units / 10_000_000, units % 10_000_000)
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn regions(set: &BoundarySet) -> String {
    let mut table = String::new();
    line(&mut table, &["code", "name", "level"]);
    for region in &set.regions {
        line(&mut table, &[region.code.as_str(), &region.name, &region.level]);
    }
    table
}

fn ring(out: &mut String, ring: &[LatticePoint]) {
    out.push('[');
    for p in ring.iter().chain(ring.first()) {
        let _ = write!(out, "{}[{},{}]", if out.ends_with('[') { "" } else { "," }, degrees(p.x), degrees(p.y));
    }
    out.push(']');
}

fn geometry(out: &mut String, area: &Area) {
    out.push_str("{\"type\":\"MultiPolygon\",\"coordinates\":[");
    for (at, polygon) in area.polygons().iter().enumerate() {
        out.push_str(if at > 0 { ",[" } else { "[" });
        ring(out, &polygon.exterior);
        for hole in &polygon.holes {
            out.push(',');
            ring(out, hole);
        }
        out.push(']');
    }
    out.push_str("]}");
}

/// A GeoJSON collection of areas with their properties.
fn collection<'a>(features: impl Iterator<Item = (serde_json::Value, &'a Area)>) -> String {
    let mut out = String::from("{\"type\":\"FeatureCollection\",\"features\":[\n");
    for (at, (properties, area)) in features.enumerate() {
        let comma = if at > 0 { ",\n" } else { "" };
        let _ = write!(out, "{comma}{{\"type\":\"Feature\",\"properties\":{properties},\"geometry\":");
        geometry(&mut out, area);
        out.push('}');
    }
    out.push_str("\n]}\n");
    out
}

fn grids(set: &BoundarySet) -> String {
    collection(set.grids.iter().map(|grid| {
        let properties = serde_json::json!({
            "code": grid.code, "name": grid.name, "kind": grid.kind.as_str(), "households": grid.households, "population": grid.population,
        });
        (properties, &grid.area)
    }))
}

fn buildings(city: &City) -> String {
    collection((1..).zip(&city.buildings).filter_map(|(number, one)| {
        let properties = serde_json::json!({
            "id": format!("L{number:05}"), "name": one.name, "storeys": one.storeys, "households": one.households, "address": one.address,
        });
        Some((properties, one.footprint()?))
    }))
}

fn facilities(city: &City) -> String {
    let mut table = String::new();
    line(&mut table, &["code", "category", "name", "state", "lon", "lat", "accuracy"]);
    for facility in &city.facilities {
        let cells = [
            facility.code.as_deref().unwrap_or_default(),
            &facility.category,
            &facility.name,
            facility.state.as_str(),
            &degrees(facility.at.x),
            &degrees(facility.at.y),
            facility.accuracy.as_deref().unwrap_or_default(),
        ];
        line(&mut table, &cells);
    }
    table
}

fn staff(city: &City) -> String {
    let mut table = String::new();
    line(&mut table, &["id", "name", "role", "assigned", "phone", "organization"]);
    for person in &city.staff {
        let cells = [
            person.id.as_str(),
            &person.name,
            person.role.as_str(),
            person.assigned.as_str(),
            person.phone.as_deref().unwrap_or_default(),
            person.organization.as_deref().unwrap_or_default(),
        ];
        line(&mut table, &cells);
    }
    table
}

fn households(city: &City) -> String {
    let mut table = String::new();
    line(&mut table, &["grid", "households", "population"]);
    for count in &city.households {
        line(&mut table, &[count.grid.as_str(), &text(count.households), &text(count.population)]);
    }
    table
}

fn organizations(city: &City) -> String {
    let mut table = String::new();
    line(&mut table, &["id", "category", "name", "lon", "lat", "within", "hours"]);
    for (number, one) in (1..).zip(&city.organizations) {
        let cells = [
            &format!("Z{number:05}"),
            &one.category,
            &one.name,
            &one.at.map_or_else(String::new, |at| degrees(at.x)),
            &one.at.map_or_else(String::new, |at| degrees(at.y)),
            &text(one.within.as_ref()),
            one.hours.as_deref().unwrap_or_default(),
        ];
        line(&mut table, &cells);
    }
    table
}

fn cases(city: &City) -> String {
    let mut table = String::new();
    let head = [
        "id",
        "category",
        "state",
        "text",
        "channel",
        "urgent",
        "reported_at",
        "due_at",
        "overdue",
        "lon",
        "lat",
        "located",
        "within",
        "address",
    ];
    line(&mut table, &head);
    for case in &city.cases {
        let cells = [
            case.external_id.as_deref().unwrap_or_default(),
            &case.category,
            case.state.as_str(),
            &case.text,
            &case.channel,
            &case.urgent.to_string(),
            &case.reported_at.to_string(),
            &text(case.due_at),
            &case.overdue.to_string(),
            &case.at.map_or_else(String::new, |at| degrees(at.x)),
            &case.at.map_or_else(String::new, |at| degrees(at.y)),
            case.located.as_str(),
            &text(case.within.as_ref()),
            case.address_text.as_deref().unwrap_or_default(),
        ];
        line(&mut table, &cells);
    }
    table
}

fn addresses(city: &City) -> String {
    let mut table = String::new();
    line(&mut table, &["id", "address", "poi", "lon", "lat"]);
    for (number, address) in (1..).zip(&city.addresses) {
        let cells = [
            &format!("D{number:06}"),
            &address.text,
            &address.name,
            &address.at.map_or_else(String::new, |at| degrees(at.x)),
            &address.at.map_or_else(String::new, |at| degrees(at.y)),
        ];
        line(&mut table, &cells.map(String::as_str));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_written_exactly() {
        assert_eq!([1_221_067_733, -5, 300_000_000].map(degrees), ["122.1067733", "-0.0000005", "30.0000000"]);
    }

    #[test]
    fn cells_that_hold_commas_or_quotes_are_quoted() {
        let mut table = String::new();
        line(&mut table, &["a,b", "say \"x\"", "plain"]);
        assert_eq!(table, "\"a,b\",\"say \"\"x\"\"\",plain\r\n");
    }
}
