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
    /// The audit was read.
    ReadAudit,
    /// The server started or ended.
    Server,
    /// Rows older than are kept were taken out.
    Tidied,
}

impl Action {
    const TABLE: [(Self, &'static str); 14] = [
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
            Self::TokenMade | Self::TokenRevoked | Self::Export | Self::Import | Self::Undo | Self::Tidied | Self::Server => 5,
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
    last: (u64, Digest),
}

impl Verifier {
    /// From a row on that is known to be right: [`Digest::NONE`] and 0 before the first.
    pub fn new(last: (u64, Digest)) -> Self {
        Self { last }
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
        Ok(())
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
    fn every_action_has_its_word() {
        for word in Action::words() {
            let action = Action::named(word).expect("known");
            assert_eq!((action.as_str(), serde_json::to_value(action).expect("a word")), (word, json!(word)));
        }
    }
}
