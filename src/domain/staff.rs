//! Staff of the grids: work data, no more than the work needs.

use super::code::Code;
use super::records::Provenance;
use serde::{Deserialize, Serialize};

/// What a person is in the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// 网格长.
    GridLeader,
    /// 网格员.
    GridOfficer,
    /// 巡查员.
    PatrolOfficer,
    /// 警务员.
    Police,
    /// Health worker.
    Medic,
    /// Teacher.
    Teacher,
    /// 党小组长.
    PartyGroupLeader,
    /// Volunteer.
    Volunteer,
    /// 楼长.
    BuildingLeader,
    /// 镇街干部.
    TownshipCadre,
    /// 社区干部.
    CommunityCadre,
    /// 监督员, 信息采集员.
    Collector,
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown staff role {word:?}: one of {allowed}")]
pub struct UnknownStaffRole {
    /// As given.
    pub word: String,
    /// All roles.
    pub allowed: String,
}

impl StaffRole {
    /// Every role with its word in API, files and store, and its Chinese name.
    pub const TABLE: [(Self, &'static str, &'static str); 12] = [
        (Self::GridLeader, "grid_leader", "网格长"),
        (Self::GridOfficer, "grid_officer", "网格员"),
        (Self::PatrolOfficer, "patrol_officer", "巡查员"),
        (Self::Police, "police", "警务员"),
        (Self::Medic, "medic", "医务人员"),
        (Self::Teacher, "teacher", "教师"),
        (Self::PartyGroupLeader, "party_group_leader", "党小组长"),
        (Self::Volunteer, "volunteer", "志愿者"),
        (Self::BuildingLeader, "building_leader", "楼长"),
        (Self::TownshipCadre, "township_cadre", "镇街干部"),
        (Self::CommunityCadre, "community_cadre", "社区干部"),
        (Self::Collector, "collector", "信息采集员"),
    ];

    /// The word in API, files and store.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
}

impl std::str::FromStr for StaffRole {
    type Err = UnknownStaffRole;
    fn from_str(word: &str) -> Result<Self, UnknownStaffRole> {
        Self::TABLE.iter().find(|(_, english, chinese)| word == *english || word == *chinese).map(|(role, ..)| *role).ok_or_else(
            || UnknownStaffRole {
                word: word.to_owned(),
                allowed: Self::TABLE.iter().map(|(_, english, _)| *english).collect::<Vec<_>>().join(", "),
            },
        )
    }
}

/// A member of staff as imported and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaffRecord {
    /// Identity, stable in the source system.
    pub id: String,
    /// Display name.
    pub name: String,
    /// What they are in the team.
    pub role: StaffRole,
    /// The grid or region they work for.
    pub assigned: Code,
    /// Work phone; shown by right.
    pub phone: Option<String>,
    /// The body that employs them.
    pub organization: Option<String>,
    /// Where it comes from.
    pub provenance: Provenance,
}
