//! Sessions of browsers: a secret in a cookie, ended by time, by leaving, or with the token they began with.

use crate::app::App;
use crate::app::AppError;
use crate::config::access::Callers;
use crate::domain::audit::Action;
use crate::domain::scope::Actor;
use crate::domain::secret::{Digest, NoRandom, Secret};
use crate::store::callers::{Bearer, SessionRecord};
use crate::store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most sessions of one caller; the one used longest ago ends.
const MOST_OF_ONE: usize = 50;

/// Most sessions at one time; the one that was not used longest goes first.
const MOST: usize = 20_000;

/// How often is stored when they were used.
const KEEP: Duration = Duration::from_secs(60);

/// All sessions.
pub(in crate::app) struct Sessions {
    idle: SignedDuration,
    longest: SignedDuration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: HashMap<Digest, SessionRecord>,
    /// Those of them that are in the store.
    stored: HashSet<Digest>,
    /// Ended here, whatever the store still says.
    gone: HashSet<Digest>,
    /// Used since they were stored last.
    used: HashSet<Digest>,
    /// Ended since, and stored still.
    ended: Vec<Digest>,
}

impl State {
    /// Ends one; the store is told by [`Sessions::news`].
    fn end(&mut self, hash: Digest) -> Option<SessionRecord> {
        let ended = self.all.remove(&hash)?;
        self.ended.push(hash);
        self.stored.remove(&hash);
        if self.gone.len() >= MOST {
            self.gone.clear();
        }
        self.gone.insert(hash);
        Some(ended)
    }

    /// Forgets those that the store has forgotten.
    fn remove(&mut self, which: impl Fn(&SessionRecord) -> bool) {
        let Self { all, stored, .. } = self;
        all.retain(|hash, session| {
            let goes = which(session);
            if goes {
                stored.remove(hash);
            }
            !goes
        });
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

impl Sessions {
    pub(super) async fn load(store: &Store, callers: &Callers, now: Timestamp) -> Result<Self, StoreError> {
        let sessions = Self { idle: signed(callers.idle), longest: signed(callers.longest), state: Mutex::default() };
        // Where other servers write too, one of them may have seen used what is idle by what is stored.
        let lasts = |one: &SessionRecord| store.is_shared() || sessions.lasts(one, now);
        let (good, ended): (Vec<_>, Vec<_>) = store.sessions().await?.into_iter().partition(lasts);
        {
            let mut state = sessions.state();
            state.stored = good.iter().map(|session| session.hash).collect();
            state.all = good.into_iter().map(|session| (session.hash, session)).collect();
            state.ended = ended.iter().map(|session| session.hash).collect();
        }
        Ok(sessions)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasts(&self, session: &SessionRecord, now: Timestamp) -> bool {
        // A screen hangs on a wall and is not touched: only its end counts.
        let idle = session.bearer.screen.is_none() && now.duration_since(session.seen_at) >= self.idle;
        now < session.ends_at && !idle
    }

    /// The session of a cookie, which is used now.
    pub(super) fn used(&self, hash: Digest, now: Timestamp) -> Option<SessionRecord> {
        let mut state = self.state();
        let session = state.all.get_mut(&hash)?;
        if !self.lasts(session, now) {
            // Another server may have seen it used: what has ended is told the store by `news`, after it was looked there.
            return None;
        }
        session.seen_at = session.seen_at.max(now);
        let found = session.clone();
        state.used.insert(hash);
        Some(found)
    }

    pub(super) fn is_good(&self, hash: Digest, now: Timestamp) -> bool {
        self.state().all.get(&hash).is_some_and(|session| self.lasts(session, now))
    }

    pub(super) fn end_of_token(&self, id: i64) {
        // The store has forgotten them with the token.
        self.state().remove(|session| session.token == Some(id));
    }

    /// Begins one: its secret.
    fn begin(
        &self,
        bearer: Bearer,
        token: Option<i64>,
        ends_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(Secret, SessionRecord), NoRandom> {
        let secret = Secret::random()?;
        let longest = now.saturating_add(self.longest).unwrap_or(Timestamp::MAX);
        // A screen's session lasts as long as its token.
        let end = match (&bearer.screen, ends_at) {
            (Some(_), None) => Timestamp::MAX,
            (Some(_), Some(end)) => end,
            (None, end) => end.map_or(longest, |end| end.min(longest)),
        };
        let hash = secret.digest();
        let session = SessionRecord { hash, bearer, token, begun_at: now, seen_at: now, ends_at: end };
        let mut state = self.state();
        // Whoever logs in again and again puts out nobody else.
        let own = state.all.values().filter(|one| one.bearer.id == session.bearer.id);
        let (count, first) = own.fold((0, None::<&SessionRecord>), |(count, first), one| {
            (count + 1, Some(first.map_or(one, |first| if one.seen_at < first.seen_at { one } else { first })))
        });
        let first = first.map(|first| first.hash).filter(|_| count >= MOST_OF_ONE);
        if let Some(first) = first {
            state.end(first);
        }
        if state.all.len() >= MOST
            && let Some(oldest) = state.all.values().min_by_key(|session| session.seen_at).map(|session| session.hash)
        {
            state.end(oldest);
        }
        state.all.insert(hash, session.clone());
        Ok((secret, session))
    }

    pub(super) fn end(&self, hash: Digest) -> Option<SessionRecord> {
        self.state().end(hash)
    }

    /// Those that last, by when they began.
    fn lasting(&self, now: Timestamp) -> Vec<SessionRecord> {
        let mut all: Vec<SessionRecord> = self.state().all.values().filter(|one| self.lasts(one, now)).cloned().collect();
        all.sort_by_key(|one| (one.begun_at, one.hash));
        all
    }

    /// Those that the store has, as far as is known here.
    pub(super) fn stored(&self) -> HashSet<Digest> {
        self.state().stored.clone()
    }

    /// Takes over what the store has. Of those that were `known` to be there, whichever is not was ended by another server.
    pub(super) fn take_over(&self, known: &HashSet<Digest>, stored: Vec<SessionRecord>) {
        let mut state = self.state();
        let there: HashSet<Digest> = stored.iter().map(|session| session.hash).collect();
        state.remove(|session| known.contains(&session.hash) && !there.contains(&session.hash));
        for session in stored {
            if state.gone.contains(&session.hash) {
                continue;
            }
            let seen_at = state.all.get(&session.hash).map_or(session.seen_at, |known| known.seen_at.max(session.seen_at));
            state.stored.insert(session.hash);
            state.all.insert(session.hash, SessionRecord { seen_at, ..session });
        }
    }

    /// What has to be stored of what happened since. `grace`: how long after its end an idle session may have been used elsewhere.
    fn news(&self, now: Timestamp, grace: SignedDuration) -> (Vec<(Digest, Timestamp)>, Vec<Digest>) {
        let mut state = self.state();
        let before = now.saturating_sub(grace).unwrap_or(now);
        let is_over = |one: &&SessionRecord| !self.lasts(one, if now < one.ends_at { before } else { now });
        let over: Vec<Digest> = state.all.values().filter(is_over).map(|one| one.hash).collect();
        for hash in over {
            state.end(hash);
        }
        let used = std::mem::take(&mut state.used);
        let used = used.into_iter().filter_map(|hash| Some((hash, state.all.get(&hash)?.seen_at))).collect();
        (used, std::mem::take(&mut state.ended))
    }
}

impl App {
    /// Begins a session of a browser. It is stored before anybody has its secret.
    pub async fn session_begin(
        &self,
        bearer: Bearer,
        token: Option<i64>,
        ends_at: Option<Timestamp>,
    ) -> Result<Option<(Secret, SessionRecord)>, AppError> {
        let Some(access) = self.access() else { return Ok(None) };
        let begun = access.sessions.begin(bearer, token, ends_at, self.clock.now());
        let (secret, session) = begun.map_err(|error| AppError::Outside(error.to_string()))?;
        self.store.session_add(session.clone()).await?;
        access.sessions.state().stored.insert(session.hash);
        Ok(Some((secret, session)))
    }

    /// Ends a session; who was behind it.
    pub async fn session_end(&self, hash: Digest) -> Result<Option<Bearer>, AppError> {
        let Some(gone) = self.access().and_then(|access| access.sessions.end(hash)) else { return Ok(None) };
        self.live.recheck();
        self.store.sessions_write(Vec::new(), vec![hash]).await?;
        Ok(Some(gone.bearer))
    }

    /// The sessions of everybody in the actor's part of the city.
    pub fn sessions(&self, actor: &Actor) -> Result<Vec<SessionRecord>, AppError> {
        let access = self.administered(actor)?;
        let (view, now) = (self.view(actor), self.clock.now());
        let lasting = access.sessions.lasting(now).into_iter();
        let lasting = lasting.filter(|one| one.token.is_none_or(|id| access.tokens.is_good(id, now)));
        let of_today = lasting.filter_map(|one| Some(SessionRecord { bearer: access.of_today(&one)?, ..one }));
        Ok(of_today.filter(|one| view.sees_scope(&one.bearer.scope)).collect())
    }

    /// Puts somebody out: the session ends at once, streams that it has open too. `None`: there is none with this id in the actor's part.
    pub async fn session_put_out(&self, actor: &Actor, id: &str) -> Result<Option<SessionRecord>, AppError> {
        let Some(found) = self.sessions(actor)?.into_iter().find(|one| one.id() == id) else { return Ok(None) };
        self.session_end(found.hash).await?;
        let detail = serde_json::json!({ "of": found.bearer.id, "id": id });
        self.noted(actor, None, Action::SessionEnded, &found.bearer.id, detail).await?;
        Ok(Some(found))
    }

    /// Keeps the sessions in the store as they are, from minute to minute, without end.
    pub async fn keep_sessions(&self) {
        loop {
            tokio::time::sleep(KEEP).await;
            if let Err(error) = self.sessions_keep().await {
                tracing::warn!(%error, "when sessions were used last is not stored");
            }
        }
    }

    /// Stores when sessions were used, and forgets those that ended.
    pub async fn sessions_keep(&self) -> Result<(), AppError> {
        let Some(access) = self.access() else { return Ok(()) };
        let mut grace = SignedDuration::ZERO;
        if self.store.is_shared() {
            // Another server may have seen used what would be idle here, and notes that as often as this one does.
            access.refresh(&self.store).await?;
            grace = signed(2 * KEEP);
        }
        let (used, ended) = access.sessions.news(self.clock.now(), grace);
        if used.is_empty() && ended.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.store.sessions_write(used.clone(), ended.clone()).await {
            let mut state = access.sessions.state();
            state.used.extend(used.iter().map(|(hash, _)| *hash));
            state.ended.extend(ended);
            return Err(error.into());
        }
        Ok(())
    }
}
