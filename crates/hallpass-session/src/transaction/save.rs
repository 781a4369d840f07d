//! Saving a new grant, repeated until it succeeds.

use std::{mem, time::Duration};

use hallpass_core::{
    Generation, Grant, Record, State, Timestamp,
    record::SignInCause,
    store::{Guard, Lease, LockKind, StoreErrorKind},
};
use hallpass_oauth::TokenResponse;

use super::{attempt::Attempt, step};
use crate::{
    error::SessionError, refresh_engine::RefreshEngine, token_origin::RefreshIntent,
    unsaved_grant::UnsavedGrant,
};

/// The pauses before a new grant is saved again; the last one is repeated.
const SAVE_RETRY_DELAYS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
/// How many failures are not reported to callers. Another program may use the file for a moment.
const MAX_SILENT_FAILURES: usize = 2;

/// The result of saving a new grant.
pub(super) enum Renewal {
    /// The attempt has ended. A new grant, if there is one, is saved and published.
    Ended(Attempt),
    /// It must not be saved: the credential has another grant meanwhile, or none. It is revoked when the
    /// lock is released.
    Orphaned(Box<Record>),
}

/// Saves the new grant, which releases the lock, then publishes its token.
pub(super) async fn renewed(
    engine: &RefreshEngine,
    intent: &RefreshIntent,
    marked: &Record,
    response: TokenResponse,
    sent_at: Timestamp,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let context = &engine.context;
    let Some(old) = &marked.grant else {
        return Ok(Renewal::Ended(Attempt::Conflict));
    };
    let mut record = marked.clone();
    record.grant = Some(response.renew(old, sent_at));
    record.pending_refresh = None;
    record.state = State::SignedIn;
    let saved = {
        let _settled = SettleOnDrop(&engine.unsaved_grant);
        until_saved(engine, &mut record, old, guard).await
    };
    match saved {
        SaveLoopResult::Saved => {}
        SaveLoopResult::Orphaned => return Ok(Renewal::Orphaned(Box::new(record))),
        SaveLoopResult::HandedOver(error) => return Err(error),
    }
    step("saved");
    context.counters.made.increment();
    context.backoff.reset();
    let obtained =
        matches!(intent, RefreshIntent::Replace(_)).then(|| context.ports.clock.monotonic());
    let token = context.publish_if(&record, obtained, |_| true)?;
    step("published");
    // A sign-out or a sign-in of this process has come after the save.
    Ok(Renewal::Ended(
        token.map_or(Attempt::Conflict, Attempt::Done),
    ))
}

/// Settles the unsaved grant, also when the task is dropped.
struct SettleOnDrop<'a>(&'a UnsavedGrant);

impl Drop for SettleOnDrop<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

enum SaveLoopResult {
    Saved,
    Orphaned,
    /// A sign-out has taken it over.
    HandedOver(SessionError),
}

/// Saves the new grant, however long that takes, and holds the lock meanwhile. Another process would
/// post the refresh token that `record` replaces.
async fn until_saved(
    engine: &RefreshEngine,
    record: &mut Record,
    old: &Grant,
    guard: &mut Guard,
) -> SaveLoopResult {
    let context = &engine.context;
    let mut expected = record.generation;
    let mut failures = 0;
    loop {
        let error = match save(engine, record, old, expected, guard).await {
            Ok(SaveResult::Saved) => return SaveLoopResult::Saved,
            Ok(SaveResult::PreviousGrant(generation)) => {
                expected = generation;
                continue;
            }
            Ok(SaveResult::OtherGrant) => return SaveLoopResult::Orphaned,
            Err(error) => error,
        };
        if failures == MAX_SILENT_FAILURES {
            tracing::warn!(%error, key = %context.key.id(), "could not save a new grant; retrying");
        }
        if failures >= MAX_SILENT_FAILURES {
            engine.unsaved_grant.set_error(error.clone());
        }
        let pause = SAVE_RETRY_DELAYS[failures.min(SAVE_RETRY_DELAYS.len() - 1)];
        failures += 1;
        let sleep = context.ports.clock.sleep(pause);
        if engine.unsaved_grant.pause_or_hand_over(sleep, record).await {
            return SaveLoopResult::HandedOver(error);
        }
        if is_lock_lost(&error) {
            drop(mem::replace(
                guard,
                Guard::new(context.key.clone(), LockKind::Credential, NoLock),
            ));
            match context.lock().await {
                Ok(lock) => *guard = lock,
                Err(error) => tracing::debug!(%error, "could not take the lost lock again yet"),
            }
        }
    }
}

/// Stands for a lost lock until it is taken again.
#[derive(Debug)]
struct NoLock;

impl Lease for NoLock {}

fn is_lock_lost(error: &SessionError) -> bool {
    let SessionError::Store(error) = error else {
        return false;
    };
    matches!(
        error.kind(),
        StoreErrorKind::LeaseLost | StoreErrorKind::Guard
    )
}

/// How a save ended.
enum SaveResult {
    /// The new grant is saved, by this save or by an earlier one whose answer was lost.
    Saved,
    /// The store has the grant that was refreshed, in a record of this generation.
    PreviousGrant(Generation),
    /// The credential has another grant, or none.
    OtherGrant,
}

async fn save(
    engine: &RefreshEngine,
    record: &mut Record,
    old: &Grant,
    expected: Generation,
    guard: &mut Guard,
) -> Result<SaveResult, SessionError> {
    let context = &engine.context;
    if context
        .save_and_release(record, Some(expected), guard)
        .await?
    {
        return Ok(SaveResult::Saved);
    }
    let found = context
        .store
        .load_issuer(&context.key, &record.issuer)
        .await
        .map_err(SessionError::store)?;
    let Some((found, grant)) = found
        .as_ref()
        .and_then(|found| Some((found, found.grant.as_ref()?)))
    else {
        return Ok(SaveResult::OtherGrant);
    };
    let is_ours = record.grant.as_ref().is_some_and(|ours| {
        ours.access_token == grant.access_token && ours.refresh_token == grant.refresh_token
    });
    if is_ours {
        record.generation = found.generation;
        context.cache.observe_generation(found.generation);
        return Ok(SaveResult::Saved);
    }
    let is_left = matches!(
        found.state,
        State::SignInRequired(SignInCause::SignedOut | SignInCause::IssuerChanged)
    );
    // Without its refresh token it was ended by a process that posted that again.
    if grant.access_token == old.access_token && !is_left {
        return Ok(SaveResult::PreviousGrant(found.generation));
    }
    Ok(SaveResult::OtherGrant)
}
