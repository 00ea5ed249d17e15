//! Code profiles: which categories of facilities and cases a city has. Two come with the program; a city extends one with its own
//! file. Sources and licences: geodata/README.md.

use super::settings;
use crate::domain::category::{Category, CategoryKind, CodeProfile};
use crate::domain::fault::{Fault, FaultKind};
use serde::Deserialize;
use std::path::Path;
use std::sync::LazyLock;

/// GB/T 47678.5-2026, in force since 2026-07-01: 153 components, 250 matters.
const GBT47678: &str = include_str!("../../geodata/codes/gbt47678_5_2026_codes.tsv");
/// CJ/T 214, the older generation, still found in city databases: 85 components.
const CJT214: &str = include_str!("../../geodata/codes/cjt214_legacy_component_codes.tsv");
/// Code, major, name, icon.
const ORGANIZATIONS: &str = include_str!("../../geodata/codes/organization_categories.tsv");
/// Profile, code or its beginning, icon.
const ICONS: &str = include_str!("../../geodata/profiles/icons.tsv");

/// Names of the profiles that come with the program.
pub const BUILTIN: [&str; 2] = ["gbt47678", "cjt214"];

/// A city's own profile, as a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    name: String,
    /// A profile that comes with the program, to begin with.
    #[serde(default)]
    extends: Option<String>,
    #[serde(default)]
    categories: Vec<CategoryLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryLine {
    kind: CategoryKind,
    code: String,
    name: String,
    /// Absent: that of the codes with the same first two characters.
    #[serde(default)]
    major: Option<String>,
    #[serde(default)]
    icon: Option<String>,
}

/// The profile that new cities get: GB/T 47678.5-2026.
pub fn standard() -> CodeProfile {
    builtin("gbt47678").expect("it comes with the program")
}

/// A profile that comes with the program.
pub fn builtin(name: &str) -> Option<CodeProfile> {
    let categories: Vec<Category> = match name {
        "gbt47678" => rows(GBT47678)
            .map(|[kind, code, major, title]| {
                let kind = if kind == "matter" { CategoryKind::Matter } else { CategoryKind::Component };
                category(name, kind, code, major, title)
            })
            .collect(),
        "cjt214" => {
            rows(CJT214).map(|[code, major, title]| category(name, CategoryKind::Component, code, major, title)).collect()
        }
        _ => return None,
    };
    Some(CodeProfile::new(name.to_owned(), categories))
}

/// Categories of organizations that every city has.
pub fn organizations() -> &'static [Category] {
    static ALL: LazyLock<Vec<Category>> = LazyLock::new(|| {
        let category = |[code, major, name, icon]: [&str; 4]| Category {
            kind: CategoryKind::Organization,
            code: code.to_owned(),
            major: major.to_owned(),
            name: name.to_owned(),
            icon: icon.to_owned(),
        };
        rows(ORGANIZATIONS).map(category).collect()
    });
    &ALL
}

/// Those that come with the program and the city's own, which may rename them.
pub fn organizations_of(profile: &CodeProfile) -> Vec<&Category> {
    let own = profile.categories.iter().filter(|category| category.kind == CategoryKind::Organization);
    let shipped = organizations().iter().filter(|known| profile.category(CategoryKind::Organization, &known.code).is_none());
    shipped.chain(own).collect()
}

/// A profile by its name, or from a TOML or JSON file.
pub fn load(name_or_path: &str) -> Result<CodeProfile, Fault> {
    if let Some(profile) = builtin(name_or_path) {
        return Ok(profile);
    }
    let path = Path::new(name_or_path);
    if !path.exists() {
        let known = BUILTIN.join(", ");
        return Err(Fault::new(FaultKind::BadField, format!("no code profile {name_or_path:?}: one of {known}, or a file")));
    }
    extended(settings::read(path)?)
}

fn extended(file: ProfileFile) -> Result<CodeProfile, Fault> {
    let base = match &file.extends {
        None => Vec::new(),
        Some(base) => {
            let unknown = || format!("extends: no code profile {base:?} comes with the program ({})", BUILTIN.join(", "));
            builtin(base).ok_or_else(|| Fault::new(FaultKind::BadField, unknown()))?.categories
        }
    };
    let mut all = base;
    for line in file.categories {
        if !(3..=24).contains(&line.code.len()) || !line.code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let detail = format!("category code {:?}: 3 to 24 letters and digits", line.code);
            return Err(Fault::new(FaultKind::BadField, detail));
        }
        let same_major = |other: &&Category| other.kind == line.kind && other.code[..2] == line.code[..2];
        let major = line.major.or_else(|| all.iter().find(same_major).map(|other| other.major.clone())).unwrap_or_default();
        let icon = line.icon.unwrap_or_else(|| icon_of(&file.name, line.kind, &line.code));
        all.push(Category { kind: line.kind, code: line.code, major, name: line.name, icon });
    }
    Ok(CodeProfile::new(file.name, all))
}

/// Lines of a table behind its header, cut at tabs.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().skip(1).filter(|line| !line.is_empty()).map(|line| {
        let mut cells = line.split('\t');
        std::array::from_fn(|_| cells.next().unwrap_or_default().trim())
    })
}

fn category(profile: &str, kind: CategoryKind, code: &str, major: &str, name: &str) -> Category {
    Category { kind, code: code.to_owned(), major: major.to_owned(), name: name.to_owned(), icon: icon_of(profile, kind, code) }
}

/// By the longest beginning of the code that the table of icons has.
fn icon_of(profile: &str, kind: CategoryKind, code: &str) -> String {
    match kind {
        CategoryKind::Matter => return "case-open".to_owned(),
        CategoryKind::Organization => return "building".to_owned(),
        CategoryKind::Component => {}
    }
    rows(ICONS)
        .filter(|[table, prefix, _]| *table == profile && code.starts_with(prefix))
        .max_by_key(|[_, prefix, _]| prefix.len())
        .map_or("component", |[.., icon]| icon)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_profile_is_complete() {
        let profile = standard();
        let count = |kind| profile.categories.iter().filter(|category| category.kind == kind).count();
        assert_eq!((count(CategoryKind::Component), count(CategoryKind::Matter)), (153, 250));
        let name = |kind, code| profile.category(kind, code).map(|category| category.name.as_str());
        assert_eq!(name(CategoryKind::Component, "01001"), Some("供水井盖"));
        assert_eq!(name(CategoryKind::Matter, "01001"), Some("供水井盖异常"));
        assert_eq!(name(CategoryKind::Matter, "06010"), Some("暴露垃圾"));
        assert!(profile.categories.iter().all(|category| !category.major.is_empty() && !category.name.is_empty()));
    }

    #[test]
    fn every_category_has_an_icon_that_exists() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("styles/icons");
        let profiles = BUILTIN.iter().filter_map(|name| builtin(name)).flat_map(|profile| profile.categories);
        for category in profiles.chain(organizations().iter().cloned()) {
            assert!(
                folder.join(format!("{}.svg", category.icon)).exists(),
                "{} {}: {}",
                category.code,
                category.name,
                category.icon
            );
        }
    }

    #[test]
    fn a_city_adds_categories_of_organizations_and_may_rename_those_that_come_along() {
        let own = |code: &str, name: &str| Category {
            kind: CategoryKind::Organization,
            code: code.to_owned(),
            major: String::new(),
            name: name.to_owned(),
            icon: "building".to_owned(),
        };
        let profile = CodeProfile::new("city".to_owned(), [own("party", "网格党小组"), own("clinic", "卫生服务站")]);
        let all = organizations_of(&profile);
        assert_eq!(all.len(), organizations().len() + 1);
        let name = |code: &str| all.iter().find(|category| category.code == code).map(|category| category.name.as_str());
        assert_eq!((name("party"), name("clinic"), name("policepost")), (Some("网格党小组"), Some("卫生服务站"), Some("警务室")));
    }

    #[test]
    fn the_older_generation_has_85_components() {
        let profile = builtin("cjt214").expect("it comes with the program");
        assert_eq!(profile.categories.len(), 85);
        assert_eq!(profile.category(CategoryKind::Component, "0136").map(|c| c.icon.as_str()), Some("camera"));
    }

    #[test]
    fn a_city_extends_a_profile_and_takes_majors_and_icons_from_it() {
        let file: ProfileFile = settings::parse(include_str!("../../geodata/profiles/local_example.toml"), "local_example.toml")
            .expect("the example is well formed");
        let profile = extended(file).expect("the example extends a profile that exists");
        assert!(profile.categories.len() > 403);
        let local = profile.category(CategoryKind::Component, "05999").expect("the example has it");
        assert_eq!(local.major, "其他管理部件");
    }
}
