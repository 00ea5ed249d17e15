//! What others answered, kept in memory and, where there is one, in a folder: up to a number of bytes, what was not used longest goes first;
//! asked for once however many wait; asked for again when it is old, and given out old while its server does not answer.

use super::disk::{Disk, Key};
use super::{Upstream, UpstreamError};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// So long it is remembered that there is nothing.
const NOTHING_FRESH: Duration = Duration::from_secs(3600);
/// After an outcome that would be the same for everything, a source is left in peace so long.
const PAUSE: Duration = Duration::from_secs(2);
/// Different things that are asked for at one time. Who asked may be gone; the asking goes on.
const MOST_ASKING: usize = 1024;
/// What an entry takes beside its bytes.
const OVERHEAD: usize = 200;

/// `None`: the server has nothing there.
pub type Outcome = Result<Option<Bytes>, UpstreamError>;

/// Says whether an answer is what it should be.
pub type Fits = fn(&str, &[u8]) -> Result<(), String>;

#[derive(Debug)]
struct Entry {
    body: Option<Bytes>,
    /// How old it was when it came into memory, and when that was.
    age: Duration,
    at: Instant,
    /// So long it is given out without asking again.
    fresh: Duration,
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
    paused: HashMap<u64, (Instant, UpstreamError)>,
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
        let fresh = entry.age + entry.at.elapsed() < entry.fresh;
        Some((entry.body.clone(), fresh))
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.order.remove(&entry.used);
            self.bytes -= Self::size(entry.body.as_ref());
        }
    }

    fn keep(&mut self, key: Key, body: Option<Bytes>, age: Duration, fresh: Duration, most: usize) {
        self.remove(key);
        let size = Self::size(body.as_ref());
        if size > most {
            return;
        }
        self.clock += 1;
        self.bytes += size;
        self.order.insert(self.clock, key);
        let fresh = if body.is_some() { fresh } else { fresh.min(NOTHING_FRESH) };
        self.entries.insert(key, Entry { body, age, at: Instant::now(), fresh, used: self.clock });
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
    disk: Option<Arc<Disk>>,
}

/// What is asked for when it is not there.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The host, for the log.
    pub host: String,
    /// All of the address.
    pub address: String,
    /// Says whether the answer is what it should be.
    pub fits: Fits,
    /// Most bytes of it.
    pub limit: usize,
    /// So long it is given out without asking again.
    pub fresh: Duration,
}

impl Kept {
    /// Holds up to `most_bytes` in memory.
    pub fn new(upstream: Arc<Upstream>, most_bytes: usize, disk: Option<Disk>) -> Self {
        Self { state: Arc::default(), upstream, most_bytes, disk: disk.map(Arc::new) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held in memory, and in the folder.
    pub fn bytes(&self) -> (usize, u64) {
        (self.state().bytes, self.disk.as_ref().map_or(0, |disk| disk.bytes()))
    }

    /// What is wanted, from memory or the folder when it is there.
    pub async fn get(&self, key: Key, wanted: impl FnOnce() -> Wanted) -> Outcome {
        let mut asking = {
            let mut state = self.state();
            if let Some((body, true)) = state.used(key) {
                return Ok(body);
            }
            match state.asking.get(&key) {
                Some(asking) => asking.clone(),
                None if state.asking.len() >= MOST_ASKING => return Err(UpstreamError::Busy),
                None => {
                    let (tell, asking) = watch::channel(None);
                    state.asking.insert(key, asking.clone());
                    // On a task of its own: who asked first may leave.
                    tokio::spawn(self.clone().ask(key, wanted(), tell));
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

    async fn ask(self, key: Key, wanted: Wanted, tell: watch::Sender<Option<Outcome>>) {
        let old = self.stored(key).await;
        let outcome = match old {
            Some((body, age)) if age < wanted.fresh => {
                self.state().keep(key, Some(body.clone()), age, wanted.fresh, self.most_bytes);
                Ok(Some(body))
            }
            old => self.asked(key, &wanted, old.map(|(body, _)| body)).await,
        };
        self.state().asking.remove(&key);
        let _ = tell.send(Some(outcome));
    }

    async fn stored(&self, key: Key) -> Option<(Bytes, Duration)> {
        let disk = self.disk.clone()?;
        tokio::task::spawn_blocking(move || disk.get(key)).await.ok().flatten()
    }

    /// Asks the server. `old`: what the folder has; given out, like what memory has, when there is no answer to work with.
    async fn asked(&self, key: Key, wanted: &Wanted, old: Option<Bytes>) -> Outcome {
        let paused = self.paused(key.0);
        let got = match paused {
            Some(why) => Err(why),
            None => match self.upstream.get(&wanted.address, None, wanted.limit, || self.paused(key.0)).await {
                Ok(got) => (wanted.fits)(&got.media_type, &got.body).map_err(UpstreamError::Unfit).map(|()| Some(got.body)),
                Err(UpstreamError::Nothing) => Ok(None),
                Err(error) => {
                    if error.is_general() && self.pause(key.0, &error) {
                        tracing::warn!(host = wanted.host, %error, "a server that maps come from");
                    }
                    Err(error)
                }
            },
        };
        match got {
            Ok(body) => {
                self.state().keep(key, body.clone(), Duration::ZERO, wanted.fresh, self.most_bytes);
                if let (Some(disk), Some(body)) = (self.disk.clone(), body.clone()) {
                    tokio::task::spawn_blocking(move || disk.put(key, &body));
                }
                Ok(body)
            }
            Err(error) => self.state().used(key).map(|(body, _)| body).or_else(|| old.map(Some)).ok_or(error),
        }
    }

    /// Why a source is left in peace now.
    fn paused(&self, source: u64) -> Option<UpstreamError> {
        let mut state = self.state();
        let (until, why) = state.paused.get(&source)?;
        if *until > Instant::now() {
            return Some(why.clone());
        }
        state.paused.remove(&source);
        None
    }

    /// Leaves a source in peace for a while; whether it was not already.
    fn pause(&self, source: u64, why: &UpstreamError) -> bool {
        self.state().paused.insert(source, (Instant::now() + PAUSE, why.clone())).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_longest_goes_first_and_the_bound_is_kept() {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        let mut state = State::default();
        let body = || Some(Bytes::from(vec![0; 800]));
        for n in 0..3 {
            state.keep((0, n), body(), Duration::ZERO, WEEK, 3000);
        }
        assert_eq!(state.bytes, 3000);
        state.used((0, 0));
        state.keep((0, 3), body(), Duration::ZERO, WEEK, 3000);
        let mut left: Vec<u64> = state.entries.keys().map(|key| key.1).collect();
        left.sort_unstable();
        assert_eq!((left, state.bytes, state.order.len()), (vec![0, 2, 3], 3000, 3));
        state.keep((0, 2), None, Duration::ZERO, WEEK, 3000);
        assert_eq!(state.bytes, 2200, "the new answer takes the place of the old");
        state.keep((0, 4), Some(Bytes::from(vec![0; 5000])), Duration::ZERO, WEEK, 3000);
        assert!(!state.entries.contains_key(&(0, 4)), "larger than all there is");
        state.keep((0, 5), body(), WEEK, WEEK, 3000);
        assert_eq!(state.used((0, 5)), Some((body(), false)), "it came old out of the folder");
    }
}
