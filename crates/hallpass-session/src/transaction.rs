//! The refresh transaction.
//!
//! It runs in a task that belongs to the session, so a dropped caller changes nothing. It reads the record
//! without a lock and adopts a newer token if there is one. Otherwise, when a post is due (see [`plan`]), it
//! takes the credential's lock, reads the record again and notes the attempt (see
//! [`pending_refresh`](crate::pending_refresh)), posts, saves the answer, and only then publishes the token.
//!
//! # Steps
//!
//! A refresh takes three steps of a store that can do them: the load, the lock with its load and note, and the
//! save that releases the lock. Where the store notes no attempt, or the record has changed since the load, the
//! record is saved with the note under the lock.
//!
//! A transaction that finds the lock held returns the old token while that is valid. Else it waits for a newer
//! record, not for the lock: what the holder saves is enough for all.
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
mod plan;
mod post;
mod save;

use std::time::Duration;

use hallpass_core::{Generation, Record};
use tracing::Span;

use self::attempt::{Attempt, attempt};
use crate::{
    context::LOCK_TIMEOUT, error::SessionError, refresh_engine::RefreshEngine, token::Token,
    token_origin::RefreshIntent,
};

/// How many attempts one call makes; not every attempt posts.
const MAX_ATTEMPTS: u32 = 3;
/// The longest pause that a call waits through instead of ending with an error: shorter than the pause
/// before the second post of a refresh token, which is rounded up.
const MAX_WAIT: Duration = Duration::from_secs(6);
/// How long a transaction that finds the lock held waits for a newer record at first, before it tries the lock
/// again.
const MIN_WAIT_FOR_RECORD: Duration = Duration::from_millis(250);
/// The longest such wait.
const MAX_WAIT_FOR_RECORD: Duration = Duration::from_secs(2);

/// One transaction with its repeated attempts.
pub(crate) async fn run(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
) -> Result<Token, SessionError> {
    let context = &engine.context;
    let mut attempts = 0;
    let mut held = HeldLock::default();
    let mut newer = None;
    loop {
        let newest = context.cache.newest();
        let seen = match newer.take() {
            Some(record) => Some(record),
            None => context.load().await?,
        };
        if let Some(token) = adopt_record(engine, intent, seen.as_ref(), newest)? {
            return Ok(token);
        }
        let (error, pause) = match attempt(engine, intent, seen.as_ref()).await {
            Attempt::Done(token) => return Ok(token),
            Attempt::Conflict => (None, Some(Duration::ZERO)),
            Attempt::Failed { error, pause } => (Some(error), pause),
            Attempt::Held(error) => {
                if let Ok(token) = engine.current_or(intent, error.clone()) {
                    record_outcome("the old token is valid");
                    return Ok(token);
                }
                newer = held.await_newer(engine, seen.as_ref(), error).await?;
                continue;
            }
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

/// The wait for another process that holds the credential's lock.
#[derive(Default)]
struct HeldLock {
    /// Since when, in monotonic time.
    since: Option<Duration>,
    /// How long to wait for a newer record before the lock is tried again: the holder may have died, or have
    /// saved nothing.
    wait: Duration,
}

impl HeldLock {
    /// A record that is newer than `seen`; `None` when it is time to try the lock again.
    ///
    /// # Errors
    ///
    /// `error` when the lock was held for longer than a refresh takes.
    async fn await_newer(
        &mut self,
        engine: &RefreshEngine,
        seen: Option<&Record>,
        error: SessionError,
    ) -> Result<Option<Record>, SessionError> {
        let context = &engine.context;
        let (clock, entropy) = (&*context.ports.clock, &*context.ports.entropy);
        let now = clock.monotonic();
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) >= LOCK_TIMEOUT {
            return Err(error);
        }
        self.wait = (self.wait * 2).clamp(MIN_WAIT_FOR_RECORD, MAX_WAIT_FOR_RECORD);
        let than = seen.map(|record| record.generation);
        let newer = context
            .store
            .await_newer(&context.key, than, self.wait, clock, entropy);
        tokio::select! {
            newer = newer => newer.map_err(SessionError::store),
            () = context.tasks.closed() => Err(context.closed_error()),
        }
    }
}

/// The store's token, if `intent` accepts it. Takes no lock: a saved token that is fresh is always valid
/// to use.
pub(crate) async fn adopt(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
) -> Result<Option<Token>, SessionError> {
    let newest = engine.context.cache.newest();
    let record = engine.context.load().await?;
    adopt_record(engine, intent, record.as_ref(), newest)
}

/// The token of a record that was read when `newest` was the newest generation.
fn adopt_record(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    record: Option<&Record>,
    newest: Generation,
) -> Result<Option<Token>, SessionError> {
    let context = &engine.context;
    let (record, _) = match context.usable(record) {
        Ok(found) => found,
        Err(error) if context.cache.clear_unless_newer(newest) => return Err(error),
        // A newer record was observed meanwhile: the read under the lock decides.
        Err(_) => return Ok(None),
    };
    // A token that is no longer fresh is published too: it is used if the refresh returns no newer one.
    let token = context.publish_if(record, None, |token| {
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
