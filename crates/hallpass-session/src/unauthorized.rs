//! After a 401.
//!
//! 1. The session or the store has another current token: use it.
//! 2. Otherwise refresh once, with what the record holds. No discovery is needed.
//! 3. When the new token is refused too, or nothing can be refreshed, read the metadata again. Another
//!    issuer is a migration: a sign-in there is needed, and nothing of the old authorization server is
//!    sent to it. The same issuer ends the session with a terminal error.
//!
//! A refresh that returns the refused token again counts as a refused new token. So does a token that
//! this session got within [`MAX_NEW_TOKEN_AGE`], after a refusal or by a sign-in, and that the server
//! has never [accepted](Token::mark_accepted). A token that was accepted and is then revoked is
//! refreshed like any other.
//!
//! A terminal error is repeated for [`MAX_NEW_TOKEN_AGE`] without a request. It is not saved: a server
//! that refuses every token for a minute must not cost a sign-in.

use std::time::Duration;

use hallpass_core::{Challenge, State, record::SignInCause, store::Guard};
use hallpass_discovery::{CacheMode, Discovered, DiscoveryError};

use crate::{
    error::{SessionError, SessionTerminated, SignInNeed},
    refresh_engine::RefreshEngine,
    token::Token,
    token_origin::RefreshIntent,
    transaction::{self, adopt, record_outcome},
};

/// How long a token counts as new, and a terminal error is repeated.
pub(crate) const MAX_NEW_TOKEN_AGE: Duration = Duration::from_secs(30);

pub(crate) async fn run(
    engine: &RefreshEngine,
    refused: &Token,
    challenges: &[Challenge],
) -> Result<Token, SessionError> {
    let context = &engine.context;
    let intent = RefreshIntent::Replace(refused.clone());
    let now = context.ports.clock.monotonic();
    if let Some(error) = context.backoff.termination(refused, now) {
        return match adopt(engine, &intent).await {
            Ok(Some(token)) => Ok(token),
            _ => Err(error),
        };
    }
    let is_new_token_refused = refused.is_alive(context.moment())
        && !refused.was_accepted()
        && refused.obtained_within(MAX_NEW_TOKEN_AGE, context.ports.clock.monotonic());
    let replaced = if is_new_token_refused {
        adopt(engine, &intent).await
    } else {
        // A server may issue the refused token again: another refresh would not help.
        let renewed = transaction::run(engine, &intent).await;
        renewed.map(|token| Some(token).filter(|token| intent.accepts(token)))
    };
    let error = match replaced {
        Ok(Some(token)) => return Ok(token),
        Ok(None) => {
            let lacks_refresh_scope =
                !context.settings.refresh_scope && !refused.scopes().is_empty();
            SessionError::Terminated(SessionTerminated::fresh_token_refused(lacks_refresh_scope))
        }
        Err(error) => error,
    };
    if !may_be_migration(&error) {
        return Err(error);
    }
    let error = match rediscover(engine, challenges).await {
        // A fallback for an authorization server that is down is no migration.
        Ok(found) if Some(&found.server.issuer) != refused.issuer() && !found.is_provisional => {
            record_outcome("migration");
            mark_issuer_changed(engine, refused).await?;
            return Err(context.sign_in_required(SignInNeed::Migrated(found.server.issuer)));
        }
        Ok(_) => error,
        Err(discovery) => {
            tracing::debug!(error = %discovery, "could not read the metadata again");
            match error {
                SessionError::Terminated(ended) => {
                    SessionError::Terminated(ended.with_source(discovery))
                }
                error => error,
            }
        }
    };
    if matches!(
        error,
        SessionError::Terminated(_) | SessionError::SignInRequired(_)
    ) {
        record_outcome("ended");
        let until = context
            .ports
            .clock
            .monotonic()
            .saturating_add(MAX_NEW_TOKEN_AGE);
        context
            .backoff
            .record_termination(refused.clone(), error.clone(), until);
    }
    Err(error)
}

/// Whether a migration to another authorization server may have caused the error: the old one may be
/// switched off.
fn may_be_migration(error: &SessionError) -> bool {
    match error {
        SessionError::Terminated(_) => true,
        SessionError::SignInRequired(needed) => {
            matches!(
                needed.need(),
                SignInNeed::NoTokenEndpoint
                    | SignInNeed::NoClient
                    | SignInNeed::DpopKeyUnreadable
                    | SignInNeed::SecretExpired
                    | SignInNeed::ClientForgotten
                    | SignInNeed::RefreshRequestRefused
                    | SignInNeed::Ended(
                        SignInCause::NoRefreshToken
                            | SignInCause::RefreshRefused
                            | SignInCause::RefreshOutcomeUnknown
                    )
            )
        }
        SessionError::Refresh(failed) => match (failed.http_error(), failed.token_error()) {
            (Some(error), _) => !error.may_have_been_sent(),
            (None, Some(error)) => error.class() == hallpass_oauth::TokenErrorClass::Refused,
            // A refresh that is not due yet.
            (None, None) => false,
        },
        SessionError::SignIn(_)
        | SessionError::Store(_)
        | SessionError::TokenSource(_)
        | SessionError::ConcurrentUpdate(_)
        | SessionError::Closed(_) => false,
    }
}

/// Reads the server's metadata again, once for all sessions that share the cache and ask at the same
/// time.
async fn rediscover(
    engine: &RefreshEngine,
    challenges: &[Challenge],
) -> Result<Discovered, DiscoveryError> {
    let context = &engine.context;
    let discovery = context.ports.discovery(&context.settings);
    let reading = CacheMode::Refresh(engine.metadata());
    discovery
        .run_with(&context.key.server, challenges, reading)
        .await
}

/// Saves that the record of `refused` belongs to an authorization server that no longer protects the
/// server, so that no process sends its credentials again.
async fn mark_issuer_changed(engine: &RefreshEngine, refused: &Token) -> Result<(), SessionError> {
    let context = &engine.context;
    let mut guard = context.lock().await?;
    let left = mark_issuer_changed_locked(engine, refused, &mut guard).await;
    context.release(guard).await;
    left
}

async fn mark_issuer_changed_locked(
    engine: &RefreshEngine,
    refused: &Token,
    guard: &mut Guard,
) -> Result<(), SessionError> {
    let context = &engine.context;
    let Some(record) = context.load_locked(guard).await? else {
        context.cache.clear();
        return Ok(());
    };
    let still_there = Some(&record.issuer) == refused.issuer()
        && record
            .grant
            .as_ref()
            .is_none_or(|grant| grant.access_token == *refused.access_token());
    if !still_there {
        return Ok(());
    }
    let mut left = record.clone();
    left.state = State::SignInRequired(SignInCause::IssuerChanged);
    // After a conflict, another process has changed the record already.
    context
        .save(&mut left, Some(record.generation), guard)
        .await?;
    context.cache.clear();
    Ok(())
}
