//! The scopes that a server refused a request for, where no user could be asked for them.
//!
//! They are kept with the grant, so that the sign-in that the user starts next, from another process, asks
//! for them. They are asked for once: a new grant has none, and a sign-in that fails with them forgets them,
//! so that a scope which the authorization server refuses does not stand in the way of every sign-in. A server
//! that names other scopes in each answer fills no record: see [`MAX_SCOPES`] and [`MAX_BYTES`].
//!
//! A failure to write is only logged: the call was refused anyway.

use hallpass_core::{Grant, Scopes, store::Guard};

use crate::{context::Context, error::SessionError, token::Token};

/// How many scopes are kept with a grant.
const MAX_SCOPES: usize = 64;
/// How long they are together.
const MAX_BYTES: usize = 4 * 1024;

/// Adds `scopes` to those of the grant whose token was refused.
pub(crate) async fn remember(context: &Context, refused: &Token, scopes: &Scopes) {
    let change = |grant: &mut Grant| {
        let is_other = grant.access_token != *refused.access_token();
        if !is_other {
            grant.refused_scopes = union_within_limits(&grant.refused_scopes, scopes);
        }
    };
    report(change_grant(context, change).await);
}

/// The scopes that are kept, and those of `added` that fit beside them.
fn union_within_limits(kept: &Scopes, added: &Scopes) -> Scopes {
    let mut count = kept.iter().count();
    let mut bytes: usize = kept.iter().map(str::len).sum();
    let added = added.iter().filter(|scope| {
        let fits = count < MAX_SCOPES && bytes + scope.len() <= MAX_BYTES;
        if fits && !kept.contains(scope) {
            count += 1;
            bytes += scope.len();
        }
        fits
    });
    kept.union(&added.collect())
}

/// Forgets them.
pub(crate) async fn forget(context: &Context) {
    let change = |grant: &mut Grant| grant.refused_scopes = Scopes::none();
    report(change_grant(context, change).await);
}

fn report(changed: Result<(), SessionError>) {
    if let Err(error) = changed {
        tracing::debug!(%error, "the scopes that the server refused are not remembered");
    }
}

async fn change_grant(context: &Context, change: impl Fn(&mut Grant)) -> Result<(), SessionError> {
    // Most of the time there is nothing to change, and no lock to wait for.
    let Some(record) = context.load().await? else {
        return Ok(());
    };
    let mut changed = record.clone();
    changed.grant.as_mut().map(&change);
    if changed == record {
        return Ok(());
    }
    let mut guard = context.lock().await?;
    let saved = change_locked(context, change, &mut guard).await;
    context.release(guard).await;
    saved
}

async fn change_locked(
    context: &Context,
    change: impl Fn(&mut Grant),
    guard: &mut Guard,
) -> Result<(), SessionError> {
    let Some(mut record) = context.load_locked(guard).await? else {
        return Ok(());
    };
    let expected = record.generation;
    if let Some(grant) = &mut record.grant {
        change(grant);
        // After a conflict another process has changed the record: its state counts.
        context.save(&mut record, Some(expected), guard).await?;
    }
    Ok(())
}
