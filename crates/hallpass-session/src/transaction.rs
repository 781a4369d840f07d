//! The refresh transaction.
//!
//! It runs in a task that belongs to the session, so a dropped caller changes nothing. Under the
//! credential's lock it reads the record again and adopts a newer token if there is one. Otherwise, when
//! a post is due, it saves a mark in the record (see [`pending_refresh`](crate::pending_refresh)), posts,
//! saves the answer, and only then publishes the token.
//!
//! # Outcomes of a post
//!
//! | outcome | seen as | what is kept | what follows |
//! |---|---|---|---|
//! | renewed | a readable 200 | the new grant, saved and then published | the pending refresh is removed |
//! | not processed | no connection, TLS; 408, 425, 429, 503 | everything | a short pause of this session, or `Retry-After` for all processes; post again |
//! | lost | reset or timeout after the write, a process that died | everything, the pending refresh too | pause of all processes, post again |
//! | lost | a 2xx without a token, as a web page is | everything, the pending refresh too, and the refusal | pause of all processes, post again; meanwhile a sign-in is needed |
//! | doubtful | any other 5xx | everything, the pending refresh too | pause of all processes, post again |
//! | definitive | `invalid_grant` with 400, 401 or 403 | the registration | the refresh token is dropped and a sign-in is needed: `refresh-refused`, or `refresh-outcome-unknown` after a lost or doubtful post |
//! | refused | any other 4xx, an empty 401, a redirect | everything, and the refusal | in all processes: a sign-in is needed, or an error that names the setting. Post again with other settings, or after a long pause |
//!
//! Whatever the outcome, the old access token is used while it is valid. The pauses are in the record
//! and hold for every process that shares it, also when the process that posted was killed. No number
//! of posts ends a grant: a server that has replaced the refresh token finally answers `invalid_grant`.
//! A [setting](hallpass_core::ServerSettings::max_refresh_attempts) can limit the posts.
//!
//! A new grant is saved under the lock that it was obtained under, and the save is repeated until it
//! succeeds (see [`save`]). A repeated save recognizes its own grant. A new grant that conflicts with
//! another one is revoked.

mod attempt;
mod post;
mod save;

use std::time::Duration;

use tracing::Span;

use self::attempt::{Attempt, attempt};
use crate::{
    error::SessionError, refresh_engine::RefreshEngine, token::Token, token_origin::RefreshIntent,
};

/// How many attempts one call makes; not every attempt posts.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause that a call waits through instead of ending with an error: shorter than the pause
/// before the second post of a refresh token, which is rounded up.
const MAX_WAIT: Duration = Duration::from_secs(6);

/// One transaction with its repeated attempts.
pub(crate) async fn run(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
) -> Result<Token, SessionError> {
    let context = &engine.context;
    let mut attempts = 0;
    loop {
        if let Some(token) = adopt(engine, intent).await? {
            return Ok(token);
        }
        let (error, pause) = match attempt(engine, intent).await {
            Attempt::Done(token) => return Ok(token),
            Attempt::Conflict => (None, Some(Duration::ZERO)),
            Attempt::Failed { error, pause } => (Some(error), pause),
        };
        let error = match error.map(|error| engine.current_or(intent, error)) {
            Some(Ok(token)) => {
                record_outcome("the old token is valid");
                return Ok(token);
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        attempts += 1;
        let pause = pause.filter(|pause| attempts < MAX_ATTEMPTS && *pause <= MAX_WAIT);
        match (pause, error) {
            (Some(pause), _) if !pause.is_zero() => {
                tokio::select! {
                    () = context.ports.clock.sleep(pause) => {}
                    () = context.tasks.closed() => return Err(context.closed_error()),
                }
            }
            (Some(_), _) => {}
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(context.conflict_error()),
        }
    }
}

/// The store's token, if `intent` accepts it. Takes no lock: a saved token that is fresh is always valid
/// to use.
pub(crate) async fn adopt(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
) -> Result<Option<Token>, SessionError> {
    let context = &engine.context;
    let newest = context.cache.newest();
    let record = context.load().await?;
    let (record, _) = match context.usable(record.as_ref()) {
        Ok(found) => found,
        Err(error) if context.cache.clear_unless_newer(newest) => return Err(error),
        // A newer record was observed meanwhile: the read under the lock decides.
        Err(_) => return Ok(None),
    };
    // A token that is no longer fresh is published too: it is used if the refresh returns no newer one.
    let token = context.publish_if(record, |token| {
        intent.accepts(token) && token.is_alive(context.moment())
    })?;
    let token = token.filter(|token| token.is_fresh(context.moment()));
    if token.is_some() {
        record_outcome("adopted");
    }
    Ok(token)
}

/// Traces the step that the transaction has reached. A test kills the process at each step and checks
/// what the next process finds.
pub(crate) fn step(name: &'static str) {
    tracing::trace!(step = name, "refresh transaction");
}

/// Records the outcome of the transaction in its span.
pub(crate) fn record_outcome(outcome: &'static str) {
    Span::current().record("outcome", outcome);
}
