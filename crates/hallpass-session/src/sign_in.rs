//! Sign-ins through the host's [`Authorizer`], one at a time.
//!
//! The credential's lock is taken after the user is done, for the save alone. A sign-in is cancelled
//! when all its callers are dropped or the session closes: a browser window that the user closed must
//! not delay the next sign-in. It is not cancelled once the authorizer has returned.
//!
//! Processes that share a store share one sign-in: see [`sign_in_lock`].

mod registration_sink;
mod sign_in_backoff;
mod sign_in_lock;
mod step_ups;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use hallpass_core::{
    AuthorizeError, Authorizer, Challenge, Event, Issuer, Record, Remedy, Scopes, SignIn,
    SignInReason, State, store::Guard,
};
use http::StatusCode;
use tracing::{Instrument, info_span};

pub use self::sign_in_lock::MAX_SIGN_IN_TIME;
use self::{
    registration_sink::StoreRegistrationSink, sign_in_backoff::SignInBackoff,
    sign_in_lock::SignInLock, step_ups::StepUps,
};
use crate::{
    context::Context,
    error::SessionError,
    grant_status, refused_scopes,
    single_flight::{Join, Leader, SingleFlight},
    token::Token,
};

/// The pauses before the grant of a sign-in is saved again.
const SAVE_RETRY_DELAYS: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// How often a caller joins other callers' sign-ins.
const MAX_JOIN_ATTEMPTS: u32 = 4;

/// Why and with what to sign in.
#[derive(Debug, Clone)]
pub struct SignInRequest<'a> {
    /// Why.
    pub reason: SignInReason,
    /// The challenges of the response that refused a request, if there was one.
    pub challenges: &'a [Challenge],
    /// As in [`SignIn`].
    pub unexpected_status: Option<StatusCode>,
    /// Scopes to request besides the usual ones.
    pub scopes: Scopes,
}

impl Default for SignInRequest<'_> {
    /// The user asked for it, and nothing more is known.
    fn default() -> Self {
        Self {
            reason: SignInReason::Requested,
            challenges: &[],
            unexpected_status: None,
            scopes: Scopes::none(),
        }
    }
}

/// A sign-in request that a task can own.
#[derive(Debug, Clone)]
pub(crate) struct OwnedSignInRequest {
    pub(crate) reason: SignInReason,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) unexpected_status: Option<StatusCode>,
    pub(crate) scopes: Scopes,
    /// The authorization server that protects the server now, when that was just read.
    pub(crate) issuer: Option<Issuer>,
    /// For a step-up, the scopes that the server requires.
    pub(crate) step_up: Option<Scopes>,
}

impl From<SignInRequest<'_>> for OwnedSignInRequest {
    fn from(request: SignInRequest<'_>) -> Self {
        Self {
            reason: request.reason,
            challenges: request.challenges.to_vec(),
            unexpected_status: request.unexpected_status,
            scopes: request.scopes,
            issuer: None,
            step_up: None,
        }
    }
}

type SharedSignIn = SingleFlight<OwnedSignInRequest, Result<Token, SessionError>>;

/// Runs one sign-in for all callers and all processes that need one.
#[derive(Debug)]
pub(crate) struct SignInCoordinator {
    pub(crate) context: Arc<Context>,
    authorizer: Arc<dyn Authorizer>,
    sign_ins: SharedSignIn,
    /// Held while a sign-in runs: one that is abandoned may still have the sign-in lock. Most sessions never
    /// sign in, and have no memory for it.
    running: OnceLock<Box<tokio::sync::Mutex<()>>>,
    backoff: Mutex<SignInBackoff>,
    step_ups: Mutex<StepUps>,
}

impl SignInCoordinator {
    pub(crate) fn new(context: Arc<Context>, authorizer: Arc<dyn Authorizer>) -> Self {
        Self {
            context,
            authorizer,
            sign_ins: SharedSignIn::default(),
            running: OnceLock::new(),
            backoff: Mutex::default(),
            step_ups: Mutex::default(),
        }
    }

    /// Signs in, or waits for a running sign-in that requests the same scopes or more. `settled` is
    /// called before one is started: with a token from there, none is needed.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        request: OwnedSignInRequest,
        settled: impl Fn() -> Option<Token>,
    ) -> Result<Token, SessionError> {
        for _ in 0..MAX_JOIN_ATTEMPTS {
            let (waiter, is_covered) = match self
                .sign_ins
                .join_unless_abandoned(request.clone(), &settled)
            {
                Err(token) => return Ok(token),
                Ok(Join::Joined(other, waiter)) => (waiter, other.scopes.covers(&request.scopes)),
                Ok(Join::Started(leader, waiter)) => {
                    self.start(leader, request.clone())?;
                    (waiter, true)
                }
            };
            match waiter.result().await {
                Some(result) if is_covered => return result,
                // Cancelled because its own callers were dropped, or for fewer scopes.
                _ => {}
            }
        }
        Err(SessionError::concurrent_update(&self.context.key))
    }

    /// Forgets the earlier sign-ins: the user has signed out.
    pub(crate) fn reset(&self) {
        *self.backoff() = SignInBackoff::default();
        *self.step_ups() = StepUps::default();
    }

    fn start(
        self: &Arc<Self>,
        leader: Leader<OwnedSignInRequest, Result<Token, SessionError>>,
        request: OwnedSignInRequest,
    ) -> Result<(), SessionError> {
        self.check_backoff(request.reason)?;
        if let Some(wanted) = request
            .step_up
            .as_ref()
            .filter(|_| self.authorizer.can_sign_in())
        {
            let now = self.context.ports.clock.monotonic();
            self.step_ups().count(wanted, now)?;
        }
        let coordinator = Arc::clone(self);
        let span = info_span!("sign_in", key = %self.context.key.id(), reason = ?request.reason);
        let work = async move {
            let context = &coordinator.context;
            let authorize = async {
                let running = coordinator.running.get_or_init(Box::default).lock().await;
                (coordinator.authorize(&request).await, Some(running))
            };
            let (signed_in, _running) = tokio::select! {
                // A result that is there is not lost to a caller that goes at the same moment.
                biased;
                ended = authorize => ended,
                () = leader.abandoned() => {
                    tracing::debug!("the sign-in is cancelled: no caller waits for it");
                    if request.reason != SignInReason::Requested {
                        coordinator.record_end(request.reason, None);
                    }
                    return;
                }
                () = context.tasks.closed() => (Err(context.closed_error()), None),
            };
            // It is not cancelled any more, so callers may join it.
            let _waiter = leader.waiter();
            match &signed_in {
                Ok(SignedIn::NewGrant(..)) => coordinator.record_end(request.reason, None),
                Err(error @ SessionError::SignIn(_)) => {
                    coordinator.record_end(request.reason, Some(error));
                }
                Ok(SignedIn::ByAnotherProcess(_)) | Err(_) => {}
            }
            let result = match signed_in {
                Ok(SignedIn::NewGrant(record, lock)) => {
                    // The code is used up: a sign-in that is cut off here would have to begin again.
                    let _critical = context.tasks.begin_critical();
                    let result = coordinator.save(*record).await;
                    // The other processes read the record only after it is saved.
                    if let Some(lock) = lock {
                        context.release(lock).await;
                    }
                    result
                }
                Ok(SignedIn::ByAnotherProcess(token)) => Ok(token),
                Err(error) => Err(error),
            };
            let is_signed_in = result.is_ok();
            context.observe(&Event::SignIn { is_signed_in });
            match &result {
                Ok(token) => context.schedule_proactive_refresh(token),
                Err(error) => tracing::debug!(%error, "the sign-in has failed"),
            }
            leader.complete(result);
        };
        self.context.spawn(work.instrument(span))
    }

    /// The error of a token that needs a sign-in, with the process that asks the user where this one can't.
    pub(crate) async fn with_open_sign_in(&self, error: SessionError) -> SessionError {
        match error {
            SessionError::SignInRequired(required) if !self.authorizer.can_sign_in() => {
                let hint = sign_in_lock::open_sign_in_hint(&self.context).await;
                SessionError::SignInRequired(required.with_hint(hint))
            }
            error => error,
        }
    }

    /// Whether a sign-in for this reason may start now: always when the user asked for it or no user
    /// is involved.
    fn check_backoff(&self, reason: SignInReason) -> Result<(), SessionError> {
        if reason == SignInReason::Requested || !self.authorizer.is_interactive() {
            return Ok(());
        }
        let now = self.context.ports.clock.monotonic();
        let refusal = self.backoff().refusal(now, reason, &self.context.key);
        refusal.map_or(Ok(()), Err)
    }

    /// Records the end of a sign-in that asked a user, with its error if it failed.
    fn record_end(&self, reason: SignInReason, error: Option<&SessionError>) {
        let is_non_interactive = matches!(error, Some(SessionError::SignIn(failed)) if failed.cause().is_non_interactive());
        if is_non_interactive || !self.authorizer.is_interactive() {
            return;
        }
        let now = self.context.ports.clock.monotonic();
        match (reason, error) {
            (SignInReason::Requested, None) => *self.backoff() = SignInBackoff::default(),
            (SignInReason::Requested, Some(_)) => {}
            (reason, error) => self.backoff().record_end(now, reason, error),
        }
    }

    /// Calls the authorizer, once this process has the sign-in lock.
    async fn authorize(&self, request: &OwnedSignInRequest) -> Result<SignedIn, SessionError> {
        let context = &self.context;
        let authorizer = &*self.authorizer;
        let guard = if authorizer.is_interactive() && authorizer.can_sign_in() {
            let (reason, scopes) = (request.reason, &request.scopes);
            match sign_in_lock::acquire(context, authorizer, reason, scopes).await? {
                SignInLock::Acquired(guard) => Some(guard),
                SignInLock::AlreadySignedIn(token) => {
                    return Ok(SignedIn::ByAnotherProcess(token));
                }
            }
        } else {
            None
        };
        let previous = self.previous(request).await?;
        let sink = StoreRegistrationSink(Arc::clone(context));
        context.counters.sign_ins.increment();
        let scopes = self.scopes(request, previous.as_ref());
        let (key, settings) = (&context.key, &context.settings);
        let mut sign_in = SignIn::new(key, settings, request.reason, &scopes, &sink);
        sign_in.challenges = &request.challenges;
        sign_in.unexpected_status = request.unexpected_status;
        sign_in.previous = previous.as_ref();
        let record = match authorizer.authorize(sign_in).await {
            Ok(record) => record,
            Err(mut error) => {
                if !authorizer.can_sign_in() {
                    error = sign_in_lock::with_open_sign_in(context, error).await;
                } else if request.reason == SignInReason::Requested
                    && error.remedy() != Remedy::Retry
                {
                    refused_scopes::forget(context).await;
                }
                return Err(SessionError::sign_in(key, error));
            }
        };
        let mistake = if record.key != *key {
            "the authorizer returned a record of another credential"
        } else if record.grant.is_none() {
            "the authorizer returned a record without a grant"
        } else if record.issuer != record.metadata.issuer {
            "the authorizer returned a record whose metadata is another issuer's"
        } else {
            return Ok(SignedIn::NewGrant(Box::new(record), guard));
        };
        let error = AuthorizeError::new(Remedy::Report, mistake);
        Err(SessionError::sign_in(key, error))
    }

    /// The scopes to request besides the usual ones. After a grant has ended, its scopes are requested
    /// again, so that those of a step-up are kept. A sign-in that the user starts requests what the server
    /// [refused](crate::refused_scopes) since the last one as well.
    fn scopes(&self, request: &OwnedSignInRequest, previous: Option<&Record>) -> Scopes {
        let grant = previous
            .filter(|record| record.settings == self.context.fingerprint)
            .and_then(|record| record.grant.as_ref());
        match (request.reason, grant) {
            (SignInReason::Ended, Some(grant)) => request.scopes.union(&grant.requested_scopes),
            (SignInReason::Requested, Some(grant)) if !grant.refused_scopes.is_empty() => {
                let granted = grant.requested_scopes.union(grant.scopes());
                request.scopes.union(&granted).union(&grant.refused_scopes)
            }
            _ => request.scopes.clone(),
        }
    }

    /// The record whose registration the sign-in may use again: only one of the authorization server
    /// that protects the server, as far as that is known.
    async fn previous(&self, request: &OwnedSignInRequest) -> Result<Option<Record>, SessionError> {
        let context = &self.context;
        let record = match &request.issuer {
            Some(issuer) => context.load_issuer(issuer).await?,
            None if request.reason == SignInReason::Migration => None,
            None => context.load().await?,
        };
        Ok(record.and_then(|record| {
            grant_status::reusable(
                record,
                &context.settings,
                &context.fingerprint,
                context.now(),
            )
        }))
    }

    /// Saves the authorizer's record, then publishes its token.
    async fn save(&self, granted: Record) -> Result<Token, SessionError> {
        let context = &self.context;
        let mut guard = context.lock().await?;
        let mut delays = SAVE_RETRY_DELAYS.iter();
        let saved = loop {
            let saved = self.save_locked(granted.clone(), &mut guard).await;
            match (saved, delays.next()) {
                (Err(error @ SessionError::Store(_)), Some(delay)) => {
                    tracing::debug!(%error, "could not save the new grant; retrying");
                    context.ports.clock.sleep(*delay).await;
                }
                (saved, _) => break saved,
            }
        };
        context.release(guard).await;
        saved
    }

    async fn save_locked(&self, granted: Record, guard: &mut Guard) -> Result<Token, SessionError> {
        let context = &self.context;
        context.load_locked(guard).await?;
        let found = context.load_issuer(&granted.issuer).await?;
        let expected = found.as_ref().map(|record| record.generation);
        // An existing record keeps the fields that this version does not know.
        let mut record = match found {
            Some(mut found) => {
                found.registration = granted.registration;
                found.grant = granted.grant;
                found.metadata = granted.metadata;
                found.confirm_hosts(granted.confirmed_hosts);
                found
            }
            None => granted,
        };
        record.settings = context.fingerprint.clone();
        record.pending_refresh = None;
        record.state = State::SignedIn;
        // A record that is made again does not begin with a number that it had before.
        let now = u64::try_from(context.now().as_unix_seconds()).unwrap_or_default();
        record.sign_ins = record.sign_ins.saturating_add(1).max(now);
        if !context.save(&mut record, expected, guard).await? {
            return Err(context.conflict_error());
        }
        context.backoff.reset();
        *self.step_ups() = StepUps::default();
        context.publish(&record, Some(context.ports.clock.monotonic()))
    }

    fn backoff(&self) -> MutexGuard<'_, SignInBackoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step_ups(&self) -> MutexGuard<'_, StepUps> {
        self.step_ups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of [`SignInCoordinator::authorize`].
enum SignedIn {
    /// A record to save before the sign-in lock is released.
    NewGrant(Box<Record>, Option<Guard>),
    /// Another process has signed in and saved.
    ByAnotherProcess(Token),
}
