//! Which facility of the store a record is: by its code, else its ids in other systems, else by what it says. And what a file says twice.

use super::report::Report;
use crate::domain::facility::FacilityRecord;
use crate::domain::hash::hash64_of_parts;
use crate::domain::id::{FacilityId, Version};
use crate::geom::LatticePoint;
use crate::interchange::Terms;
use crate::interchange::own::Origin;
use crate::store::{FacilityKey, external_key};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// What becomes of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The store has none like it.
    New,
    /// The store says the same.
    Same,
    /// The store says something else about it.
    Changed {
        /// Which facility it is.
        id: FacilityId,
        /// What its version was.
        version: Version,
    },
    /// A row of a copy of this or another city: whether it was edited is seen beside the whole stored row.
    Copied {
        /// Which facility it is.
        id: FacilityId,
    },
    /// An earlier record said the same.
    Repeated(RecordName),
    /// It contradicts an earlier record, or is two facilities at once.
    Conflict(String),
}

/// How messages call an earlier record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordName {
    /// Its number in its file.
    pub(super) number: u64,
    /// Its file, where there are several.
    pub(super) file: Option<Arc<str>>,
}

impl RecordName {
    pub(super) fn new(number: u64, terms: &Terms) -> Self {
        Self { number, file: terms.file.clone() }
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.number)?;
        match &self.file {
            Some(file) => write!(f, " of {file}"),
            None => Ok(()),
        }
    }
}

/// Key → the record of this import that had it first, and what that said. A million records with two keys of 64 bits take 90 MB.
#[derive(Debug)]
pub(super) struct Seen<K, S = Option<u64>> {
    /// By a few bits of the key's hash, so that growing copies one part and not the whole.
    parts: Vec<HashMap<K, u32>>,
    hasher: RandomState,
    records: Vec<(u64, S)>,
    /// The first record of each file, with the file's name.
    files: Vec<(u32, Option<Arc<str>>)>,
}

/// 64: what is copied when a part grows is then some hundred kilobytes.
const PARTS: usize = 64;

impl<K, S> Default for Seen<K, S> {
    fn default() -> Self {
        let parts = std::iter::repeat_with(HashMap::new).take(PARTS).collect();
        Self { parts, hasher: RandomState::new(), records: Vec::new(), files: Vec::new() }
    }
}

/// An earlier record with one of the same keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) name: RecordName,
    /// It said the same.
    pub(super) same: bool,
}

impl<K: Eq + Hash, S: PartialEq + Clone> Seen<K, S> {
    /// The first record with one of the keys, else notes this one.
    pub(super) fn earlier(&mut self, keys: impl IntoIterator<Item = K> + Clone, name: &RecordName, said: &S) -> Option<Earlier> {
        if let Some(first) = keys.clone().into_iter().find_map(|key| self.parts[self.part(&key)].get(&key)) {
            return Some(self.record(*first, said));
        }
        let own = u32::try_from(self.records.len()).expect("an import has fewer than 2^32 records");
        self.records.push((name.number, said.clone()));
        if self.files.last().is_none_or(|(_, file)| *file != name.file) {
            self.files.push((own, name.file.clone()));
        }
        for key in keys {
            let part = self.part(&key);
            self.parts[part].insert(key, own);
        }
        None
    }

    fn part(&self, key: &K) -> usize {
        // The low bits: the tables within use the others.
        self.hasher.hash_one(key) as usize % PARTS
    }

    fn record(&self, at: u32, said: &S) -> Earlier {
        let (number, before) = &self.records[at as usize];
        let file = self.files.partition_point(|(first, _)| *first <= at) - 1;
        Earlier { name: RecordName { number: *number, file: self.files[file].1.clone() }, same: before == said }
    }
}

impl<K: Eq + Hash, S> Seen<K, S> {
    /// Whether a record has this key.
    fn has(&self, key: &K) -> bool {
        self.parts[self.hasher.hash_one(key) as usize % PARTS].contains_key(key)
    }
}

impl Matched {
    /// Whether a record is this facility.
    pub(super) fn names(&self, id: FacilityId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Whether a record has this code.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.seen.has(&code_key(code))
    }
}

impl Earlier {
    /// Reports the record that came later.
    pub(super) fn report(&self, report: &mut Report, number: u64, field: &str, place: Option<LatticePoint>) {
        if self.same {
            report.twice(number, &self.name, place);
        } else {
            report.conflict(number, field, place, format!("{} has the same {field} and says something else", self.name));
        }
    }
}

/// What the records of an import were matched with so far.
#[derive(Default)]
pub(super) struct Matched {
    seen: Seen<u64>,
    /// A facility has one record.
    by_id: HashMap<FacilityId, RecordName>,
}

impl Matched {
    /// Stored facilities that have a record.
    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }
}

/// What the store has, by the numbers that facilities are recognised by.
pub(super) struct Stored {
    rows: Vec<StoredRow>,
    by_key: HashMap<u64, u32>,
}

struct StoredRow {
    id: FacilityId,
    version: Version,
    source_hash: Option<u64>,
}

/// The number that stands for a code. Differs from every external key, since no system is called so.
fn code_key(code: &str) -> u64 {
    hash64_of_parts(["\u{0}code", code])
}

/// The number that stands for a record with neither code nor id.
fn nameless_key(source_hash: u64) -> u64 {
    hash64_of_parts(["\u{0}hash", &source_hash.to_string()])
}

impl Stored {
    pub(super) fn of(keys: &[FacilityKey]) -> Self {
        let mut stored = Self { rows: Vec::with_capacity(keys.len()), by_key: HashMap::with_capacity(keys.len()) };
        for key in keys {
            let at = u32::try_from(stored.rows.len()).expect("a city has fewer than 2^32 facilities");
            stored.rows.push(StoredRow { id: key.id, version: key.version, source_hash: key.source_hash });
            let code = key.code.as_deref().map(code_key);
            let nameless = key.code.is_none() && key.external.is_empty();
            let hash = key.source_hash.filter(|_| nameless).map(nameless_key);
            for number in code.into_iter().chain(key.external.iter().copied()).chain(hash) {
                stored.by_key.entry(number).or_insert(at);
            }
        }
        stored
    }

    /// Those that no record is.
    pub(super) fn gone<'a>(&'a self, matched: &'a Matched) -> impl Iterator<Item = FacilityId> + 'a {
        self.rows.iter().map(|row| row.id).filter(|id| !matched.names(*id))
    }

    /// What becomes of a record, by what the store has and what the file had before it. `origin`: of a row of a copy.
    pub(super) fn verdict(
        &self,
        matched: &mut Matched,
        name: &RecordName,
        record: &FacilityRecord,
        origin: Option<&Origin>,
    ) -> Verdict {
        let hash = record.provenance.source_hash;
        let keys = keys_of(record, origin.and_then(|origin| origin.source_hash).or(hash));
        if let Some(earlier) = matched.seen.earlier(keys.iter().copied(), name, &hash) {
            return match earlier.same {
                true => Verdict::Repeated(earlier.name),
                false => Verdict::Conflict(format!("{} has the same code or id and says something else", earlier.name)),
            };
        }
        let mut matches = keys.iter().filter_map(|key| self.row(*key));
        let Some((at, row)) = matches.next() else { return Verdict::New };
        if matches.any(|(other, _)| other != at) {
            return Verdict::Conflict("its code and its id belong to two different facilities".to_owned());
        }
        if let Some(first) = matched.by_id.insert(row.id, name.clone()) {
            return Verdict::Conflict(format!("it is the same facility as {first}, which has its other name"));
        }
        match origin {
            Some(_) => Verdict::Copied { id: row.id },
            None if row.source_hash.is_some() && row.source_hash == hash => Verdict::Same,
            None => Verdict::Changed { id: row.id, version: row.version },
        }
    }

    fn row(&self, key: u64) -> Option<(u32, &StoredRow)> {
        let at = *self.by_key.get(&key)?;
        Some((at, &self.rows[at as usize]))
    }
}

/// The numbers a record is recognised by: code first, then external ids; its content when it has neither.
fn keys_of(record: &FacilityRecord, source_hash: Option<u64>) -> Vec<u64> {
    let code = record.code.as_deref().map(code_key);
    let external = record.provenance.external_ids.iter().map(|(system, id)| external_key(system, id));
    let named: Vec<u64> = code.into_iter().chain(external).collect();
    match (named.is_empty(), source_hash) {
        (true, Some(hash)) => vec![nameless_key(hash)],
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facility::FacilityState;
    use crate::domain::records::Provenance;

    fn record(code: Option<&str>, id: Option<&str>, hash: u64) -> FacilityRecord {
        let external_ids = id.map(|id| ("s".to_owned(), id.to_owned())).into_iter().collect();
        FacilityRecord {
            id: FacilityId(0),
            code: code.map(str::to_owned),
            category: "01037".to_owned(),
            name: String::new(),
            state: FacilityState::Intact,
            state_date: None,
            at: LatticePoint::default(),
            original: None,
            grid: None,
            accuracy: None,
            properties: serde_json::Map::new(),
            version: Version(0),
            provenance: Provenance { external_ids, source_hash: Some(hash), ..Provenance::default() },
        }
    }

    #[test]
    fn an_earlier_record_is_named_with_its_file() {
        let mut seen: Seen<u64, u8> = Seen::default();
        let name = |number, file: &str| RecordName { number, file: Some(file.into()) };
        for n in 0..1000 {
            assert_eq!(seen.earlier([n, n + 5000], &name(n, if n < 600 { "a" } else { "b" }), &7), None);
        }
        let again = |seen: &mut Seen<u64, u8>, key, said| seen.earlier([key], &name(1, "c"), &said).expect("it was there");
        assert_eq!(again(&mut seen, 599, 7), Earlier { name: name(599, "a"), same: true });
        assert_eq!(again(&mut seen, 5600, 8), Earlier { name: name(600, "b"), same: false });
    }

    fn name(number: u64) -> RecordName {
        RecordName { number, file: None }
    }

    fn stored(rows: &[FacilityRecord]) -> Stored {
        let keys: Vec<FacilityKey> = rows
            .iter()
            .zip(1..)
            .map(|(row, id)| FacilityKey {
                id: FacilityId(id),
                version: Version(1),
                code: row.code.as_deref().map(Into::into),
                external: row.provenance.external_ids.iter().map(|(system, id)| external_key(system, id)).collect(),
                source_hash: row.provenance.source_hash,
            })
            .collect();
        Stored::of(&keys)
    }

    #[test]
    fn a_code_goes_before_an_id_and_an_id_before_the_content() {
        let store = stored(&[record(Some("c"), None, 1), record(None, Some("i"), 2), record(None, None, 3)]);
        let verdict = |record: &FacilityRecord| store.verdict(&mut Matched::default(), &name(1), record, None);
        let changed = |id| Verdict::Changed { id: FacilityId(id), version: Version(1) };
        assert_eq!(verdict(&record(Some("c"), None, 1)), Verdict::Same);
        assert_eq!(verdict(&record(Some("c"), Some("j"), 9)), changed(1));
        assert_eq!(verdict(&record(Some("d"), Some("i"), 9)), changed(2));
        assert_eq!(verdict(&record(None, None, 3)), Verdict::Same);
        assert_eq!(verdict(&record(None, None, 4)), Verdict::New);
        assert!(matches!(verdict(&record(Some("c"), Some("i"), 9)), Verdict::Conflict(_)));
    }

    #[test]
    fn a_file_that_repeats_or_contradicts_itself_is_found_out() {
        let store = stored(&[]);
        let mut matched = Matched::default();
        let mut verdict = |number, record| store.verdict(&mut matched, &name(number), &record, None);
        assert_eq!(verdict(1, record(Some("c"), None, 1)), Verdict::New);
        assert_eq!(verdict(2, record(Some("c"), None, 1)), Verdict::Repeated(name(1)));
        assert!(matches!(verdict(3, record(Some("c"), None, 2)), Verdict::Conflict(_)));
    }

    #[test]
    fn two_records_of_one_facility_are_a_conflict_that_names_both() {
        let store = stored(&[record(Some("c"), Some("i"), 1)]);
        let mut matched = Matched::default();
        let mut verdict = |number, record| store.verdict(&mut matched, &name(number), &record, None);
        assert!(matches!(verdict(4, record(Some("c"), None, 2)), Verdict::Changed { .. }));
        let Verdict::Conflict(detail) = verdict(9, record(None, Some("i"), 3)) else { panic!("one facility, two records") };
        assert!(detail.contains("record 4"), "{detail}");
    }
}
