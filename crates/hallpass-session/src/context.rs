//! What the parts of a session share: its credential, its ports, and access to its record.
//!
//! # Locks, in their order
//!
//! 1. The lock of a [sign-in](crate::sign_in), which orders the processes that ask a user.
//! 2. The credential's [`Guard`], which orders the sessions on one store. It is held for one refresh
//!    attempt or one save, until a new grant is saved; never while a user signs in and never between two
//!    posts. A token is published before the guard is released, or after the save that released it,
//!    unless a newer record was observed meanwhile.
//! 3. The mutexes of the parts. None is held across an `await`. Of two, the one of a
//!    [single flight](crate::single_flight) comes first.

use std::{fmt, sync::Arc, time::Duration};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Grant, Issuer, Record, ServerSettings,
    SettingsFingerprint, StoreError, Timestamp,
    http::RequestOptions,
    record::RefreshAttempt,
    store::{Guard, LockKind, Locked, Saved, StoreErrorKind},
};
use hallpass_oauth::ClientKey;

use crate::{
    backoff::Backoff,
    counters::AtomicCounters,
    error::{SessionError, SignInNeed, SignInRequired},
    freshness::{Freshness, Moment},
    grant_status, pending_refresh,
    ports::Ports,
    proactive_refresh::ProactiveRefresh,
    tasks::Tasks,
    token::Token,
    token_cache::{Published, TokenCache},
    token_client::TokenClient,
};

/// How long a session waits for a credential's lock: longer than one refresh attempt of another
/// process, which posts twice when the server asks for its nonce.
pub(crate) const LOCK_TIMEOUT: Duration =
    Duration::from_secs(2 * RequestOptions::AUTHORIZATION_SERVER_TIMEOUT.as_secs() + 15);

/// How long a refresh waits for the lock before it waits for a newer record: a process that adopts one has the
/// lock for a moment.
const TRY_LOCK_TIMEOUT: Duration = Duration::from_millis(10);

pub(crate) struct Context {
    pub(crate) key: CredentialKey,
    pub(crate) settings: ServerSettings,
    pub(crate) fingerprint: SettingsFingerprint,
    /// The client's private key of the settings, parsed. Boxed: most clients have none.
    pub(crate) client_key: Option<Box<ClientKey>>,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) ports: Ports,
    pub(crate) cache: TokenCache,
    pub(crate) backoff: Backoff,
    pub(crate) counters: AtomicCounters,
    pub(crate) proactive_refresh: ProactiveRefresh,
    pub(crate) tasks: Tasks,
}

impl Context {
    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// The present on both clocks.
    pub(crate) fn moment(&self) -> Moment {
        Moment::now(&*self.ports.clock)
    }

    /// The published token if it is fresh. Takes no lock, reads no store and allocates nothing.
    pub(crate) fn fresh(&self) -> Option<Token> {
        self.cache.fresh(self.moment())
    }

    /// Sends requests to endpoints of the authorization server.
    pub(crate) fn token_client(&self) -> TokenClient<'_> {
        self.ports.token_client(&self.key.server)
    }

    /// Publishes the token of a usable record that was read or saved under the credential's lock.
    pub(crate) fn publish(
        &self,
        record: &Record,
        obtained: Option<Duration>,
    ) -> Result<Token, SessionError> {
        let (record, grant) = self.usable(Some(record))?;
        let token = self.token(record, grant, obtained)?;
        Ok(self.count_adopted(self.cache.publish(token)))
    }

    /// Publishes the token of a record that was read without the lock, or whose save has released it, if
    /// `is_wanted` accepts it and no newer record was observed since.
    pub(crate) fn publish_if(
        &self,
        record: &Record,
        obtained: Option<Duration>,
        is_wanted: impl Fn(&Token) -> bool,
    ) -> Result<Option<Token>, SessionError> {
        let (record, grant) = self.usable(Some(record))?;
        let token = self.token(record, grant, obtained)?;
        if !is_wanted(&token) {
            return Ok(None);
        }
        let published = self.cache.publish_unless_older(token);
        Ok(published.map(|published| self.count_adopted(published)))
    }

    /// The token of a record's grant.
    pub(crate) fn token(
        &self,
        record: &Record,
        grant: &Grant,
        obtained: Option<Duration>,
    ) -> Result<Token, SessionError> {
        let known = self.cache.current();
        let known = known.as_ref().and_then(|known| known.freshness(grant));
        let freshness = Freshness::new(grant, known, self.moment());
        Token::new(record, grant, obtained, freshness).map_err(SessionError::Terminated)
    }

    fn count_adopted(&self, published: Published) -> Token {
        if published.is_adopted {
            self.counters.adopted.increment();
        }
        published.token
    }

    /// Schedules the proactive refresh of a token, where the host asked for it.
    pub(crate) fn schedule_proactive_refresh(&self, token: &Token) {
        self.proactive_refresh
            .schedule(token, &*self.ports.clock, &*self.ports.entropy);
    }

    /// The record's grant, or why a sign-in is needed.
    pub(crate) fn usable<'a>(
        &self,
        record: Option<&'a Record>,
    ) -> Result<(&'a Record, &'a Grant), SessionError> {
        grant_status::usable(record, &self.key, &self.settings, &self.fingerprint)
            .map_err(|need| self.sign_in_required(need))
    }

    pub(crate) fn sign_in_required(&self, need: SignInNeed) -> SessionError {
        SessionError::SignInRequired(SignInRequired::new(&self.key, need))
    }

    /// How long the record's refresh token, which was just posted, must not be posted again.
    pub(crate) fn pending_pause(&self, record: &Record) -> Duration {
        let pending = record.pending_refresh.as_ref();
        pending
            .and_then(|pending| pending_refresh::remaining(pending, false, self.now()))
            .unwrap_or_default()
    }

    /// The active record.
    pub(crate) async fn load(&self) -> Result<Option<Record>, SessionError> {
        let record = self.store.load(&self.key).await;
        record.map_err(SessionError::store)
    }

    /// The record for one issuer.
    pub(crate) async fn load_issuer(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<Record>, SessionError> {
        let record = self.store.load_issuer(&self.key, issuer).await;
        record.map_err(SessionError::store)
    }

    /// The records for all issuers.
    pub(crate) async fn records(&self) -> Result<Vec<Record>, SessionError> {
        let records = self.store.records(&self.key).await;
        records.map_err(SessionError::store)
    }

    pub(crate) async fn lock(&self) -> Result<Guard, SessionError> {
        let guard = self
            .store
            .lock(&self.key, LockKind::Credential, LOCK_TIMEOUT)
            .await;
        guard.map_err(SessionError::store)
    }

    /// Takes the lock if it is free, with the active record and a note of `attempt` where the store can.
    /// The error of a lock that another process holds is of kind [`StoreErrorKind::Busy`].
    pub(crate) async fn try_lock_and_load(
        &self,
        attempt: Option<&RefreshAttempt>,
    ) -> Result<Locked, StoreError> {
        let locked = self
            .store
            .lock_and_load(&self.key, TRY_LOCK_TIMEOUT, attempt)
            .await?;
        if let Some(record) = &locked.record {
            self.cache.observe_generation(record.generation);
        }
        Ok(locked)
    }

    /// Releases the lock and waits until it is free.
    pub(crate) async fn release(&self, guard: Guard) {
        if let Err(error) = guard.release().await {
            tracing::warn!(%error, key = %self.key.id(), "could not release a lock; it expires by itself");
        }
    }

    /// The active record, read under the credential's lock, so that no newer one exists.
    pub(crate) async fn load_locked(&self, guard: &Guard) -> Result<Option<Record>, SessionError> {
        debug_assert_eq!(guard.key(), &self.key);
        let record = self.load().await?;
        if let Some(record) = &record {
            self.cache.observe_generation(record.generation);
        }
        Ok(record)
    }

    /// Saves `record` in place of the one with the generation `expected`, and sets its new generation.
    /// `false`: the record has another generation, and nothing was written.
    pub(crate) async fn save(
        &self,
        record: &mut Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> Result<bool, SessionError> {
        let saved = self.store.save(record, expected, guard).await;
        self.after_save(record, saved)
    }

    /// The same, and releases the lock once the record is written.
    pub(crate) async fn save_and_release(
        &self,
        record: &mut Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> Result<bool, SessionError> {
        let saved = self.store.save_and_release(record, expected, guard).await;
        self.after_save(record, saved)
    }

    fn after_save(
        &self,
        record: &mut Record,
        saved: Result<Saved, StoreError>,
    ) -> Result<bool, SessionError> {
        match saved {
            Ok(Saved::Written(generation)) => {
                record.generation = generation;
                self.cache.observe_generation(generation);
                Ok(true)
            }
            Ok(Saved::Conflict { .. }) => Ok(false),
            Err(error) => Err(SessionError::store(error)),
        }
    }

    /// The store's error for a record that another process changed under the lock.
    pub(crate) fn store_conflict(&self) -> StoreError {
        let text = format!(
            "saving the record of {}: another process changed it",
            self.key
        );
        StoreError::new(StoreErrorKind::Busy, text)
    }

    pub(crate) fn conflict_error(&self) -> SessionError {
        SessionError::store(self.store_conflict())
    }

    pub(crate) fn closed_error(&self) -> SessionError {
        SessionError::closed(&self.key)
    }

    /// Runs `work` as a task that [`Session::close`](crate::Session::close) waits for.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SessionError> {
        let spawned = self.tasks.spawn(work);
        spawned.map_err(|_| self.closed_error())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("key", &self.key)
            .field("store", &self.store)
            .field("token", &self.cache.current())
            .field("counters", &self.counters.snapshot())
            .finish_non_exhaustive()
    }
}
