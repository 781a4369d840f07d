//! What a session's callers and tasks share.
//!
//! # Locks, in their order
//!
//! 1. The mutexes in here. None is held across an `await`, and none inside another.
//! 2. The credential's [`Guard`](hallpass_core::store::Guard), which orders this session with others on the
//!    same store. It is held for one refresh attempt or one save, never while a person signs in and
//!    never during a pause. The token is published before it is released.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    Authorizer, Clock, CredentialKey, CredentialStore, Entropy, Generation, HttpClient, Issuer,
    Record, Registration, Scopes, ServerSettings, SettingsFingerprint, StoreError, Timestamp,
    TokenSource,
    http::RequestOptions,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};
use hallpass_discovery::MetadataCache;
use hallpass_oauth::{ClientAuthentication, ClientKey};
use tokio::{runtime::Handle, sync::watch};

use crate::{
    backoff::Backoff,
    circuit_breaker::CircuitBreakers,
    counters::AtomicCounters,
    error::{SessionError, SignInNeed, SignInRequired},
    grant_status, pending_refresh,
    proof::ResourceNonce,
    sign_in::{OwnedSignInRequest, SignInBackoff},
    single_flight::SingleFlight,
    token::Token,
    token_cache::Published,
    transaction::RefreshIntent,
    unsaved_grant::UnsavedGrant,
};

/// How long a credential's lock is waited for: longer than one refresh attempt of another process can take,
/// which posts twice when the server asks for its nonce, each time within the policy's limit.
pub(crate) const LOCK_WAIT: Duration =
    Duration::from_secs(2 * RequestOptions::AUTHORIZATION_SERVER_TIMEOUT.as_secs() + 15);

/// What a session is made from.
pub(crate) struct Parts {
    pub(crate) key: CredentialKey,
    pub(crate) settings: ServerSettings,
    pub(crate) client_key: Option<ClientKey>,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) metadata: Arc<MetadataCache>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) token_source: Option<Arc<dyn TokenSource>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) breakers: Arc<CircuitBreakers>,
    pub(crate) proactive_refresh: bool,
}

pub(crate) struct Shared {
    pub(crate) key: CredentialKey,
    pub(crate) settings: ServerSettings,
    /// The key of the settings, read.
    pub(crate) client_key: Option<ClientKey>,
    pub(crate) fingerprint: SettingsFingerprint,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) metadata: Arc<MetadataCache>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// Who obtains the tokens, if that is somebody else.
    pub(crate) token_source: Option<Arc<dyn TokenSource>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) proactive_refresh: bool,
    pub(crate) resource_nonce: ResourceNonce,
    pub(crate) counters: AtomicCounters,
    pub(crate) refreshes: SingleFlight<RefreshIntent, Result<Token, SessionError>>,
    pub(crate) sign_ins: SingleFlight<OwnedSignInRequest, Result<Token, SessionError>>,
    pub(crate) memory: Mutex<Memory>,
    pub(crate) unsaved_grant: UnsavedGrant,
    pub(crate) breakers: Arc<CircuitBreakers>,
    current: Published,
    closed: AtomicBool,
    running: watch::Sender<usize>,
}

/// What a session remembers besides its token. None of it outlives the process.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The generation of the newest record that was seen under the credential's lock, or of a removal after
    /// it. It only grows: what is older must not be published by whoever read it before.
    pub(crate) newest: Generation,
    /// Failed refreshes.
    pub(crate) backoff: Backoff,
    /// The error that the present pause is for, and whether trying again may help by itself.
    pub(crate) paused_by: Option<(SessionError, bool)>,
    /// Whether the next refresh is posted although a refusal is remembered.
    pub(crate) past_refusal: bool,
    /// The last stated end, for which refused token, and until when (monotonic) it is repeated.
    pub(crate) ended: Option<(Token, SessionError, Duration)>,
    /// The sign-ins that no person asked for.
    pub(crate) sign_in_backoff: SignInBackoff,
    /// The token endpoint's last nonce (RFC 9449 §8).
    pub(crate) dpop_nonce: Option<String>,
    /// The generation of the token that a refresh ahead of its time was planned for last.
    pub(crate) scheduled_for: Option<Generation>,
    /// How many step-ups were started for which scopes, and when the first of them was (monotonic).
    pub(crate) step_ups: Vec<(Scopes, u32, Duration)>,
}

impl Memory {
    /// Notes a generation that was seen under the credential's lock.
    pub(crate) fn observe_generation(&mut self, generation: Generation) {
        self.newest = self.newest.max(generation);
    }

    /// Forgets what stood in the way of the credentials before.
    pub(crate) fn reset_backoff(&mut self) {
        self.ended = None;
        self.paused_by = None;
        self.backoff.succeeded();
    }
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            fingerprint: parts.settings.fingerprint(),
            key: parts.key,
            settings: parts.settings,
            client_key: parts.client_key,
            store: parts.store,
            http: parts.http,
            metadata: parts.metadata,
            authorizer: parts.authorizer,
            token_source: parts.token_source,
            clock: parts.clock,
            entropy: parts.entropy,
            proactive_refresh: parts.proactive_refresh,
            resource_nonce: ResourceNonce::default(),
            counters: AtomicCounters::default(),
            refreshes: SingleFlight::default(),
            sign_ins: SingleFlight::default(),
            memory: Mutex::default(),
            unsaved_grant: UnsavedGrant::default(),
            breakers: parts.breakers,
            current: Published::nothing(),
            closed: AtomicBool::new(false),
            running: watch::Sender::new(0),
        }
    }

    /// The client's proof for one request to the server `audience`.
    pub(crate) fn authenticate<'a>(
        &self,
        registration: &'a Registration,
        audience: &Issuer,
    ) -> ClientAuthentication<'a> {
        let (key, now) = (self.client_key.as_ref(), self.now());
        ClientAuthentication::authenticate(registration, key, audience, now, &*self.entropy)
            .unwrap_or_else(|error| {
                // The server will refuse the request and say why.
                tracing::warn!(%error, "the client's assertion could not be signed");
                ClientAuthentication::from_registration(registration)
            })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The published token.
    pub(crate) fn current(&self) -> Option<Token> {
        self.current.get()
    }

    /// The published token if it is fresh. Takes no lock, reads no store and allocates nothing.
    pub(crate) fn fresh(&self) -> Option<Token> {
        self.current
            .get_if(|token| token.is_fresh(self.clock.now()))
    }

    /// Publishes the token of a usable record. A token that is published already stays, with what the
    /// session remembers of it.
    pub(crate) fn publish(
        &self,
        record: &Record,
        obtained: Option<Duration>,
    ) -> Result<Token, SessionError> {
        let (record, grant) = self.usable(Some(record))?;
        let token = Token::new(record, grant, obtained).map_err(SessionError::Terminated)?;
        let memory = self.memory();
        let token = self.put(token);
        drop(memory);
        Ok(token)
    }

    /// Publishes the token of a record that was read without the lock, if it is the one that is
    /// wanted and no newer record was seen since.
    pub(crate) fn publish_if(
        &self,
        record: &Record,
        wanted: impl Fn(&Token) -> bool,
    ) -> Result<Option<Token>, SessionError> {
        let (record, grant) = self.usable(Some(record))?;
        let token = Token::new(record, grant, None).map_err(SessionError::Terminated)?;
        if !wanted(&token) {
            return Ok(None);
        }
        let mut memory = self.memory();
        if record.generation < memory.newest {
            return Ok(None);
        }
        memory.newest = record.generation;
        let token = self.put(token);
        drop(memory);
        Ok(Some(token))
    }

    /// Publishes a token that is no record's. Called with the memory locked, as below.
    pub(crate) fn set(&self, token: &Token) {
        self.current.set(token);
    }

    /// Called with the memory locked, which orders those who publish.
    fn put(&self, token: Token) -> Token {
        match self.current() {
            Some(current) if current.is_like(&token) => current,
            current => {
                if current.is_some_and(|current| !current.same(&token)) && !token.is_own() {
                    self.counters.adopted.increment();
                }
                self.current.set(&token);
                token
            }
        }
    }

    /// Takes the published token back.
    pub(crate) fn unpublish(&self) {
        self.current.clear();
    }

    /// Takes the published token back, unless something was seen under the credential's lock since `newest`
    /// was the newest. Whether it was done.
    pub(crate) fn unpublish_unless_newer(&self, newest: Generation) -> bool {
        let memory = self.memory();
        let unchanged = memory.newest == newest;
        if unchanged {
            self.unpublish();
        }
        drop(memory);
        unchanged
    }

    /// The record's grant, or why somebody has to sign in.
    pub(crate) fn usable<'a>(
        &self,
        record: Option<&'a Record>,
    ) -> Result<(&'a Record, &'a hallpass_core::Grant), SessionError> {
        grant_status::usable(record, &self.key, &self.settings, &self.fingerprint)
            .map_err(|need| self.needed(need))
    }

    pub(crate) fn needed(&self, need: SignInNeed) -> SessionError {
        SessionError::SignInRequired(SignInRequired::new(&self.key, need))
    }

    pub(crate) async fn load(&self) -> Result<Option<Record>, SessionError> {
        self.store
            .load(&self.key)
            .await
            .map_err(SessionError::store)
    }

    /// The records for all issuers of the credential.
    pub(crate) async fn records(&self) -> Result<Vec<Record>, SessionError> {
        let records = self.store.records(&self.key).await;
        records.map_err(SessionError::store)
    }

    pub(crate) async fn lock(&self) -> Result<Guard, SessionError> {
        self.store
            .lock(&self.key, LockKind::Credential, LOCK_WAIT)
            .await
            .map_err(SessionError::store)
    }

    /// Releases the lock and waits until it is free.
    pub(crate) async fn release(&self, guard: Guard) {
        if let Err(error) = guard.release().await {
            tracing::warn!(%error, key = %self.key, "could not release a lock; it expires by itself");
        }
    }

    /// How long the record's refresh token must not be posted yet.
    pub(crate) fn pause_of(&self, record: &Record) -> Duration {
        let pending = record.fence.as_ref();
        let remaining = pending
            .and_then(|pending| pending_refresh::remaining(pending, &self.settings, self.now()));
        remaining.unwrap_or_default()
    }

    /// The active record, read under the credential's lock: what it says holds.
    pub(crate) async fn load_locked(&self, guard: &Guard) -> Result<Option<Record>, SessionError> {
        debug_assert_eq!(guard.key(), &self.key);
        let record = self.load().await?;
        if let Some(record) = &record {
            self.memory().observe_generation(record.generation);
        }
        Ok(record)
    }

    /// Saves `record` in place of the one at `expected`. With `true` its generation is the new one;
    /// with `false` something else stands there and nothing was written.
    pub(crate) async fn save(
        &self,
        record: &mut Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> Result<bool, SessionError> {
        match self.store.save(record, expected, guard).await {
            Ok(Saved::Written(generation)) => {
                record.generation = generation;
                self.memory().observe_generation(generation);
                Ok(true)
            }
            Ok(Saved::Conflict { .. }) => Ok(false),
            Err(error) => Err(SessionError::store(error)),
        }
    }

    pub(crate) fn changed_under_lock(&self) -> StoreError {
        let text = format!(
            "saving the record of {}: another process changed it",
            self.key
        );
        StoreError::new(StoreErrorKind::Busy, text)
    }

    pub(crate) fn conflict_error(&self) -> SessionError {
        SessionError::store(self.changed_under_lock())
    }

    /// Runs `work` as a task of its own, which [`close`](Self::close) waits for.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SessionError> {
        let closed = || SessionError::closed(&self.key);
        let runtime = Handle::try_current().map_err(|_| closed())?;
        let task = Running::count(self);
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        runtime.spawn(async move {
            let _task = task;
            work.await;
        });
        Ok(())
    }

    /// Refuses new work and waits for what runs, at most for `limit`.
    pub(crate) async fn close(&self, limit: Duration) -> Result<(), SessionError> {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes those who wait for the flag.
        self.running.send_modify(|_| ());
        let mut running = self.running.subscribe();
        tokio::select! {
            // The sender lives as long as `self`.
            _ = running.wait_for(|tasks| *tasks == 0) => Ok(()),
            () = self.clock.sleep(limit) => Err(match self.unsaved_grant.error() {
                Some(error) => error,
                None => SessionError::closed(&self.key),
            }),
        }
    }

    /// Ends when the session closes.
    pub(crate) async fn closing(&self) {
        let mut running = self.running.subscribe();
        let _ = running
            .wait_for(|_| self.closed.load(Ordering::SeqCst))
            .await;
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("key", &self.key)
            .field("store", &self.store)
            .field("authorizer", &self.authorizer)
            .field("token", &self.current())
            .field("counters", &self.counters.snapshot())
            .finish_non_exhaustive()
    }
}

/// One running task. Also counted when it is dropped unfinished, with its runtime.
struct Running(Arc<Shared>);

impl Running {
    fn count(shared: &Arc<Shared>) -> Self {
        shared.running.send_modify(|tasks| *tasks += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0
            .running
            .send_modify(|tasks| *tasks = tasks.saturating_sub(1));
    }
}
