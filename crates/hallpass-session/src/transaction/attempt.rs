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
    RefreshIntent, outcome, post,
    save::{self, Renewal},
    step,
};
use crate::{
    error::{RefreshError, SessionError, SignInNeed, SignInRequired, Waiting},
    outcome::{Failure, Outcome},
    pending_refresh,
    shared::Shared,
    token::Token,
};

/// What an attempt came to.
pub(super) enum Attempt {
    /// The token that was wanted, saved and published.
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

pub(super) async fn attempt(shared: &Shared, wanted: &RefreshIntent) -> Attempt {
    if let Some(paused) = paused(shared) {
        return paused;
    }
    match try_once(shared, wanted).await {
        Ok(attempt) => attempt,
        Err(error) => error.into(),
    }
}

async fn try_once(shared: &Shared, wanted: &RefreshIntent) -> Result<Attempt, SessionError> {
    step("to be locked");
    let mut guard = shared.lock().await?;
    step("locked");
    let result = under_lock(shared, wanted, &mut guard).await;
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
    wanted: &RefreshIntent,
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
    if wanted.accepts(&token) && token.is_fresh(now) {
        outcome("adopted");
        return shared.publish(record, None).map(done);
    }
    let will_do = (wanted.may_be_old() || wanted.accepts(&token)) && token.is_alive(now);
    if wanted.may_be_old() && token.is_alive(now) {
        // What is used if nothing newer comes of this.
        shared.publish(record, None)?;
    }
    let past_refusal = shared.memory().past_refusal;
    let remaining = record.fence.as_ref().and_then(|fence| {
        let passed = past_refusal && fence.ended == PostEnd::Refused;
        let remaining =
            pending_refresh::remaining(fence, &shared.settings, now).filter(|_| !passed)?;
        Some((fence, remaining))
    });
    let is_used_up = pending_refresh::is_used_up(record, &shared.settings);
    if will_do && (is_used_up || remaining.is_some()) {
        return shared.publish(record, None).map(done);
    }
    if is_used_up {
        outcome("given up");
        let cause = SignInCause::RefreshOutcomeUnknown;
        return give_up(shared, record, cause, None, guard).await;
    }
    if let Some((fence, remaining)) = remaining {
        outcome("not due yet");
        return Ok(Renewal::Done(not_due(shared, record, fence, remaining)));
    }
    let prepared = post::prepare(shared, record, grant, now).map_err(|need| shared.needed(need))?;

    let pass = match shared
        .breakers
        .pass(prepared.endpoint(), &*shared.clock)
        .await
    {
        Ok(pass) => pass,
        Err(remaining) => {
            outcome("endpoint paused");
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
    step("fence saved");
    if let Err(error) = reserve(shared, guard).await {
        let unmarked = pending_refresh::unmarked(&marked, record.fence.clone());
        keep(shared, unmarked, guard).await;
        return Err(error);
    }
    step("reserved");
    let result = post::post(shared, prepared).await;
    step("answered");
    outcome(result.as_str());
    tracing::debug!(outcome = result.as_str(), "the refresh request has ended");
    match &result {
        Outcome::Unanswered(..) => pass.lost(&shared.key, shared.clock.monotonic()),
        Outcome::Renewed(_) => pass.renewed(),
        _ => drop(pass),
    }
    shared.memory().past_refusal = false;
    match result {
        Outcome::Renewed(response) => {
            save::renewed(shared, wanted, &marked, *response, now, guard).await
        }
        Outcome::Definitive(error) => {
            let was_posted = record.fence.as_ref().is_some_and(|fence| fence.posts > 0);
            let cause = if was_posted {
                SignInCause::RefreshOutcomeUnknown
            } else {
                SignInCause::RefreshRefused
            };
            give_up(shared, &marked, cause, Some(error), guard).await
        }
        Outcome::NotProcessed(failure) => {
            let before = record.fence.as_ref();
            let lowered =
                pending_refresh::not_processed(&marked, before, failure.asked, shared.now());
            let pause = Some(shared.pause_of(&lowered)).filter(|pause| !pause.is_zero());
            keep(shared, lowered, guard).await;
            Ok(Renewal::Done(not_refreshed(shared, &failure, pause)))
        }
        Outcome::Refused(failure) if failure.repeat => {
            keep(
                shared,
                pending_refresh::unmarked(&marked, record.fence.clone()),
                guard,
            )
            .await;
            Ok(Renewal::Done(not_refreshed(shared, &failure, None)))
        }
        Outcome::Refused(failure) => {
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
        Outcome::Unanswered(ended, failure) => {
            let unanswered =
                pending_refresh::unanswered(&marked, ended, failure.asked, shared.now());
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
    fence: &PendingRefresh,
    remaining: Duration,
) -> Attempt {
    let refusal = fence
        .refusal
        .as_ref()
        .filter(|_| fence.ended == PostEnd::Refused);
    let status = refusal.and_then(|refusal| StatusCode::from_u16(refusal.status).ok());
    let (Some(refusal), Some(status)) = (refusal, status) else {
        return waiting(shared, Waiting::AfterPost(fence.ended), remaining);
    };
    let (code, description) = (refusal.code.as_deref(), refusal.description.as_deref());
    let error = Arc::new(TokenError::remembered(status, code, description));
    let failure = Failure {
        error: RefreshError::answer(&shared.key, error),
        repeat: false,
        asked: None,
    };
    match client_forgotten(shared, &failure, record.registration.as_ref()) {
        Some(needed) => SessionError::SignInRequired(needed).into(),
        None => SessionError::Refresh(failure.error.after(remaining)).into(),
    }
}

/// No request was sent; the same may succeed after `remaining`.
fn waiting(shared: &Shared, why: Waiting, remaining: Duration) -> Attempt {
    let error = RefreshError::waiting(&shared.key, why).after(remaining);
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
        Err(error) => tracing::warn!(%error, "the fence of a failed refresh stays up"),
    }
}

/// A sign-in mends it when the server has forgotten a client that registered itself. Nothing is
/// dropped, since it may only seem so.
fn client_forgotten(
    shared: &Shared,
    failure: &Failure,
    registration: Option<&Registration>,
) -> Option<SignInRequired> {
    let error = failure.error.answered()?;
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
            error: error.after(pause),
            pause: failure.repeat.then_some(pause),
        };
    }
    let monotonic = shared.clock.monotonic();
    let mut memory = shared.memory();
    let pause = memory.backoff.failed(monotonic, failure.asked);
    let error = error.after(pause);
    memory.paused_by = Some((error.clone(), failure.repeat));
    drop(memory);
    Attempt::Failed {
        error,
        pause: failure.repeat.then_some(pause),
    }
}

/// The failure that the session still pauses for.
fn paused(shared: &Shared) -> Option<Attempt> {
    let memory = shared.memory();
    let remaining = memory.backoff.remaining(shared.clock.monotonic())?;
    let (error, repeat) = memory.paused_by.clone()?;
    outcome("paused");
    Some(Attempt::Failed {
        error: error.after(remaining),
        pause: repeat.then_some(remaining),
    })
}
