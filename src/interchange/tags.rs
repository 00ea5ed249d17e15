//! Foreign tags → categories: rules as data, so that OpenStreetMap or another city's catalogue can be imported without code.

use super::settings;
use crate::domain::category::{CategoryKind, CodeProfile};
use crate::domain::fault::{Fault, FaultKind};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The rules for OpenStreetMap that come with the program.
const OSM: &str = include_str!("../../geodata/profiles/osm.toml");

/// The rules, checked against the city's profile.
#[derive(Debug, Clone)]
pub struct TagRules {
    /// `osm` …
    pub name: String,
    /// The system that ids belong to.
    pub system: Option<String>,
    id_columns: Vec<String>,
    name_columns: Vec<String>,
    prefixes: Vec<String>,
    rules: Vec<Rule>,
    /// (key, value or `*`) → positions in `rules`, ascending.
    by_tag: HashMap<String, HashMap<String, usize>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    name: String,
    /// `component` for facilities, `matter` for cases.
    #[serde(default = "component")]
    kind: CategoryKind,
    /// Whose ids they are.
    #[serde(default)]
    system: Option<String>,
    /// Columns that hold the id, in order of preference.
    #[serde(default)]
    ids: Vec<String>,
    /// Columns that hold the name, in order of preference.
    #[serde(default)]
    names: Vec<String>,
    /// What exporters put in front of a key.
    #[serde(default)]
    prefixes: Vec<String>,
    rules: Vec<Rule>,
}

/// One rule. Rules are tried in the order of the file; the first whose tag the record has decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    key: String,
    /// `*`: any.
    value: String,
    /// Category of the city's profile; absent with `skip`.
    #[serde(default)]
    category: Option<String>,
    /// Such a record is none of the city's facilities: it is left out and counted.
    #[serde(default)]
    skip: bool,
    /// OpenStreetMap draws such things also as areas (a closed way): their middle is taken.
    #[serde(default)]
    areas: bool,
}

fn component() -> CategoryKind {
    CategoryKind::Component
}

/// What the rules say about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged<'a> {
    /// Its category.
    Category(&'a str),
    /// Left out on purpose.
    Skipped,
    /// No rule has its tags.
    Unmapped,
}

impl TagRules {
    /// `osm`, or a TOML or JSON file.
    pub fn load(name_or_path: &str, profile: &CodeProfile) -> Result<Self, Fault> {
        let file =
            if name_or_path == "osm" { settings::parse(OSM, "osm.toml")? } else { settings::read(Path::new(name_or_path))? };
        Self::checked(file, profile)
    }

    fn checked(file: RulesFile, profile: &CodeProfile) -> Result<Self, Fault> {
        let mut by_tag: HashMap<String, HashMap<String, usize>> = HashMap::new();
        for (at, rule) in file.rules.iter().enumerate() {
            let name = format!("{}: rule {} ({}={})", file.name, at + 1, rule.key, rule.value);
            let bad = |detail: String| Err(Fault::new(FaultKind::UnknownCategory, format!("{name}: {detail}")));
            match (&rule.category, rule.skip) {
                (Some(code), false) if profile.category(file.kind, code).is_none() => {
                    return bad(format!("the code profile {} has no {} {code}", profile.name, file.kind.as_str()));
                }
                (Some(_), false) | (None, true) => {}
                _ => return bad("a rule has either a category or skip = true".to_owned()),
            }
            by_tag.entry(rule.key.clone()).or_default().entry(rule.value.clone()).or_insert(at);
        }
        Ok(Self {
            name: file.name,
            system: file.system,
            id_columns: file.ids,
            name_columns: file.names,
            prefixes: file.prefixes,
            rules: file.rules,
            by_tag,
        })
    }

    /// Whether any rule holds for areas, too.
    pub fn wants_areas(&self) -> bool {
        self.rules.iter().any(|rule| rule.areas)
    }

    /// Whether the rule that decides on these tags holds for areas, too.
    pub fn takes_area(&self, fields: &[(Arc<str>, Value)]) -> bool {
        self.deciding(fields).is_some_and(|rule| rule.areas)
    }

    /// Columns that may hold the id, in order of preference.
    pub fn id_columns(&self) -> &[String] {
        &self.id_columns
    }

    /// Columns that may hold the name, in order of preference.
    pub fn name_columns(&self) -> &[String] {
        &self.name_columns
    }

    /// The key without what exporters put in front.
    fn key<'a>(&self, column: &'a str) -> &'a str {
        self.prefixes.iter().find_map(|prefix| column.strip_prefix(prefix.as_str())).unwrap_or(column)
    }

    /// The first rule whose tag is among these columns.
    fn deciding(&self, fields: &[(Arc<str>, Value)]) -> Option<&Rule> {
        let rule = fields
            .iter()
            .filter_map(|(column, value)| {
                let values = self.by_tag.get(self.key(column))?;
                let exact = match value {
                    Value::String(text) => values.get(text.as_str()),
                    Value::Null => return None,
                    other => values.get(&other.to_string()),
                };
                [exact, values.get("*")].into_iter().flatten().min().copied()
            })
            .min();
        rule.map(|at| &self.rules[at])
    }

    /// What the first rule says whose tag is among these columns.
    pub fn category(&self, fields: &[(Arc<str>, Value)]) -> Tagged<'_> {
        match self.deciding(fields) {
            None => Tagged::Unmapped,
            Some(Rule { category: Some(code), .. }) => Tagged::Category(code),
            Some(_) => Tagged::Skipped,
        }
    }

    /// The tag that best says what an unmapped record is: of the keys that some rule knows the first, else the first with a short
    /// text that is no name or id, else `(none)`.
    pub fn telling_tag(&self, fields: &[(Arc<str>, Value)]) -> String {
        let shown = |value: &Value| match value {
            Value::String(text) => text.chars().take(40).collect(),
            other => other.to_string(),
        };
        let known = fields.iter().find(|(column, value)| !value.is_null() && self.by_tag.contains_key(self.key(column)));
        if let Some((column, value)) = known {
            return format!("{}={}", self.key(column), shown(value));
        }
        let told: Vec<&str> = fields
            .iter()
            .map(|(column, _)| &**column)
            .filter(|column| !self.id_columns.iter().any(|id| id == column))
            .take(3)
            .collect();
        if told.is_empty() { "(no tag)".to_owned() } else { format!("(only {})", told.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::profile;

    fn fields(tags: &[(&str, &str)]) -> Vec<(Arc<str>, Value)> {
        tags.iter().map(|(key, value)| ((*key).into(), Value::from(*value))).collect()
    }

    #[test]
    fn the_rules_for_openstreetmap_fit_the_standard_profile() {
        let rules = TagRules::load("osm", &profile::standard()).expect("they fit");
        for (tags, category) in [
            (&[("osm_id", "1"), ("t_highway", "street_lamp")][..], "01037"),
            (&[("emergency", "fire_hydrant")], "01013"),
            (&[("man_made", "manhole"), ("manhole", "sewer")], "01002"),
            (&[("man_made", "surveillance")], "01050"),
            (&[("natural", "tree"), ("denotation", "avenue")], "04002"),
            (&[("t_traffic_sign", "FI:361[30]")], "02010"),
        ] {
            assert_eq!(rules.category(&fields(tags)), Tagged::Category(category), "{tags:?}");
        }
        assert_eq!(rules.category(&fields(&[("name", "x")])), Tagged::Unmapped);
    }

    #[test]
    fn what_no_rule_has_is_told_by_its_tag() {
        let rules = TagRules::load("osm", &profile::standard()).expect("they fit");
        assert_eq!(
            rules.telling_tag(&fields(&[("osm_id", "1"), ("name", "x"), ("highway", "via_ferrata")])),
            "highway=via_ferrata"
        );
        assert_eq!(rules.telling_tag(&fields(&[("osm_id", "1"), ("name", "x")])), "(only name)");
    }

    #[test]
    fn a_rule_with_a_category_that_does_not_exist_is_refused() {
        let text = "name = \"x\"\n[[rules]]\nkey = \"a\"\nvalue = \"*\"\ncategory = \"99999\"\n";
        let file: RulesFile = settings::parse(text, "x.toml").expect("well formed");
        let fault = TagRules::checked(file, &profile::standard()).expect_err("no such category");
        assert!(fault.detail.contains("99999") && fault.detail.contains("rule 1"), "{fault}");
    }
}
