//! Categories of facilities and cases, by a code profile that is data.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A facility's category is a component, a case's a matter, an organization's one of its own. The same digits exist in both, so the kind is part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CategoryKind {
    /// 部件.
    Component,
    /// 事项.
    Matter,
    /// 组织.
    Organization,
}

impl CategoryKind {
    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Matter => "matter",
            Self::Organization => "organization",
        }
    }
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Component, matter or organization.
    pub kind: CategoryKind,
    /// `01050`: a text. The first two characters are the major category.
    pub code: String,
    /// Name of the major category.
    pub major: String,
    /// Its own name.
    pub name: String,
    /// Name of the icon (`styles/icons/<icon>.svg`).
    pub icon: String,
}

/// The table in force. Sorted by kind, then code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ProfileText")]
pub struct CodeProfile {
    /// `gbt47678`, `cjt214`, or a city's own name.
    pub name: String,
    /// All categories.
    pub categories: Vec<Category>,
    /// (kind, code) → place in `categories`.
    #[serde(skip)]
    by_code: BTreeMap<(CategoryKind, String), usize>,
}

/// A profile as written in a file, neither sorted nor indexed.
#[derive(Deserialize)]
struct ProfileText {
    name: String,
    categories: Vec<Category>,
}

impl From<ProfileText> for CodeProfile {
    fn from(text: ProfileText) -> Self {
        Self::new(text.name, text.categories)
    }
}

impl CodeProfile {
    /// Sorted and indexed. Of two with the same kind and code the later one wins, so a local extension can rename.
    pub fn new(name: String, categories: impl IntoIterator<Item = Category>) -> Self {
        let by_key: BTreeMap<(CategoryKind, String), Category> =
            categories.into_iter().map(|category| ((category.kind, category.code.clone()), category)).collect();
        let by_code = by_key.keys().cloned().enumerate().map(|(at, key)| (key, at)).collect();
        Self { name, categories: by_key.into_values().collect(), by_code }
    }

    /// The category with this code.
    pub fn category(&self, kind: CategoryKind, code: &str) -> Option<&Category> {
        self.by_code.get(&(kind, code.to_owned())).map(|&at| &self.categories[at])
    }

    /// The position of the category with this code in `categories`. A profile has at most 65,536 categories.
    pub fn position(&self, kind: CategoryKind, code: &str) -> Option<u16> {
        self.by_code.get(&(kind, code.to_owned())).and_then(|&at| u16::try_from(at).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_read_from_json_finds_its_categories() {
        let json = r#"{"name":"x","categories":[
            {"kind":"matter","code":"01050","major":"a","name":"b","icon":"c"},
            {"kind":"component","code":"01050","major":"a","name":"d","icon":"c"}]}"#;
        let profile: CodeProfile = serde_json::from_str(json).expect("a profile");
        assert_eq!(profile.category(CategoryKind::Component, "01050").map(|category| category.name.as_str()), Some("d"));
        assert_eq!(profile.position(CategoryKind::Matter, "01050"), Some(1));
        let again: CodeProfile = serde_json::from_str(&serde_json::to_string(&profile).expect("json")).expect("a profile");
        assert_eq!(again, profile);
    }
}
