//! The one integration-test binary. Modules mirror what they test.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail loudly and say what it skips over")]

mod architecture;
mod coverages;
mod http;
mod imports;
mod store;
