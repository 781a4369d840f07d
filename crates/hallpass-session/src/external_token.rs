//! Tokens that somebody else obtains: a [`TokenSource`] in place of a grant.
//!
//! The source is asked by the same task that would refresh, so once for all callers. After a refusal
//! it is asked anew, once: where it has the same token still, or the next one is refused as well
//! before it was ever accepted, that is a stated end, which is repeated for a while without asking.
//! A file that can't be read for a moment costs nothing: the token that was read last is used until
//! it is refused.

use std::{sync::Arc, time::Duration};

use hallpass_core::{AuthorizeError, Challenge, Remedy, Scopes, TokenSource};

use crate::{
    error::{SessionError, SessionTerminated, TerminationReason},
    shared::Shared,
    token::Token,
    transaction::{RefreshIntent, record_outcome},
    unauthorized::{self, MAX_NEW_TOKEN_AGE},
};

/// The token that is wanted, from the source.
pub(crate) async fn run(
    shared: &Shared,
    source: &dyn TokenSource,
    intent: &RefreshIntent,
) -> Result<Token, SessionError> {
    let refused = match intent {
        RefreshIntent::Fresh | RefreshIntent::Refresh(_) => None,
        RefreshIntent::Replace(refused) => Some(refused),
    };
    if let Some(error) = refused.and_then(|refused| unauthorized::repeated(shared, refused)) {
        record_outcome("ended");
        return Err(error);
    }
    let read = read(shared, source, refused.is_some()).await;
    let token = match (read, refused, shared.current()) {
        (Ok(token), _, _) => token,
        (Err(error), None, Some(current)) => {
            tracing::warn!(%error, key = %shared.key, "using the previous token");
            // Asked again after as long as a token would last.
            publish_again(shared, source, &current, current.obtained())?
        }
        (Err(error), ..) => return Err(error),
    };
    let Some(refused) = refused else {
        record_outcome("external");
        return Ok(token);
    };
    let next_is_refused_too = !refused.was_accepted()
        && refused.obtained_within(MAX_NEW_TOKEN_AGE, shared.clock.monotonic());
    if !token.same(refused) && !next_is_refused_too {
        record_outcome("external");
        return Ok(token);
    }
    record_outcome("ended");
    let why = TerminationReason::ExternalTokenRefused(source.describe());
    let error = SessionError::Terminated(SessionTerminated::new(why));
    let until = shared.clock.monotonic().saturating_add(MAX_NEW_TOKEN_AGE);
    shared.memory().ended = Some((token, error.clone(), until));
    Err(error)
}

/// Asks the source, unless it failed a moment ago, and publishes what it gives.
async fn read(
    shared: &Shared,
    source: &dyn TokenSource,
    after_refusal: bool,
) -> Result<Token, SessionError> {
    if let Some(error) = shared.paused_by() {
        record_outcome("paused");
        return Err(error);
    }
    let access_token = match source.read().await {
        Ok(access_token) => access_token,
        Err(error) => {
            record_outcome("no token");
            let error = SessionError::token_source(source.describe(), error);
            let mut memory = shared.memory();
            memory.backoff.failed(shared.clock.monotonic(), None);
            memory.paused_by = Some((error.clone(), false));
            return Err(error);
        }
    };
    shared.memory().backoff.succeeded();
    let known = shared
        .current()
        .filter(|current| *current.access_token() == access_token);
    let obtained = match known {
        Some(known) => return publish_again(shared, source, &known, known.obtained()),
        None => after_refusal.then(|| shared.clock.monotonic()),
    };
    let token = Token::external(access_token, stale_at(shared, source), obtained);
    Ok(publish(shared, token.map_err(SessionError::Terminated)?))
}

/// Publishes a token again, to be used for as long as a token of the source lasts.
fn publish_again(
    shared: &Shared,
    source: &dyn TokenSource,
    known: &Token,
    obtained: Option<Duration>,
) -> Result<Token, SessionError> {
    let token = Token::external(
        known.access_token().clone(),
        stale_at(shared, source),
        obtained,
    );
    let token = token.map_err(SessionError::Terminated)?;
    if known.was_accepted() {
        token.mark_accepted();
    }
    Ok(publish(shared, token))
}

fn stale_at(shared: &Shared, source: &dyn TokenSource) -> Option<hallpass_core::Timestamp> {
    source
        .lasts()
        .map(|lasts| shared.now().saturating_add(lasts))
}

fn publish(shared: &Shared, token: Token) -> Token {
    let memory = shared.memory();
    shared.set(&token);
    drop(memory);
    token
}

impl Shared {
    /// What a transport gets after a refusal: another token of the source, or the end.
    pub(crate) async fn replace_external_token(
        self: &Arc<Self>,
        source: &dyn TokenSource,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let Some(refused) = refused else {
            return self.renew(RefreshIntent::Fresh, challenges).await;
        };
        let result = self.token_after_rejection(refused, challenges).await;
        let wanted = challenges
            .iter()
            .filter(|challenge| challenge.is_insufficient_scope());
        let scopes = wanted
            .clone()
            .filter_map(|challenge| challenge.scope.as_ref());
        match result {
            Err(SessionError::Terminated(_)) if wanted.count() > 0 => {
                let scopes = scopes.fold(Scopes::none(), |all, scopes| all.union(scopes));
                let why = TerminationReason::ExternalTokenLacksScopes(source.describe(), scopes);
                Err(SessionError::Terminated(SessionTerminated::new(why)))
            }
            result => result,
        }
    }

    /// The answer to a sign-in where somebody else obtains the tokens.
    pub(crate) fn sign_in_unavailable(&self, source: &dyn TokenSource) -> SessionError {
        let text = format!(
            "a sign-in is not possible: the tokens come from {}",
            source.describe()
        );
        SessionError::sign_in(&self.key, AuthorizeError::new(Remedy::Configure, text))
    }
}
