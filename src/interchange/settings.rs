//! Small files that people write by hand: schemes, profiles, tag rules. TOML or JSON.

use crate::domain::fault::{Fault, FaultKind};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a file whose name ends in `.json` as JSON, any other as TOML.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Fault> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Fault::new(FaultKind::Unreadable, format!("cannot read {name}: {error}")))?;
    parse(&text, &name)
}

/// The same from memory; `name` stands in messages.
pub fn parse<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, Fault> {
    let bad = |detail: String| Fault::new(FaultKind::BadSyntax, format!("{name}: {}", detail.trim_end()));
    if name.ends_with(".json") {
        serde_json::from_str(text).map_err(|error| bad(error.to_string()))
    } else {
        toml::from_str(text).map_err(|error| bad(error.to_string()))
    }
}
