//! Refreshes: one at a time, in a task that belongs to the session.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use hallpass_discovery::MetadataCache;
use tracing::{Instrument, field, info_span};

use crate::{
    circuit_breaker::CircuitBreakers,
    context::Context,
    error::SessionError,
    single_flight::{Join, Leader, SingleFlight},
    token::Token,
    token_origin::RefreshIntent,
    unsaved_grant::UnsavedGrant,
};

/// How often a caller joins other callers' work before it takes the last result.
const MAX_JOIN_ATTEMPTS: u32 = 8;

type SharedRefresh = SingleFlight<RefreshIntent, Result<Token, SessionError>>;

/// Runs one refresh for all callers that need the same.
#[derive(Debug)]
pub(crate) struct RefreshEngine {
    pub(crate) context: Arc<Context>,
    metadata: OnceLock<Arc<MetadataCache>>,
    breakers: OnceLock<Arc<CircuitBreakers>>,
    pub(crate) unsaved_grant: UnsavedGrant,
    /// The token endpoint's last nonce (RFC 9449 §8).
    dpop_nonce: Mutex<Option<String>>,
    refreshes: SharedRefresh,
}

impl RefreshEngine {
    pub(crate) fn new(
        context: Arc<Context>,
        metadata: Option<Arc<MetadataCache>>,
        breakers: Option<Arc<CircuitBreakers>>,
    ) -> Self {
        Self {
            context,
            metadata: metadata.map_or_else(OnceLock::new, OnceLock::from),
            breakers: breakers.map_or_else(OnceLock::new, OnceLock::from),
            unsaved_grant: UnsavedGrant::default(),
            dpop_nonce: Mutex::default(),
            refreshes: SharedRefresh::default(),
        }
    }

    /// The token that `intent` asks for: the published one, that of a running refresh, or that of
    /// `fetch`, which runs in a task.
    pub(crate) async fn renew<F>(
        &self,
        intent: RefreshIntent,
        fetch: impl Fn(RefreshIntent) -> F,
    ) -> Result<Token, SessionError>
    where
        F: Future<Output = Result<Token, SessionError>> + Send + 'static,
    {
        let context = &self.context;
        let mut last = None;
        for _ in 0..MAX_JOIN_ATTEMPTS {
            let settled = || context.fresh().filter(|token| intent.accepts(token));
            let (waiter, is_covered) = match self.refreshes.join(intent.clone(), settled) {
                Err(token) => {
                    context.counters.avoided.increment();
                    return Ok(token);
                }
                Ok(Join::Joined(other, waiter)) => {
                    context.counters.avoided.increment();
                    (waiter, other.covers(&intent))
                }
                Ok(Join::Started(leader, waiter)) => {
                    self.start(leader, &intent, fetch(intent.clone()))?;
                    (waiter, true)
                }
            };
            let result = tokio::select! {
                result = waiter.result() => result,
                error = self.unsaved_grant.wait_for_error() => {
                    return self.current_or(&intent, error);
                }
            };
            match result {
                Some(Ok(token)) if intent.accepts(&token) => return Ok(token),
                Some(Err(error)) if is_covered => return Err(error),
                // The task was dropped with its runtime, or its token is the one that was refused.
                result => last = result,
            }
        }
        last.unwrap_or_else(|| Err(SessionError::concurrent_update(&context.key)))
    }

    /// Starts `fetch` unless a refresh is running. No caller waits for it.
    pub(crate) fn renew_in_background<F>(
        &self,
        intent: &RefreshIntent,
        fetch: impl Fn(RefreshIntent) -> F,
    ) where
        F: Future<Output = Result<Token, SessionError>> + Send + 'static,
    {
        let settled = || None::<()>;
        if let Ok(Join::Started(leader, _)) = self.refreshes.join(intent.clone(), settled)
            && let Err(error) = self.start(leader, intent, fetch(intent.clone()))
        {
            tracing::debug!(%error, "the proactive refresh failed");
        }
    }

    /// The published token where an old one is accepted, else the error.
    pub(crate) fn current_or(
        &self,
        intent: &RefreshIntent,
        error: SessionError,
    ) -> Result<Token, SessionError> {
        self.context
            .cache
            .current()
            .filter(|token| intent.accepts_old() && token.is_alive(self.context.moment()))
            .ok_or(error)
    }

    /// The host's cache, or one of this session.
    pub(crate) fn metadata(&self) -> &MetadataCache {
        self.metadata.get_or_init(Arc::default)
    }

    /// The host's circuit breakers, or those of this session.
    pub(crate) fn breakers(&self) -> &CircuitBreakers {
        self.breakers.get_or_init(Arc::default)
    }

    pub(crate) fn dpop_nonce(&self) -> MutexGuard<'_, Option<String>> {
        self.dpop_nonce
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn start(
        &self,
        leader: Leader<RefreshIntent, Result<Token, SessionError>>,
        intent: &RefreshIntent,
        fetch: impl Future<Output = Result<Token, SessionError>> + Send + 'static,
    ) -> Result<(), SessionError> {
        let context = Arc::clone(&self.context);
        let span = info_span!(
            "refresh",
            key = %context.key.id(),
            after_rejection = matches!(intent, RefreshIntent::Replace(_)),
            proactive = matches!(intent, RefreshIntent::Refresh(_)),
            outcome = field::Empty,
        );
        let work = async move {
            let result = fetch.await;
            match &result {
                Ok(token) => context.schedule_proactive_refresh(token),
                Err(error) => tracing::debug!(%error, "no fresh token"),
            }
            leader.complete(result);
        };
        self.context.spawn(work.instrument(span))
    }
}
