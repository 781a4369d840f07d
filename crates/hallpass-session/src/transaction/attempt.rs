//! One attempt: everything that happens under one hold of the credential's lock.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    Grant, Record, State, Timestamp,
    record::{RefreshAttempt, SignInCause},
    store::{Guard, StoreErrorKind},
};
use hallpass_oauth::TokenError;
use url::Url;

use super::{
    plan::{self, Decision, Plan, Planned},
    post, record_outcome,
    save::{self, Renewal},
    step,
};
use crate::{
    backoff::Paused,
    circuit_breaker::Permit,
    error::{SessionError, SignInNeed, SignInRequired},
    pending_refresh,
    refresh_engine::RefreshEngine,
    refresh_outcome::{Failure, RefreshOutcome},
    refused_refresh::sign_in_need,
    sign_out::revoke_orphan,
    tasks::Critical,
    token::Token,
    token_origin::RefreshIntent,
};

/// The result of one attempt.
pub(super) enum Attempt {
    /// The token that the intent asks for, saved and published.
    Done(Token),
    /// Another process has saved the record meanwhile: read it again.
    Conflict,
    /// No token. With a pause, the same request may succeed after it.
    Failed {
        error: SessionError,
        pause: Option<Duration>,
    },
    /// Another process holds the lock: the store's error.
    Held(SessionError),
}

impl From<SessionError> for Attempt {
    fn from(error: SessionError) -> Self {
        Self::Failed { error, pause: None }
    }
}

impl From<Paused> for Attempt {
    fn from(paused: Paused) -> Self {
        Self::Failed {
            error: paused.error,
            pause: paused.is_retryable.then_some(paused.remaining),
        }
    }
}

/// One attempt to get the token that `intent` asks for. `seen` is the record as it was read without a lock.
pub(super) async fn attempt(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    seen: Option<&Record>,
) -> Attempt {
    if let Some(paused) = paused(engine) {
        return paused;
    }
    match try_once(engine, intent, seen).await {
        Ok(attempt) => attempt,
        Err(error) => error.into(),
    }
}

async fn try_once(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    seen: Option<&Record>,
) -> Result<Attempt, SessionError> {
    let context = &engine.context;
    let planned = match plan::before_lock(engine, intent, seen).await? {
        Plan::Ended(attempt) => return Ok(attempt),
        Plan::Post(planned) => Some(*planned),
        Plan::Unknown => None,
    };
    // Held until an orphaned grant is revoked, and from before the attempt is noted.
    let mut critical = None;
    if planned.is_some() {
        critical = Some(begin_critical(engine)?);
    }
    step("locking");
    let attempt = planned.as_ref().map(|planned| &planned.attempt);
    let locked = match context.try_lock_and_load(attempt).await {
        Ok(locked) => locked,
        Err(error) if error.kind() == StoreErrorKind::Busy => {
            return Ok(Attempt::Held(SessionError::store(error)));
        }
        Err(error) => return Err(SessionError::store(error)),
    };
    step("locked");
    step("read");
    let mut guard = locked.guard;
    let result = match (planned, locked.record) {
        (Some(planned), Some(marked)) if locked.is_marked => {
            step("marked");
            post_marked(engine, intent, planned, &marked, &mut guard).await
        }
        (planned, loaded) => {
            let permit = planned.map(|planned| (planned.endpoint().clone(), planned.permit));
            let loaded = loaded.as_ref();
            under_lock(engine, intent, loaded, permit, &mut guard, &mut critical).await
        }
    };
    context.release(guard).await;
    match result? {
        Renewal::Ended(attempt) => Ok(attempt),
        Renewal::Orphaned(record) => {
            tracing::warn!(key = %context.key.id(), "the account changed during a refresh; the new grant is revoked");
            revoke_orphan(context, &record).await;
            Ok(Attempt::Conflict)
        }
    }
}

fn begin_critical(engine: &RefreshEngine) -> Result<Critical, SessionError> {
    let critical = engine.context.tasks.begin_critical();
    critical.ok_or_else(|| engine.context.closed_error())
}

/// The attempt where no post was planned, or the store has not noted it: the record that was read under the
/// lock decides. `held` is a permit for one endpoint.
async fn under_lock(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    loaded: Option<&Record>,
    held: Option<(Url, Permit)>,
    guard: &mut Guard,
    critical: &mut Option<Critical>,
) -> Result<Renewal, SessionError> {
    let context = &engine.context;
    if let Some(mut record) =
        loaded.and_then(|record| pending_refresh::after_clock_was_set_back(record, context.now()))
    {
        let expected = Some(record.generation);
        context
            .save_and_release(&mut record, expected, guard)
            .await?;
        return Ok(Renewal::Ended(Attempt::Conflict));
    }
    let (record, grant) = match context.usable(loaded) {
        Ok(found) => found,
        Err(error) => {
            context.cache.clear();
            return Err(error);
        }
    };
    if let Some(ended) = without_post(engine, intent, record, grant, guard).await? {
        return Ok(ended);
    }
    let now = context.now();
    let prepared =
        post::prepare(engine, record, grant, now).map_err(|need| context.sign_in_required(need))?;
    let held = held.filter(|(endpoint, _)| endpoint == prepared.endpoint());
    let permit = match held {
        Some((_, permit)) => permit,
        None => match plan::permit(engine, prepared.endpoint()).await {
            Ok(permit) => permit,
            Err(waiting) => return Ok(Renewal::Ended(waiting)),
        },
    };
    if critical.is_none() {
        *critical = Some(begin_critical(engine)?);
    }
    let sent_at = context.moment();
    let attempt = pending_refresh::attempt(record, sent_at.wall, &*context.ports.entropy);
    let Some(marked) = mark(engine, record, &attempt, guard).await? else {
        return Ok(Renewal::Ended(Attempt::Conflict));
    };
    let planned = Planned {
        before: record,
        prepared,
        permit,
        attempt,
        sent_at,
    };
    post_marked(engine, intent, planned, &marked, guard).await
}

/// Reserves the space for the answer, posts, and saves what the outcome changes. `marked` is the record with the
/// planned attempt.
async fn post_marked(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    planned: Planned<'_>,
    marked: &Record,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let context = &engine.context;
    let Planned {
        before,
        prepared,
        permit,
        sent_at,
        ..
    } = planned;
    if let Err(error) = reserve(engine, guard).await {
        let unmarked = pending_refresh::unmarked(marked, before.pending_refresh.clone());
        keep(engine, unmarked, guard).await;
        return Err(error);
    }
    step("reserved");
    let result = post::post(engine, prepared).await;
    step("answered");
    record_outcome(result.as_str());
    tracing::debug!(outcome = result.as_str(), "the refresh request has ended");
    match &result {
        RefreshOutcome::Unanswered(..) => {
            permit.lost(&context.key, context.ports.clock.monotonic());
        }
        RefreshOutcome::Renewed(_) => permit.renewed(),
        _ => drop(permit),
    }
    let posted = Posted {
        before,
        marked,
        sent_at: sent_at.wall_as_of(context.moment()),
    };
    after_post(engine, intent, &posted, result, guard).await
}

/// The end of an attempt that posts nothing: the token is good enough, or the next post is not due.
async fn without_post(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    record: &Record,
    grant: &Grant,
    guard: &mut Guard,
) -> Result<Option<Renewal>, SessionError> {
    let context = &engine.context;
    Ok(match plan::decide(engine, intent, record, grant)? {
        Decision::Use => Some(done(context.publish(record, None)?)),
        Decision::GiveUp => {
            record_outcome("max posts reached");
            let cause = SignInCause::RefreshOutcomeUnknown;
            Some(give_up(engine, record, cause, None, guard).await?)
        }
        Decision::Wait(attempt) => Some(Renewal::Ended(attempt)),
        Decision::Post { is_alive } => {
            if is_alive {
                // It is used if the refresh returns no newer one.
                context.publish(record, None)?;
            }
            None
        }
    })
}

/// Saves the record with the attempt noted. The mark is saved before the request is sent, and there is space for
/// it. `None` if another process has saved the record meanwhile.
async fn mark(
    engine: &RefreshEngine,
    record: &Record,
    attempt: &RefreshAttempt,
    guard: &mut Guard,
) -> Result<Option<Record>, SessionError> {
    reserve(engine, guard).await?;
    let mut marked = pending_refresh::marked(record, attempt);
    let expected = Some(record.generation);
    let is_saved = engine.context.save(&mut marked, expected, guard).await?;
    if is_saved {
        step("marked");
    }
    Ok(is_saved.then_some(marked))
}

/// A refresh token that was posted.
struct Posted<'a> {
    /// The record before the mark.
    before: &'a Record,
    marked: &'a Record,
    /// By the clock as it was when the answer came.
    sent_at: Timestamp,
}

/// Saves what the outcome of a post changes, and ends the attempt.
async fn after_post(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    posted: &Posted<'_>,
    outcome: RefreshOutcome,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let context = &engine.context;
    let Posted {
        before: record,
        marked,
        sent_at,
    } = *posted;
    match outcome {
        RefreshOutcome::Renewed(response) => {
            save::renewed(engine, intent, marked, *response, sent_at, guard).await
        }
        RefreshOutcome::Definitive(error) => {
            let was_posted = record
                .pending_refresh
                .as_ref()
                .is_some_and(|pending| pending.posts > 0);
            let cause = if was_posted {
                SignInCause::RefreshOutcomeUnknown
            } else {
                SignInCause::RefreshRefused
            };
            give_up(engine, marked, cause, Some(error), guard).await
        }
        RefreshOutcome::NotProcessed(failure) => {
            let before = record.pending_refresh.as_ref();
            let lowered =
                pending_refresh::not_processed(marked, before, failure.retry_after, context.now());
            let pause = Some(context.pending_pause(&lowered)).filter(|pause| !pause.is_zero());
            keep(engine, lowered, guard).await;
            Ok(Renewal::Ended(not_refreshed(engine, &failure, pause)))
        }
        RefreshOutcome::Refused(_, failure) if failure.is_retryable => {
            keep(
                engine,
                pending_refresh::unmarked(marked, record.pending_refresh.clone()),
                guard,
            )
            .await;
            Ok(Renewal::Ended(not_refreshed(engine, &failure, None)))
        }
        RefreshOutcome::Refused(error, failure) => {
            let (before, now) = (record.pending_refresh.as_ref(), context.now());
            let refusal = pending_refresh::refusal(before, &error, &context.settings, now);
            let refused = pending_refresh::refused(marked, before, refusal, now);
            Ok(save_failed_post(engine, refused, &failure, guard).await)
        }
        RefreshOutcome::Unanswered(ended, failure) => {
            let (before, now) = (record.pending_refresh.as_ref(), context.now());
            // A server that says that it failed has refused nothing.
            let answer = failure.error.token_error();
            let refusal = answer
                .filter(|answer| !answer.status().is_server_error())
                .map(|answer| pending_refresh::refusal(before, answer, &context.settings, now));
            let after = failure.retry_after;
            let unanswered = pending_refresh::unanswered(marked, ended, refusal, after, now);
            Ok(save_failed_post(engine, unanswered, &failure, guard).await)
        }
    }
}

/// Saves the record after a post that brought no token. A sign-in is needed if the server refused it.
async fn save_failed_post(
    engine: &RefreshEngine,
    mut record: Record,
    failure: &Failure,
    guard: &mut Guard,
) -> Renewal {
    let context = &engine.context;
    let error = failure.error.shared_token_error();
    let needed = error.and_then(|error| Some((error, sign_in_need(error, &record)?)));
    if let (Some(_), Some(registration)) = (&needed, &mut record.registration) {
        // The next sign-in checks first whether the server knows it.
        registration.proven_at = None;
    }
    let pause = context.pending_pause(&record);
    keep(engine, record, guard).await;
    Renewal::Ended(match needed {
        Some((error, need)) => {
            let error = refused_error(engine, need, error);
            failed(engine, error, failure, Some(pause))
        }
        None => not_refreshed(engine, failure, Some(pause)),
    })
}

/// Reserves the space and the file descriptors of the next save.
async fn reserve(engine: &RefreshEngine, guard: &mut Guard) -> Result<(), SessionError> {
    let context = &engine.context;
    let reserved = context.store.reserve(&context.key, guard).await;
    reserved.map_err(SessionError::store)
}

fn done(token: Token) -> Renewal {
    Renewal::Ended(Attempt::Done(token))
}

/// Ends the grant: the refresh token is dropped, the registration is kept.
async fn give_up(
    engine: &RefreshEngine,
    record: &Record,
    cause: SignInCause,
    error: Option<Arc<TokenError>>,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let context = &engine.context;
    let mut ended = record.clone();
    ended.pending_refresh = None;
    ended.state = State::SignInRequired(cause.clone());
    if let Some(grant) = &mut ended.grant {
        grant.refresh_token = None;
    }
    if !context
        .save_and_release(&mut ended, Some(record.generation), guard)
        .await?
    {
        return Ok(Renewal::Ended(Attempt::Conflict));
    }
    context.cache.clear();
    let mut needed = SignInRequired::new(&context.key, SignInNeed::Ended(cause));
    if let Some(error) = error {
        needed = needed.with_source(error);
    }
    Err(SessionError::SignInRequired(needed))
}

/// Saves the record after a failed post, which releases the lock. When that fails, the record stays marked, which is safe.
async fn keep(engine: &RefreshEngine, mut record: Record, guard: &mut Guard) {
    let expected = record.generation;
    match engine
        .context
        .save_and_release(&mut record, Some(expected), guard)
        .await
    {
        Ok(true) => {}
        Ok(false) => tracing::debug!("the record changed while a refresh failed"),
        Err(error) => {
            tracing::warn!(%error, "could not update the pending refresh after a failed request");
        }
    }
}

/// The error for a refused refresh that a sign-in mends. The grant is kept, since the server may accept
/// its refresh token later.
pub(super) fn refused_error(
    engine: &RefreshEngine,
    need: SignInNeed,
    error: &Arc<TokenError>,
) -> SessionError {
    let needed = SignInRequired::new(&engine.context.key, need);
    SessionError::SignInRequired(needed.with_source(Arc::clone(error)))
}

fn not_refreshed(engine: &RefreshEngine, failure: &Failure, pause: Option<Duration>) -> Attempt {
    let error = SessionError::Refresh(failure.error.clone());
    failed(engine, error, failure, pause)
}

/// Records a failure. The next attempt waits for the pause in the record, or for one of this session
/// alone.
fn failed(
    engine: &RefreshEngine,
    error: SessionError,
    failure: &Failure,
    pause: Option<Duration>,
) -> Attempt {
    let context = &engine.context;
    if let Some(pause) = pause {
        // The record has the pause. Another process may end it.
        return Attempt::Failed {
            error: error.with_retry_after(pause),
            pause: failure.is_retryable.then_some(pause),
        };
    }
    let now = context.ports.clock.monotonic();
    let paused =
        context
            .backoff
            .record_failure(now, error, failure.is_retryable, failure.retry_after);
    paused.into()
}

/// The failure that the session still pauses for.
fn paused(engine: &RefreshEngine) -> Option<Attempt> {
    let context = &engine.context;
    let paused = context.backoff.paused(context.ports.clock.monotonic())?;
    record_outcome("paused");
    Some(paused.into())
}
