//! One attempt: everything that happens under one hold of the credential's lock.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    Grant, Record, State, Timestamp,
    record::{PendingRefresh, SignInCause},
    store::Guard,
};
use hallpass_oauth::TokenError;

use super::{
    post, record_outcome,
    save::{self, Renewal},
    step,
};
use crate::{
    backoff::Paused,
    error::{RefreshError, SessionError, SignInNeed, SignInRequired, Waiting},
    pending_refresh,
    refresh_engine::RefreshEngine,
    refresh_outcome::{Failure, RefreshOutcome},
    refused_refresh::{RefusedRefresh, sign_in_need},
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

pub(super) async fn attempt(engine: &RefreshEngine, intent: &RefreshIntent) -> Attempt {
    if let Some(paused) = paused(engine) {
        return paused;
    }
    match try_once(engine, intent).await {
        Ok(attempt) => attempt,
        Err(error) => error.into(),
    }
}

async fn try_once(engine: &RefreshEngine, intent: &RefreshIntent) -> Result<Attempt, SessionError> {
    let context = &engine.context;
    step("locking");
    let mut guard = context.lock().await?;
    step("locked");
    // Held until an orphaned grant is revoked.
    let mut critical = None;
    let result = under_lock(engine, intent, &mut guard, &mut critical).await;
    context.release(guard).await;
    match result? {
        Renewal::Ended(attempt) => Ok(attempt),
        Renewal::Orphaned(record) => {
            tracing::warn!(key = %context.key, "the account changed during a refresh; the new grant is revoked");
            revoke_orphan(context, &record).await;
            Ok(Attempt::Conflict)
        }
    }
}

async fn under_lock(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    guard: &mut Guard,
    critical: &mut Option<Critical>,
) -> Result<Renewal, SessionError> {
    let context = &engine.context;
    let loaded = context.load_locked(guard).await?;
    step("read");
    if let Some(mut record) = loaded
        .as_ref()
        .and_then(|record| pending_refresh::after_clock_was_set_back(record, context.now()))
    {
        let expected = Some(record.generation);
        context.save(&mut record, expected, guard).await?;
        return Ok(Renewal::Ended(Attempt::Conflict));
    }
    let (record, grant) = match context.usable(loaded.as_ref()) {
        Ok(found) => found,
        Err(error) => {
            context.cache.clear();
            return Err(error);
        }
    };
    if let Some(ended) = without_post(engine, intent, record, grant, guard).await? {
        return Ok(ended);
    }
    let sent_at = context.moment();
    let prepared = post::prepare(engine, record, grant, sent_at.wall)
        .map_err(|need| context.sign_in_required(need))?;

    let permit = match engine
        .breakers()
        .acquire(prepared.endpoint(), &*context.ports.clock)
        .await
    {
        Ok(permit) => permit,
        Err(remaining) => {
            record_outcome("endpoint paused");
            let waiting = waiting(engine, Waiting::AfterLostAnswers, remaining);
            return Ok(Renewal::Ended(waiting));
        }
    };

    *critical = context.tasks.begin_critical();
    if critical.is_none() {
        return Err(context.closed_error());
    }
    let Some(marked) = mark(engine, record, sent_at.wall, guard).await? else {
        return Ok(Renewal::Ended(Attempt::Conflict));
    };
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
        before: record,
        marked: &marked,
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
    let now = context.moment();
    let token = context.token(record, grant, None)?;
    if intent.accepts(&token) && token.is_fresh(now) {
        record_outcome("adopted");
        return context.publish(record, None).map(done).map(Some);
    }
    let is_sufficient = (intent.accepts_old() || intent.accepts(&token)) && token.is_alive(now);
    if intent.accepts_old() && token.is_alive(now) {
        // It is used if the refresh returns no newer one.
        context.publish(record, None)?;
    }
    let asks = context.backoff.retries_refused();
    let pause = record.pending_refresh.as_ref().and_then(|pending| {
        let is_early = pending_refresh::is_retried_early(pending, &context.settings, asks);
        let remaining = pending_refresh::remaining(pending, is_early, now.wall)?;
        Some(Pause {
            pending,
            remaining,
            is_early,
        })
    });
    let reached_max_posts = pending_refresh::reached_max_posts(record, &context.settings);
    if is_sufficient && (reached_max_posts || pause.is_some()) {
        return context.publish(record, None).map(done).map(Some);
    }
    if reached_max_posts {
        record_outcome("max posts reached");
        let cause = SignInCause::RefreshOutcomeUnknown;
        let ended = give_up(engine, record, cause, None, guard).await?;
        return Ok(Some(ended));
    }
    if let Some(pause) = pause {
        record_outcome("not due yet");
        return Ok(Some(Renewal::Ended(not_due(engine, record, &pause))));
    }
    Ok(None)
}

/// The pause before the next post.
struct Pause<'a> {
    pending: &'a PendingRefresh,
    remaining: Duration,
    /// Whether it is shorter than the saved one, since the call is to refresh now.
    is_early: bool,
}

/// Saves the record with a mark that the refresh token is posted now, and reserves the space for the
/// answer. `None` if another process has saved the record meanwhile.
async fn mark(
    engine: &RefreshEngine,
    record: &Record,
    now: Timestamp,
    guard: &mut Guard,
) -> Result<Option<Record>, SessionError> {
    let context = &engine.context;
    // The mark is saved before the request is sent, and there is space for it and for the answer.
    reserve(engine, guard).await?;
    let mut marked = pending_refresh::marked(record, now, &*context.ports.entropy);
    if !context
        .save(&mut marked, Some(record.generation), guard)
        .await?
    {
        return Ok(None);
    }
    step("marked");
    if let Err(error) = reserve(engine, guard).await {
        let unmarked = pending_refresh::unmarked(&marked, record.pending_refresh.clone());
        keep(engine, unmarked, guard).await;
        return Err(error);
    }
    step("reserved");
    Ok(Some(marked))
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

/// Why the refresh token is not posted yet.
fn not_due(engine: &RefreshEngine, record: &Record, pause: &Pause<'_>) -> Attempt {
    let remaining = pause.remaining;
    let Some(refused) = RefusedRefresh::from_record(record) else {
        return waiting(engine, Waiting::AfterPost(pause.pending.ended), remaining);
    };
    let error = refused.shared_error();
    let error = if let Some(need) = refused.need() {
        refused_error(engine, need.clone(), error)
    } else {
        let error = RefreshError::answer(&engine.context.key, Arc::clone(error));
        SessionError::Refresh(error.with_retry_after(remaining))
    };
    Attempt::Failed {
        error,
        pause: pause.is_early.then_some(remaining),
    }
}

/// No request was sent; the same may succeed after `remaining`.
fn waiting(engine: &RefreshEngine, reason: Waiting, remaining: Duration) -> Attempt {
    let error = RefreshError::waiting(&engine.context.key, reason).with_retry_after(remaining);
    Attempt::Failed {
        error: SessionError::Refresh(error),
        pause: Some(remaining),
    }
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
        .save(&mut ended, Some(record.generation), guard)
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

/// Saves the record after a failed post. When that fails, the record stays marked, which is safe.
async fn keep(engine: &RefreshEngine, mut record: Record, guard: &mut Guard) {
    let expected = record.generation;
    match engine
        .context
        .save(&mut record, Some(expected), guard)
        .await
    {
        Ok(true) => {}
        Ok(false) => tracing::debug!("the record changed while a refresh failed"),
        Err(error) => {
            tracing::warn!(%error, "could not update the pending refresh after a failed request");
        }
    }
}

/// The error for a refused refresh that a sign-in ends. The grant is kept, since the server may accept
/// its refresh token later.
fn refused_error(
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
