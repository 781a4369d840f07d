//! After a 401.
//!
//! 1. Another current token, of this session or in the store: use it.
//! 2. Else one refresh from what the record holds. No discovery is needed for it.
//! 3. The token that came of that is refused as well, or there was nothing to refresh with: read the
//!    metadata anew. Another issuer is a migration: somebody signs in there, and nothing of the old
//!    authorization server is sent to it. The same issuer is a stated end.
//!
//! "Refused as well" means: within [`JUST_NOW`] of having been obtained in answer to a refusal or by a
//! sign-in, and without ever having been [accepted](Token::mark_accepted). A token that worked and is
//! revoked then is refreshed like any other.
//!
//! A stated end is kept in memory for [`JUST_NOW`] and given again without any request. It is not
//! written into the record: a resource server that refuses everybody for a minute must not cost a
//! sign-in.

use std::time::Duration;

use hallpass_core::{Challenge, State, record::SignInCause, store::Guard};
use hallpass_discovery::{CacheMode, Discovered, Discovery, DiscoveryError};

use crate::{
    error::{SessionError, SessionTerminated, SignInNeed, TerminationReason},
    shared::Shared,
    token::Token,
    transaction::{self, RefreshIntent, adopt, outcome},
};

/// For how long a token that was just obtained counts as such, and a stated end is repeated.
pub(crate) const JUST_NOW: Duration = Duration::from_secs(30);

pub(crate) async fn run(
    shared: &Shared,
    refused: &Token,
    challenges: &[Challenge],
) -> Result<Token, SessionError> {
    let wanted = RefreshIntent::Replace(refused.clone());
    if let Some(error) = repeated(shared, refused) {
        return match adopt(shared, &wanted).await {
            Ok(Some(token)) => Ok(token),
            _ => Err(error),
        };
    }
    let fresh_one_refused = refused.is_alive(shared.now())
        && !refused.was_accepted()
        && refused.obtained_within(JUST_NOW, shared.clock.monotonic());
    let error = if fresh_one_refused {
        match adopt(shared, &wanted).await {
            Ok(Some(token)) => return Ok(token),
            Ok(None) => SessionError::Terminated(SessionTerminated::new(
                TerminationReason::FreshTokenRefused,
            )),
            Err(error) => error,
        }
    } else {
        match transaction::run(shared, &wanted).await {
            Ok(token) => return Ok(token),
            Err(error) => error,
        }
    };
    if !may_be_a_migration(&error) {
        return Err(error);
    }
    let error = match protection_now(shared, challenges).await {
        // A server that is only next best while a better one is down has taken nothing over.
        Ok(found) if Some(&found.server.issuer) != refused.issuer() && !found.is_provisional => {
            outcome("migration");
            leave(shared, refused).await?;
            return Err(shared.needed(SignInNeed::Migrated(found.server.issuer)));
        }
        Ok(_) => error,
        Err(discovery) => {
            tracing::debug!(error = %discovery, "the metadata could not be read again");
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
        outcome("ended");
        let until = shared.clock.monotonic().saturating_add(JUST_NOW);
        shared.memory().ended = Some((refused.clone(), error.clone(), until));
    }
    Err(error)
}

/// The end that was stated for the same token a moment ago.
pub(crate) fn repeated(shared: &Shared, refused: &Token) -> Option<SessionError> {
    let memory = shared.memory();
    let (token, error, until) = memory.ended.as_ref()?;
    (token.same(refused) && shared.clock.monotonic() < *until).then(|| error.clone())
}

/// Whether an error could come of the server having moved to another authorization server, the old
/// one having been switched off perhaps.
fn may_be_a_migration(error: &SessionError) -> bool {
    match error {
        SessionError::Terminated(_) => true,
        SessionError::SignInRequired(needed) => {
            matches!(
                needed.need(),
                SignInNeed::SecretExpired
                    | SignInNeed::ClientForgotten
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

/// What protects the server now: asked for anew, once for all sessions that share the cache and ask
/// at the same moment.
async fn protection_now(
    shared: &Shared,
    challenges: &[Challenge],
) -> Result<Discovered, DiscoveryError> {
    let discovery = Discovery {
        http: &*shared.http,
        clock: &*shared.clock,
        settings: &shared.settings,
    };
    let reading = CacheMode::Refresh(&shared.metadata);
    discovery
        .run_with(&shared.key.server, challenges, reading)
        .await
}

/// Writes down that the record of `refused` is of an authorization server that no longer protects the
/// server, so that no later start sends anything of it.
async fn leave(shared: &Shared, refused: &Token) -> Result<(), SessionError> {
    let mut guard = shared.lock().await?;
    let left = leave_locked(shared, refused, &mut guard).await;
    shared.release(guard).await;
    left
}

async fn leave_locked(
    shared: &Shared,
    refused: &Token,
    guard: &mut Guard,
) -> Result<(), SessionError> {
    let Some(record) = shared.load_locked(guard).await? else {
        shared.unpublish();
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
    // A conflict means that somebody has moved on already.
    shared
        .save(&mut left, Some(record.generation), guard)
        .await?;
    shared.unpublish();
    Ok(())
}
