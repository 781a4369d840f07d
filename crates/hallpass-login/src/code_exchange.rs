//! The code exchange (RFC 6749 §4.1.3), and the record of the login.

use hallpass_core::{
    Diagnostic as _, Grant, Record, Registration, Remedy, Scopes, State, TokenEndpointAuthMethod,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_oauth::{AuthorizationCode, PendingAuthorization, TokenResponse};
use hallpass_session::{DpopOnDemand, Endpoint, TokenRequestError};
use http::StatusCode;

use crate::{
    LoginError, LoginErrorKind, LoginEvent, LoginWarning, NoRefreshToken, ReregistrationReason,
    login::{FailedAttempt, Login},
    plan::LoginPlan,
    scopes::OFFLINE_ACCESS,
};

/// What matters for the exchange besides the code and its client.
#[derive(Debug)]
pub(crate) struct ExchangeParams<'a> {
    /// Whether the client is a dynamic registration of an earlier login.
    pub(crate) is_reused: bool,
    /// The key that the tokens will be bound to.
    pub(crate) dpop: DpopOnDemand<'a>,
}

impl Login<'_> {
    /// Exchanges the code, once.
    pub(crate) async fn exchange_code(
        &self,
        pending: PendingAuthorization,
        code: AuthorizationCode,
        registration: &Registration,
        params: &ExchangeParams<'_>,
    ) -> Result<TokenResponse, FailedAttempt> {
        let metadata = &self.discovered.server;
        let Some(endpoint) = &metadata.token_endpoint else {
            return Err(no_token_endpoint(metadata.issuer.as_str()).into());
        };
        let endpoint = self.endpoint(endpoint, registration, params.dpop.signer());
        let (client, request) = (self.token_client(), pending.redeem(code));
        let mut tokens = client.request_token(&endpoint, &request).await;
        if let Some(signer) = params.dpop.demanded_by(&endpoint, &tokens) {
            let endpoint = Endpoint {
                dpop: Some(signer),
                ..endpoint
            };
            tokens = client.request_token(&endpoint, &request).await;
        }
        if let Err(TokenRequestError::Answer(error)) = &tokens
            && let Some(target) = error.redirect_target(endpoint.url)
        {
            let kind = LoginErrorKind::Exchange;
            let moved = Box::pin(self.endpoint_moved(kind, endpoint.url, &target));
            return Err(moved.await.into());
        }
        tokens.map_err(|error| self.exchange_failed(error, registration, params.is_reused))
    }

    /// The record that the session saves.
    pub(crate) fn signed_in(
        &self,
        plan: &LoginPlan,
        kind: GrantKind,
        tokens: TokenResponse,
        mut registration: Registration,
        params: ExchangeParams<'_>,
    ) -> Record {
        let now = self.host.ports.clock.now();
        registration.proven_at = Some(now);
        let mut grant = tokens.into_grant(kind, &plan.scopes, plan.resource.as_ref(), now);
        let signer = params.dpop.into_signer();
        let is_demanded = signer.is_some() && !plan.dpop;
        grant.dpop_key = signer.map(|signer| signer.stored_key().clone());
        self.report(plan, &grant);
        let mut record = self.record();
        // Remembered for the issuer: the next sign-in does not have to be refused first.
        let inputs = self.inputs();
        let previous = inputs.previous_record();
        record.metadata.dpop_bound_access_tokens_required |= is_demanded
            || previous.is_some_and(|record| record.metadata.dpop_bound_access_tokens_required);
        record.registration = Some(registration);
        record.grant = Some(grant);
        record.pending_refresh = None;
        record.state = State::SignedIn;
        record
    }

    /// What a failed exchange means for the login.
    fn exchange_failed(
        &self,
        error: TokenRequestError,
        registration: &Registration,
        is_reused: bool,
    ) -> FailedAttempt {
        let issuer = &self.discovered.server.issuer;
        let error = match error {
            TokenRequestError::Answer(error) => error,
            TokenRequestError::Signing(error) => {
                let what = "the token request could not be signed";
                let failed =
                    LoginError::new(LoginErrorKind::Exchange, what).with_remedy(Remedy::Retry);
                return failed.with_source(error).into();
            }
            error => {
                let what = format!("no tokens from {issuer}");
                let error = LoginError::new(LoginErrorKind::Network, what)
                    .with_remedy(error.remedy())
                    .with_hint("the code may be used up: sign in again")
                    .with_source(error.into_inner());
                return error.into();
            }
        };
        let is_dynamic = registration.origin == RegistrationOrigin::Dynamic;
        let reregister = match (error.code(), is_reused) {
            (Some("invalid_client"), true) if is_dynamic => Some(ReregistrationReason::Refused),
            (Some("invalid_client"), false)
                if is_dynamic && registration.auth_method == TokenEndpointAuthMethod::None =>
            {
                Some(ReregistrationReason::NeedsSecret)
            }
            _ => None,
        };
        let what = format!("{issuer} gave no tokens for the code");
        let hints = match (error.code(), error.status()) {
            (Some("invalid_client"), _) | (None, StatusCode::UNAUTHORIZED) => {
                self.inputs().client_hints(registration, &[])
            }
            _ => Vec::new(),
        };
        let error = LoginError::new(LoginErrorKind::Exchange, what)
            .with_hints(hints)
            .with_cause(error);
        match reregister {
            Some(reason) => FailedAttempt::Reregister(reason, Box::new(error)),
            None => error.into(),
        }
    }

    /// Sends the warnings and the last event.
    fn report(&self, plan: &LoginPlan, grant: &Grant) {
        let send = |event| self.host.interaction.event(event);
        if grant.refresh_token.is_none() {
            let reason = why_no_refresh_token(self, plan, grant);
            send(LoginEvent::Warning(LoginWarning::NoRefreshToken { reason }));
        }
        let missing: Scopes = plan
            .scopes
            .iter()
            .filter(|scope| !grant.scopes().contains(scope))
            .collect();
        if !missing.is_empty() {
            send(LoginEvent::Warning(LoginWarning::FewerScopes { missing }));
        }
        send(LoginEvent::SignedIn {
            issuer: &self.discovered.server.issuer,
            scopes: grant.scopes(),
            expires_at: grant.expires_at,
        });
    }
}

/// Why the server may have given no refresh token, from its metadata.
fn why_no_refresh_token(login: &Login<'_>, plan: &LoginPlan, grant: &Grant) -> NoRefreshToken {
    let metadata = &login.discovered.server;
    let lists_grants = metadata.grant_types_supported.is_some();
    if lists_grants && !metadata.supports_grant("refresh_token") {
        NoRefreshToken::GrantNotSupported
    } else if plan.scopes.contains(OFFLINE_ACCESS) {
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
    LoginError::new(LoginErrorKind::Request, what).with_remedy(Remedy::Report)
}
