//! Tokens of a service, whose grant has no refresh token: a new sign-in gets the next token (RFC 6749
//! §4.4.3).
//!
//! With a [non-interactive](hallpass_core::Authorizer::is_interactive) authorizer a token is replaced
//! before it expires, as a user's token is refreshed. After a failed sign-in the old token is used
//! while it is valid, and the next sign-in waits, as after a failed refresh.
//!
//! The first sign-in does not come from here: it waits for the server's challenge, which names the
//! authorization server and the scopes.

use std::sync::Arc;

use hallpass_core::{
    BoxFuture, Challenge, Diagnostic as _, Remedy, Scopes, SignInReason, record::SignInCause,
};

use crate::{
    context::Context,
    error::{SessionError, SignInNeed},
    sign_in::{OwnedSignInRequest, SignInCoordinator},
    token::Token,
    token_origin::{RefreshIntent, TokenOrigin},
};

/// Stored tokens, replaced by sign-ins.
#[derive(Debug)]
pub(crate) struct ServiceTokens<S> {
    pub(crate) stored: S,
    pub(crate) sign_in: Arc<SignInCoordinator>,
}

impl<S: TokenOrigin> TokenOrigin for ServiceTokens<S> {
    fn renew<'a>(
        &'a self,
        intent: RefreshIntent,
        challenges: &'a [Challenge],
    ) -> BoxFuture<'a, Result<Token, SessionError>> {
        self.stored.renew(intent, challenges)
    }

    fn token(&self) -> BoxFuture<'_, Result<Token, SessionError>> {
        Box::pin(async {
            let context = &self.sign_in.context;
            let result = self.stored.token().await;
            if !is_due(&result, context) {
                return result;
            }
            if let Some(paused) = context.backoff.paused(context.ports.clock.monotonic()) {
                return result.or(Err(paused.error));
            }
            let signed_in = sign_in(&self.sign_in).await;
            signed_in.or_else(|error| result.or(Err(error)))
        })
    }

    fn refresh_in_background(&self, _: Token) {
        let coordinator = Arc::clone(&self.sign_in);
        let work = async move {
            if let Err(error) = sign_in(&coordinator).await {
                tracing::debug!(%error, "the proactive service sign-in failed");
            }
        };
        if let Err(error) = self.sign_in.context.spawn(work) {
            tracing::debug!(%error, "the proactive service sign-in failed");
        }
    }
}

/// Signs in again, unless another call or process does so first.
async fn sign_in(coordinator: &Arc<SignInCoordinator>) -> Result<Token, SessionError> {
    let context = &coordinator.context;
    let request = OwnedSignInRequest {
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        unexpected_status: None,
        scopes: Scopes::none(),
        issuer: None,
        step_up: None,
    };
    let before = context.cache.current();
    let settled = || {
        let token = context.fresh()?;
        let is_newer = before.as_ref().is_none_or(|before| !before.same(&token));
        is_newer.then_some(token)
    };
    coordinator
        .sign_in(request, settled)
        .await
        .inspect_err(|error| {
            let is_retryable = error.remedy() == Remedy::Retry;
            let now = context.ports.clock.monotonic();
            context
                .backoff
                .record_failure(now, error.clone(), is_retryable, None);
        })
}

/// Whether the grant has ended or is about to, and only a sign-in gets another token.
fn is_due(result: &Result<Token, SessionError>, context: &Context) -> bool {
    match result {
        Ok(token) => !token.is_fresh(context.moment()),
        Err(SessionError::SignInRequired(required)) => {
            *required.need() == SignInNeed::Ended(SignInCause::NoRefreshToken)
        }
        Err(_) => false,
    }
}
