//! The only "now" of the program; a fixed one for tests.

use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands until it is set: seconds since 1970.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` (whole seconds).
    pub fn fixed(now: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now.as_second())))
    }

    /// The instant.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Fixed(seconds) => {
                Timestamp::from_second(seconds.load(Ordering::Relaxed)).expect("a fixed clock is set from a timestamp")
            }
        }
    }

    /// Moves a fixed clock; the system's clock cannot be moved.
    pub fn set(&self, now: Timestamp) {
        if let Self::Fixed(seconds) = self {
            seconds.store(now.as_second(), Ordering::Relaxed);
        }
    }
}
