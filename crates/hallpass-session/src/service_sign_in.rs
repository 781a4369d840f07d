//! A machine's next token.
//!
//! A machine's grant has no refresh token: the grant itself is what gets the next one (RFC 6749
//! §4.4.3). With a [non-interactive](hallpass_core::Authorizer::is_interactive) authorizer a token that
//! nears its end is replaced as a person's would be refreshed, and nobody is asked. Where that comes
//! to nothing the old token is used while it lives, and the next try waits, as after a failed refresh.
//!
//! The first sign-in is not made here: it waits for the server's challenge, which says where to request
//! and for what.

use std::sync::Arc;

use hallpass_core::{Remedy, Scopes, SignInReason, record::SignInCause};

use crate::{
    error::{SessionError, SignInNeed},
    shared::Shared,
    sign_in::OwnedSignInRequest,
    token::Token,
    transaction::RefreshIntent,
};

impl Shared {
    /// A fresh token: by a refresh, or by the machine's grant.
    pub(crate) async fn token(self: &Arc<Self>) -> Result<Token, SessionError> {
        let result = self.renew(RefreshIntent::Fresh, &[]).await;
        if self.authorizer.is_interactive() || !is_due(&result, self) {
            return result;
        }
        if let Some(error) = self.paused_by() {
            return result.or(Err(error));
        }
        self.renew_service_grant()
            .await
            .or_else(|error| result.or(Err(error)))
    }

    /// The machine's next grant.
    pub(crate) async fn renew_service_grant(self: &Arc<Self>) -> Result<Token, SessionError> {
        let request = OwnedSignInRequest {
            reason: SignInReason::Ended,
            challenges: Vec::new(),
            scopes: Scopes::none(),
            issuer: None,
            step_up: None,
        };
        let before = self.current();
        let settled = || {
            let token = self.fresh()?;
            let newer = before.as_ref().is_none_or(|before| !before.same(&token));
            newer.then_some(token)
        };
        match self.sign_in(request, settled).await {
            Ok(token) => Ok(token),
            Err(error) => {
                let mut memory = self.memory();
                memory.backoff.failed(self.clock.monotonic(), None);
                memory.paused_by = Some((error.clone(), error.remedy() == Remedy::Retry));
                drop(memory);
                Err(error)
            }
        }
    }

    /// Why no other try is made yet.
    pub(crate) fn paused_by(&self) -> Option<SessionError> {
        let memory = self.memory();
        memory.backoff.remaining(self.clock.monotonic())?;
        memory.paused_by.as_ref().map(|(error, _)| error.clone())
    }
}

/// Whether the grant has ended, or nears its end, and nothing but asking anew gets another token.
fn is_due(result: &Result<Token, SessionError>, shared: &Shared) -> bool {
    match result {
        Ok(token) => !token.is_fresh(shared.now()),
        Err(SessionError::SignInRequired(needed)) => {
            *needed.need() == SignInNeed::Ended(SignInCause::NoRefreshToken)
        }
        Err(_) => false,
    }
}
