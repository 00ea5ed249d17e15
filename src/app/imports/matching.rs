//! Which facility of the store a record is: by its code, else its ids in other systems, else by what it says.

use crate::domain::facility::FacilityRecord;
use crate::domain::hash::hash64_of_parts;
use crate::domain::id::{FacilityId, Version};
use crate::store::{FacilityKey, external_key};
use std::collections::HashMap;

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
    /// An earlier record said the same.
    Repeated {
        /// Number of that record.
        first: u64,
    },
    /// It contradicts an earlier record, or is two facilities at once.
    Conflict(String),
}

/// Key → number and hash of the record of this import that had it first.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<u64, (u64, u64)>);

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

    /// What becomes of a record, by what the store has and what the file had before it.
    pub(super) fn verdict(&self, seen: &mut Seen, number: u64, record: &FacilityRecord) -> Verdict {
        let keys = keys_of(record);
        let hash = record.provenance.source_hash.unwrap_or_default();
        if let Some(&(first, said)) = keys.iter().find_map(|key| seen.0.get(key)) {
            return match said == hash {
                true => Verdict::Repeated { first },
                false => Verdict::Conflict(format!("record {first} has the same code or id and says something else")),
            };
        }
        seen.0.extend(keys.iter().map(|key| (*key, (number, hash))));
        let mut matches = keys.iter().filter_map(|key| self.row(*key));
        match matches.next() {
            None => Verdict::New,
            Some((at, _)) if matches.any(|(other, _)| other != at) => {
                Verdict::Conflict("its code and its id belong to two different facilities".to_owned())
            }
            Some((_, row)) if row.source_hash == Some(hash) => Verdict::Same,
            Some((_, row)) => Verdict::Changed { id: row.id, version: row.version },
        }
    }

    fn row(&self, key: u64) -> Option<(u32, &StoredRow)> {
        let at = *self.by_key.get(&key)?;
        Some((at, &self.rows[at as usize]))
    }
}

/// The numbers a record is recognised by: code first, then external ids; its content when it has neither.
fn keys_of(record: &FacilityRecord) -> Vec<u64> {
    let code = record.code.as_deref().map(code_key);
    let external = record.provenance.external_ids.iter().map(|(system, id)| external_key(system, id));
    let named: Vec<u64> = code.into_iter().chain(external).collect();
    match (named.is_empty(), record.provenance.source_hash) {
        (true, Some(hash)) => vec![nameless_key(hash)],
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facility::FacilityState;
    use crate::domain::records::Provenance;
    use crate::geom::LatticePoint;

    fn record(code: Option<&str>, id: Option<&str>, hash: u64) -> FacilityRecord {
        let external_ids = id.map(|id| ("s".to_owned(), id.to_owned())).into_iter().collect();
        FacilityRecord {
            id: FacilityId(0),
            code: code.map(str::to_owned),
            category: "01037".to_owned(),
            name: String::new(),
            state: FacilityState::Intact,
            at: LatticePoint::default(),
            original: None,
            grid: None,
            accuracy: None,
            properties: serde_json::Map::new(),
            version: Version(0),
            provenance: Provenance { external_ids, source_hash: Some(hash), ..Provenance::default() },
        }
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
        let verdict = |record: &FacilityRecord| store.verdict(&mut Seen::default(), 1, record);
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
        let mut seen = Seen::default();
        assert_eq!(store.verdict(&mut seen, 1, &record(Some("c"), None, 1)), Verdict::New);
        assert_eq!(store.verdict(&mut seen, 2, &record(Some("c"), None, 1)), Verdict::Repeated { first: 1 });
        assert!(matches!(store.verdict(&mut seen, 3, &record(Some("c"), None, 2)), Verdict::Conflict(_)));
    }
}
