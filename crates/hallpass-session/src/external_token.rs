//! Tokens of a host's [`TokenSource`].
//!
//! The source is read by the task that would refresh, so once for all callers. After a refusal it is
//! read again, once. When it gives the same token, or the next one is refused too before it was ever
//! accepted, that is a terminal error, which is repeated for a while without a read. A source that fails
//! for a moment costs nothing: the previous token is used until it is refused.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    AuthorizeError, BoxFuture, Challenge, CredentialKey, Remedy, Scopes, TokenSource,
};

use crate::{
    context::Context,
    error::{SessionError, SessionTerminated, TerminationReason},
    freshness::Deadline,
    refresh_engine::RefreshEngine,
    token::Token,
    token_origin::{RefreshIntent, TokenOrigin},
    transaction::record_outcome,
    unauthorized::MAX_NEW_TOKEN_AGE,
};

#[derive(Debug)]
pub(crate) struct ExternalTokens {
    engine: Arc<RefreshEngine>,
    source: Arc<dyn TokenSource>,
}

impl ExternalTokens {
    pub(crate) fn new(engine: Arc<RefreshEngine>, source: Arc<dyn TokenSource>) -> Self {
        Self { engine, source }
    }
}

impl TokenOrigin for ExternalTokens {
    fn renew<'a>(
        &'a self,
        intent: RefreshIntent,
        _: &'a [Challenge],
    ) -> BoxFuture<'a, Result<Token, SessionError>> {
        let fetch = |intent: RefreshIntent| {
            let (context, source) = (Arc::clone(&self.engine.context), Arc::clone(&self.source));
            async move { fetch(&context, &*source, &intent).await }
        };
        Box::pin(self.engine.renew(intent, fetch))
    }

    fn refresh_in_background(&self, _: Token) {}

    fn external(&self) -> Option<&dyn TokenSource> {
        Some(&*self.source)
    }
}

/// The token that `intent` asks for, from the source.
async fn fetch(
    context: &Context,
    source: &dyn TokenSource,
    intent: &RefreshIntent,
) -> Result<Token, SessionError> {
    let refused = match intent {
        RefreshIntent::Fresh | RefreshIntent::Refresh(_) => None,
        RefreshIntent::Replace(refused) => Some(refused),
    };
    let now = context.ports.clock.monotonic();
    if let Some(error) = refused.and_then(|refused| context.backoff.termination(refused, now)) {
        record_outcome("ended");
        return Err(error);
    }
    let read = read(context, source, refused.is_some()).await;
    let token = match (read, refused, context.cache.current()) {
        (Ok(token), _, _) => token,
        (Err(error), None, Some(current)) => {
            tracing::warn!(%error, key = %context.key.id(), "using the previous token");
            // The source is read again after the lifetime of a token.
            publish_again(context, source, &current, current.obtained())?
        }
        (Err(error), ..) => return Err(error),
    };
    let Some(refused) = refused else {
        record_outcome("external");
        return Ok(token);
    };
    let now = context.ports.clock.monotonic();
    let is_refused_too = !refused.was_accepted() && refused.obtained_within(MAX_NEW_TOKEN_AGE, now);
    if !token.same(refused) && !is_refused_too {
        record_outcome("external");
        return Ok(token);
    }
    record_outcome("ended");
    let reason = TerminationReason::ExternalTokenRefused(source.describe());
    let error = SessionError::Terminated(SessionTerminated::new(reason));
    let until = now.saturating_add(MAX_NEW_TOKEN_AGE);
    context
        .backoff
        .record_termination(token, error.clone(), until);
    Err(error)
}

/// Reads the source, unless it failed a moment ago, and publishes its token.
async fn read(
    context: &Context,
    source: &dyn TokenSource,
    is_after_refusal: bool,
) -> Result<Token, SessionError> {
    if let Some(paused) = context.backoff.paused(context.ports.clock.monotonic()) {
        record_outcome("paused");
        return Err(paused.error);
    }
    let access_token = match source.read().await {
        Ok(access_token) => access_token,
        Err(error) => {
            record_outcome("no token");
            let error = SessionError::token_source(source.describe(), error);
            let now = context.ports.clock.monotonic();
            let paused = context.backoff.record_failure(now, error, false, None);
            return Err(paused.error);
        }
    };
    context.backoff.end_pause();
    let known = context
        .cache
        .current()
        .filter(|current| *current.access_token() == access_token);
    let obtained = match known {
        Some(known) => return publish_again(context, source, &known, known.obtained()),
        None => is_after_refusal.then(|| context.ports.clock.monotonic()),
    };
    let token = Token::external(access_token, stale_at(context, source), obtained)
        .map_err(SessionError::Terminated)?;
    context.cache.replace_always(&token);
    Ok(token)
}

/// Publishes a token again, for another lifetime of the source's tokens.
fn publish_again(
    context: &Context,
    source: &dyn TokenSource,
    known: &Token,
    obtained: Option<Duration>,
) -> Result<Token, SessionError> {
    let access_token = known.access_token().clone();
    let token = Token::external(access_token, stale_at(context, source), obtained)
        .map_err(SessionError::Terminated)?;
    if known.was_accepted() {
        token.mark_accepted();
    }
    context.cache.replace_always(&token);
    Ok(token)
}

fn stale_at(context: &Context, source: &dyn TokenSource) -> Option<Deadline> {
    let lifetime = source.lasts()?;
    Some(Deadline::after(lifetime, context.moment()))
}

/// The terminal error of a refused external token, for the challenges of the refusal.
pub(crate) fn with_missing_scopes(
    error: SessionError,
    source: &dyn TokenSource,
    challenges: &[Challenge],
) -> SessionError {
    let mut challenges = challenges
        .iter()
        .filter(|challenge| challenge.is_insufficient_scope())
        .peekable();
    if !matches!(error, SessionError::Terminated(_)) || challenges.peek().is_none() {
        return error;
    }
    let scopes = challenges
        .filter_map(|challenge| challenge.scope.as_ref())
        .fold(Scopes::none(), |all, scopes| all.union(scopes));
    let reason = TerminationReason::ExternalTokenLacksScopes(source.describe(), scopes);
    SessionError::Terminated(SessionTerminated::new(reason))
}

/// The error of a sign-in to a session with a source.
pub(crate) fn sign_in_error(key: &CredentialKey, source: &dyn TokenSource) -> SessionError {
    let text = format!(
        "a sign-in is not possible: the tokens come from {}",
        source.describe()
    );
    SessionError::sign_in(key, AuthorizeError::new(Remedy::Configure, text))
}
