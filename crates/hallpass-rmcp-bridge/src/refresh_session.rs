//! The lock of a credential, held over the calls of one refresh.
//!
//! rmcp takes a guard, loads, posts, saves, and drops the guard; its store sees separate calls. The
//! lock that the guard stands for is kept here, as a [`RefreshSession`], where the calls find it. Any
//! other write waits for the credential's lock, as in any other process.
//!
//! # Which refresh is answered without the server
//!
//! rmcp does not say which token was refused. It has each token from a load, from a sign-in that it
//! saved, or from its last refresh. If the stored grant is newer than what the first two returned, and
//! was obtained less than 30 seconds ago, the caller's token is stale: the stored grant is returned. Or
//! the server refuses that very grant, and another refresh would not help either.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_core::{
    AuthScheme, Clock, CredentialKey, CredentialStore, Generation, Grant, Record, StoreError,
    Timestamp,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

/// How long the lock is waited for: another whole refresh at the HTTP client's timeout, twice.
const LOCK_TIMEOUT: Duration = Duration::from_secs(75);

/// How old a grant of another process may be to answer a refresh. Requests that were refused together
/// ask for it within moments.
const MAX_GRANT_AGE: Duration = Duration::from_secs(30);

/// A session that several calls share: it ends with the last of them.
pub(crate) type SharedRefreshSession = Arc<tokio::sync::Mutex<RefreshSession>>;

/// The refresh sessions of one credential.
pub(crate) struct RefreshSessions {
    key: CredentialKey,
    store: Arc<dyn CredentialStore>,
    clock: Arc<dyn Clock>,
    state: Mutex<SessionsState>,
}

#[derive(Default)]
struct SessionsState {
    /// The refresh that is under way in this process.
    refresh: Option<SharedRefreshSession>,
    /// The newest record that was given to rmcp.
    returned: Option<Generation>,
}

/// The credential's lock, and the stored record.
pub(crate) struct RefreshSession {
    guard: Guard,
    record: Option<Record>,
    /// Whether the record is newer than what was returned to rmcp.
    is_newer: bool,
    /// Whether the refresh has loaded it; `None` where there is no refresh.
    refresh: Option<LoadState>,
}

/// Whether a refresh has loaded the record.
#[derive(PartialEq, Eq)]
enum LoadState {
    Pending,
    Done,
}

impl RefreshSessions {
    pub(crate) fn new(
        key: CredentialKey,
        store: Arc<dyn CredentialStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            key,
            store,
            clock,
            state: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// The stored record, for rmcp.
    pub(crate) async fn read(&self) -> Result<Option<Record>, StoreError> {
        let record = match self.current_refresh() {
            Some(session) => {
                let mut session = session.lock().await;
                let record = session.record.clone();
                if session.refresh == Some(LoadState::Pending) {
                    // rmcp's own load under its guard, for the refresh token alone.
                    session.refresh = Some(LoadState::Done);
                    return Ok(record);
                }
                record
            }
            None => self.store.load(&self.key).await?,
        };
        self.note_returned(record.as_ref());
        Ok(record)
    }

    /// Locks the credential and reads it.
    pub(crate) async fn begin(&self) -> Result<RefreshSession, StoreError> {
        let guard = self
            .store
            .lock(&self.key, LockKind::Credential, LOCK_TIMEOUT)
            .await?;
        let record = self.store.load(&self.key).await?;
        let generation = record.as_ref().map(|record| record.generation);
        let returned = self.state().returned;
        Ok(RefreshSession {
            guard,
            record,
            is_newer: returned.is_some() && returned < generation,
            refresh: None,
        })
    }

    /// Begins the session of a refresh. It ends when the guard is dropped, and no call shares it.
    pub(crate) async fn begin_refresh(self: &Arc<Self>) -> Result<RefreshGuard, StoreError> {
        let mut session = self.begin().await?;
        session.refresh = Some(LoadState::Pending);
        let session = Arc::new(tokio::sync::Mutex::new(session));
        self.state().refresh = Some(Arc::clone(&session));
        Ok(RefreshGuard {
            sessions: Arc::clone(self),
            session,
        })
    }

    /// The refresh that is under way in this process.
    pub(crate) fn current_refresh(&self) -> Option<SharedRefreshSession> {
        self.state().refresh.clone()
    }

    /// The session to write in: that of the refresh under way, else a new one.
    pub(crate) async fn for_write(&self) -> Result<SharedRefreshSession, StoreError> {
        match self.current_refresh() {
            Some(session) => Ok(session),
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
        session: &mut RefreshSession,
        mut record: Record,
        base: Option<&Record>,
    ) -> Result<(), StoreError> {
        let is_active = session.generation() == base.map(|base| base.generation);
        if is_active && base == Some(&record) {
            return Ok(());
        }
        let expected = base.map(|base| base.generation);
        match self
            .store
            .save(&record, expected, &mut session.guard)
            .await?
        {
            Saved::Written(generation) => {
                record.generation = generation;
                if session.refresh.is_none() {
                    self.note_returned(Some(&record));
                }
                session.record = Some(record);
                Ok(())
            }
            Saved::Conflict { .. } => Err(StoreError::new(
                StoreErrorKind::LeaseLost,
                format!("saving the credentials for {}", self.key),
            )),
        }
    }

    /// Removes every record of the credential.
    pub(crate) async fn clear(&self, session: &mut RefreshSession) -> Result<(), StoreError> {
        for record in self.store.records(&self.key).await? {
            self.store
                .remove(&self.key, &record.issuer, &mut session.guard)
                .await?;
        }
        session.record = None;
        Ok(())
    }

    /// Notes that `record` was returned to rmcp.
    fn note_returned(&self, record: Option<&Record>) {
        let generation = record.map(|record| record.generation);
        let mut state = self.state();
        state.returned = state.returned.max(generation);
    }

    fn state(&self) -> MutexGuard<'_, SessionsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshSession {
    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// A usable grant that another process has obtained meanwhile.
    pub(crate) fn newer_grant(&self, now: Timestamp) -> Option<&Grant> {
        let record = self.record.as_ref().filter(|_| self.is_newer)?;
        let grant = record.grant.as_ref().filter(|_| record.is_signed_in())?;
        let is_alive = grant.expires_at.is_none_or(|end| now < end);
        let is_new = now.saturating_since(grant.obtained_at) <= MAX_GRANT_AGE;
        (is_alive && is_new && grant.scheme == AuthScheme::Bearer).then_some(grant)
    }

    fn generation(&self) -> Option<Generation> {
        self.record.as_ref().map(|record| record.generation)
    }
}

/// What rmcp holds during a refresh.
pub(crate) struct RefreshGuard {
    sessions: Arc<RefreshSessions>,
    session: SharedRefreshSession,
}

impl Drop for RefreshGuard {
    fn drop(&mut self) {
        let mut state = self.sessions.state();
        if let Some(refresh) = &state.refresh
            && Arc::ptr_eq(refresh, &self.session)
        {
            state.refresh = None;
        }
    }
}

impl fmt::Debug for RefreshGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefreshGuard")
            .field(&self.sessions.key)
            .finish()
    }
}
