//! Who is calling and what they may see. Every use case takes an [`Actor`]; until callers are configured there is one, `local`.

use super::code::Code;
use super::rights::Rights;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The part of the hierarchy a caller may see: everything, or everything under some codes. Sorted, no code below another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Scope {
    /// The whole city.
    #[default]
    All,
    /// Regions and grids at or below these codes.
    Within(Vec<Code>),
}

impl Scope {
    /// Everything at or below some codes: sorted, each once. Whether one lies below another is for the territory to say.
    pub fn within(codes: impl IntoIterator<Item = Code>) -> Self {
        let mut codes: Vec<Code> = codes.into_iter().collect();
        codes.sort_unstable();
        codes.dedup();
        Self::Within(codes)
    }
}

/// Categories of facilities that are kept from a caller, by their codes. Sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Hidden(Arc<[String]>);

impl Hidden {
    /// Their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a category is kept.
    pub fn holds(&self, code: &str) -> bool {
        self.0.binary_search_by(|known| known.as_str().cmp(code)).is_ok()
    }
}

impl<'a> FromIterator<&'a str> for Hidden {
    fn from_iter<I: IntoIterator<Item = &'a str>>(codes: I) -> Self {
        let mut codes: Vec<String> = codes.into_iter().map(str::to_owned).collect();
        codes.sort_unstable();
        codes.dedup();
        Self(codes.into())
    }
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and reports from the field.
    Officer,
    /// Works the cases.
    Operator,
    /// Redraws boundaries.
    Planner,
    /// All of it.
    Admin,
    /// Reads the audit.
    Auditor,
}

impl Role {
    const TABLE: [(Self, &'static str); 6] = [
        (Self::Viewer, "viewer"),
        (Self::Officer, "officer"),
        (Self::Operator, "operator"),
        (Self::Planner, "planner"),
        (Self::Admin, "admin"),
        (Self::Auditor, "auditor"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// All words, comma-joined.
    pub fn words() -> String {
        Self::TABLE.map(|(_, word)| word).join(", ")
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::TABLE.iter().find(|(_, word)| *word == text).map(|(role, _)| *role);
        known.ok_or_else(|| format!("{:?} is no role: one of {}", text.chars().take(40).collect::<String>(), Self::words()))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Stable name, written into the change log.
    pub id: String,
    /// What they are.
    pub roles: Vec<Role>,
    /// What they may do.
    pub rights: Rights,
    /// What they may see.
    pub scope: Scope,
    /// Facilities that they may not see, wherever they stand.
    pub hidden: Hidden,
    /// The screen they are bound to, when they are one.
    pub screen: Option<String>,
}

impl Actor {
    /// The one caller there is while the server listens on loopback only.
    pub fn local() -> Self {
        Self {
            id: "local".to_owned(),
            roles: vec![Role::Admin],
            rights: Rights::ALL,
            scope: Scope::All,
            hidden: Hidden::default(),
            screen: None,
        }
    }
}
