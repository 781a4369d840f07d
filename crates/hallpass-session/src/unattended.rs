//! A machine's next token.
//!
//! A machine's grant has no refresh token: the grant itself is what gets the next one (RFC 6749
//! §4.4.3). With an [unattended](hallpass_core::Authorizer::is_unattended) authorizer a token that
//! nears its end is replaced as a person's would be refreshed, and nobody is asked. Where that comes
//! to nothing the old token is used while it lives, and the next try waits, as after a failed refresh.
//!
//! The first sign-in is not made here: it waits for the server's challenge, which says where to ask
//! and for what.

use std::sync::Arc;

use hallpass_core::{Remedy, Scopes, SignInReason, record::SignInCause};

use crate::{
    error::{Need, SessionError},
    shared::Shared,
    sign_in::Ask,
    token::Token,
    transaction::Wanted,
};

impl Shared {
    /// A fresh token: by a refresh, or by the machine's grant.
    pub(crate) async fn token(self: &Arc<Self>) -> Result<Token, SessionError> {
        let result = self.renew(Wanted::Fresh, &[]).await;
        if !self.authorizer.is_unattended() || !is_due(&result, self) {
            return result;
        }
        if let Some(error) = self.unattended_pause() {
            return result.or(Err(error));
        }
        let ask = Ask {
            reason: SignInReason::Ended,
            challenges: Vec::new(),
            scopes: Scopes::none(),
            issuer: None,
            step_up: None,
        };
        match self.sign_in(ask, || self.fresh()).await {
            Ok(token) => Ok(token),
            Err(error) => {
                let mut memory = self.memory();
                memory.pacing.failed(self.clock.monotonic(), None);
                memory.paused_by = Some((error.clone(), error.remedy() == Remedy::Retry));
                drop(memory);
                result.or(Err(error))
            }
        }
    }

    /// Why no other try is made yet.
    fn unattended_pause(&self) -> Option<SessionError> {
        let memory = self.memory();
        memory.pacing.remaining(self.clock.monotonic())?;
        memory.paused_by.as_ref().map(|(error, _)| error.clone())
    }
}

/// Whether the grant has ended, or nears its end, and nothing but asking anew gets another token.
fn is_due(result: &Result<Token, SessionError>, shared: &Shared) -> bool {
    match result {
        Ok(token) => !token.is_fresh(shared.now()),
        Err(SessionError::SignInNeeded(needed)) => {
            *needed.need() == Need::Ended(SignInCause::NoRefreshToken)
        }
        Err(_) => false,
    }
}
