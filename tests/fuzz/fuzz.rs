//! One fuzz target: that of the environment's `TARGET`. libFuzzer takes its options from the command line; `make fuzz` gives them.

#![no_main]
#![allow(clippy::unwrap_used, reason = "what panics is the finding")]

#[allow(dead_code, reason = "the sample serves the HTTP tests too")]
#[path = "../it/http/city.rs"]
mod city;
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use targets::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let known = Target::ALL.map(Target::name).join(", ");
    Target::ALL.into_iter().find(|target| target.name() == name).unwrap_or_else(|| panic!("TARGET is one of {known}"))
});

fuzz_target!(|bytes: &[u8]| {
    TARGET.put(bytes);
});
