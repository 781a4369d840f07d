//! SaveLoopResult a new grant, until it is saved.

use std::{mem, time::Duration};

use hallpass_core::{
    Generation, Grant, Record, State, Timestamp,
    record::SignInCause,
    store::{Guard, Lease, LockKind, StoreErrorKind},
};
use hallpass_oauth::TokenResponse;

use super::{RefreshIntent, attempt::Attempt, step};
use crate::{error::SessionError, shared::Shared, unsaved_grant::UnsavedGrant};

/// The pauses before a new grant is saved again; the last one is repeated.
const SAVE_RETRY_DELAYS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
/// How many failures callers wait through. Another program may hold the file for a moment.
const MAX_SILENT_FAILURES: usize = 2;

/// What became of a new grant.
pub(super) enum Renewal {
    /// It is saved and published.
    Done(Attempt),
    /// It may not be saved: the account has another grant by now, or none. It is revoked, once the lock
    /// is free.
    Orphaned(Box<Record>),
}

/// Saves the new grant, then publishes its token.
pub(super) async fn renewed(
    shared: &Shared,
    intent: &RefreshIntent,
    marked: &Record,
    response: TokenResponse,
    sent_at: Timestamp,
    guard: &mut Guard,
) -> Result<Renewal, SessionError> {
    let Some(old) = &marked.grant else {
        return Ok(Renewal::Done(Attempt::Conflict));
    };
    let mut record = marked.clone();
    record.grant = Some(response.renew(old, sent_at));
    record.fence = None;
    record.state = State::SignedIn;
    let saved = {
        let _settled = SettleOnDrop(&shared.unsaved_grant);
        until_saved(shared, &mut record, old, guard).await
    };
    match saved {
        SaveLoopResult::Saved => {}
        SaveLoopResult::Orphaned => return Ok(Renewal::Orphaned(Box::new(record))),
        SaveLoopResult::HandedOver(error) => return Err(error),
    }
    step("saved");
    shared.counters.made.increment();
    shared.memory().reset_backoff();
    let obtained = matches!(intent, RefreshIntent::Replace(_)).then(|| shared.clock.monotonic());
    let token = shared.publish(&record, obtained)?;
    step("published");
    Ok(Renewal::Done(Attempt::Done(token)))
}

/// Ends the trouble of a grant that could not be saved, also when its task ends early.
struct SettleOnDrop<'a>(&'a UnsavedGrant);

impl Drop for SettleOnDrop<'_> {
    fn drop(&mut self) {
        self.0.settled();
    }
}

enum SaveLoopResult {
    Saved,
    Orphaned,
    /// A sign-out has taken it over.
    HandedOver(SessionError),
}

/// Saves what must not be lost, however long that takes, and keeps the lock meanwhile. A process that
/// locked the account next would post the refresh token that `record` replaces.
async fn until_saved(
    shared: &Shared,
    record: &mut Record,
    old: &Grant,
    guard: &mut Guard,
) -> SaveLoopResult {
    let mut expected = record.generation;
    let mut failures = 0;
    loop {
        let error = match save(shared, record, old, expected, guard).await {
            Ok(SaveResult::Saved) => return SaveLoopResult::Saved,
            Ok(SaveResult::PreviousGrant(generation)) => {
                expected = generation;
                continue;
            }
            Ok(SaveResult::OtherGrant) => return SaveLoopResult::Orphaned,
            Err(error) => error,
        };
        if failures == MAX_SILENT_FAILURES {
            tracing::warn!(%error, key = %shared.key, "could not save a new grant; retrying");
        }
        if failures >= MAX_SILENT_FAILURES {
            shared.unsaved_grant.failed(error.clone());
        }
        let pause = SAVE_RETRY_DELAYS[failures.min(SAVE_RETRY_DELAYS.len() - 1)];
        failures += 1;
        let sleep = shared.clock.sleep(pause);
        if shared.unsaved_grant.pause_or_hand_over(sleep, record).await {
            return SaveLoopResult::HandedOver(error);
        }
        if is_lock_lost(&error) {
            drop(mem::replace(
                guard,
                Guard::new(shared.key.clone(), LockKind::Credential, NoLock),
            ));
            match shared.lock().await {
                Ok(lock) => *guard = lock,
                Err(error) => tracing::debug!(%error, "could not take the lost lock again yet"),
            }
        }
    }
}

/// In the place of a lock that was lost, until it is taken again.
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
    /// The record is there, by this save or by one before it whose answer was lost.
    Saved,
    /// The grant that was refreshed is there, in a record of this generation.
    PreviousGrant(Generation),
    /// The account has another grant, or none.
    OtherGrant,
}

async fn save(
    shared: &Shared,
    record: &mut Record,
    old: &Grant,
    expected: Generation,
    guard: &mut Guard,
) -> Result<SaveResult, SessionError> {
    if shared.save(record, Some(expected), guard).await? {
        return Ok(SaveResult::Saved);
    }
    let found = shared
        .store
        .load_issuer(&shared.key, &record.issuer)
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
        shared.memory().observe_generation(found.generation);
        return Ok(SaveResult::Saved);
    }
    let is_left = matches!(
        found.state,
        State::SignInRequired(SignInCause::SignedOut | SignInCause::IssuerChanged)
    );
    // One that lacks its refresh token was given up by a process that posted it again.
    if grant.access_token == old.access_token && !is_left {
        return Ok(SaveResult::PreviousGrant(found.generation));
    }
    Ok(SaveResult::OtherGrant)
}
