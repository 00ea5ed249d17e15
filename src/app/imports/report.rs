//! What an import did, or why it did nothing: for people, for programs, and for the store's history.

use super::matching::RecordName;
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind, Repair};
use crate::domain::id::{Epoch, Revision};
use crate::geom::{LatticePoint, LonLat};
use crate::territory::edge_match::EdgeMatch;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is in the store, in one transaction.
    Imported,
    /// The store says all of it already; no revision was taken.
    Unchanged,
    /// It would have been imported.
    DryRun,
    /// Nothing of it is in the store.
    Refused,
}

/// Records by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Read from the files.
    pub records: u64,
    /// Not in the store before.
    pub new: u64,
    /// In the store, saying the same.
    pub same: u64,
    /// In the store, saying something else.
    pub changed: u64,
    /// In the store before, within what was imported, and no longer.
    pub removed: u64,
    /// Two records, or a record and two rows of the store, that contradict each other.
    pub conflict: u64,
    /// Mended on the way in; rings that only turned the wrong way are not counted here.
    pub repaired: u64,
    /// Rings that turned the wrong way (RFC 7946 §3.1.6): whole files do.
    pub rewound: u64,
    /// Not importable.
    pub refused: u64,
    /// Left out by a rule of the profile.
    pub skipped: u64,
    /// Point records outside every grid: kept, without a grid.
    pub outside: u64,
    /// Footprints that a border runs through: kept, in the grid of their inside point.
    pub crossing: u64,
    /// Facilities and cases whose grid is another one after a publication.
    pub moved: u64,
    /// Rows that others changed while the import ran: they were left as they are.
    pub overtaken: u64,
}

/// Records with one tag or word that has no category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unmapped {
    /// How many.
    pub records: u64,
    /// Number of the first.
    pub first: u64,
    /// Where that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<LonLat>,
}

/// A grid whose households are known in two ways that differ. The sum over its buildings is what is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseholdDifference {
    /// Which.
    pub grid: Code,
    /// As counted for the grid itself.
    pub counted: u32,
    /// The sum over its buildings.
    pub buildings: u64,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `grids`, `facilities` …
    pub kind: String,
    /// Names of the files.
    pub files: Vec<String>,
    /// `csv`, `geojson`, `geojsonseq`, `gpkg`; of several files that of the last.
    pub format: Option<String>,
    /// CRS of the files.
    pub crs: Option<String>,
    /// What the data is taken from.
    pub source: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// The store's revision afterwards.
    pub revision: Revision,
    /// The epoch published, or the one the points were placed in.
    pub epoch: Epoch,
    /// Options that changed the city's settings along with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Counts.
    #[serde(flatten)]
    pub tally: Tally,
    /// Field → columns it was read from.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Columns that fed no field. Of facilities they are kept as properties.
    pub other_columns: Vec<String>,
    /// Tags and words without a category.
    pub unmapped: BTreeMap<String, Unmapped>,
    /// What was found out about the files and taken: encodings, left-out heights, merged cells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How far apart the given and the standing borders were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_match: Option<EdgeMatch>,
    /// Of buildings and counts: grids whose two numbers of households differ, once this is imported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub household_differences: Vec<HouseholdDifference>,
    /// Small things that were mended.
    pub repairs: Vec<Repair>,
    /// Faults that were taken as asked.
    pub accepted: Vec<Fault>,
    /// Reasons why records, or the whole, were refused.
    pub faults: Vec<Fault>,
}

/// Lines of one kind that the text shows before it only counts.
const SHOWN: usize = 20;
/// The kind of repair that whole files need.
const REWOUND: &str = "rewound";
/// Rings that turned the wrong way and are still told one by one.
const FEW: usize = 5;
/// Entries of a list that the store keeps.
const KEPT: usize = 200;
/// Characters of a text that it keeps.
const KEPT_TEXT: usize = 500;
/// Codes of a fault that it keeps.
const KEPT_CODES: usize = 20;

impl Report {
    /// A report of nothing yet.
    pub fn new(kind: &str, at: Timestamp) -> Self {
        Self {
            kind: kind.to_owned(),
            files: Vec::new(),
            format: None,
            crs: None,
            source: None,
            at,
            status: Status::Unchanged,
            revision: Revision(0),
            epoch: Epoch(0),
            settings: Vec::new(),
            tally: Tally::default(),
            columns: BTreeMap::new(),
            other_columns: Vec::new(),
            unmapped: BTreeMap::new(),
            notes: Vec::new(),
            edge_match: None,
            household_differences: Vec::new(),
            repairs: Vec::new(),
            accepted: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// A record, or the whole, that cannot be imported.
    pub(super) fn refuse(&mut self, fault: Fault) {
        self.tally.refused += 1;
        self.faults.push(fault);
    }

    /// A record without a category.
    pub(super) fn unmapped(&mut self, number: u64, word: String, place: Option<LonLat>) {
        self.tally.refused += 1;
        self.unmapped.entry(word).or_insert(Unmapped { records: 0, first: number, place }).records += 1;
    }

    /// A record that contradicts another one.
    pub(super) fn conflict(&mut self, number: u64, field: &str, place: Option<LatticePoint>, detail: String) {
        self.tally.conflict += 1;
        self.faults.push(Fault {
            record: Some(number),
            field: Some(field.to_owned()),
            place: place.map(LatticePoint::lonlat),
            ..Fault::new(FaultKind::DuplicateCode, detail)
        });
    }

    /// A record that says what an earlier one said.
    pub(super) fn twice(&mut self, number: u64, first: &RecordName, place: Option<LatticePoint>) {
        self.tally.repaired += 1;
        self.repairs.push(Repair {
            kind: "said_twice".to_owned(),
            detail: format!("record {number} says the same as {first}: taken once"),
            codes: Vec::new(),
            place: place.map(LatticePoint::lonlat),
            area_m2: 0.0,
        });
    }

    /// Names files that lie in a folder by their own names alone.
    pub(super) fn without_folder(&mut self, folder: &std::path::Path) {
        let folder = format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR);
        let faults = self.faults.iter_mut().chain(&mut self.accepted).map(|fault| &mut fault.detail);
        for text in faults.chain(self.repairs.iter_mut().map(|repair| &mut repair.detail)).chain(&mut self.notes) {
            if text.contains(&folder) {
                *text = text.replace(&folder, "");
            }
        }
    }

    /// What was mended in one record.
    pub(super) fn mended(&mut self, repairs: Vec<Repair>) {
        let rewound = repairs.iter().filter(|repair| repair.kind == REWOUND).count() as u64;
        self.tally.rewound += rewound;
        self.tally.repaired += repairs.len() as u64 - rewound;
        self.repairs.extend(repairs);
    }

    /// Counts what was mended.
    pub(super) fn count_repairs(&mut self) {
        let rewound = self.repairs.iter().filter(|repair| repair.kind == REWOUND).count();
        self.tally.rewound = rewound as u64;
        self.tally.repaired = (self.repairs.len() - rewound) as u64;
    }

    /// As the store keeps it: complete in its counts, the lists and texts cut, with a number for each list that was. What is left out is
    /// never copied. Outlines of gaps and overlaps are for a map, not for a history.
    pub fn kept(&self) -> serde_json::Value {
        let fault = |fault: &Fault| Fault {
            kind: fault.kind,
            detail: clipped(&fault.detail),
            record: fault.record,
            field: fault.field.as_deref().map(clipped),
            codes: fault.codes.iter().take(KEPT_CODES).cloned().collect(),
            place: fault.place,
            area: None,
            area_m2: fault.area_m2,
        };
        let repair = |repair: &Repair| Repair {
            kind: repair.kind.clone(),
            detail: clipped(&repair.detail),
            codes: repair.codes.iter().take(KEPT_CODES).cloned().collect(),
            place: repair.place,
            area_m2: repair.area_m2,
        };
        let texts = |texts: &[String]| texts.iter().take(KEPT).map(|text| clipped(text)).collect::<Vec<String>>();
        let cut = Self {
            kind: self.kind.clone(),
            files: texts(&self.files),
            format: self.format.clone(),
            crs: self.crs.as_deref().map(clipped),
            source: self.source.clone(),
            at: self.at,
            status: self.status,
            revision: self.revision,
            epoch: self.epoch,
            settings: self.settings.clone(),
            tally: self.tally,
            columns: self.columns.iter().map(|(field, from)| (field.clone(), texts(from))).collect(),
            other_columns: texts(&self.other_columns),
            unmapped: self.unmapped.iter().take(KEPT).map(|(word, unmapped)| (clipped(word), unmapped.clone())).collect(),
            notes: texts(&self.notes),
            edge_match: self
                .edge_match
                .as_ref()
                .map(|found| EdgeMatch { stretches: found.stretches.iter().take(KEPT).cloned().collect(), ..found.clone() }),
            household_differences: self.household_differences.iter().take(KEPT).cloned().collect(),
            repairs: self.repairs.iter().take(KEPT).map(repair).collect(),
            accepted: self.accepted.iter().take(KEPT).map(fault).collect(),
            faults: self.faults.iter().take(KEPT).map(fault).collect(),
        };
        let mut value = serde_json::to_value(&cut).expect("a report is plain data");
        for (list, total) in [
            ("repairs", self.repairs.len()),
            ("household_differences", self.household_differences.len()),
            ("accepted", self.accepted.len()),
            ("faults", self.faults.len()),
            ("files", self.files.len()),
            ("notes", self.notes.len()),
            ("unmapped", self.unmapped.len()),
            ("other_columns", self.other_columns.len()),
        ] {
            if total > KEPT {
                value[format!("{list}_total")] = total.into();
            }
        }
        value
    }

    /// All faults, accepted faults and repairs as a GeoPackage; of what has no category the first of each word.
    pub async fn write_faults(&self, path: &std::path::Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let unmapped = self.unmapped.iter().map(|(word, Unmapped { records, first, place })| Fault {
            record: Some(*first),
            place: *place,
            ..Fault::new(FaultKind::UnknownCategory, format!("{word} has no category; the first of {records}"))
        });
        let faults: Vec<Fault> = self.faults.iter().cloned().chain(unmapped).collect();
        crate::interchange::gpkg::faults::write(path, &faults, &self.accepted, &self.repairs).await.map_err(Into::into)
    }

    /// Several lines for a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes all that is written");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let t = &self.tally;
        let crs = self.crs.as_deref().map(|crs| format!(", {crs}")).unwrap_or_default();
        writeln!(out, "{}: {} records of {}{crs}", self.kind, t.records, self.files.join(", "))?;
        let status = match self.status {
            Status::Imported => format!("imported as revision {}", self.revision),
            Status::Unchanged => "nothing to do: the store says all of it already".to_owned(),
            Status::DryRun => "dry run: it could be imported, nothing was written".to_owned(),
            Status::Refused => "refused: nothing was written".to_owned(),
        };
        let epoch = if self.epoch.0 > 0 { format!(", epoch {}", self.epoch) } else { String::new() };
        writeln!(out, "{status}{epoch}")?;
        if !self.settings.is_empty() {
            writeln!(out, "  the city's settings were changed: {}", self.settings.join(", "))?;
        }
        let counts = [
            ("new", t.new, true),
            ("same", t.same, true),
            ("changed", t.changed, true),
            ("conflict", t.conflict, true),
            ("repaired", t.repaired, true),
            ("refused", t.refused, true),
            ("removed", t.removed, false),
            ("skipped", t.skipped, false),
            ("outside every grid", t.outside, false),
            ("across a border", t.crossing, false),
            ("moved to another grid", t.moved, false),
            ("left, since others changed them meanwhile", t.overtaken, false),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(_, count, always)| *always || *count > 0)
            .map(|(name, count, _)| format!("{name} {count}"))
            .collect();
        writeln!(out, "  {}", counts.join(", "))?;
        if !self.columns.is_empty() {
            let columns: Vec<String> =
                self.columns.iter().map(|(field, from)| format!("{field} ← {}", from.join(", "))).collect();
            writeln!(out, "  columns: {}", columns.join("; "))?;
        }
        for note in &self.notes {
            writeln!(out, "  {note}")?;
        }
        if let Some(found) = &self.edge_match {
            writeln!(out, "{}", found.text())?;
        }
        if !self.unmapped.is_empty() {
            let total: u64 = self.unmapped.values().map(|unmapped| unmapped.records).sum();
            writeln!(out, "no category ({total}):")?;
            let mut by_count: Vec<_> = self.unmapped.iter().collect();
            by_count.sort_by(|l, r| r.1.records.cmp(&l.1.records).then(l.0.cmp(r.0)));
            for (tag, Unmapped { records, first, .. }) in by_count.iter().take(SHOWN) {
                writeln!(out, "  {records:>8}  {tag}, first in record {first}")?;
            }
            if by_count.len() > SHOWN {
                writeln!(out, "  … and {} more", by_count.len() - SHOWN)?;
            }
        }
        if !self.household_differences.is_empty() {
            writeln!(out, "households counted for a grid and in its buildings differ ({}):", self.household_differences.len())?;
            for HouseholdDifference { grid, counted, buildings } in self.household_differences.iter().take(SHOWN) {
                writeln!(out, "  {grid}: counted {counted}, in its buildings {buildings}")?;
            }
            if self.household_differences.len() > SHOWN {
                writeln!(out, "  … and {} more", self.household_differences.len() - SHOWN)?;
            }
        }
        self.write_repairs(out)?;
        write_faults(out, "taken as asked", &self.accepted)?;
        write_faults(out, "faults", &self.faults)
    }

    fn write_repairs(&self, out: &mut String) -> fmt::Result {
        let mut by_kind: BTreeMap<&str, Vec<&Repair>> = BTreeMap::new();
        for repair in &self.repairs {
            by_kind.entry(&repair.kind).or_default().push(repair);
        }
        for (kind, repairs) in by_kind {
            if kind == REWOUND && repairs.len() > FEW {
                writeln!(out, "mended, {kind} ({}): the first is {}", repairs.len(), repairs[0].detail)?;
                continue;
            }
            writeln!(out, "mended, {kind} ({}):", repairs.len())?;
            for repair in repairs.iter().take(SHOWN) {
                write!(out, "  {}", repair.detail)?;
                if !repair.codes.is_empty() {
                    let codes: Vec<&str> = repair.codes.iter().map(Code::as_str).collect();
                    write!(out, " [{}]", codes.join(", "))?;
                }
                if let Some(place) = repair.place {
                    write!(out, " at [{}, {}]", place.lon(), place.lat())?;
                }
                if repair.area_m2 != 0.0 {
                    write!(out, " ({:.2} m²)", repair.area_m2)?;
                }
                writeln!(out)?;
            }
            if repairs.len() > SHOWN {
                writeln!(out, "  … and {} more", repairs.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

/// The beginning of a text, with a mark when there is more.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(KEPT_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Faults by kind, those between the same two codes as one line; the largest first where they have a size.
fn write_faults(out: &mut String, title: &str, faults: &[Fault]) -> fmt::Result {
    let mut by_kind: BTreeMap<FaultKind, Vec<&Fault>> = BTreeMap::new();
    for fault in faults {
        by_kind.entry(fault.kind).or_default().push(fault);
    }
    for (kind, faults) in by_kind {
        let word = serde_json::to_value(kind).map_or_else(|_| String::new(), |word| word.as_str().unwrap_or_default().to_owned());
        let total: f64 = faults.iter().filter_map(|fault| fault.area_m2).sum();
        let size = if total > 0.0 { format!(", {total:.1} m²") } else { String::new() };
        writeln!(out, "{title}, {word} ({}{size}):", faults.len())?;
        let mut groups: BTreeMap<(Option<&str>, Vec<&str>), Vec<&Fault>> = BTreeMap::new();
        for (at, fault) in faults.iter().enumerate() {
            let codes: Vec<&str> = fault.codes.iter().map(Code::as_str).collect();
            // Faults of records without codes stand alone.
            let single = if codes.len() < 2 { Some(at) } else { None };
            let key = (single.map(|_| fault.detail.as_str()), codes);
            groups.entry(key).or_default().push(fault);
        }
        let mut lines: Vec<(f64, u64, String)> = groups.into_values().map(|group| line(&group)).collect();
        lines.sort_by(|l, r| r.0.total_cmp(&l.0).then(l.1.cmp(&r.1)));
        for (.., line) in lines.iter().take(SHOWN) {
            writeln!(out, "  {line}")?;
        }
        if lines.len() > SHOWN {
            writeln!(out, "  … and {} more; all of them stand in the files of --report and --faults", lines.len() - SHOWN)?;
        }
    }
    Ok(())
}

/// A group of faults as one line, with its size and its first record for sorting.
fn line(group: &[&Fault]) -> (f64, u64, String) {
    let size: f64 = group.iter().filter_map(|fault| fault.area_m2).sum();
    let largest = group
        .iter()
        .copied()
        .max_by(|l, r| l.area_m2.unwrap_or(0.0).total_cmp(&r.area_m2.unwrap_or(0.0)))
        .expect("a group has at least one fault");
    let first = if size > 0.0 { largest } else { group[0] };
    let mut text = first.to_string();
    if !first.codes.is_empty() && !first.codes.iter().all(|code| first.detail.contains(code.as_str())) {
        let codes: Vec<&str> = first.codes.iter().map(Code::as_str).collect();
        text = format!("[{}] {text}", codes.join(", "));
    }
    if group.len() > 1 {
        let _ = write!(text, " — and {} more like it", group.len() - 1);
        if size > 0.0 {
            let _ = write!(text, ", {size:.1} m² together");
        }
    }
    (size, first.record.unwrap_or(0), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::Code;

    #[test]
    fn faults_of_one_pair_are_one_line_and_the_largest_comes_first() {
        let mut report = Report::new("grids", Timestamp::UNIX_EPOCH);
        let code = |text: &str| Code::new(text).expect("a code");
        for (pair, size) in [(["a", "b"], 3.0), (["a", "b"], 5.0), (["a", "c"], 7.0)] {
            let mut fault = Fault::new(FaultKind::Overlap, "two records cover the same land");
            fault.codes = pair.map(code).to_vec();
            fault.area_m2 = Some(size);
            report.faults.push(fault);
        }
        report.status = Status::Refused;
        let text = report.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("cover")).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("[a, b]") && lines[0].contains("8.0 m² together"), "{text}");
        assert!(text.contains("overlap (3, 15.0 m²)"), "{text}");
    }

    #[test]
    fn what_the_store_keeps_is_bounded_and_says_so() {
        let mut report = Report::new("facilities", Timestamp::UNIX_EPOCH);
        report.faults = (0..1000).map(|n| Fault { record: Some(n), ..Fault::new(FaultKind::BadField, "x") }).collect();
        report.repairs =
            vec![
                Repair { kind: "said_twice".to_owned(), detail: "长".repeat(100_000), codes: vec![], place: None, area_m2: 0.0 };
                5000
            ];
        report.notes = vec!["note".to_owned(); 300];
        report.unmapped = (0..1000).map(|n| (format!("{n}"), Unmapped { records: 1, first: n, place: None })).collect();
        let kept = report.kept();
        assert_eq!(
            (&kept["repairs_total"], &kept["notes_total"], &kept["unmapped_total"]),
            (&5000.into(), &300.into(), &1000.into())
        );
        assert!(kept.to_string().len() < 600_000, "{}", kept.to_string().len());
        let back: Report = serde_json::from_value(kept.clone()).expect("what is kept is a report");
        assert_eq!(back.kept()["faults"], kept["faults"]);
        assert_eq!(kept["faults"].as_array().map(Vec::len), Some(KEPT));
        assert_eq!(kept["faults_total"], 1000);
        assert!(report.text().contains("and 999 more like it") || report.text().contains("… and"));
    }
}
