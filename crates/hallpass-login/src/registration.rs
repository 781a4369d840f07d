//! Dynamic registration (RFC 7591), and whether an earlier one still stands.

use bytes::Bytes;
use hallpass_core::{
    HttpClient, Registration, Remedy, ServerUrl, TokenEndpointAuthMethod,
    http::{Redirects, RequestOptions, RequestTarget},
};
use hallpass_oauth::{
    AvailableCredentials, RegistrationError, RegistrationRequest, negotiate, registration_from_http,
};
use http::{HeaderMap, Request, StatusCode, header};
use url::Url;

use crate::{
    LoginError, LoginErrorKind, LoginEvent, ReregistrationReason,
    address::CallbackListener,
    login::{Client, Login},
};

impl Login<'_> {
    /// Takes a port, registers a client for it, and keeps the registration.
    pub(crate) async fn register(
        &self,
        anew: Option<ReregistrationReason>,
    ) -> Result<Client, LoginError> {
        let metadata = &self.discovered.server;
        let issuer = &metadata.issuer;
        let Some(endpoint) = &metadata.registration_endpoint else {
            let why = anew.map_or_else(String::new, |why| format!(": {why}"));
            let what = format!("the client registered with {issuer} does not serve{why}");
            return Err(
                LoginError::new(LoginErrorKind::NoClient, Remedy::Configure, what).with_hint(Some(
                    "the server registers no clients by itself: free the port, or register a \
                     client there by hand and set its client id",
                )),
            );
        };
        let listener = self.listen().await?;
        let event = LoginEvent::Registering { issuer, anew };
        self.host.interaction.event(event);
        let name = self.ask.settings.client_name.as_deref();
        let redirect_uris = [listener.redirect_uri.clone()];
        let request = RegistrationRequest {
            metadata,
            client_name: name.unwrap_or(&self.host.client_name),
            redirect_uris: &redirect_uris,
            scopes: &self.scopes,
            device: self.offers_device(),
            auth_method: None,
        };
        let with_secret = RegistrationRequest {
            auth_method: Some(self.secret_method()),
            ..request
        };
        let registration = if anew == Some(ReregistrationReason::NeedsSecret) {
            self.ask_to_register(with_secret, endpoint, &listener)
                .await?
        } else {
            match self.ask_to_register(request, endpoint, &listener).await? {
                // A server that lists no methods was asked for none, which may be what it minds.
                Err(error)
                    if error.code() == Some("invalid_client_metadata")
                        && metadata.token_endpoint_auth_methods_supported.is_none() =>
                {
                    self.ask_to_register(with_secret, endpoint, &listener)
                        .await?
                }
                registration => registration,
            }
        };
        let registration = registration.map_err(|error| {
            let what = format!("{issuer} did not register the client");
            let by_hand = "register a client there by hand and set its client id";
            let hint = match error.remedy() {
                Remedy::Retry => None,
                _ => Some(error.hint().unwrap_or_else(|| by_hand.to_owned())),
            };
            LoginError::new(LoginErrorKind::Registration, error.remedy(), what)
                .with_hint(hint)
                .with_source(error)
        })?;
        self.keep(&registration).await?;
        Ok(Client {
            registration,
            listener,
            again: false,
        })
    }

    /// One request. The outer error is the network's.
    async fn ask_to_register(
        &self,
        request: RegistrationRequest<'_>,
        endpoint: &Url,
        listener: &CallbackListener,
    ) -> Result<Result<Registration, RegistrationError>, LoginError> {
        let metadata = request.metadata;
        let request = request.into_http(endpoint);
        let policy = RequestOptions::authorization_server(&self.ask.key.server);
        let answer = self
            .host
            .http
            .fetch(request, policy)
            .await
            .map_err(|error| {
                let what = format!("no registration with {}", metadata.issuer);
                LoginError::new(LoginErrorKind::Network, error.remedy(), what).with_source(error)
            })?;
        let redirect_uri = &listener.redirect_uri;
        Ok(registration_from_http(&answer, redirect_uri, metadata))
    }

    /// How a client with a secret would authenticate here.
    fn secret_method(&self) -> &'static TokenEndpointAuthMethod {
        let means = AvailableCredentials {
            secret: true,
            key: false,
        };
        match negotiate(&self.discovered.server, means) {
            Some(TokenEndpointAuthMethod::ClientSecretPost) => {
                &TokenEndpointAuthMethod::ClientSecretPost
            }
            _ => &TokenEndpointAuthMethod::ClientSecretBasic,
        }
    }
}

/// Whether the server still takes the client and its redirect URI, asked in the way the browser
/// will: a server that has forgotten a client shows an error page there and sends nobody back
/// (RFC 6749 §4.1.2.1), so the login would end at its time limit. Anything but a plain refusal
/// counts as a yes.
pub(crate) async fn still_known(http: &dyn HttpClient, server: &ServerUrl, url: &Url) -> bool {
    let request = Request::get(url.as_str())
        // What a navigation sends: some servers answer a script in another way.
        .header(header::ACCEPT, "text/html,*/*;q=0.8")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .body(Bytes::new());
    let Ok(request) = request else { return true };
    let policy = RequestOptions {
        target: RequestTarget::AuthorizationServer,
        redirects: Redirects::None,
        ..RequestOptions::metadata(server)
    };
    match http.open(request, policy).await {
        Ok(answer) => !refuses_client(url, answer.status(), answer.headers()),
        Err(error) => {
            tracing::debug!(%error, "the authorization endpoint was not asked in advance");
            true
        }
    }
}

/// Whether an authorization endpoint says that it does not take the client: by its status, or by
/// sending the browser to a page of its own, or back, with the reason.
fn refuses_client(endpoint: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
        return true;
    }
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| endpoint.join(location.to_str().ok()?).ok());
    status.is_redirection()
        && location.is_some_and(|location| {
            location.query_pairs().any(|(name, value)| {
                name == "error"
                    && matches!(
                        &*value,
                        "invalid_client" | "invalid_redirect_uri" | "unauthorized_client"
                    )
            })
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_refusal_is_a_plain_one() {
        let endpoint = Url::parse("https://as.example/authorize?client_id=c").unwrap();
        let check = |status: u16, location: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            if let Some(location) = location {
                headers.insert(header::LOCATION, HeaderValue::from_static(location));
            }
            let status = StatusCode::from_u16(status).unwrap();
            let found = refuses_client(&endpoint, status, &headers);
            assert_eq!(found, expected, "{status} {location:?}");
        };
        check(400, None, true);
        check(401, None, true);
        for status in [200, 403, 404, 405, 429, 500, 503] {
            check(status, None, false);
        }
        check(302, Some("https://as.example/login?next=x"), false);
        check(
            302,
            Some("http://127.0.0.1:1/callback?code=c&state=s"),
            false,
        );
        check(302, Some("/error?error=invalid_client"), true);
        check(
            303,
            Some("https://as.example/oops?error=invalid_redirect_uri"),
            true,
        );
        check(
            302,
            Some("http://127.0.0.1:1/callback?error=login_required"),
            false,
        );
        check(200, Some("/error?error=invalid_client"), false);
    }
}
