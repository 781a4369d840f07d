//! Token revocation (RFC 7009).

use std::fmt;

use bytes::Bytes;
use hallpass_core::{
    AccessToken, RefreshToken, Registration, ServerMetadata, TokenEndpointAuthMethod,
};
use http::{Request, Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::{client_auth::ClientAuthentication, form::Form, token::TokenError};

/// A request to revoke one token (RFC 7009 §2.1). Revoke the refresh token first: most servers end
/// its access tokens with it.
#[derive(Clone, Copy)]
pub struct RevocationRequest<'a> {
    token: &'a str,
    hint: &'static str,
}

impl<'a> RevocationRequest<'a> {
    /// Revokes a refresh token.
    pub fn for_refresh_token(token: &'a RefreshToken) -> Self {
        Self {
            token: token.expose(),
            hint: "refresh_token",
        }
    }

    /// Revokes an access token.
    pub fn for_access_token(token: &'a AccessToken) -> Self {
        Self {
            token: token.expose(),
            hint: "access_token",
        }
    }

    /// The request to send to `endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        let form = Form::default()
            .with("token", self.token)
            .with("token_type_hint", self.hint);
        client.post_form(form, endpoint)
    }
}

impl fmt::Debug for RevocationRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationRequest({})", self.hint)
    }
}

/// Reads the answer to a [`RevocationRequest`]. Any 2xx is success, also for a token that the server
/// never knew (RFC 7009 §2.2).
///
/// # Errors
///
/// A [`TokenError`] for every other status. The token may still be valid. The request may be sent
/// again when the error's class is [`NotProcessed`](crate::TokenErrorClass::NotProcessed).
pub fn revocation_from_http(response: &Response<Bytes>) -> Result<(), TokenError> {
    if response.status().is_success() {
        return Ok(());
    }
    TokenError::check(response).map(drop)
}

/// How a client authenticates at the revocation endpoint.
///
/// The metadata's `revocation_endpoint_auth_methods_supported` (RFC 8414 §2) decides. Where it is
/// absent, or names no method that the client is able to use, the client uses its registered method.
///
/// Some servers accept a client's secret in one form only, and don't say which. So a client that is
/// registered with `client_secret_basic` or `client_secret_post` has the other form as a fallback. A
/// client that is registered with another method never sends its secret, unless the list names one
/// of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationAuthMethods {
    /// The method of the first request.
    pub first: TokenEndpointAuthMethod,
    fallback: Option<TokenEndpointAuthMethod>,
}

impl RevocationAuthMethods {
    /// Decides for one client; `has_key` says whether it has a key for `private_key_jwt`.
    pub fn new(metadata: &ServerMetadata, registration: &Registration, has_key: bool) -> Self {
        use TokenEndpointAuthMethod::{
            ClientSecretBasic, ClientSecretPost, None as Public, PrivateKeyJwt,
        };

        let has_secret = registration.client_secret.is_some();
        let is_available = |method: &TokenEndpointAuthMethod| match method {
            Public => true,
            ClientSecretBasic | ClientSecretPost => has_secret,
            PrivateKeyJwt => has_key,
            _ => false,
        };
        let registered = &registration.auth_method;
        let other = other_form(registered).filter(|_| has_secret);
        let first = match listed(metadata) {
            Some(listed) if !listed.contains(registered) => {
                let known = [PrivateKeyJwt, ClientSecretBasic, ClientSecretPost, Public];
                let candidates = other.iter().chain(&known);
                candidates
                    .filter(|method| listed.contains(method))
                    .find(|method| is_available(method))
                    .unwrap_or(registered)
                    .clone()
            }
            _ => registered.clone(),
        };
        let fallback = match other {
            Some(other) if first == *registered => Some(other),
            Some(_) => Some(registered.clone()),
            None => None,
        };
        Self { first, fallback }
    }

    /// The method for one more request after the server answered the first with `error`: a 400
    /// `invalid_request` or a 401 `invalid_client`. `None` where another form can't help.
    pub fn fallback_after(&self, error: &TokenError) -> Option<&TokenEndpointAuthMethod> {
        let is_about_client = matches!(
            (error.status(), error.code()),
            (StatusCode::BAD_REQUEST, Some("invalid_request"))
                | (StatusCode::UNAUTHORIZED, Some("invalid_client"))
        );
        self.fallback.as_ref().filter(|_| is_about_client)
    }
}

/// The other way to send a secret.
fn other_form(method: &TokenEndpointAuthMethod) -> Option<TokenEndpointAuthMethod> {
    match method {
        TokenEndpointAuthMethod::ClientSecretBasic => {
            Some(TokenEndpointAuthMethod::ClientSecretPost)
        }
        TokenEndpointAuthMethod::ClientSecretPost => {
            Some(TokenEndpointAuthMethod::ClientSecretBasic)
        }
        _ => None,
    }
}

/// `revocation_endpoint_auth_methods_supported`. An empty list says nothing.
fn listed(metadata: &ServerMetadata) -> Option<Vec<TokenEndpointAuthMethod>> {
    let value = metadata
        .other
        .get("revocation_endpoint_auth_methods_supported")?;
    let names = value.as_array()?.iter().filter_map(Value::as_str);
    let methods: Vec<_> = names
        .map(|name| TokenEndpointAuthMethod::from(name.to_owned()))
        .collect();
    (!methods.is_empty()).then_some(methods)
}
