//! The one place that holds the current city. Reading never blocks, replacing is atomic.

use super::City;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Holds the current [`City`]. A request loads once: card, counts and tiles of one answer come from one revision.
#[derive(Debug)]
pub struct Published(ArcSwap<City>);

impl Published {
    /// Starts with this city.
    pub fn new(city: City) -> Self {
        Self(ArcSwap::from_pointee(city))
    }

    /// The current city.
    pub fn load(&self) -> Arc<City> {
        self.0.load_full()
    }

    /// The next city. Only the applier calls this.
    pub fn replace(&self, city: Arc<City>) {
        self.0.store(city);
    }
}
