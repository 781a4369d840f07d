//! The device grant (RFC 8628) as a second road: a person signs in on another machine with a short
//! code.

use std::future::pending as never;

use hallpass_core::{BoxFuture, Registration, Remedy, http::RequestOptions};
use hallpass_oauth::{
    DeviceAuthorization, DeviceAuthorizationRequest, SigningError, TokenResponse,
};

use crate::{
    DeviceCode, LoginError, LoginErrorKind, LoginEvent,
    login::Login,
    token_request::{Binding, TokenRequestError},
};

/// The grant type's name (RFC 8628 §3.4).
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

impl Login<'_> {
    /// Whether this login offers a person the road: the host wants it, and the server has it.
    pub(crate) fn offers_device(&self) -> bool {
        let metadata = &self.discovered.server;
        let listed =
            metadata.grant_types_supported.is_none() || metadata.supports_grant(DEVICE_CODE);
        self.host.device && metadata.device_authorization_endpoint.is_some() && listed
    }

    /// Ends with tokens, or with the person's no. A road that leads nowhere is an event, and then
    /// this never ends: the other roads go on.
    pub(crate) fn device_road<'a>(
        &'a self,
        registration: &'a Registration,
        binding: Option<&'a Binding>,
    ) -> BoxFuture<'a, Result<TokenResponse, LoginError>> {
        Box::pin(async move {
            if !self.offers_device() {
                return never().await;
            }
            match self.walk_device_road(registration, binding).await {
                Err(error) if error.kind() != LoginErrorKind::Denied => {
                    let event = LoginEvent::DeviceEnded { error: &error };
                    self.host.interaction.event(event);
                    never().await
                }
                end => end,
            }
        })
    }

    async fn walk_device_road(
        &self,
        registration: &Registration,
        binding: Option<&Binding>,
    ) -> Result<TokenResponse, LoginError> {
        let metadata = &self.discovered.server;
        let (Some(endpoint), Some(token_endpoint)) = (
            &metadata.device_authorization_endpoint,
            &metadata.token_endpoint,
        ) else {
            return never().await;
        };
        let unsigned = |error: SigningError| {
            let what = "the request for a device code could not be signed";
            LoginError::new(LoginErrorKind::Exchange, Remedy::Retry, what).with_source(error)
        };
        let client = self.authenticate(registration).map_err(unsigned)?;
        let request = DeviceAuthorizationRequest {
            scopes: &self.scopes,
            resource: self.resource(),
        };
        let request = request.into_http(endpoint, &client);
        let policy = RequestOptions::authorization_server(&self.ask.key.server);
        let answer = self.host.http.fetch(request, policy).await;
        let answer = answer.map_err(|error| {
            let what = format!("no device code from {}", metadata.issuer);
            LoginError::new(LoginErrorKind::Network, error.remedy(), what).with_source(error)
        })?;
        let now = self.host.clock.now();
        let mut waiting =
            DeviceAuthorization::from_http(&answer, self.resource(), now).map_err(|error| {
                let what = format!("{} gave no device code", metadata.issuer);
                LoginError::new(LoginErrorKind::Exchange, error.remedy(), what)
                    .with_hint(error.hint())
                    .with_source(error)
            })?;
        self.host
            .interaction
            .event(LoginEvent::DeviceCode(DeviceCode {
                user_code: waiting.user_code(),
                verification_uri: waiting.verification_uri(),
                verification_uri_complete: waiting.verification_uri_complete(),
                expires_at: waiting.expires_at(),
            }));
        loop {
            self.host.clock.sleep(waiting.interval()).await;
            if self.host.clock.now() >= waiting.expires_at() {
                let what = "the device code has ended";
                return Err(LoginError::new(
                    LoginErrorKind::Timeout,
                    Remedy::SignIn,
                    what,
                ));
            }
            let poll = || {
                let client = self.authenticate(registration)?;
                Ok(waiting.poll().into_http(token_endpoint, &client))
            };
            match self.tokens(token_endpoint, poll, binding).await {
                Ok(tokens) => return Ok(tokens),
                Err(TokenRequestError::Token(error)) if waiting.handle_poll_error(&error) => {}
                Err(TokenRequestError::Token(error)) => {
                    let kind = match error.code() {
                        Some("access_denied") => LoginErrorKind::Denied,
                        _ => LoginErrorKind::Exchange,
                    };
                    let what = format!("{} gave no tokens for the device code", metadata.issuer);
                    return Err(LoginError::new(kind, error.remedy(), what)
                        .with_hint(error.hint())
                        .with_source(error));
                }
                // RFC 8628 §3.5: a question that was lost is asked again.
                Err(TokenRequestError::Http(error)) => {
                    tracing::debug!(%error, "a question about the device code was lost");
                }
                Err(TokenRequestError::Signing(error)) => return Err(unsigned(error)),
            }
        }
    }
}
