//! Who did what, as rows that cannot be changed unseen: each row's hash covers the one before.

use super::secret::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Fewest days that rows are kept (等保, 网络安全法 article 21: six months).
pub const LEAST_DAYS: u32 = 180;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Somebody came in.
    LogIn,
    /// Somebody tried to, in vain.
    LogInFailed,
    /// Somebody left, or was put out.
    LogOut,
    /// A call without the right for it.
    Denied,
    /// Phones of staff were shown.
    ReadPhones,
    /// A layer was taken away as a file.
    Export,
    /// A file came in.
    Import,
    /// An import was taken back.
    Undo,
    /// A facility was written.
    Write,
    /// A token was made.
    TokenMade,
    /// A token was revoked.
    TokenRevoked,
    /// Somebody's session was ended by another.
    SessionEnded,
    /// The audit was read.
    ReadAudit,
    /// The server started or ended.
    Server,
    /// Rows older than are kept were taken out.
    Tidied,
}

impl Action {
    const TABLE: [(Self, &'static str); 15] = [
        (Self::LogIn, "log_in"),
        (Self::LogInFailed, "log_in_failed"),
        (Self::LogOut, "log_out"),
        (Self::Denied, "denied"),
        (Self::ReadPhones, "read_phones"),
        (Self::Export, "export"),
        (Self::Import, "import"),
        (Self::Undo, "undo"),
        (Self::Write, "write"),
        (Self::TokenMade, "token_made"),
        (Self::TokenRevoked, "token_revoked"),
        (Self::SessionEnded, "session_ended"),
        (Self::ReadAudit, "read_audit"),
        (Self::Server, "server"),
        (Self::Tidied, "tidied"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The action with this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(_, known)| *known == word).map(|(action, _)| *action)
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Self::TABLE.into_iter().map(|(_, word)| word)
    }

    /// How grave it is, as RFC 5424 counts: 4 warning, 5 notice, 6 informational.
    pub fn severity(self) -> u8 {
        match self {
            Self::LogInFailed | Self::Denied => 4,
            Self::TokenMade | Self::TokenRevoked | Self::SessionEnded => 5,
            Self::Export | Self::Import | Self::Undo | Self::Tidied | Self::Server => 5,
            _ => 6,
        }
    }
}

/// What is to be noted.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// When, to the millisecond.
    pub at: Timestamp,
    /// Who: the actor's id; empty when nobody knows.
    pub actor: String,
    /// From which address, when it came over a network.
    pub address: Option<String>,
    /// What.
    pub action: Action,
    /// On what: a path, a name. No secret and no position.
    pub object: String,
    /// What else is to be known.
    pub detail: Value,
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its number: one more than that of the row before.
    pub number: u64,
    /// What it says.
    pub deed: Deed,
    /// Hash of all that it says and of the row before.
    pub hash: Digest,
}

/// The member of a deed's detail that says up to which row the chain was cut.
const THROUGH: &str = "through";

impl Deed {
    /// That a chain was cut: its rows up to this number are gone.
    pub fn with_cut(mut self, number: u64) -> Self {
        if let Value::Object(members) = &mut self.detail {
            members.insert(THROUGH.to_owned(), number.into());
        }
        self
    }
}

impl AuditRow {
    /// The row after a row with this number and hash.
    pub fn after((number, hash): (u64, Digest), deed: Deed) -> Self {
        let number = number + 1;
        Self { number, hash: hash.after(&said(number, &deed)), deed }
    }

    /// Whether it follows a row with this number and hash, and says what it said when it was made.
    pub fn follows(&self, (number, hash): (u64, Digest)) -> bool {
        self.number == number + 1 && self.hash == hash.after(&said(self.number, &self.deed))
    }
}

/// What the hash covers: a JSON array, whose texts cannot run into each other.
fn said(number: u64, deed: &Deed) -> Vec<u8> {
    let Deed { at, actor, address, action, object, detail } = deed;
    let all = (number, at.as_millisecond(), actor, address, action.as_str(), object, detail);
    serde_json::to_vec(&all).expect("texts and numbers are JSON")
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {number}: {why}")]
pub struct Broken {
    /// The first row that is not as it was.
    pub number: u64,
    /// How that is seen.
    pub why: &'static str,
}

/// Looks at rows in their order, and tells the first that is not as it was.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    begin: u64,
    last: (u64, Digest),
    /// Up to which row the chain was cut, as the newest row says that tells of it.
    cut: u64,
    /// A row that somebody keeps elsewhere, and whether it was met.
    known: Option<((u64, Digest), bool)>,
}

impl Verifier {
    /// From a row on that is known to be right: [`Digest::NONE`] and 0 before the first.
    pub fn new(last: (u64, Digest)) -> Self {
        Self { begin: last.0, last, cut: 0, known: None }
    }

    /// The same, in whose chain there must be a row with this number and hash. Who can write the file can compute a whole new chain, or cut
    /// off its end; only what is kept elsewhere shows that.
    pub fn with(last: (u64, Digest), known: (u64, Digest)) -> Self {
        Self { known: Some((known, known == last)), ..Self::new(last) }
    }

    /// The next row.
    pub fn next(&mut self, row: &AuditRow) -> Result<(), Broken> {
        let (number, _) = self.last;
        let broken = |why| Err(Broken { number: row.number, why });
        if row.number != number + 1 {
            return broken("rows before it are missing");
        }
        if !row.follows(self.last) {
            return broken("it or a row before it was changed");
        }
        self.last = (row.number, row.hash);
        if let Some((known, met)) = &mut self.known
            && known.0 == row.number
        {
            if known.1 != row.hash {
                return broken("it is not the row with this number that was told");
            }
            *met = true;
        }
        if row.deed.action == Action::Tidied {
            self.cut = row.deed.detail[THROUGH].as_u64().unwrap_or(0);
        }
        Ok(())
    }

    /// After the last row: whether all is there that should be.
    pub fn end(&self) -> Result<(), Broken> {
        let broken = |number, why| Err(Broken { number, why });
        if self.begin != self.cut {
            return broken(self.begin + 1, "rows before it are missing, and no row says that they were taken out");
        }
        match self.known {
            Some(((number, _), false)) if number == self.begin => {
                broken(number, "it is not the row with this number that was told")
            }
            Some(((number, _), false)) if number > self.last.0 => {
                broken(number, "it was told once and is not there: the end was cut off")
            }
            Some(((number, _), false)) => broken(number, "it was taken out in its time; take a newer one"),
            _ => Ok(()),
        }
    }

    /// The last row that was right.
    pub fn last(&self) -> (u64, Digest) {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chain(count: u64) -> Vec<AuditRow> {
        let mut last = (0, Digest::NONE);
        let row = |n: u64| {
            let at = Timestamp::from_millisecond(1_700_000_000_000 + n as i64).expect("a time");
            let deed = Deed {
                at,
                actor: format!("u{n}"),
                address: None,
                action: Action::Denied,
                object: "/api/v1/audit".into(),
                detail: json!({ "n": n }),
            };
            let row = AuditRow::after(last, deed);
            last = (row.number, row.hash);
            row
        };
        (0..count).map(row).collect()
    }

    fn broken_at(rows: &[AuditRow]) -> Option<u64> {
        let mut verifier = Verifier::new((0, Digest::NONE));
        rows.iter().find_map(|row| verifier.next(row).err()).map(|broken| broken.number)
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let rows = chain(5);
        assert_eq!(broken_at(&rows), None);
        type Tamper = fn(&mut AuditRow);
        let tampers: [Tamper; 6] = [
            |row| row.deed.actor.push('x'),
            |row| row.deed.detail = json!({}),
            |row| row.deed.at += jiff::SignedDuration::from_millis(1),
            |row| row.deed.address = Some(String::new()),
            |row| row.deed.action = Action::LogIn,
            |row| row.hash = Digest::NONE,
        ];
        for tamper in tampers {
            let mut changed = rows.clone();
            tamper(&mut changed[2]);
            assert_eq!(broken_at(&changed), Some(3));
        }
        let mut without = rows.clone();
        without.remove(1);
        assert_eq!(broken_at(&without), Some(3));
        let mut swapped = rows;
        swapped.swap(1, 2);
        assert_eq!(broken_at(&swapped), Some(3));
    }

    #[test]
    fn what_is_cut_off_is_found_by_a_row_that_is_kept_elsewhere() {
        let rows = chain(5);
        let why = |rows: &[AuditRow], begin: (u64, Digest), known: (u64, Digest)| {
            let mut verifier = Verifier::with(begin, known);
            let broken = rows.iter().try_for_each(|row| verifier.next(row)).and_then(|()| verifier.end());
            broken.err().map(|broken| broken.number)
        };
        let (start, row) = ((0, Digest::NONE), |at: usize| (rows[at].number, rows[at].hash));
        for known in 0..5 {
            assert_eq!(why(&rows, start, row(known)), None);
        }
        assert_eq!(why(&rows[..3], start, row(2)), None);
        assert_eq!(why(&rows[..3], start, row(4)), Some(5), "the end was cut off");
        assert_eq!(why(&rows, start, (3, Digest::of(b"x"))), Some(3), "another chain");
        // The beginning may go, when a row says so.
        assert_eq!(Verifier::new(row(1)).end().err().map(|broken| broken.number), Some(3), "nobody said that");
        let deed = Deed { action: Action::Tidied, detail: json!({}), ..rows[4].deed.clone() }.with_cut(2);
        let mut kept = rows[2..].to_vec();
        kept.push(AuditRow::after(row(4), deed));
        assert_eq!(why(&kept, row(1), row(3)), None);
        assert_eq!(why(&kept, row(1), row(1)), None, "the row before the first is known too");
        assert_eq!(why(&kept, row(1), (2, Digest::of(b"x"))), Some(2), "another chain");
        assert_eq!(why(&kept, row(1), row(0)), Some(1), "it can not be looked at any more");
        assert_eq!(why(&kept[1..], row(2), row(3)), Some(4), "more is gone than was said");
    }

    #[test]
    fn every_action_has_its_word() {
        for word in Action::words() {
            let action = Action::named(word).expect("known");
            assert_eq!((action.as_str(), serde_json::to_value(action).expect("a word")), (word, json!(word)));
        }
    }
}
