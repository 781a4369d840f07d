//! The lock that processes with one store share during a sign-in.
//!
//! When several processes start a sign-in to one credential, the first asks the user and the others
//! wait for its result. It is the store's sign-in lock, so that the credential's own lock stays free for
//! refreshes while the user signs in. It is taken before the credential's own lock, never while that is
//! held.

use std::time::Duration;

use hallpass_core::{
    AuthorizeError, Authorizer, Hint, KindError, Record, Remedy, Scopes, SignInReason,
    store::{Guard, LockKind, StoreErrorKind},
};

use crate::{context::Context, error::SessionError, token::Token};

/// How long another process's sign-in is waited for where the authorizer sets no limit: longer than the
/// timeout of any sign-in.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3600);

/// How long the lock may be taken, as while the store is created, before it counts as another
/// process's sign-in.
const TRY_LOCK_TIMEOUT: Duration = Duration::from_millis(250);

pub(super) enum SignInLock {
    /// This process asks the user, and holds the lock meanwhile.
    Acquired(Guard),
    /// Another process has signed in.
    AlreadySignedIn(Token),
}

/// Takes the lock, or waits for the process that holds it.
pub(super) async fn acquire(
    context: &Context,
    authorizer: &dyn Authorizer,
    reason: SignInReason,
    scopes: &Scopes,
) -> Result<SignInLock, SessionError> {
    let before = match reason {
        // There was no record when the sign-in was decided on: any record is another process's.
        SignInReason::First => None,
        _ => context.load().await?,
    };
    let (guard, has_waited) = match context
        .store
        .lock(&context.key, LockKind::SignIn, TRY_LOCK_TIMEOUT)
        .await
    {
        Ok(guard) => (guard, false),
        Err(error) if error.kind() == StoreErrorKind::Busy => {
            // The user may be waiting for a window to open.
            let holder = holder(context).await;
            tracing::info!(key = %context.key.id(), ?holder, "waiting for the sign-in of another process");
            let guard = context
                .store
                .lock(&context.key, LockKind::SignIn, LOCK_TIMEOUT);
            let guard = tokio::select! {
                biased;
                error = authorizer.waits_for_process(holder.as_deref()) => {
                    return Err(SessionError::sign_in(&context.key, error));
                }
                guard = guard => guard,
            };
            (guard.map_err(SessionError::store)?, true)
        }
        Err(error) => return Err(SessionError::store(error)),
    };
    let after = context.load().await?;
    let newer = after.filter(|after| {
        context.usable(Some(after)).is_ok() && is_of_new_sign_in(after, before.as_ref())
    });
    let grant = newer.as_ref().and_then(|record| record.grant.as_ref());
    match (&newer, grant) {
        (Some(record), Some(grant)) if grant.requested_scopes.covers(scopes) => {
            context.release(guard).await;
            context
                .publish(record, None)
                .map(SignInLock::AlreadySignedIn)
        }
        (None, _) if has_waited => {
            context.release(guard).await;
            let error = KindError::new(Remedy::SignIn, "another process's sign-in failed")
                .with_hint("sign in again from this process");
            Err(SessionError::sign_in(&context.key, error.into()))
        }
        _ => Ok(SignInLock::Acquired(guard)),
    }
}

/// Whether the grant of the record comes from a sign-in that the record `before` does not know yet. The grant
/// itself does not tell: a refresh replaces it as well.
fn is_of_new_sign_in(record: &Record, before: Option<&Record>) -> bool {
    let identity = |record: &Record| (record.issuer.clone(), record.sign_ins);
    let before = before.filter(|before| before.grant.is_some());
    record.grant.is_some() && before.is_none_or(|before| identity(before) != identity(record))
}

/// The process that asks the user at the moment, where the store can tell.
async fn holder(context: &Context) -> Option<String> {
    let diagnostics = context.store.diagnostics()?;
    let holder = diagnostics
        .lock_holder(&context.key, LockKind::SignIn)
        .await;
    holder.ok().flatten()
}

/// Adds to a refusal to sign in that a user is being asked elsewhere.
pub(super) async fn with_open_sign_in(
    context: &Context,
    refused: AuthorizeError,
) -> AuthorizeError {
    match open_sign_in_hint(context).await {
        Some(hint) => refused.with_hint(hint),
        None => refused,
    }
}

/// Which process asks the user, for one that can't.
pub(super) async fn open_sign_in_hint(context: &Context) -> Option<Hint> {
    let holder = holder(context).await?;
    Some(Hint::text(format!(
        "{holder} waits for the user to sign in; when that is done, try again"
    )))
}
