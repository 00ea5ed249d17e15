//! Staff in memory, by the grid or region they work for.

use crate::domain::code::Code;
use crate::domain::staff::{StaffRecord, StaffRole};
use std::collections::HashMap;

/// All staff of one revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Staff {
    by_code: HashMap<Code, Vec<StaffRecord>>,
    total: usize,
}

/// The team of a grid or region: who leads, who is an officer, who else belongs to it. Nobody stands in two of them.
#[derive(Debug, Clone, Default)]
pub struct Team<'a> {
    /// 网格长.
    pub leader: Option<&'a StaffRecord>,
    /// 网格员, 巡查员.
    pub officers: Vec<&'a StaffRecord>,
    /// All others.
    pub members: Vec<&'a StaffRecord>,
}

impl Staff {
    /// Grouped by assignment; within a group by role, then id.
    pub fn new(records: impl IntoIterator<Item = StaffRecord>) -> Self {
        let mut by_code: HashMap<Code, Vec<StaffRecord>> = HashMap::new();
        let mut total = 0;
        for record in records {
            total += 1;
            by_code.entry(record.assigned.clone()).or_default().push(record);
        }
        for group in by_code.values_mut() {
            group.sort_by(|a, b| (a.role, &a.id).cmp(&(b.role, &b.id)));
        }
        Self { by_code, total }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &StaffRecord> {
        self.by_code.values().flatten()
    }

    /// Those assigned to exactly this grid or region.
    pub fn of(&self, code: &Code) -> &[StaffRecord] {
        self.by_code.get(code).map_or(&[], Vec::as_slice)
    }

    /// The team of exactly this grid or region. A second leader counts as an officer.
    pub fn team(&self, code: &Code) -> Team<'_> {
        let mut team = Team::default();
        for record in self.of(code) {
            match record.role {
                StaffRole::GridLeader if team.leader.is_none() => team.leader = Some(record),
                StaffRole::GridLeader | StaffRole::GridOfficer | StaffRole::PatrolOfficer => team.officers.push(record),
                _ => team.members.push(record),
            }
        }
        team
    }
}
