//! The scopes that a server refused a request for, where no user could be asked for them.
//!
//! They are kept with the grant, so that the sign-in that the user starts next, from another process, asks
//! for them. They are asked for once: a new grant has none, and a sign-in that fails with them forgets them,
//! so that a scope which the authorization server refuses does not stand in the way of every sign-in.
//!
//! A failure to write is only logged: the call was refused anyway.

use hallpass_core::{Grant, Scopes, store::Guard};

use crate::{context::Context, error::SessionError, token::Token};

/// Adds `scopes` to those of the grant whose token was refused.
pub(crate) async fn remember(context: &Context, refused: &Token, scopes: &Scopes) {
    let change = |grant: &mut Grant| {
        let is_other = grant.access_token != *refused.access_token();
        if !is_other {
            grant.refused_scopes = grant.refused_scopes.union(scopes);
        }
    };
    report(change_grant(context, change).await);
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
