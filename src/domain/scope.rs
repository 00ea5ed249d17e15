//! Who is calling and what they may see. Every use case takes an [`Actor`]; until callers are configured there is one, `local`.

use super::code::Code;
use serde::{Deserialize, Serialize};

/// The part of the hierarchy a caller may see: everything, or everything under some codes. Sorted, no code below another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Scope {
    /// The whole city.
    #[default]
    All,
    /// Regions and grids at or below these codes.
    Within(Vec<Code>),
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

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Stable name, written into the change log.
    pub id: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// What they may see.
    pub scope: Scope,
}

impl Actor {
    /// The one caller there is while the server listens on loopback only.
    pub fn local() -> Self {
        Self { id: "local".to_owned(), roles: vec![Role::Admin], scope: Scope::All }
    }
}
