//! What a record means for an attempt. Decided before the lock is taken, so that the attempt is noted with the lock,
//! and again under it where the record has changed meanwhile.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    Grant, Record,
    record::{PendingRefresh, PostEnd, RefreshAttempt},
};
use url::Url;

use super::{
    attempt::{Attempt, refused_error},
    post::{self, Prepared},
    record_outcome,
};
use crate::{
    circuit_breaker::Permit,
    error::{RefreshError, SessionError, Waiting},
    freshness::Moment,
    pending_refresh,
    refresh_engine::RefreshEngine,
    refused_refresh::RefusedRefresh,
    token_origin::RefreshIntent,
};

/// What to do after a look at the record without a lock.
pub(super) enum Plan<'a> {
    /// Nothing: the attempt has ended.
    Ended(Attempt),
    /// Post its refresh token.
    Post(Box<Planned<'a>>),
    /// The read under the lock decides.
    Unknown,
}

/// A post that is permitted and ready to be sent.
pub(super) struct Planned<'a> {
    /// The record without the attempt.
    pub(super) before: &'a Record,
    pub(super) prepared: Prepared<'a>,
    pub(super) permit: Permit,
    pub(super) attempt: RefreshAttempt,
    pub(super) sent_at: Moment,
}

impl Planned<'_> {
    pub(super) fn endpoint(&self) -> &Url {
        self.prepared.endpoint()
    }
}

/// The plan for a record that was read without a lock.
pub(super) async fn before_lock<'a>(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    seen: Option<&'a Record>,
) -> Result<Plan<'a>, SessionError> {
    let context = &engine.context;
    let Some(record) = seen else {
        return Ok(Plan::Unknown);
    };
    let Ok((record, grant)) = context.usable(Some(record)) else {
        return Ok(Plan::Unknown);
    };
    if pending_refresh::after_clock_was_set_back(record, context.now()).is_some() {
        return Ok(Plan::Unknown);
    }
    match decide(engine, intent, record, grant)? {
        Decision::Use => {
            let token = context.publish_if(record, None, |_| true)?;
            return Ok(token.map_or(Plan::Unknown, |token| Plan::Ended(Attempt::Done(token))));
        }
        Decision::GiveUp => return Ok(Plan::Unknown),
        // The post may be on its way: the lock tells.
        Decision::Wait(_) if is_last_post_unknown(record) => return Ok(Plan::Unknown),
        Decision::Wait(attempt) => return Ok(Plan::Ended(attempt)),
        Decision::Post { .. } => {}
    }
    let Ok(prepared) = post::prepare(engine, record, grant, context.now()) else {
        return Ok(Plan::Unknown);
    };
    let permit = match permit(engine, prepared.endpoint()).await {
        Ok(permit) => permit,
        Err(waiting) => return Ok(Plan::Ended(waiting)),
    };
    let sent_at = context.moment();
    let attempt = pending_refresh::attempt(record, sent_at.wall, &*context.ports.entropy);
    Ok(Plan::Post(Box::new(Planned {
        before: record,
        prepared,
        permit,
        attempt,
        sent_at,
    })))
}

fn is_last_post_unknown(record: &Record) -> bool {
    let pending = record.pending_refresh.as_ref();
    pending.is_some_and(|pending| pending.ended == PostEnd::Unknown)
}

/// The circuit breaker's permit to post, or the end of the attempt.
pub(super) async fn permit(engine: &RefreshEngine, endpoint: &Url) -> Result<Permit, Attempt> {
    let clock = &*engine.context.ports.clock;
    let permit = engine.breakers().acquire(endpoint, clock).await;
    permit.map_err(|remaining| {
        record_outcome("endpoint paused");
        waiting(engine, Waiting::AfterLostAnswers, remaining)
    })
}

/// What a usable record means.
pub(super) enum Decision {
    /// Its token is good enough.
    Use,
    /// The setting allows no further post.
    GiveUp,
    /// The next post is not due.
    Wait(Attempt),
    /// A post is due. Whether the old token is accepted and valid meanwhile.
    Post { is_alive: bool },
}

pub(super) fn decide(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    record: &Record,
    grant: &Grant,
) -> Result<Decision, SessionError> {
    let context = &engine.context;
    let now = context.moment();
    let token = context.token(record, grant, None)?;
    if intent.accepts(&token) && token.is_fresh(now) {
        record_outcome("adopted");
        return Ok(Decision::Use);
    }
    let is_alive = token.is_alive(now);
    let is_sufficient = (intent.accepts_old() || intent.accepts(&token)) && is_alive;
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
        return Ok(Decision::Use);
    }
    if reached_max_posts {
        return Ok(Decision::GiveUp);
    }
    if let Some(pause) = pause {
        record_outcome("not due yet");
        return Ok(Decision::Wait(not_due(engine, record, &pause)));
    }
    Ok(Decision::Post {
        is_alive: intent.accepts_old() && is_alive,
    })
}

/// The pause before the next post.
struct Pause<'a> {
    pending: &'a PendingRefresh,
    remaining: Duration,
    /// Whether it is shorter than the saved one, since the call is to refresh now.
    is_early: bool,
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
