//! Cases: incidents that someone must see to (案件). Here is what a case is; its state moves only through a workflow.

use super::code::Code;
use super::facility::OriginalPosition;
use super::id::{CaseId, Epoch, Version};
use super::records::Provenance;
use crate::geom::LatticePoint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a case stands in the workflow of DOMAIN 2.2.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// 上报.
    Reported,
    /// 核实.
    Verifying,
    /// 受理.
    Accepted,
    /// 立案.
    Filed,
    /// 派遣.
    Dispatched,
    /// 退回.
    Returned,
    /// 处置.
    Handling,
    /// 反馈.
    Feedback,
    /// 核查.
    Checking,
    /// 返工.
    Rework,
    /// 挂账.
    Suspended,
    /// 延期待批.
    ExtensionPending,
    /// 不予受理.
    Rejected,
    /// 结案.
    Closed,
    /// 作废.
    Voided,
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown case state {word:?}: one of {allowed}")]
pub struct UnknownCaseState {
    /// As given.
    pub word: String,
    /// All states.
    pub allowed: String,
}

impl CaseState {
    /// Every state with its word in API, files, store and tiles.
    pub const TABLE: [(Self, &'static str); 15] = [
        (Self::Reported, "reported"),
        (Self::Verifying, "verifying"),
        (Self::Accepted, "accepted"),
        (Self::Filed, "filed"),
        (Self::Dispatched, "dispatched"),
        (Self::Returned, "returned"),
        (Self::Handling, "handling"),
        (Self::Feedback, "feedback"),
        (Self::Checking, "checking"),
        (Self::Rework, "rework"),
        (Self::Suspended, "suspended"),
        (Self::ExtensionPending, "extension_pending"),
        (Self::Rejected, "rejected"),
        (Self::Closed, "closed"),
        (Self::Voided, "voided"),
    ];

    /// The word in API, files, store and tiles.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// Still someone's work: not rejected, closed or voided.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Rejected | Self::Closed | Self::Voided)
    }
}

impl std::str::FromStr for CaseState {
    type Err = UnknownCaseState;
    fn from_str(word: &str) -> Result<Self, UnknownCaseState> {
        Self::TABLE.iter().find(|(_, known)| *known == word).map(|(state, _)| *state).ok_or_else(|| UnknownCaseState {
            word: word.to_owned(),
            allowed: Self::TABLE.iter().map(|(_, known)| *known).collect::<Vec<_>>().join(", "),
        })
    }
}

/// How a case's place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Located {
    /// A position was given.
    Exact,
    /// From an address.
    Address,
    /// Only the region is known: counted there, never drawn.
    Region,
    /// Nothing is known.
    None,
}

/// A word that says no way of knowing a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of exact, address, region, none")]
pub struct UnknownLocated(pub String);

impl Located {
    /// Every way with its word in API, files and store.
    pub const TABLE: [(Self, &'static str); 4] =
        [(Self::Exact, "exact"), (Self::Address, "address"), (Self::Region, "region"), (Self::None, "none")];

    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
}

impl std::str::FromStr for Located {
    type Err = UnknownLocated;
    fn from_str(word: &str) -> Result<Self, UnknownLocated> {
        let found = Self::TABLE.iter().find(|(_, known)| *known == word);
        found.map(|(located, _)| *located).ok_or_else(|| UnknownLocated(word.to_owned()))
    }
}

/// A case as it is imported and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The store's key; 0 until stored.
    pub id: CaseId,
    /// Matter category in the profile.
    pub category: String,
    /// Where it stands.
    pub state: CaseState,
    /// What is wrong, in words.
    pub text: String,
    /// Who found it: `collector`, `hotline`, `video`, `public`, `transfer` …
    pub channel: String,
    /// A person is needed now.
    pub urgent: bool,
    /// When it was reported.
    pub reported_at: Timestamp,
    /// When the present stage is due.
    pub due_at: Option<Timestamp>,
    /// The stored transition to overdue; never a comparison with now.
    pub overdue: bool,
    /// How the place is known.
    pub located: Located,
    /// Where; absent unless `located` is exact or address.
    pub at: Option<LatticePoint>,
    /// As told, when that was not CGCS2000 or WGS 84.
    pub original: Option<OriginalPosition>,
    /// The region it is known to be in, when `located` is `region`.
    pub within: Option<Code>,
    /// The place in words.
    pub address_text: Option<String>,
    /// The grid; derived.
    pub grid: Option<Code>,
    /// The epoch the grid was found in.
    pub epoch: Epoch,
    /// Which system decides about it: `wangge`, or the name of the one it is mirrored from.
    pub owner: String,
    /// The system it came from.
    pub source_system: Option<String>,
    /// Its name there.
    pub external_id: Option<String>,
    /// A page about it there.
    pub external_url: Option<String>,
    /// Its state there, in that system's words.
    pub external_state: Option<String>,
    /// When it changed there; an older one is ignored.
    pub source_updated_at: Option<Timestamp>,
    /// Counts its changes; the first is 1.
    pub version: Version,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl CaseRecord {
    /// A case of our own of which no more is known yet than its category and that it was reported: new, without a place.
    pub fn reported(category: &str, reported_at: Timestamp) -> Self {
        Self {
            id: CaseId(0),
            category: category.to_owned(),
            state: CaseState::Reported,
            text: String::new(),
            channel: "collector".to_owned(),
            urgent: false,
            reported_at,
            due_at: None,
            overdue: false,
            located: Located::None,
            at: None,
            original: None,
            within: None,
            address_text: None,
            grid: None,
            epoch: Epoch(0),
            owner: "wangge".to_owned(),
            source_system: None,
            external_id: None,
            external_url: None,
            external_state: None,
            source_updated_at: None,
            version: Version(0),
            provenance: Provenance::default(),
        }
    }
}
