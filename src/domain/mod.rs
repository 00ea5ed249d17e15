//! What the words mean: values and rules. No I/O, no async.

pub mod address;
#[cfg(feature = "server")]
pub mod audit;
pub mod building;
pub mod case;
pub mod category;
pub mod code;
pub mod facility;
pub mod fault;
pub mod grid;
pub mod hash;
pub mod id;
pub mod organization;
pub mod percent;
pub mod period;
pub mod pinyin;
pub mod private;
pub mod records;
pub mod region;
pub mod rights;
pub mod scheme;
pub mod scope;
#[cfg(feature = "server")]
pub mod secret;
pub mod staff;
