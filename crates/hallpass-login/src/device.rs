//! The device grant (RFC 8628) beside the browser: the user signs in on another device with a short
//! code.

use std::future::pending as never;

use bytes::Bytes;
use hallpass_core::{BoxFuture, Diagnostic as _, Registration};
use hallpass_oauth::{
    ClientAuthentication, DeviceAuthorization, DeviceAuthorizationRequest, TokenError,
    TokenResponse,
};
use hallpass_session::{DpopOnDemand, Retry, TokenRequestError};

use http::Response;

use crate::{
    DeviceCode, LoginError, LoginErrorKind, LoginEvent, client::DEVICE_CODE, login::Login,
    plan::LoginPlan,
};

impl Login<'_> {
    /// Ends with tokens, or when the user denies. Another failure is an event, and then there are no
    /// tokens: the browser can still finish the login. `None` where the plan has no device grant.
    pub(crate) fn device_grant<'a>(
        &'a self,
        plan: &'a LoginPlan,
        registration: &'a Registration,
        dpop: &'a DpopOnDemand<'_>,
    ) -> Option<BoxFuture<'a, Result<Option<TokenResponse>, LoginError>>> {
        if !plan.device_grant {
            return None;
        }
        Some(Box::pin(async move {
            let end = if registration.lacks_grant(DEVICE_CODE) {
                let issuer = &self.discovered.server.issuer;
                let what = format!("{issuer} does not register clients for the device grant");
                Err(LoginError::new(LoginErrorKind::NoClient, what))
            } else {
                self.run_device_grant(plan, registration, dpop).await
            };
            match end {
                Err(error)
                    if error.kind() != LoginErrorKind::Denied
                        && !self.is_scope_missing(plan, &error) =>
                {
                    let event = LoginEvent::DeviceEnded { error: &error };
                    self.host.interaction.event(event);
                    Ok(None)
                }
                end => end.map(Some),
            }
        }))
    }

    /// Whether the server refused the request because it names no scopes.
    fn is_scope_missing(&self, plan: &LoginPlan, error: &LoginError) -> bool {
        let source = std::error::Error::source(error);
        let answer = source.and_then(<dyn std::error::Error>::downcast_ref::<TokenError>);
        let code = answer.and_then(TokenError::code);
        code == Some("invalid_scope") && self.inputs().scopes_instead(plan).is_some()
    }

    async fn run_device_grant(
        &self,
        plan: &LoginPlan,
        registration: &Registration,
        dpop: &DpopOnDemand<'_>,
    ) -> Result<TokenResponse, LoginError> {
        let metadata = &self.discovered.server;
        let (Some(endpoint), Some(token_endpoint)) = (
            &metadata.device_authorization_endpoint,
            &metadata.token_endpoint,
        ) else {
            return never().await;
        };
        let failed = |error: TokenRequestError, refused: &str, kind| {
            let issuer = &metadata.issuer;
            let (kind, what) = match &error {
                TokenRequestError::Answer(_) => (kind, format!("{issuer} gave {refused}")),
                TokenRequestError::Signing(_) => {
                    let what = "the request for a device code could not be signed";
                    (LoginErrorKind::Exchange, what.to_owned())
                }
                _ => (
                    LoginErrorKind::Network,
                    format!("no device code from {issuer}"),
                ),
            };
            LoginError::new(kind, what)
                .with_remedy(error.remedy())
                .with_hints(error.hints())
                .with_source(error.into_inner())
        };
        let client = self.token_client();
        let request = DeviceAuthorizationRequest {
            scopes: &plan.scopes,
            resource: plan.resource.as_ref(),
        };
        let mut device = self.endpoint(endpoint, registration, None);
        device.retry = Retry::Never;
        let build = |client: &ClientAuthentication<'_>| request.into_http(endpoint, client);
        let read = |answer: &Response<Bytes>| {
            let now = self.host.ports.clock.now();
            DeviceAuthorization::from_http(answer, plan.resource.as_ref(), now)
        };
        let mut started = client.send(&device, build, read).await;
        if let Some(signer) = dpop.demanded_by(&device, &started) {
            device.dpop = Some(signer);
            started = client.send(&device, build, read).await;
        }
        let mut waiting =
            started.map_err(|error| failed(error, "no device code", LoginErrorKind::Exchange))?;
        // The wall clock may be set while the user signs in.
        let clock = &self.host.ports.clock;
        let lifetime = waiting.expires_at().saturating_since(clock.now());
        let deadline = clock.monotonic().saturating_add(lifetime);
        let pages = [
            Some(waiting.verification_uri()),
            waiting.verification_uri_complete(),
        ];
        for page in pages.into_iter().flatten() {
            let http = &*self.host.ports.http;
            let what = ("page for the device code", "the answer of ");
            self.inputs().check_navigation(http, what, page)?;
        }
        self.host
            .interaction
            .event(LoginEvent::DeviceCode(DeviceCode {
                user_code: waiting.user_code(),
                verification_uri: waiting.verification_uri(),
                verification_uri_complete: waiting.verification_uri_complete(),
                expires_at: waiting.expires_at(),
            }));
        let mut tokens = self.endpoint(token_endpoint, registration, dpop.signer());
        loop {
            clock.sleep(waiting.interval()).await;
            if clock.monotonic() >= deadline {
                let what = "the device code has expired";
                return Err(LoginError::new(LoginErrorKind::Timeout, what));
            }
            let mut polled = client.request_token(&tokens, &waiting.poll()).await;
            if let Some(signer) = dpop.demanded_by(&tokens, &polled) {
                tokens.dpop = Some(signer);
                polled = client.request_token(&tokens, &waiting.poll()).await;
            }
            match polled {
                Ok(tokens) => return Ok(tokens),
                Err(TokenRequestError::Answer(error)) if waiting.handle_poll_error(&error) => {}
                // RFC 8628 §3.5: a poll without answer is sent again.
                Err(TokenRequestError::Http(error)) => {
                    tracing::debug!(%error, "no answer to a poll for the device code");
                }
                Err(error) => {
                    let is_denied = matches!(
                        &error,
                        TokenRequestError::Answer(error) if error.code() == Some("access_denied")
                    );
                    let kind = if is_denied {
                        LoginErrorKind::Denied
                    } else {
                        LoginErrorKind::Exchange
                    };
                    return Err(failed(error, "no tokens for the device code", kind));
                }
            }
        }
    }
}
