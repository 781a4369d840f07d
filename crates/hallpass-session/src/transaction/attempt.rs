//! One attempt: everything that happens under one hold of the slot's lock.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    Generation, Record, Registration, State, Timestamp,
    record::{RegistrationOrigin, SignInCause},
    store::Guard,
};
use hallpass_oauth::{TokenError, TokenResponse};

use super::{Wanted, outcome, post, step};
use crate::{
    error::{Need, SessionError, SignInNeeded},
    fence,
    outcome::{Failure, Outcome},
    shared::Shared,
    token::Token,
};

/// The pauses before a new grant is saved again.
const SAVED_AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

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

pub(super) async fn attempt(shared: &Shared, wanted: &Wanted) -> Attempt {
    if let Some(paused) = paused(shared) {
        return paused;
    }
    match try_once(shared, wanted).await {
        Ok(attempt) => attempt,
        Err(error) => error.into(),
    }
}

async fn try_once(shared: &Shared, wanted: &Wanted) -> Result<Attempt, SessionError> {
    step("to be locked");
    let mut guard = shared.lock().await?;
    step("locked");
    let loaded = shared.load_locked(&guard).await?;
    step("read");
    let loaded = save_unsaved(shared, loaded, &mut guard).await?;
    let (record, grant) = match shared.usable(loaded.as_ref()) {
        Ok(found) => found,
        Err(error) => {
            shared.unpublish();
            return Err(error);
        }
    };
    let now = shared.now();
    let token = Token::new(record, grant, None).map_err(SessionError::Ended)?;
    if wanted.accepts(&token) && token.is_fresh(now) {
        outcome("adopted");
        return shared.publish(record, None).map(Attempt::Done);
    }
    if wanted.may_be_old() && token.is_alive(now) {
        // What is used if nothing newer comes of this.
        shared.publish(record, None)?;
    }
    if !fence::is_open(record) {
        if (wanted.may_be_old() || wanted.accepts(&token)) && token.is_alive(now) {
            return shared.publish(record, None).map(Attempt::Done);
        }
        outcome("given up");
        return give_up(
            shared,
            record,
            SignInCause::RefreshOutcomeUnknown,
            None,
            &mut guard,
        )
        .await;
    }
    let prepared = post::prepare(shared, record, grant, now).map_err(|need| shared.needed(need))?;

    // The fence stands before the request leaves.
    let mut fenced = fence::raised(record, now);
    if !shared
        .save(&mut fenced, Some(record.generation), &mut guard)
        .await?
    {
        return Ok(Attempt::Conflict);
    }
    step("fence saved");
    let result = post::post(shared, prepared).await;
    step("answered");
    outcome(result.as_str());
    tracing::debug!(outcome = result.as_str(), "the refresh request has ended");
    match result {
        Outcome::Renewed(response) => {
            renewed(shared, wanted, &fenced, *response, now, &mut guard).await
        }
        Outcome::NotProcessed(failure) | Outcome::Refused(failure) => {
            let mut lowered = fence::lowered(&fenced, record.fence);
            let forgotten = client_forgotten(shared, &failure, record.registration.as_ref());
            if let (Some(_), Some(registration)) = (&forgotten, &mut lowered.registration) {
                // The next sign-in asks in advance whether the server knows it.
                registration.proven_at = None;
            }
            keep(shared, lowered, fenced.generation, &mut guard).await;
            Ok(match forgotten {
                Some(needed) => failed(shared, SessionError::SignInNeeded(needed), &failure),
                None => not_refreshed(shared, &failure),
            })
        }
        Outcome::Doubtful(failure) => {
            keep(
                shared,
                fence::doubted(&fenced, record.fence),
                fenced.generation,
                &mut guard,
            )
            .await;
            Ok(not_refreshed(shared, &failure))
        }
        Outcome::Lost(failure) => Ok(not_refreshed(shared, &failure)),
        Outcome::Definitive(error) => {
            let cause = if record.fence.is_some() {
                SignInCause::RefreshOutcomeUnknown
            } else {
                SignInCause::RefreshRefused
            };
            give_up(shared, &fenced, cause, Some(error), &mut guard).await
        }
    }
}

/// Persists the new grant, then publishes its token.
async fn renewed(
    shared: &Shared,
    wanted: &Wanted,
    fenced: &Record,
    response: TokenResponse,
    sent_at: Timestamp,
    guard: &mut Guard,
) -> Result<Attempt, SessionError> {
    let Some(old) = &fenced.grant else {
        return Ok(Attempt::Conflict);
    };
    let mut record = fenced.clone();
    record.grant = Some(response.renew(old, sent_at));
    record.fence = None;
    record.state = State::SignedIn;
    let expected = fenced.generation;
    match persist(shared, &mut record, expected, guard).await {
        Ok(true) => {}
        // Whatever stands there now holds; a record that is gone is not brought back.
        Ok(false) => return Ok(Attempt::Conflict),
        Err(error) => {
            let mut memory = shared.memory();
            memory.forget_troubles();
            memory.unsaved = Some((record, expected));
            return Err(error);
        }
    }
    step("saved");
    shared.counting.made.one();
    shared.memory().forget_troubles();
    let obtained = matches!(wanted, Wanted::Instead(_)).then(|| shared.clock.monotonic());
    let token = shared.publish(&record, obtained)?;
    step("published");
    Ok(Attempt::Done(token))
}

/// Saves what must not be lost, and tries again while the lock is held: another program may hold the
/// file for a moment, as scanners do. Whoever locks the slot next would take the grant for lost.
async fn persist(
    shared: &Shared,
    record: &mut Record,
    expected: Generation,
    guard: &mut Guard,
) -> Result<bool, SessionError> {
    for pause in SAVED_AGAIN {
        match shared.save(record, Some(expected), guard).await {
            Err(error) => tracing::debug!(%error, "not saved; once more"),
            saved => return saved,
        }
        shared.clock.sleep(pause).await;
    }
    shared.save(record, Some(expected), guard).await
}

/// Ends the credentials: the refresh token is dropped, the registration stays.
async fn give_up(
    shared: &Shared,
    record: &Record,
    cause: SignInCause,
    error: Option<Arc<TokenError>>,
    guard: &mut Guard,
) -> Result<Attempt, SessionError> {
    let mut ended = record.clone();
    ended.fence = None;
    ended.state = State::SignInNeeded(cause.clone());
    if let Some(grant) = &mut ended.grant {
        grant.refresh_token = None;
    }
    if !shared
        .save(&mut ended, Some(record.generation), guard)
        .await?
    {
        return Ok(Attempt::Conflict);
    }
    shared.unpublish();
    let mut needed = SignInNeeded::new(&shared.slot, Need::Ended(cause));
    if let Some(error) = error {
        needed = needed.with_source(error);
    }
    Err(SessionError::SignInNeeded(needed))
}

/// Saves what a failed post leaves behind. When that fails the fence stays up, which is safe.
async fn keep(shared: &Shared, mut record: Record, expected: Generation, guard: &mut Guard) {
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
) -> Option<SignInNeeded> {
    let error = failure.error.answered()?;
    let is_dynamic = registration?.origin == RegistrationOrigin::Dynamic;
    (is_dynamic && error.code() == Some("invalid_client")).then(|| {
        SignInNeeded::new(&shared.slot, Need::ClientForgotten).with_source(Arc::clone(error))
    })
}

fn not_refreshed(shared: &Shared, failure: &Failure) -> Attempt {
    failed(
        shared,
        SessionError::Refresh(failure.error.clone()),
        failure,
    )
}

/// Counts a failure and says when to try again.
fn failed(shared: &Shared, error: SessionError, failure: &Failure) -> Attempt {
    let monotonic = shared.clock.monotonic();
    let mut memory = shared.memory();
    let pause = memory.pacing.failed(monotonic, failure.asked);
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
    let remaining = memory.pacing.remaining(shared.clock.monotonic())?;
    let (error, repeat) = memory.paused_by.clone()?;
    outcome("paused");
    Some(Attempt::Failed {
        error: error.after(remaining),
        pause: repeat.then_some(remaining),
    })
}

/// Saves what an earlier call could not, if nobody else saved meanwhile.
pub(super) async fn save_unsaved(
    shared: &Shared,
    loaded: Option<Record>,
    guard: &mut Guard,
) -> Result<Option<Record>, SessionError> {
    let Some((mut record, expected)) = shared.memory().unsaved.take() else {
        return Ok(loaded);
    };
    if loaded
        .as_ref()
        .is_none_or(|found| found.issuer != record.issuer || found.generation != expected)
    {
        return Ok(loaded);
    }
    match shared.save(&mut record, Some(expected), guard).await {
        Ok(true) => {
            shared.counting.made.one();
            Ok(Some(record))
        }
        Ok(false) => shared.load_locked(guard).await,
        Err(error) => {
            shared.memory().unsaved = Some((record, expected));
            Err(error)
        }
    }
}
