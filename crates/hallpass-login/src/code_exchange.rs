//! From the authorization code to tokens, and from tokens to the record.

use hallpass_core::{
    Grant, Record, Registration, Remedy, Scopes, State, TokenEndpointAuthMethod,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_oauth::{AuthorizationCode, PendingAuthorization, TokenResponse};
use hallpass_session::{DpopSigner, TokenRequestError};

use crate::{
    LoginError, LoginErrorKind, LoginEvent, LoginWarning, NoRefreshToken, ReregistrationReason,
    login::{FailedAttempt, Login},
    scopes::OFFLINE_ACCESS,
};

/// What matters for a code besides its client.
#[derive(Debug)]
pub(crate) struct ExchangeParams {
    /// Whether the client is a dynamic registration of an earlier login.
    pub(crate) again: bool,
    /// The key that the tokens will be bound to.
    pub(crate) dpop: Option<DpopSigner>,
}

impl Login<'_> {
    /// Exchanges the code, once.
    pub(crate) async fn redeem(
        &self,
        pending: PendingAuthorization,
        code: AuthorizationCode,
        registration: &Registration,
        terms: &ExchangeParams,
    ) -> Result<TokenResponse, FailedAttempt> {
        let metadata = &self.discovered.server;
        let Some(endpoint) = &metadata.token_endpoint else {
            return Err(no_token_endpoint(metadata.issuer.as_str()).into());
        };
        let endpoint = self.endpoint(endpoint, registration, terms.dpop.as_ref());
        self.token_client()
            .request_token(&endpoint, &pending.redeem(code))
            .await
            .map_err(|error| self.no_tokens(error, registration, terms.again))
    }

    /// The record that the session saves.
    pub(crate) fn signed_in(
        &self,
        kind: GrantKind,
        tokens: TokenResponse,
        mut registration: Registration,
        terms: ExchangeParams,
    ) -> Record {
        let now = self.host.clock.now();
        registration.proven_at = Some(now);
        let mut grant = tokens.into_grant(kind, &self.scopes, self.resource(), now);
        grant.dpop_key = terms.dpop.map(|signer| signer.stored_key().clone());
        self.tell(&grant);
        let mut record = self.record();
        record.registration = Some(registration);
        record.grant = Some(grant);
        record.fence = None;
        record.state = State::SignedIn;
        record
    }

    /// What it means that no tokens came.
    fn no_tokens(
        &self,
        error: TokenRequestError,
        registration: &Registration,
        again: bool,
    ) -> FailedAttempt {
        let issuer = &self.discovered.server.issuer;
        let error = match error {
            TokenRequestError::Answer(error) => error,
            TokenRequestError::Signing(error) => {
                let what = "the token request could not be signed";
                let failed = LoginError::new(LoginErrorKind::Exchange, Remedy::Retry, what);
                return failed.with_source(error).into();
            }
            error => {
                let what = format!("no tokens from {issuer}");
                let error = LoginError::new(LoginErrorKind::Network, error.remedy(), what)
                    .with_hint(Some("the code may be used up: sign in again"))
                    .with_source(error.into_inner());
                return error.into();
            }
        };
        let is_dynamic = registration.origin == RegistrationOrigin::Dynamic;
        let anew = match (error.code(), again) {
            (Some("invalid_client"), true) if is_dynamic => Some(ReregistrationReason::Refused),
            (Some("invalid_client"), false)
                if is_dynamic && registration.auth_method == TokenEndpointAuthMethod::None =>
            {
                Some(ReregistrationReason::NeedsSecret)
            }
            _ => None,
        };
        let what = format!("{issuer} gave no tokens for the code");
        let hint = error.hint();
        let error = LoginError::new(LoginErrorKind::Exchange, error.remedy(), what)
            .with_hint(hint)
            .with_source(error);
        match anew {
            Some(why) => FailedAttempt::ReregistrationReason(why, Box::new(error)),
            None => error.into(),
        }
    }

    /// The warnings, and that it is done.
    fn tell(&self, grant: &Grant) {
        let tell = |event| self.host.interaction.event(event);
        if grant.refresh_token.is_none() {
            let reason = why_no_refresh_token(self, grant);
            tell(LoginEvent::Warning(LoginWarning::NoRefreshToken { reason }));
        }
        let missing: Scopes = self
            .scopes
            .iter()
            .filter(|scope| !grant.scopes().contains(scope))
            .collect();
        if !missing.is_empty() {
            tell(LoginEvent::Warning(LoginWarning::FewerScopes { missing }));
        }
        tell(LoginEvent::SignedIn {
            issuer: &self.discovered.server.issuer,
            scopes: grant.scopes(),
            expires_at: grant.expires_at,
        });
    }
}

/// Why no refresh token may have come, from what the server publishes.
fn why_no_refresh_token(login: &Login<'_>, grant: &Grant) -> NoRefreshToken {
    let metadata = &login.discovered.server;
    let lists_grants = metadata.grant_types_supported.is_some();
    if lists_grants && !metadata.supports_grant("refresh_token") {
        NoRefreshToken::GrantNotSupported
    } else if login.scopes.contains(OFFLINE_ACCESS) {
        if grant.scopes().contains(OFFLINE_ACCESS) {
            NoRefreshToken::Unexplained
        } else {
            NoRefreshToken::OfflineAccessNotGranted
        }
    } else if metadata.supports_scope(OFFLINE_ACCESS) {
        NoRefreshToken::OfflineAccessNotAsked
    } else {
        NoRefreshToken::Unexplained
    }
}

fn no_token_endpoint(issuer: &str) -> LoginError {
    let what = format!("the metadata of {issuer} names no token endpoint");
    LoginError::new(LoginErrorKind::Request, Remedy::Report, what)
}
