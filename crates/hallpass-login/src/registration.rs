//! Dynamic registration (RFC 7591).

use hallpass_core::{
    CallbackSetting, Diagnostic as _, Hint, Registration, Remedy, Scopes, ServerSettings,
    TokenEndpointAuthMethod, record::RegistrationOrigin,
};
use hallpass_oauth::{
    AvailableCredentials, RedirectUriRefusal, RegistrationError, RegistrationPart,
    RegistrationRequest, negotiate, registration_from_http,
};
use http::StatusCode;
use url::Url;

use crate::{
    LoginError, LoginErrorKind, LoginEvent, ReregistrationReason,
    address::CallbackListener,
    client::{DEVICE_CODE, REFRESH_TOKEN},
    login::{Client, Login},
    plan::LoginPlan,
};

impl Login<'_> {
    /// Takes a port, registers a client for it, and saves the registration before the browser opens.
    pub(crate) async fn register(
        &self,
        plan: &LoginPlan,
        reason: Option<ReregistrationReason>,
    ) -> Result<Client, LoginError> {
        let metadata = &self.discovered.server;
        let issuer = &metadata.issuer;
        let Some(endpoint) = &metadata.registration_endpoint else {
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            let what = format!("the client registered with {issuer} can't be used{reason}");
            let hint = "the server registers no clients by itself: free the port, or register a \
                        client there by hand";
            return Err(LoginError::new(LoginErrorKind::NoClient, what)
                .with_hints([Hint::setting("client", None), Hint::text(hint)]));
        };
        let listener = self.listen(&plan.callback).await?;
        let event = LoginEvent::Registering { issuer, reason };
        self.host.interaction.event(event);
        let registration = self.negotiate_registration(plan, reason, endpoint, &listener);
        let registration = registration.await?;
        if let Err(error) = &registration
            && let Some(target) = error.redirect_target(endpoint)
        {
            let kind = LoginErrorKind::Registration;
            let moved = Box::pin(self.endpoint_moved(kind, endpoint, &target));
            return Err(moved.await);
        }
        let registration = registration.map_err(|error| {
            let what = format!("{issuer} did not register the client");
            if let Some(refused) = error.redirect_uri_refusal() {
                return LoginError::new(LoginErrorKind::Registration, what)
                    .with_remedy(error.remedy())
                    .with_hints(self.redirect_uri_hints(refused, RegistrationOrigin::Dynamic))
                    .with_source(error);
            }
            let guess = self.guess_hints();
            if error.remedy() != Remedy::Retry && !guess.is_empty() {
                return LoginError::new(LoginErrorKind::Registration, what)
                    .with_remedy(Remedy::Configure)
                    .with_hints(guess)
                    .with_source(error);
            }
            let by_hand = (error.remedy() != Remedy::Retry && error.hints().is_empty())
                .then(|| Hint::setting("client", None));
            LoginError::new(LoginErrorKind::Registration, what)
                .with_hints(by_hand)
                .with_cause(error)
        })?;
        self.save_registration(&registration).await?;
        Ok(Client {
            registration,
            listener,
            is_reused: false,
        })
    }

    /// What to set where the server does not accept the redirect URI of a client.
    pub(crate) fn redirect_uri_hints(
        &self,
        refused: RedirectUriRefusal,
        origin: RegistrationOrigin,
    ) -> Vec<Hint> {
        let callback = &self.request.settings.callback;
        let mut hints = refused.hints(&callback.host);
        // A server may know the path that clients commonly have, and no other.
        if refused == RedirectUriRefusal::Unknown
            && origin == RegistrationOrigin::Dynamic
            && callback.path.is_none()
        {
            let usual = Hint::setting("callback.path", Some(CallbackSetting::DEFAULT_PATH));
            hints.insert(hints.len().saturating_sub(1), usual);
        }
        hints
    }

    /// Registers, and asks for less where the server refuses the metadata (RFC 7591 §3.2.2).
    async fn negotiate_registration(
        &self,
        plan: &LoginPlan,
        reason: Option<ReregistrationReason>,
        endpoint: &Url,
        listener: &CallbackListener,
    ) -> Result<Result<Registration, RegistrationError>, LoginError> {
        let settings = self.request.settings;
        let redirect_uris = [listener.redirect_uri.clone()];
        let (auth_method, fallback) = self.auth_methods(reason);
        let mut negotiation = Negotiation {
            request: RegistrationRequest {
                metadata: &self.discovered.server,
                client_name: Some(
                    settings
                        .client_name
                        .as_deref()
                        .unwrap_or(&self.host.client_name),
                ),
                redirect_uris: &redirect_uris,
                scopes: &plan.scopes,
                refresh: true,
                device: plan.device_grant,
                auth_method,
                minimal: false,
            },
            settings,
            no_scopes: &Scopes::none(),
            fallback,
        };
        let mut attempts = 1;
        loop {
            let request = negotiation.request;
            match self.send_registration(request, endpoint, listener).await? {
                Ok(mut registration) => {
                    let mut declined = Vec::new();
                    if plan.device_grant && !request.device {
                        declined.push(DEVICE_CODE);
                    }
                    let asked = request.grant_types();
                    if registration.grant_types.is_some() {
                        let lacks = |grant_type: &&str| registration.lacks_grant(grant_type);
                        declined.extend(asked.into_iter().filter(lacks));
                    } else {
                        let asked = asked.into_iter().map(str::to_owned);
                        registration.grant_types = Some(asked.collect());
                    }
                    registration.declined_grant_types =
                        declined.into_iter().map(str::to_owned).collect();
                    return Ok(Ok(registration));
                }
                Err(error) if attempts < MAX_ATTEMPTS && negotiation.ask_for_less(&error) => {
                    tracing::debug!(%error, "the registration asks for less");
                    attempts += 1;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// One registration, sent again to a server that has not processed it. The outer error is the
    /// network's.
    async fn send_registration(
        &self,
        request: RegistrationRequest<'_>,
        endpoint: &Url,
        listener: &CallbackListener,
    ) -> Result<Result<Registration, RegistrationError>, LoginError> {
        let metadata = request.metadata;
        let clock = &self.host.ports.clock;
        let mut repeats = 0;
        loop {
            let sent = self.token_client().fetch(request.into_http(endpoint)).await;
            let answer = sent.map_err(|error| {
                let what = format!("no registration with {}", metadata.issuer);
                LoginError::new(LoginErrorKind::Network, what)
                    .with_remedy(error.remedy())
                    .with_source(error)
            })?;
            let read = registration_from_http(&answer, &listener.redirect_uri, metadata);
            let wait = match &read {
                Ok(_) => None,
                Err(error) => error.retry_delay(repeats, clock.now()),
            };
            let Some(wait) = wait else { return Ok(read) };
            repeats += 1;
            clock.sleep(wait).await;
        }
    }

    /// How the client is to authenticate, `None` as the server lists; and how instead, where the
    /// server lists nothing and refuses that.
    fn auth_methods(
        &self,
        reason: Option<ReregistrationReason>,
    ) -> (
        Option<&'static TokenEndpointAuthMethod>,
        Option<&'static TokenEndpointAuthMethod>,
    ) {
        if reason == Some(ReregistrationReason::NeedsSecret) {
            return (Some(self.secret_method()), None);
        }
        let metadata = &self.discovered.server;
        if metadata.token_endpoint_auth_methods_supported.is_some() {
            (None, None)
        } else if self.discovered.has_server_document() {
            // RFC 8414 §2: no list means `client_secret_basic`.
            (None, Some(&TokenEndpointAuthMethod::None))
        } else {
            let secret = &TokenEndpointAuthMethod::ClientSecretBasic;
            (Some(&TokenEndpointAuthMethod::None), Some(secret))
        }
    }

    /// How a client with a secret would authenticate here.
    fn secret_method(&self) -> &'static TokenEndpointAuthMethod {
        let credentials = AvailableCredentials {
            secret: true,
            key: false,
        };
        match negotiate(&self.discovered.server, credentials) {
            Some(TokenEndpointAuthMethod::ClientSecretPost) => {
                &TokenEndpointAuthMethod::ClientSecretPost
            }
            _ => &TokenEndpointAuthMethod::ClientSecretBasic,
        }
    }
}

/// How many registrations a login sends until one is accepted.
const MAX_ATTEMPTS: u32 = 3;

/// A registration, with what it may do without.
struct Negotiation<'a> {
    request: RegistrationRequest<'a>,
    settings: &'a ServerSettings,
    no_scopes: &'a Scopes,
    /// The authentication method to ask for instead.
    fallback: Option<&'static TokenEndpointAuthMethod>,
}

impl Negotiation<'_> {
    /// Leaves out what the server's words name first, else the first that it may do without. False
    /// when there is nothing left, and when asking for less is no answer to this error.
    fn ask_for_less(&mut self, error: &RegistrationError) -> bool {
        if error.is_metadata_refused() {
            let order = [
                RegistrationPart::AuthMethod,
                RegistrationPart::GrantType,
                RegistrationPart::Description,
                RegistrationPart::Scopes,
            ];
            let parts = error.named_parts().chain(order);
            let mut parts = parts.collect::<Vec<_>>().into_iter();
            return parts.any(|part| self.leave_out(part));
        }
        // A server that lists no authentication methods has a default of its own.
        let response = error.response();
        let is_refused = response.status == StatusCode::BAD_REQUEST;
        let is_other = response.code.as_deref() == Some("invalid_redirect_uri");
        is_refused && !is_other && self.leave_out(RegistrationPart::AuthMethod)
    }

    /// Whether the part was there to leave out. What the user set is not.
    fn leave_out(&mut self, part: RegistrationPart) -> bool {
        let request = &mut self.request;
        match part {
            RegistrationPart::AuthMethod => match self.fallback.take() {
                Some(method) => request.auth_method = Some(method),
                None => return false,
            },
            RegistrationPart::GrantType if request.device => request.device = false,
            // The last resort: without it the user has to sign in each time that the token expires.
            RegistrationPart::GrantType
                if request.refresh
                    && request.metadata.grant_types_supported.is_some()
                    && !request.metadata.supports_grant(REFRESH_TOKEN) =>
            {
                request.refresh = false;
            }
            RegistrationPart::Description if !request.minimal => {
                request.minimal = true;
                if self.settings.client_name.is_none() {
                    request.client_name = None;
                }
            }
            RegistrationPart::Scopes
                if self.settings.scopes.is_none() && !request.scopes.is_empty() =>
            {
                request.scopes = self.no_scopes;
            }
            _ => return false,
        }
        true
    }
}
