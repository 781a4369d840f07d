//! From the authorization code to the record.

use hallpass_core::{
    Grant, Record, Registration, Remedy, Scopes, State,
    http::ExchangePolicy,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_oauth::{
    AuthorizationCode, ClientAuthentication, PendingAuthorization, TokenResponse,
};

use crate::{
    LoginError, LoginErrorKind, LoginEvent, LoginWarning, NoRefreshToken,
    login::{Ended, Login},
    scopes::OFFLINE_ACCESS,
};

impl Login<'_> {
    /// Exchanges the code, once, and makes the record that the session saves.
    pub(crate) async fn redeem(
        &self,
        pending: PendingAuthorization,
        code: AuthorizationCode,
        registration: Registration,
        again: bool,
    ) -> Result<Record, Ended> {
        let metadata = &self.discovered.server;
        let Some(endpoint) = &metadata.token_endpoint else {
            return Err(no_token_endpoint(metadata.issuer.as_str()).into());
        };
        let client = ClientAuthentication::from_registration(&registration);
        let request = pending.redeem(code).into_http(endpoint, &client);
        let answer = self
            .host
            .http
            .fetch(request, ExchangePolicy::authorization_server())
            .await
            .map_err(|error| {
                let what = format!("no tokens from {}", metadata.issuer);
                LoginError::new(LoginErrorKind::Network, error.remedy(), what)
                    .with_hint(Some("the code may be used up: sign in again"))
                    .with_source(error)
            })?;
        let tokens = TokenResponse::from_http(&answer).map_err(|error| {
            let forgotten = again
                && registration.origin == RegistrationOrigin::Dynamic
                && error.code() == Some("invalid_client");
            let what = format!("{} gave no tokens for the code", metadata.issuer);
            let hint = error.hint();
            let error = LoginError::new(LoginErrorKind::Exchange, error.remedy(), what)
                .with_hint(hint)
                .with_source(error);
            if forgotten {
                Ended::ClientForgotten(Box::new(error))
            } else {
                error.into()
            }
        })?;
        let grant = tokens.into_grant(
            GrantKind::AuthorizationCode,
            &self.scopes,
            self.resource(),
            self.host.clock.now(),
        );
        self.tell(&grant);
        let mut record = self.record();
        record.registration = Some(registration);
        record.grant = Some(grant);
        record.fence = None;
        record.state = State::SignedIn;
        Ok(record)
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
    } else if metadata.lists_scope(OFFLINE_ACCESS) {
        NoRefreshToken::OfflineAccessNotAsked
    } else {
        NoRefreshToken::Unexplained
    }
}

fn no_token_endpoint(issuer: &str) -> LoginError {
    let what = format!("the metadata of {issuer} names no token endpoint");
    LoginError::new(LoginErrorKind::Request, Remedy::Report, what)
}
