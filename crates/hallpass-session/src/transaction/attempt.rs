//! One attempt: everything that happens under one hold of the credential's lock.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    Record, Registration, State,
    record::{PendingRefresh, PostEnd, RegistrationOrigin, SignInCause},
    store::Guard,
};
use hallpass_oauth::TokenError;
use http::StatusCode;

use super::{
    RefreshIntent, post, record_outcome,
    save::{self, Renewal},
    step,
};
use crate::{
    error::{RefreshError, SessionError, SignInNeed, SignInRequired, Waiting},
    pending_refresh,
    refresh_outcome::{Failure, RefreshOutcome},
    shared::Shared,
    token::Token,
};

/// What an attempt came to.
pub(super) enum Attempt {
    /// The token that was intent, saved and published.
    Done(Token),
    /// Another process saved something in between: read again.
    Conflict,
    /// No token. With a pause, the same may succeed after it.
    Failed {
        error: SessionError,
        pause: Option<Duration>,
    },
}

impl From<SessionError> for Attempt {
    fn from(error: SessionError) -> Self {
        Self::Failed { error, pause: None }
    }
}

pub(super) async fn attempt(shared: &Shared, intent: &RefreshIntent) -> Attempt {
    if let Some(paused) = paused(shared) {
        return paused;
    }
    match try_once(shared, intent).await {
        Ok(attempt) => attempt,
        Err(error) => error.into(),
    }
}

async fn try_once(shared: &Shared, intent: &RefreshIntent) -> Result<Attempt, SessionError> {
    step("locking");
    let mut guard = shared.lock().await?;
    step("locked");
    let result = under_lock(shared, intent, &mut guard).await;
    shared.release(guard).await;
    match result? {
        Renewal::Done(attempt) => Ok(attempt),
        Renewal::Orphaned(record) => {
            tracing::warn!(key = %shared.key, "the account changed during a refresh; the new grant is revoked");
            shared.revoke_orphan(&record).await;
            Ok(Attempt::Conflict)
        }
    }
}

async fn under_lock(
    shared: &Shared,
    intent: &RefreshIntent,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let loaded = shared.load_locked(guard).await?;
    step("read");
    let (record, grant) = match shared.usable(loaded.as_ref()) {
        Ok(found) => found,
        Err(error) => {
            shared.unpublish();
            return Err(error);
        }
    };
    let now = shared.now();
    let token = Token::new(record, grant, None).map_err(SessionError::Terminated)?;
    if intent.accepts(&token) && token.is_fresh(now) {
        record_outcome("adopted");
        return shared.publish(record, None).map(done);
    }
    let is_sufficient = (intent.may_be_old() || intent.accepts(&token)) && token.is_alive(now);
    if intent.may_be_old() && token.is_alive(now) {
        // What is used if nothing newer comes of this.
        shared.publish(record, None)?;
    }
    let past_refusal = shared.memory().past_refusal;
    let remaining = record.fence.as_ref().and_then(|pending| {
        let passed = past_refusal && pending.ended == PostEnd::Refused;
        let remaining =
            pending_refresh::remaining(pending, &shared.settings, now).filter(|_| !passed)?;
        Some((pending, remaining))
    });
    let reached_max_posts = pending_refresh::reached_max_posts(record, &shared.settings);
    if is_sufficient && (reached_max_posts || remaining.is_some()) {
        return shared.publish(record, None).map(done);
    }
    if reached_max_posts {
        record_outcome("given up");
        let cause = SignInCause::RefreshOutcomeUnknown;
        return give_up(shared, record, cause, None, guard).await;
    }
    if let Some((pending, remaining)) = remaining {
        record_outcome("not due yet");
        return Ok(Renewal::Done(not_due(shared, record, pending, remaining)));
    }
    let prepared = post::prepare(shared, record, grant, now).map_err(|need| shared.needed(need))?;

    let pass = match shared
        .breakers
        .pass(prepared.endpoint(), &*shared.clock)
        .await
    {
        Ok(pass) => pass,
        Err(remaining) => {
            record_outcome("endpoint paused");
            let waiting = waiting(shared, Waiting::AfterLostAnswers, remaining);
            return Ok(Renewal::Done(waiting));
        }
    };

    // The fence stands before the request leaves, where there is room for it and for the answer.
    reserve(shared, guard).await?;
    let mut marked = pending_refresh::marked(record, now, &*shared.entropy);
    if !shared
        .save(&mut marked, Some(record.generation), guard)
        .await?
    {
        return Ok(Renewal::Done(Attempt::Conflict));
    }
    step("marked");
    if let Err(error) = reserve(shared, guard).await {
        let unmarked = pending_refresh::unmarked(&marked, record.fence.clone());
        keep(shared, unmarked, guard).await;
        return Err(error);
    }
    step("reserved");
    let result = post::post(shared, prepared).await;
    step("answered");
    record_outcome(result.as_str());
    tracing::debug!(outcome = result.as_str(), "the refresh request has ended");
    match &result {
        RefreshOutcome::Unanswered(..) => pass.lost(&shared.key, shared.clock.monotonic()),
        RefreshOutcome::Renewed(_) => pass.renewed(),
        _ => drop(pass),
    }
    shared.memory().past_refusal = false;
    match result {
        RefreshOutcome::Renewed(response) => {
            save::renewed(shared, intent, &marked, *response, now, guard).await
        }
        RefreshOutcome::Definitive(error) => {
            let was_posted = record
                .fence
                .as_ref()
                .is_some_and(|pending| pending.posts > 0);
            let cause = if was_posted {
                SignInCause::RefreshOutcomeUnknown
            } else {
                SignInCause::RefreshRefused
            };
            give_up(shared, &marked, cause, Some(error), guard).await
        }
        RefreshOutcome::NotProcessed(failure) => {
            let before = record.fence.as_ref();
            let lowered =
                pending_refresh::not_processed(&marked, before, failure.retry_after, shared.now());
            let pause = Some(shared.pause_of(&lowered)).filter(|pause| !pause.is_zero());
            keep(shared, lowered, guard).await;
            Ok(Renewal::Done(not_refreshed(shared, &failure, pause)))
        }
        RefreshOutcome::Refused(failure) if failure.is_retryable => {
            keep(
                shared,
                pending_refresh::unmarked(&marked, record.fence.clone()),
                guard,
            )
            .await;
            Ok(Renewal::Done(not_refreshed(shared, &failure, None)))
        }
        RefreshOutcome::Refused(failure) => {
            let (before, error) = (record.fence.as_ref(), failure.error.token_error());
            let mut refused =
                pending_refresh::refused(&marked, before, error, &shared.settings, shared.now());
            let forgotten = client_forgotten(shared, &failure, record.registration.as_ref());
            if let (Some(_), Some(registration)) = (&forgotten, &mut refused.registration) {
                // The next sign-in asks in advance whether the server knows it.
                registration.proven_at = None;
            }
            let pause = shared.pause_of(&refused);
            keep(shared, refused, guard).await;
            Ok(Renewal::Done(match forgotten {
                Some(needed) => failed(
                    shared,
                    SessionError::SignInRequired(needed),
                    &failure,
                    Some(pause),
                ),
                None => not_refreshed(shared, &failure, Some(pause)),
            }))
        }
        RefreshOutcome::Unanswered(ended, failure) => {
            let unanswered =
                pending_refresh::unanswered(&marked, ended, failure.retry_after, shared.now());
            let pause = shared.pause_of(&unanswered);
            keep(shared, unanswered, guard).await;
            Ok(Renewal::Done(not_refreshed(shared, &failure, Some(pause))))
        }
    }
}

/// Makes sure that the next save needs no more space and no more descriptors than are there.
async fn reserve(shared: &Shared, guard: &mut Guard) -> Result<(), SessionError> {
    let reserved = shared.store.reserve(&shared.key, guard).await;
    reserved.map_err(SessionError::store)
}

fn done(token: Token) -> Renewal {
    Renewal::Done(Attempt::Done(token))
}

/// Why the refresh token is not posted yet.
fn not_due(
    shared: &Shared,
    record: &Record,
    pending: &PendingRefresh,
    remaining: Duration,
) -> Attempt {
    let refusal = pending
        .refusal
        .as_ref()
        .filter(|_| pending.ended == PostEnd::Refused);
    let status = refusal.and_then(|refusal| StatusCode::from_u16(refusal.status).ok());
    let (Some(refusal), Some(status)) = (refusal, status) else {
        return waiting(shared, Waiting::AfterPost(pending.ended), remaining);
    };
    let (code, description) = (refusal.code.as_deref(), refusal.description.as_deref());
    let error = Arc::new(TokenError::remembered(status, code, description));
    let failure = Failure {
        error: RefreshError::answer(&shared.key, error),
        is_retryable: false,
        retry_after: None,
    };
    match client_forgotten(shared, &failure, record.registration.as_ref()) {
        Some(needed) => SessionError::SignInRequired(needed).into(),
        None => SessionError::Refresh(failure.error.with_retry_after(remaining)).into(),
    }
}

/// No request was sent; the same may succeed after `remaining`.
fn waiting(shared: &Shared, why: Waiting, remaining: Duration) -> Attempt {
    let error = RefreshError::waiting(&shared.key, why).with_retry_after(remaining);
    Attempt::Failed {
        error: SessionError::Refresh(error),
        pause: Some(remaining),
    }
}

/// Ends the credentials: the refresh token is dropped, the registration stays.
async fn give_up(
    shared: &Shared,
    record: &Record,
    cause: SignInCause,
    error: Option<Arc<TokenError>>,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let mut ended = record.clone();
    ended.fence = None;
    ended.state = State::SignInRequired(cause.clone());
    if let Some(grant) = &mut ended.grant {
        grant.refresh_token = None;
    }
    if !shared
        .save(&mut ended, Some(record.generation), guard)
        .await?
    {
        return Ok(Renewal::Done(Attempt::Conflict));
    }
    shared.unpublish();
    let mut needed = SignInRequired::new(&shared.key, SignInNeed::Ended(cause));
    if let Some(error) = error {
        needed = needed.with_source(error);
    }
    Err(SessionError::SignInRequired(needed))
}

/// Saves what a failed post leaves behind. When that fails the record stays marked, which is safe.
async fn keep(shared: &Shared, mut record: Record, guard: &mut Guard) {
    let expected = record.generation;
    match shared.save(&mut record, Some(expected), guard).await {
        Ok(true) => {}
        Ok(false) => tracing::debug!("the record changed while a refresh failed"),
        Err(error) => {
            tracing::warn!(%error, "could not update the pending refresh after a failed request")
        }
    }
}

/// A sign-in mends it when the server has forgotten a client that registered itself. Nothing is
/// dropped, since it may only seem so.
fn client_forgotten(
    shared: &Shared,
    failure: &Failure,
    registration: Option<&Registration>,
) -> Option<SignInRequired> {
    let error = failure.error.shared_token_error()?;
    let is_dynamic = registration?.origin == RegistrationOrigin::Dynamic;
    (is_dynamic && error.code() == Some("invalid_client")).then(|| {
        SignInRequired::new(&shared.key, SignInNeed::ClientForgotten).with_source(Arc::clone(error))
    })
}

fn not_refreshed(shared: &Shared, failure: &Failure, pause: Option<Duration>) -> Attempt {
    let error = SessionError::Refresh(failure.error.clone());
    failed(shared, error, failure, pause)
}

/// Notes a failure and says when to try again: after the pause that the record has, or after one of
/// this session alone.
fn failed(
    shared: &Shared,
    error: SessionError,
    failure: &Failure,
    pause: Option<Duration>,
) -> Attempt {
    if let Some(pause) = pause {
        // It stands in the record, which another process may renew meanwhile.
        return Attempt::Failed {
            error: error.with_retry_after(pause),
            pause: failure.is_retryable.then_some(pause),
        };
    }
    let monotonic = shared.clock.monotonic();
    let mut memory = shared.memory();
    let pause = memory.backoff.failed(monotonic, failure.retry_after);
    let error = error.with_retry_after(pause);
    memory.paused_by = Some((error.clone(), failure.is_retryable));
    drop(memory);
    Attempt::Failed {
        error,
        pause: failure.is_retryable.then_some(pause),
    }
}

/// The failure that the session still pauses for.
fn paused(shared: &Shared) -> Option<Attempt> {
    let memory = shared.memory();
    let remaining = memory.backoff.remaining(shared.clock.monotonic())?;
    let (error, is_retryable) = memory.paused_by.clone()?;
    record_outcome("paused");
    Some(Attempt::Failed {
        error: error.with_retry_after(remaining),
        pause: is_retryable.then_some(remaining),
    })
}
