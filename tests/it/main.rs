//! The one integration-test binary. Modules mirror what they test.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail loudly and say what it skips over")]

mod allocations;
mod architecture;
mod beside;
#[path = "../../benches/brute.rs"]
mod brute;
#[path = "../../benches/communes.rs"]
mod communes;
#[path = "../../benches/coverage.rs"]
mod coverage;
mod coverages;
mod crash;
mod crash_writes;
mod demo;
mod doctor;
mod exports;
mod fuzz;
mod gdal;
mod http;
mod imports;
mod locate;
mod postgres;
mod store;
mod tiles;

// The file shared with the benches names them so.
use wangge::{geom, territory};

#[global_allocator]
static ALLOCATOR: allocations::Counted = allocations::Counted;
