//! Dynamic registration (RFC 7591).

use hallpass_core::{Diagnostic as _, Hint, Registration, Remedy, TokenEndpointAuthMethod};
use hallpass_oauth::{
    AvailableCredentials, RegistrationError, RegistrationRequest, negotiate, registration_from_http,
};
use url::Url;

use crate::{
    LoginError, LoginErrorKind, LoginEvent, ReregistrationReason,
    address::CallbackListener,
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
            return Err(LoginError::new(LoginErrorKind::NoClient, what).with_hint(
                "the server registers no clients by itself: free the port, or register a \
                     client there by hand and set its client id",
            ));
        };
        let listener = self.listen(&plan.callback).await?;
        let event = LoginEvent::Registering { issuer, reason };
        self.host.interaction.event(event);
        let name = self.request.settings.client_name.as_deref();
        let redirect_uris = [listener.redirect_uri.clone()];
        let request = RegistrationRequest {
            metadata,
            client_name: name.unwrap_or(&self.host.client_name),
            redirect_uris: &redirect_uris,
            scopes: &plan.scopes,
            device: plan.device_grant,
            auth_method: None,
        };
        let with_secret = RegistrationRequest {
            auth_method: Some(self.secret_method()),
            ..request
        };
        let registration = if reason == Some(ReregistrationReason::NeedsSecret) {
            self.send_registration(with_secret, endpoint, &listener)
                .await?
        } else {
            match self.send_registration(request, endpoint, &listener).await? {
                // A server that lists no methods was sent `none`, which it may refuse.
                Err(error)
                    if error.response().code.as_deref() == Some("invalid_client_metadata")
                        && metadata.token_endpoint_auth_methods_supported.is_none() =>
                {
                    self.send_registration(with_secret, endpoint, &listener)
                        .await?
                }
                registration => registration,
            }
        };
        let registration = registration.map_err(|error| {
            let what = format!("{issuer} did not register the client");
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

    /// One request. The outer error is the network's.
    async fn send_registration(
        &self,
        request: RegistrationRequest<'_>,
        endpoint: &Url,
        listener: &CallbackListener,
    ) -> Result<Result<Registration, RegistrationError>, LoginError> {
        let metadata = request.metadata;
        let request = request.into_http(endpoint);
        let answer = self.token_client().fetch(request).await.map_err(|error| {
            let what = format!("no registration with {}", metadata.issuer);
            LoginError::new(LoginErrorKind::Network, what)
                .with_remedy(error.remedy())
                .with_source(error)
        })?;
        let redirect_uri = &listener.redirect_uri;
        Ok(registration_from_http(&answer, redirect_uri, metadata))
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
