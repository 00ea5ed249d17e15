//! What others answered, kept in memory: up to a number of bytes, what was not used longest goes first; asked for once however many wait;
//! looked after again when it is old, and given out old while its server does not answer.

use super::{Upstream, UpstreamError};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// So long an answer is given out without asking again.
const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);
/// So long it is remembered that there is nothing.
const NOTHING_FRESH: Duration = Duration::from_secs(3600);
/// After an outcome that would be the same for everything, a source is left in peace so long.
const PAUSE: Duration = Duration::from_secs(2);
/// What an entry takes beside its bytes.
const OVERHEAD: usize = 200;

/// One of the sources, and what is asked of it.
pub type Key = (u16, u64);

/// `None`: the server has nothing there.
pub type Outcome = Result<Option<Bytes>, UpstreamError>;

/// Says whether an answer is what it should be.
pub type Fits = fn(&str, &[u8]) -> Result<(), String>;

#[derive(Debug)]
struct Entry {
    body: Option<Bytes>,
    at: Instant,
    /// Its place in the order of use.
    used: u64,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
    asking: HashMap<Key, watch::Receiver<Option<Outcome>>>,
    /// Sources that are left in peace, until when, and why.
    paused: HashMap<u16, (Instant, UpstreamError)>,
}

impl State {
    fn size(body: Option<&Bytes>) -> usize {
        OVERHEAD + body.map_or(0, Bytes::len)
    }

    fn used(&mut self, key: Key) -> Option<(Option<Bytes>, bool)> {
        let entry = self.entries.get_mut(&key)?;
        self.clock += 1;
        self.order.remove(&entry.used);
        entry.used = self.clock;
        self.order.insert(self.clock, key);
        let fresh = entry.at.elapsed() < if entry.body.is_some() { FRESH } else { NOTHING_FRESH };
        Some((entry.body.clone(), fresh))
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.order.remove(&entry.used);
            self.bytes -= Self::size(entry.body.as_ref());
        }
    }

    fn keep(&mut self, key: Key, body: Option<Bytes>, most: usize) {
        self.remove(key);
        let size = Self::size(body.as_ref());
        if size > most {
            return;
        }
        self.clock += 1;
        self.bytes += size;
        self.order.insert(self.clock, key);
        self.entries.insert(key, Entry { body, at: Instant::now(), used: self.clock });
        while self.bytes > most {
            let (_, oldest) = self.order.pop_first().expect("bytes are those of entries");
            self.remove(oldest);
        }
    }
}

/// Answers of several sources. Cloning gives another handle.
#[derive(Clone)]
pub struct Kept {
    state: Arc<Mutex<State>>,
    upstream: Arc<Upstream>,
    most_bytes: usize,
}

impl Kept {
    /// Holds up to `most_bytes`.
    pub fn new(upstream: Arc<Upstream>, most_bytes: usize) -> Self {
        Self { state: Arc::default(), upstream, most_bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// What `address` answers, from memory when it is there. `limit`: most bytes of an answer.
    pub async fn get(&self, key: Key, address: impl FnOnce() -> String, fits: Fits, limit: usize) -> Outcome {
        let mut asking = {
            let mut state = self.state();
            let old = match state.used(key) {
                Some((body, true)) => return Ok(body),
                Some((body, false)) => Some(body),
                None => None,
            };
            if let Some((until, why)) = state.paused.get(&key.0) {
                if *until > Instant::now() {
                    return old.ok_or_else(|| why.clone());
                }
                state.paused.remove(&key.0);
            }
            match state.asking.get(&key) {
                Some(asking) => asking.clone(),
                None => {
                    let (tell, asking) = watch::channel(None);
                    state.asking.insert(key, asking.clone());
                    // On a task of its own: who asked first may leave.
                    tokio::spawn(self.clone().ask(key, address(), fits, limit, tell));
                    asking
                }
            }
        };
        let outcome = asking.wait_for(Option::is_some).await.map(|outcome| outcome.clone()).ok().flatten();
        outcome.unwrap_or_else(|| {
            // Whoever asked broke off: the next one asks again.
            self.state().asking.remove(&key);
            Err(UpstreamError::Broken)
        })
    }

    async fn ask(self, key: Key, address: String, fits: Fits, limit: usize, tell: watch::Sender<Option<Outcome>>) {
        let got = self.upstream.get(&address, None, limit).await;
        let outcome = match got {
            Ok(got) => fits(&got.media_type, &got.body).map_err(UpstreamError::Unfit).map(|()| Some(got.body)),
            Err(UpstreamError::Nothing) => Ok(None),
            Err(error) => Err(error),
        };
        let mut state = self.state();
        state.asking.remove(&key);
        let outcome = match outcome {
            Ok(body) => {
                state.keep(key, body.clone(), self.most_bytes);
                Ok(body)
            }
            Err(error) => {
                if error.is_general() && state.paused.insert(key.0, (Instant::now() + PAUSE, error.clone())).is_none() {
                    tracing::warn!(source = key.0, %error, "a server that maps come from");
                }
                // Old is better than nothing.
                state.used(key).map(|(body, _)| body).ok_or(error)
            }
        };
        drop(state);
        let _ = tell.send(Some(outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_longest_goes_first_and_the_bound_is_kept() {
        let mut state = State::default();
        let body = || Some(Bytes::from(vec![0; 800]));
        for n in 0..3 {
            state.keep((0, n), body(), 3000);
        }
        assert_eq!(state.bytes, 3000);
        state.used((0, 0));
        state.keep((0, 3), body(), 3000);
        let mut left: Vec<u64> = state.entries.keys().map(|key| key.1).collect();
        left.sort_unstable();
        assert_eq!((left, state.bytes, state.order.len()), (vec![0, 2, 3], 3000, 3));
        state.keep((0, 2), None, 3000);
        assert_eq!(state.bytes, 2200, "the new answer takes the place of the old");
        state.keep((0, 4), Some(Bytes::from(vec![0; 5000])), 3000);
        assert!(!state.entries.contains_key(&(0, 4)), "larger than all there is");
    }
}
