//! The device grant (RFC 8628) beside the browser: the user signs in on another device with a short
//! code.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{BoxFuture, Diagnostic as _, Registration};
use hallpass_oauth::{
    ClientAuthentication, DeviceAuthorization, DeviceAuthorizationRequest, TokenError,
    TokenResponse,
};
use hallpass_session::{DpopOnDemand, Retry, TokenRequestError};

use http::Response;
use url::Url;

use crate::{
    DeviceCode, LoginError, LoginErrorKind, LoginEvent, client::DEVICE_CODE, login::Login,
    plan::LoginPlan,
};

/// The device grant beside the browser, until it ends.
pub(crate) type DeviceGrant<'a> = BoxFuture<'a, Result<Option<TokenResponse>, LoginError>>;

/// A device code, and how long it is valid.
struct Started {
    authorization: DeviceAuthorization,
    /// Monotonic: the wall clock may be set while the user signs in.
    deadline: Duration,
}

impl Login<'_> {
    /// Requests a device code, and has the user confirm its page where that has to be: before the browser
    /// opens, so that no other input of the user is awaited at the same time.
    ///
    /// What is returned ends with tokens, or when the user denies. Another failure is an event, and then
    /// there are no tokens: the browser can still finish the login. `None` where the plan has no device
    /// grant.
    pub(crate) async fn start_device_grant<'a>(
        &'a self,
        plan: &'a LoginPlan,
        registration: &'a Registration,
        dpop: &'a DpopOnDemand<'_>,
    ) -> Result<Option<DeviceGrant<'a>>, LoginError> {
        let metadata = &self.discovered.server;
        let (true, Some(endpoint), Some(token_endpoint)) = (
            plan.device_grant,
            &metadata.device_authorization_endpoint,
            &metadata.token_endpoint,
        ) else {
            return Ok(None);
        };
        let started = if registration.lacks_grant(DEVICE_CODE) {
            let issuer = &metadata.issuer;
            let what = format!("{issuer} does not register clients for the device grant");
            Err(LoginError::new(LoginErrorKind::NoClient, what))
        } else {
            self.request_device_code(plan, endpoint, registration, dpop)
                .await
        };
        let started = match started {
            // The user did not confirm the page.
            Err(error)
                if matches!(
                    error.kind(),
                    LoginErrorKind::Denied | LoginErrorKind::Timeout
                ) || self.is_scope_missing(plan, &error) =>
            {
                return Err(error);
            }
            started => started,
        };
        Ok(Some(Box::pin(async move {
            let end = match started {
                Ok(started) => {
                    self.poll_for_tokens(started, token_endpoint, registration, dpop)
                        .await
                }
                Err(error) => Err(error),
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
        })))
    }

    /// Whether the server refused the request because it names no scopes.
    fn is_scope_missing(&self, plan: &LoginPlan, error: &LoginError) -> bool {
        let source = std::error::Error::source(error);
        let answer = source.and_then(<dyn std::error::Error>::downcast_ref::<TokenError>);
        let code = answer.and_then(TokenError::code);
        code == Some("invalid_scope") && self.inputs().scopes_instead(plan).is_some()
    }

    async fn request_device_code(
        &self,
        plan: &LoginPlan,
        endpoint: &Url,
        registration: &Registration,
        dpop: &DpopOnDemand<'_>,
    ) -> Result<Started, LoginError> {
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
        let mut sent = client.send(&device, build, read).await;
        if let Some(signer) = dpop.demanded_by(&device, &sent) {
            device.dpop = Some(signer);
            sent = client.send(&device, build, read).await;
        }
        let authorization = sent.map_err(|error| {
            self.device_failed(error, "no device code", LoginErrorKind::Exchange)
        })?;
        let clock = &self.host.ports.clock;
        let lifetime = authorization.expires_at().saturating_since(clock.now());
        let deadline = clock.monotonic().saturating_add(lifetime);
        let pages = [
            Some(authorization.verification_uri()),
            authorization.verification_uri_complete(),
        ];
        for page in pages.into_iter().flatten() {
            let inputs = self.inputs();
            let http = &*self.host.ports.http;
            let what = ("page for the device code", "the answer of ");
            inputs.check_navigation(http, what, page)?;
            if let Some(token_host) = inputs.unconfirmed_token_host(page) {
                self.confirm(&token_host).await?;
            }
        }
        Ok(Started {
            authorization,
            deadline,
        })
    }

    /// Shows the code, and polls until the user has signed in (RFC 8628 §3.4, §3.5).
    async fn poll_for_tokens(
        &self,
        started: Started,
        token_endpoint: &Url,
        registration: &Registration,
        dpop: &DpopOnDemand<'_>,
    ) -> Result<TokenResponse, LoginError> {
        let Started {
            mut authorization,
            deadline,
        } = started;
        self.host
            .interaction
            .event(LoginEvent::DeviceCode(DeviceCode {
                user_code: authorization.user_code(),
                verification_uri: authorization.verification_uri(),
                verification_uri_complete: authorization.verification_uri_complete(),
                expires_at: authorization.expires_at(),
            }));
        let (client, clock) = (self.token_client(), &self.host.ports.clock);
        let mut tokens = self.endpoint(token_endpoint, registration, dpop.signer());
        loop {
            clock.sleep(authorization.interval()).await;
            if clock.monotonic() >= deadline {
                let what = "the device code has expired";
                return Err(LoginError::new(LoginErrorKind::Timeout, what));
            }
            let mut polled = client.request_token(&tokens, &authorization.poll()).await;
            if let Some(signer) = dpop.demanded_by(&tokens, &polled) {
                tokens.dpop = Some(signer);
                polled = client.request_token(&tokens, &authorization.poll()).await;
            }
            match polled {
                Ok(tokens) => return Ok(tokens),
                Err(TokenRequestError::Answer(error))
                    if authorization.handle_poll_error(&error) => {}
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
                    return Err(self.device_failed(error, "no tokens for the device code", kind));
                }
            }
        }
    }

    /// A request of the device grant that failed; with `refused` and `kind` if the server refused it.
    fn device_failed(
        &self,
        error: TokenRequestError,
        refused: &str,
        kind: LoginErrorKind,
    ) -> LoginError {
        let issuer = &self.discovered.server.issuer;
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
    }
}
