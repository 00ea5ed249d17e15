//! What callers may do. A right is one thing that can be allowed; a role is a name for several; the table of roles is data
//! (`geodata/roles.toml`, or a city's own file), and what no role is given nobody may do.

use super::scope::Role;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One thing that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// The map and everything on it, but for what another right or a class is needed for.
    Read,
    /// Phones of staff.
    Phones,
    /// Free texts of cases as they were written, with numbers of phones and identity cards.
    Texts,
    /// Facilities: create, move, change, remove.
    Write,
    /// Imports of everything but boundaries, their reports, and taking them back.
    Import,
    /// Imports of boundaries.
    Plan,
    /// Whole layers as files.
    Export,
    /// The audit.
    Audit,
    /// Figures about the server: requests, memory, caches.
    Metrics,
    /// Tokens and sessions of others.
    Admin,
}

impl Right {
    const TABLE: [(Self, &'static str); 10] = [
        (Self::Read, "read"),
        (Self::Phones, "phones"),
        (Self::Texts, "texts"),
        (Self::Write, "write"),
        (Self::Import, "import"),
        (Self::Plan, "plan"),
        (Self::Export, "export"),
        (Self::Audit, "audit"),
        (Self::Metrics, "metrics"),
        (Self::Admin, "admin"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// It opens what no part of the city has for itself: somebody who sees only a part may not do it, whatever their roles say.
    pub fn is_of_whole_city(self) -> bool {
        match self {
            Self::Read | Self::Phones | Self::Texts | Self::Write | Self::Export | Self::Admin => false,
            Self::Import | Self::Plan | Self::Audit | Self::Metrics => true,
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(_, known)| *known == word).map(|(right, _)| *right)
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Several rights, and the guarded classes of facilities that may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rights {
    rights: u16,
    classes: u32,
}

impl Rights {
    /// Everything that can be allowed.
    pub const ALL: Self = Self { rights: u16::MAX, classes: u32::MAX };

    /// Everything that changes nothing and takes nothing away.
    pub const READING: Self =
        Self { rights: 1 << Right::Read as u16 | 1 << Right::Phones as u16 | 1 << Right::Texts as u16, classes: u32::MAX };

    /// Whether something is allowed.
    pub fn has(self, right: Right) -> bool {
        self.rights >> right as u16 & 1 == 1
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        Self { rights: self.rights | other.rights, classes: self.classes | other.classes }
    }

    /// Those that both have.
    pub fn common(self, other: Self) -> Self {
        Self { rights: self.rights & other.rights, classes: self.classes & other.classes }
    }

    /// Whether there is nothing among them that the other have not.
    pub fn are_among(self, other: Self) -> bool {
        self.common(other) == self
    }

    /// Classes that may be seen, one bit each, in the order of the table.
    pub fn classes(self) -> u32 {
        self.classes
    }

    /// Without what would have to know the whole city to write into it.
    #[must_use]
    pub fn of_a_part_server(self) -> Self {
        Self { rights: self.rights & !(1 << Right::Import as u16 | 1 << Right::Plan as u16), ..self }
    }

    /// Without what only those may do who see the whole city.
    #[must_use]
    pub fn of_a_part(self) -> Self {
        let whole = Right::TABLE.into_iter().filter(|(right, _)| right.is_of_whole_city());
        Self { rights: whole.fold(self.rights, |rights, (right, _)| rights & !(1 << right as u16)), ..self }
    }

    /// Words of the rights, in their order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Right::TABLE.into_iter().filter(move |(right, _)| self.has(*right)).map(|(_, word)| word)
    }
}

impl From<Right> for Rights {
    fn from(right: Right) -> Self {
        Self { rights: 1 << right as u16, classes: 0 }
    }
}

/// Most classes: one bit each.
const MOST_CLASSES: usize = 32;

/// A class of facilities that not everybody may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Codes of its categories.
    pub categories: BTreeSet<String>,
}

/// The table, as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    class: BTreeMap<String, Class>,
    role: BTreeMap<Role, Vec<String>>,
}

/// Which role may do what, and which classes of facilities are guarded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct Roles {
    classes: Vec<(String, Class)>,
    roles: BTreeMap<Role, Rights>,
}

impl TryFrom<Table> for Roles {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        if table.class.len() > MOST_CLASSES {
            return Err(format!("{} classes; there may be {MOST_CLASSES}", table.class.len()));
        }
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, class) in &table.class {
            if Right::named(name).is_some() {
                return Err(format!("class {name:?} has the name of a right"));
            }
            for category in &class.categories {
                if let Some(other) = owners.insert(category, name) {
                    return Err(format!("category {category:?} is in the classes {other:?} and {name:?}"));
                }
            }
        }
        let names: Vec<String> = table.class.keys().cloned().collect();
        let mut roles = BTreeMap::new();
        for (role, words) in &table.role {
            let mut rights = Rights::default();
            for word in words {
                let class = names.iter().position(|name| name == word);
                rights = rights.and(match (Right::named(word), class) {
                    (Some(right), _) => right.into(),
                    (None, Some(at)) => Rights { rights: 0, classes: 1 << at },
                    (None, None) => {
                        let known: Vec<String> = Rights::ALL.words().map(str::to_owned).chain(names.iter().cloned()).collect();
                        return Err(format!("role {role}: {word:?} is no right and no class; there are {}", known.join(", ")));
                    }
                });
            }
            roles.insert(*role, rights);
        }
        Ok(Self { roles, classes: table.class.into_iter().collect() })
    }
}

impl Roles {
    /// What somebody with these roles may do.
    pub fn rights(&self, roles: &[Role]) -> Rights {
        roles.iter().filter_map(|role| self.roles.get(role)).fold(Rights::default(), |all, rights| all.and(*rights))
    }

    /// The class of a category, as its bit; 0: it is guarded by none.
    pub fn class_of(&self, category: &str) -> u32 {
        let at = self.classes.iter().position(|(_, class)| class.categories.contains(category));
        at.map_or(0, |at| 1 << at)
    }

    /// Names of the classes among these bits.
    pub fn class_names(&self, bits: u32) -> impl Iterator<Item = &str> {
        self.classes.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, (name, _))| name.as_str())
    }

    /// Categories that nobody without these classes may see.
    pub fn hidden(&self, rights: Rights) -> BTreeSet<&str> {
        let guarded = self.classes.iter().enumerate().filter(|(at, _)| rights.classes >> at & 1 == 0);
        guarded.flat_map(|(_, (_, class))| class.categories.iter().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn roles() -> Roles {
        serde_json::from_value(json!({
            "class": { "cameras": { "categories": ["01050"] }, "power": { "categories": ["01040", "01041"] } },
            "role": { "viewer": ["read"], "operator": ["read", "phones", "cameras"], "auditor": ["audit"] }
        }))
        .expect("a table")
    }

    #[test]
    fn what_no_role_is_given_nobody_may_do() {
        let roles = roles();
        let viewer = roles.rights(&[Role::Viewer]);
        assert!(viewer.has(Right::Read) && !viewer.has(Right::Phones) && viewer.classes() == 0);
        assert_eq!(roles.rights(&[Role::Admin]), Rights::default(), "a role that the table does not name");
        assert_eq!(roles.rights(&[]), Rights::default());
        let both = roles.rights(&[Role::Viewer, Role::Auditor]);
        assert_eq!(both.words().collect::<Vec<_>>(), ["read", "audit"]);
        assert_eq!(both.common(viewer), viewer);
        assert!(viewer.are_among(both) && !both.are_among(viewer) && both.are_among(Rights::ALL));
        assert_eq!(both.of_a_part().words().collect::<Vec<_>>(), ["read"]);
    }

    #[test]
    fn guarded_categories_need_their_class() {
        let roles = roles();
        let operator = roles.rights(&[Role::Operator]);
        assert_eq!(roles.hidden(operator).into_iter().collect::<Vec<_>>(), ["01040", "01041"]);
        assert_eq!(roles.hidden(Rights::ALL).len(), 0);
        assert_eq!(roles.class_names(operator.classes()).collect::<Vec<_>>(), ["cameras"]);
        assert_eq!((roles.class_of("01050"), roles.class_of("01041"), roles.class_of("01001")), (1, 2, 0));
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let refused = |value| serde_json::from_value::<Roles>(value).expect_err("refused").to_string();
        let unknown = refused(json!({ "role": { "viewer": ["reed"] } }));
        assert!(unknown.contains("viewer") && unknown.contains("reed") && unknown.contains("metrics"), "{unknown}");
        assert!(refused(json!({ "role": { "king": ["read"] } })).contains("king"));
        let twice = json!({ "a": { "categories": ["1"] }, "b": { "categories": ["1"] } });
        assert!(refused(json!({ "class": twice, "role": {} })).contains("\"1\""));
        assert!(refused(json!({ "class": { "read": { "categories": [] } }, "role": {} })).contains("read"));
    }
}
