//! What viewers are told when something happens. The [`hub`] numbers nothing itself: it passes on what one revision after the
//! other changed, to whoever watches, as far as their [`filter`] lets it through.

pub mod event;
pub mod filter;
pub mod hub;
