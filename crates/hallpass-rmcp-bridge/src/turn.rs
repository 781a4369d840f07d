//! Who may write, and who refreshes.
//!
//! rmcp takes a guard, loads, posts, saves, and drops the guard, and its store sees these as calls
//! that have nothing to do with each other. So the lock that the guard stands for is kept here, as a
//! [`RefreshSession`], where the calls that follow find it. Whoever else wants to write waits for the credential's
//! lock as any other process does.
//!
//! # What need not be refreshed
//!
//! rmcp does not say which token was refused. But it has each token from a load, from a sign-in that
//! it saved, or from a refresh that it has just made. So when neither of the first two has given out
//! what stands in the credential, and it was obtained just now, then whoever asks for a refresh has an older
//! token, and needs no refresh but what is there; or it has that very token, which the server refuses
//! though it is fresh, and another refresh would not help either.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_core::{
    AuthScheme, CredentialKey, CredentialStore, Generation, Grant, Record, StoreError, Timestamp,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

/// How long a turn is waited for: somebody's whole refresh, at the HTTP client's time limit, twice.
const LOCK_WAIT: Duration = Duration::from_secs(75);

/// How long what somebody else has obtained answers a refresh. Requests that were refused together
/// ask for it within moments.
const JUST_NOW: Duration = Duration::from_secs(30);

/// A turn that several have a part in: it ends when the last of them has done its part.
pub(crate) type SharedRefreshSession = Arc<tokio::sync::Mutex<RefreshSession>>;

/// The turns at one credential.
pub(crate) struct Turns {
    key: CredentialKey,
    store: Arc<dyn CredentialStore>,
    state: Mutex<TurnsState>,
}

#[derive(Default)]
struct TurnsState {
    /// The turn of the refresh that is under way in this process.
    refresh: Option<SharedRefreshSession>,
    /// The newest record that was given to rmcp.
    given: Option<Generation>,
}

/// A hold of the credential's lock, and what stands there.
pub(crate) struct RefreshSession {
    guard: Guard,
    record: Option<Record>,
    /// Nobody has been given what stands there.
    is_news: bool,
    /// What a refresh has done with it; `None` in the turn of anybody else.
    refresh: Option<Reading>,
}

/// Whether a refresh has read what stands in the credential.
#[derive(PartialEq, Eq)]
enum Reading {
    Pending,
    Done,
}

impl Turns {
    pub(crate) fn new(key: CredentialKey, store: Arc<dyn CredentialStore>) -> Self {
        Self {
            key,
            store,
            state: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// What stands in the credential, to be given to rmcp.
    pub(crate) async fn read(&self) -> Result<Option<Record>, StoreError> {
        let record = match self.of_refresh() {
            Some(turn) => {
                let mut turn = turn.lock().await;
                let record = turn.record.clone();
                if turn.refresh == Some(Reading::Pending) {
                    // rmcp's own load under its guard, for the refresh token alone.
                    turn.refresh = Some(Reading::Done);
                    return Ok(record);
                }
                record
            }
            None => self.store.load(&self.key).await?,
        };
        self.gave(record.as_ref());
        Ok(record)
    }

    /// Locks the credential and reads it.
    pub(crate) async fn begin(&self) -> Result<RefreshSession, StoreError> {
        let guard = self
            .store
            .lock(&self.key, LockKind::Credential, LOCK_WAIT)
            .await?;
        let record = self.store.load(&self.key).await?;
        let generation = record.as_ref().map(|record| record.generation);
        let given = self.state().given;
        Ok(RefreshSession {
            guard,
            record,
            is_news: given.is_some() && given < generation,
            refresh: None,
        })
    }

    /// Begins the turn of a refresh. It ends when what this returns is dropped, and nobody else has
    /// a part in it.
    pub(crate) async fn begin_refresh(self: &Arc<Self>) -> Result<RefreshTurn, StoreError> {
        let mut turn = self.begin().await?;
        turn.refresh = Some(Reading::Pending);
        let turn = Arc::new(tokio::sync::Mutex::new(turn));
        self.state().refresh = Some(Arc::clone(&turn));
        Ok(RefreshTurn {
            turns: Arc::clone(self),
            turn,
        })
    }

    /// The turn of the refresh that is under way in this process.
    pub(crate) fn of_refresh(&self) -> Option<SharedRefreshSession> {
        self.state().refresh.clone()
    }

    /// The turn to write in: the refresh's own, else one of its own.
    pub(crate) async fn to_write(&self) -> Result<SharedRefreshSession, StoreError> {
        match self.of_refresh() {
            Some(turn) => Ok(turn),
            None => Ok(Arc::new(tokio::sync::Mutex::new(self.begin().await?))),
        }
    }

    /// The record for an issuer, active or not.
    pub(crate) async fn record_for(
        &self,
        issuer: &hallpass_core::Issuer,
    ) -> Result<Option<Record>, StoreError> {
        self.store.load_issuer(&self.key, issuer).await
    }

    /// Saves `record` in place of `base`, unless they are the same.
    pub(crate) async fn save(
        &self,
        turn: &mut RefreshSession,
        mut record: Record,
        base: Option<&Record>,
    ) -> Result<(), StoreError> {
        let is_active = turn.generation() == base.map(|base| base.generation);
        if is_active && base == Some(&record) {
            return Ok(());
        }
        let expected = base.map(|base| base.generation);
        match self.store.save(&record, expected, &mut turn.guard).await? {
            Saved::Written(generation) => {
                record.generation = generation;
                if turn.refresh.is_none() {
                    self.gave(Some(&record));
                }
                turn.record = Some(record);
                Ok(())
            }
            Saved::Conflict { .. } => Err(StoreError::new(
                StoreErrorKind::LeaseLost,
                format!("saving the credentials for {}", self.key),
            )),
        }
    }

    /// Removes all that stands in the credential.
    pub(crate) async fn clear(&self, turn: &mut RefreshSession) -> Result<(), StoreError> {
        for record in self.store.records(&self.key).await? {
            self.store
                .remove(&self.key, &record.issuer, &mut turn.guard)
                .await?;
        }
        turn.record = None;
        Ok(())
    }

    /// Notes that rmcp has `record`.
    fn gave(&self, record: Option<&Record>) {
        let generation = record.map(|record| record.generation);
        let mut state = self.state();
        state.given = state.given.max(generation);
    }

    fn state(&self) -> MutexGuard<'_, TurnsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshSession {
    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// What somebody else has obtained meanwhile, if it is good for anything.
    pub(crate) fn news(&self, now: Timestamp) -> Option<&Grant> {
        let record = self.record.as_ref().filter(|_| self.is_news)?;
        let grant = record.grant.as_ref().filter(|_| record.is_signed_in())?;
        let is_alive = grant.expires_at.is_none_or(|end| now < end);
        let is_new = now.saturating_since(grant.obtained_at) <= JUST_NOW;
        (is_alive && is_new && grant.scheme == AuthScheme::Bearer).then_some(grant)
    }

    fn generation(&self) -> Option<Generation> {
        self.record.as_ref().map(|record| record.generation)
    }
}

/// What rmcp holds during a refresh.
pub(crate) struct RefreshTurn {
    turns: Arc<Turns>,
    turn: SharedRefreshSession,
}

impl Drop for RefreshTurn {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if let Some(refresh) = &state.refresh
            && Arc::ptr_eq(refresh, &self.turn)
        {
            state.refresh = None;
        }
    }
}

impl fmt::Debug for RefreshTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefreshTurn").field(&self.turns.key).finish()
    }
}
