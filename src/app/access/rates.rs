//! How much a caller may ask: so many requests a second in the long run, and so many at once.

use crate::config::access::Rate;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most callers that are remembered. Those who asked nothing for long are as good as new.
const MOST: usize = 100_000;

/// Counts of callers.
pub struct Rates {
    rate: Rate,
    callers: Mutex<HashMap<u64, (f64, Instant)>>,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, callers: Mutex::default() }
    }

    /// Lets a caller (by the hash of who it is) ask once more, or says after what time it may. `share`: how many callers' worth of the
    /// rate are meant: less than 1 for what costs much, like a log-in.
    pub fn ask(&self, caller: u64, share: f64, now: Instant) -> Result<(), Duration> {
        let (per_second, burst) = (self.rate.per_second * share, (self.rate.burst * share).max(1.0));
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MOST && !callers.contains_key(&caller) {
            let full = Duration::from_secs_f64(burst / per_second);
            callers.retain(|_, (_, last)| now.duration_since(*last) < full);
            // Whoever fills it, from however many addresses, does not keep others out: it begins anew.
            if callers.len() >= MOST {
                callers.clear();
            }
        }
        let (left, last) = callers.entry(caller).or_insert((burst, now));
        *left = (*left + now.duration_since(*last).as_secs_f64() * per_second).min(burst);
        *last = now;
        if *left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - *left) / per_second));
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_much_waits_and_nobody_else() {
        let rates = Rates::new(Rate { per_second: 2.0, burst: 4.0 });
        let start = Instant::now();
        let asked = |caller, millis: u64| rates.ask(caller, 1.0, start + Duration::from_millis(millis));
        assert!((0..4).all(|_| asked(1, 0).is_ok()));
        assert_eq!(asked(1, 0), Err(Duration::from_millis(500)));
        assert_eq!(asked(2, 0), Ok(()));
        assert_eq!(asked(1, 250), Err(Duration::from_millis(250)), "a refusal costs nothing");
        assert_eq!(asked(1, 500), Ok(()));
        assert!((0..4).all(|_| asked(1, 60_000).is_ok()) && asked(1, 60_000).is_err(), "never more than at once");
        assert_eq!(rates.ask(3, 0.01, start), Ok(()));
        assert_eq!(rates.ask(3, 0.01, start), Err(Duration::from_secs(50)));
    }
}
