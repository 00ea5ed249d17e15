//! Other people's formats and our types.

pub mod wkb;
