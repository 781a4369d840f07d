//! One window for all processes that share a store.
//!
//! Of the processes that begin a sign-in to the same credential at once, the first asks the person, and the
//! others wait for what comes of it. What orders them is the store's sign-in lock of the credential, so the
//! credential's own lock stays free while a person thinks: refreshes go on. It is taken before the
//! credential's own, and never while that is held.

use std::time::Duration;

use hallpass_core::{
    AuthorizeError, Remedy, SignInReason,
    store::{Guard, LockKind, StoreErrorKind},
};

use super::OwnedSignInRequest;
use crate::{error::SessionError, shared::Shared, token::Token};

/// How long another process's sign-in is waited for: longer than any person is given.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3600);

/// How long the window may be somebody's for a moment, as while a store is made, before it counts as
/// another process's.
const TRY_LOCK_TIMEOUT: Duration = Duration::from_millis(250);

/// Whose turn it is to request the person.
pub(super) enum SignInLock {
    /// This process's, for as long as the guard lives. `None` where nobody is asked.
    Acquired(Option<Guard>),
    /// Nobody's any more: another process has signed in meanwhile.
    AlreadySignedIn(Token),
}

/// Takes the window, or waits for whoever has it.
pub(super) async fn acquire(
    shared: &Shared,
    request: &OwnedSignInRequest,
) -> Result<SignInLock, SessionError> {
    if !shared.authorizer.is_interactive() {
        return Ok(SignInLock::Acquired(None));
    }
    let before = match request.reason {
        // Decided on when nobody had signed in; whatever is there by now is another process's.
        SignInReason::First => None,
        _ => shared.load().await?,
    };
    let (guard, waited) = match shared
        .store
        .lock(&shared.key, LockKind::SignIn, TRY_LOCK_TIMEOUT)
        .await
    {
        Ok(guard) => (guard, false),
        Err(error) if error.kind() == StoreErrorKind::Busy => {
            // Somebody may sit before this one, and wonder why nothing opens.
            tracing::warn!(key = %shared.key, "waiting for the sign-in of another process");
            let guard = shared
                .store
                .lock(&shared.key, LockKind::SignIn, LOCK_TIMEOUT)
                .await;
            (guard.map_err(SessionError::store)?, true)
        }
        Err(error) => return Err(SessionError::store(error)),
    };
    let after = shared.load().await?;
    let newer = after.filter(|after| {
        before.is_none_or(|before| before.generation != after.generation)
            && shared.usable(Some(after)).is_ok()
    });
    let grant = newer.as_ref().and_then(|record| record.grant.as_ref());
    match (&newer, grant) {
        (Some(record), Some(grant)) if grant.requested_scopes.covers(&request.scopes) => {
            shared.release(guard).await;
            return shared
                .publish(record, None)
                .map(SignInLock::AlreadySignedIn);
        }
        (None, _) if waited => {
            shared.release(guard).await;
            let what = "another process's sign-in failed";
            let error = AuthorizeError::new(Remedy::SignIn, what)
                .with_hint(Some("sign in again from this process"));
            return Err(SessionError::sign_in(&shared.key, error));
        }
        _ => {}
    }
    Ok(SignInLock::Acquired(Some(guard)))
}
