//! Signing in through the host's [`Authorizer`](hallpass_core::Authorizer), once at a time.
//!
//! The credential's lock is taken after the person is done, for the save alone. When nobody waits for a
//! sign-in any more it is broken off, as when the session closes: a window that the person closed
//! must not hold up the next try. From the moment the authorizer returns, it is not.
//!
//! Processes that share a store share the window as well: see [`window`].

mod registration_sink;
mod sign_in_backoff;
mod sign_in_lock;

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    AuthorizeError, Challenge, Issuer, Record, Remedy, Scopes, SignIn, SignInReason, State,
    store::Guard,
};
use tracing::{Instrument, info_span};

pub(crate) use self::sign_in_backoff::SignInBackoff;
use self::{registration_sink::StoreRegistrationSink, sign_in_lock::SignInLock};
use crate::{
    error::SessionError,
    grant_status,
    shared::Shared,
    single_flight::{Join, Leader},
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

/// How often a caller waits for other people's sign-ins before it gives up on its own.
const MAX_JOIN_ATTEMPTS: u32 = 4;

/// Why and with what to sign in.
#[derive(Debug, Clone)]
pub struct SignInRequest<'a> {
    /// Why.
    pub reason: SignInReason,
    /// What the server said when it refused a request, if it was asked.
    pub challenges: &'a [Challenge],
    /// Scopes to request for besides those that would be asked for anyway.
    pub scopes: Scopes,
}

impl Default for SignInRequest<'_> {
    /// Somebody asked for it, and nothing more is known.
    fn default() -> Self {
        Self {
            reason: SignInReason::Requested,
            challenges: &[],
            scopes: Scopes::none(),
        }
    }
}

/// A sign-in request that a task can own.
#[derive(Debug, Clone)]
pub(crate) struct OwnedSignInRequest {
    pub(crate) reason: SignInReason,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) scopes: Scopes,
    /// The authorization server that protects the server now, when that was read just before.
    pub(crate) issuer: Option<Issuer>,
    /// For a step-up, the scopes that the server wants.
    pub(crate) step_up: Option<Scopes>,
}

impl From<SignInRequest<'_>> for OwnedSignInRequest {
    fn from(request: SignInRequest<'_>) -> Self {
        Self {
            reason: request.reason,
            challenges: request.challenges.to_vec(),
            scopes: request.scopes,
            issuer: None,
            step_up: None,
        }
    }
}

impl Shared {
    /// Signs in, or waits for a sign-in that runs and asks for the same or more. `settled` is asked
    /// before one is started: with a token from there, nobody is bothered.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        request: OwnedSignInRequest,
        settled: impl Fn() -> Option<Token>,
    ) -> Result<Token, SessionError> {
        for _ in 0..MAX_JOIN_ATTEMPTS {
            let (waiting, covers) = match self.sign_ins.join(request.clone(), &settled) {
                Err(token) => return Ok(token),
                Ok(Join::Joined(other, waiting)) => (waiting, other.scopes.covers(&request.scopes)),
                Ok(Join::Started(leader, waiting)) => {
                    self.start_sign_in(leader, request.clone())?;
                    (waiting, true)
                }
            };
            match waiting.result().await {
                Some(result) if covers => return result,
                // Broken off because those before us went away, or for fewer scopes.
                _ => {}
            }
        }
        Err(SessionError::concurrent_update(&self.key))
    }

    /// Whether a sign-in for this reason may be begun now: always where a person asked for it, or where
    /// no person is asked.
    fn check_backoff(&self, reason: SignInReason) -> Result<(), SessionError> {
        if reason == SignInReason::Requested || !self.authorizer.is_interactive() {
            return Ok(());
        }
        let now = self.clock.monotonic();
        let refusal = self
            .memory()
            .sign_in_backoff
            .refusal(now, reason, &self.key);
        refusal.map_or(Ok(()), Err)
    }

    /// A sign-in has ended for which a person was asked, with `error` if it failed.
    fn record_end(&self, reason: SignInReason, error: Option<&SessionError>) {
        let is_non_interactive = matches!(error, Some(SessionError::SignIn(failed)) if failed.cause().is_non_interactive());
        if is_non_interactive || !self.authorizer.is_interactive() {
            return;
        }
        let now = self.clock.monotonic();
        let sign_in_backoff = &mut self.memory().sign_in_backoff;
        match (reason, error) {
            (SignInReason::Requested, None) => *sign_in_backoff = SignInBackoff::default(),
            (SignInReason::Requested, Some(_)) => {}
            (reason, error) => sign_in_backoff.ended(now, reason, error),
        }
    }

    fn start_sign_in(
        self: &Arc<Self>,
        leader: Leader<Result<Token, SessionError>>,
        request: OwnedSignInRequest,
    ) -> Result<(), SessionError> {
        let completion = CompleteOnDrop {
            shared: Arc::clone(self),
            leader,
        };
        self.check_backoff(request.reason)?;
        if let Some(wanted) = &request.step_up {
            self.count_step_up(wanted)?;
        }
        let span = info_span!("sign_in", key = %self.key, reason = ?request.reason);
        let work = async move {
            let shared = &completion.shared;
            let signed_in = tokio::select! {
                signed_in = authorize(shared, &request) => signed_in,
                () = completion.leader.abandoned() => {
                    tracing::debug!("the sign-in is cancelled: no caller waits for it");
                    if request.reason != SignInReason::Requested {
                        shared.record_end(request.reason, None);
                    }
                    return;
                }
                () = shared.closing() => Err(SessionError::closed(&shared.key)),
            };
            match &signed_in {
                Ok(SignedIn::NewGrant(..)) => shared.record_end(request.reason, None),
                Err(error @ SessionError::SignIn(_)) => {
                    shared.record_end(request.reason, Some(error))
                }
                Ok(SignedIn::ByAnotherProcess(_)) | Err(_) => {}
            }
            let result = match signed_in {
                Ok(SignedIn::NewGrant(record, lock)) => {
                    let result = save(shared, *record).await;
                    // Only now may the others look.
                    if let Some(lock) = lock {
                        shared.release(lock).await;
                    }
                    result
                }
                Ok(SignedIn::ByAnotherProcess(token)) => Ok(token),
                Err(error) => Err(error),
            };
            match &result {
                Ok(token) => shared.schedule_proactive_refresh(token),
                Err(error) => {
                    tracing::debug!(%error, "the sign-in has failed");
                }
            }
            shared.sign_ins.complete(&completion.leader, Some(result));
        };
        self.spawn(work.instrument(span))
    }
}

/// Lands the flight also when its task ends early.
struct CompleteOnDrop {
    shared: Arc<Shared>,
    leader: Leader<Result<Token, SessionError>>,
}

impl Drop for CompleteOnDrop {
    fn drop(&mut self) {
        self.shared.sign_ins.complete(&self.leader, None);
    }
}

/// What came of asking.
enum SignedIn {
    /// A record to save, before the window is given up.
    NewGrant(Box<Record>, Option<Guard>),
    /// Another process has asked and saved.
    ByAnotherProcess(Token),
}

/// Asks the authorizer, when it is this process's turn.
async fn authorize(
    shared: &Arc<Shared>,
    request: &OwnedSignInRequest,
) -> Result<SignedIn, SessionError> {
    let guard = match sign_in_lock::acquire(shared, request).await? {
        SignInLock::Acquired(guard) => guard,
        SignInLock::AlreadySignedIn(token) => return Ok(SignedIn::ByAnotherProcess(token)),
    };
    let previous = previous(shared, request).await?;
    let keep = StoreRegistrationSink(Arc::clone(shared));
    shared.counters.sign_ins.increment();
    let scopes = scopes(shared, request, previous.as_ref());
    let (key, settings) = (&shared.key, &shared.settings);
    let mut sign_in = SignIn::new(key, settings, request.reason, &scopes, &keep);
    sign_in.challenges = &request.challenges;
    sign_in.previous = previous.as_ref();
    let record = shared
        .authorizer
        .authorize(sign_in)
        .await
        .map_err(|error| SessionError::sign_in(&shared.key, error))?;
    let mistake = if record.key != shared.key {
        "the authorizer returned a record of another credential"
    } else if record.grant.is_none() {
        "the authorizer returned a record without a grant"
    } else if record.issuer != record.metadata.issuer {
        "the authorizer returned a record whose metadata is another issuer's"
    } else {
        return Ok(SignedIn::NewGrant(Box::new(record), guard));
    };
    let error = AuthorizeError::new(Remedy::Report, mistake);
    Err(SessionError::sign_in(&shared.key, error))
}

/// The scopes to request for besides the usual ones. A grant that has ended is asked for as it was, so
/// that what a step-up won outlives it.
fn scopes(shared: &Shared, request: &OwnedSignInRequest, previous: Option<&Record>) -> Scopes {
    let kept = previous
        .filter(|record| {
            request.reason == SignInReason::Ended && record.settings == shared.fingerprint
        })
        .and_then(|record| record.grant.as_ref());
    match kept {
        Some(grant) => request.scopes.union(&grant.requested_scopes),
        None => request.scopes.clone(),
    }
}

/// The record whose registration the sign-in may use again: never one of another authorization server
/// than the one that protects the server, as far as that is known.
async fn previous(
    shared: &Shared,
    request: &OwnedSignInRequest,
) -> Result<Option<Record>, SessionError> {
    let record = match &request.issuer {
        Some(issuer) => shared
            .store
            .load_issuer(&shared.key, issuer)
            .await
            .map_err(SessionError::store)?,
        None if request.reason == SignInReason::Migration => None,
        None => shared.load().await?,
    };
    Ok(record.and_then(|record| {
        grant_status::reusable(record, &shared.settings, &shared.fingerprint, shared.now())
    }))
}

/// Saves what the authorizer returned, then publishes its token.
async fn save(shared: &Shared, granted: Record) -> Result<Token, SessionError> {
    let mut guard = shared.lock().await?;
    let mut pauses = SAVE_RETRY_DELAYS.iter();
    let saved = loop {
        let saved = save_locked(shared, granted.clone(), &mut guard).await;
        match (saved, pauses.next()) {
            (Err(error @ SessionError::Store(_)), Some(pause)) => {
                tracing::debug!(%error, "could not save the new grant; retrying");
                shared.clock.sleep(*pause).await;
            }
            (saved, _) => break saved,
        }
    };
    shared.release(guard).await;
    saved
}

async fn save_locked(
    shared: &Shared,
    granted: Record,
    guard: &mut Guard,
) -> Result<Token, SessionError> {
    shared.load_locked(guard).await?;
    let found = shared
        .store
        .load_issuer(&shared.key, &granted.issuer)
        .await
        .map_err(SessionError::store)?;
    let expected = found.as_ref().map(|record| record.generation);
    // What is there already keeps the fields that this version does not know.
    let mut record = match found {
        Some(mut found) => {
            found.registration = granted.registration;
            found.grant = granted.grant;
            found.metadata = granted.metadata;
            found
        }
        None => granted,
    };
    record.settings = shared.fingerprint.clone();
    record.fence = None;
    record.state = State::SignedIn;
    if !shared.save(&mut record, expected, guard).await? {
        return Err(shared.conflict_error());
    }
    {
        let mut memory = shared.memory();
        memory.reset_backoff();
        memory.step_ups.clear();
    }
    shared.publish(&record, Some(shared.clock.monotonic()))
}
