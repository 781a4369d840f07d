//! Dynamic client registration (RFC 7591).

use bytes::Bytes;
use hallpass_core::{
    ClientId, ClientSecret, Diagnostic, Hint, Registration, RegistrationAccessToken, Remedy,
    Scopes, ServerMetadata, Timestamp, TokenEndpointAuthMethod,
    record::{RegistrationManagement, RegistrationOrigin},
};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::{
    answer::Answer,
    client_auth::{AvailableCredentials, negotiate},
    error_response::ErrorResponse,
    form::post,
    token::grant_type,
};

/// A request to register a client (RFC 7591 §3.1).
#[derive(Debug, Clone, Copy)]
pub struct RegistrationRequest<'a> {
    /// The server's metadata, which decides the grant types and the authentication method.
    pub metadata: &'a ServerMetadata,
    /// The name that the user sees on the consent page.
    pub client_name: &'a str,
    /// The redirect URIs; empty for a client that signs in by device alone.
    pub redirect_uris: &'a [String],
    /// The scopes the client will ever ask for; none leaves the field out.
    pub scopes: &'a Scopes,
    /// Register for the device grant (RFC 8628) too.
    pub device: bool,
    /// The authentication method; `None` takes the first of `none`, `client_secret_basic` and
    /// `client_secret_post` that the server lists, and `none` where it lists nothing.
    pub auth_method: Option<&'a TokenEndpointAuthMethod>,
}

impl RegistrationRequest<'_> {
    /// The request to send to `endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url) -> Request<Bytes> {
        let mut body = json!({
            "application_type": "native",
            "client_name": self.client_name,
            "grant_types": self.grant_types(),
            "token_endpoint_auth_method": self.method().as_str(),
        });
        if !self.redirect_uris.is_empty() {
            body["redirect_uris"] = json!(self.redirect_uris);
            body["response_types"] = json!(["code"]);
        }
        if !self.scopes.is_empty() {
            body["scope"] = json!(self.scopes.to_string());
        }
        post(endpoint, "application/json", body.to_string())
    }

    fn grant_types(&self) -> Vec<&'static str> {
        let listed = self.metadata.grant_types_supported.is_some();
        let mut types = Vec::new();
        if !self.redirect_uris.is_empty() {
            types.push("authorization_code");
        }
        // A server that lists its grants refuses to register others.
        if !listed || self.metadata.supports_grant("refresh_token") {
            types.push("refresh_token");
        }
        if self.device {
            types.push(grant_type::DEVICE_CODE);
        }
        types
    }

    fn method(&self) -> TokenEndpointAuthMethod {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public};

        if let Some(method) = self.auth_method {
            return method.clone();
        }
        let listed = self
            .metadata
            .token_endpoint_auth_methods_supported
            .as_deref();
        let listed = listed.unwrap_or_default();
        [Public, ClientSecretBasic, ClientSecretPost]
            .into_iter()
            .find(|method| listed.contains(method))
            .unwrap_or(Public)
    }
}

/// Reads the answer to a [`RegistrationRequest`] (RFC 7591 §3.2.1). What it says counts, not what was
/// asked for: secret, method, scopes. `redirect_uri` is the one that logins will use.
///
/// # Errors
///
/// When the server refused, or what it answered is no client that can be used.
pub fn registration_from_http(
    response: &Response<Bytes>,
    redirect_uri: &str,
    metadata: &ServerMetadata,
) -> Result<Registration, RegistrationError> {
    let answer = Answer::read(response);
    let refuse = |reason| {
        let response = ErrorResponse::read(response, &answer);
        Err(RegistrationError { response, reason })
    };
    if !response.status().is_success() || answer.text("error").is_some() {
        return refuse(Reason::Refused);
    }
    let client_id = match answer.get("client_id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return refuse(Reason::NoClientId),
    };
    let secret = answer.text("client_secret").map(ClientSecret::new);
    let credentials = AvailableCredentials {
        secret: secret.is_some(),
        key: false,
    };
    let method = answer
        .text("token_endpoint_auth_method")
        .map(|name| TokenEndpointAuthMethod::from(name.to_owned()))
        .or_else(|| negotiate(metadata, credentials))
        .unwrap_or(TokenEndpointAuthMethod::None);
    let method = match method {
        // Servers that ignore the field echo its default, and issue no secret: a public client.
        method if method.needs_secret() && secret.is_none() => TokenEndpointAuthMethod::None,
        TokenEndpointAuthMethod::PrivateKeyJwt | TokenEndpointAuthMethod::Other(_) => {
            return refuse(Reason::Method);
        }
        method => method,
    };
    let mut registration = Registration::new(RegistrationOrigin::Dynamic, ClientId::new(client_id));
    registration.secret_expires_at = match &secret {
        Some(_) => answer.get("client_secret_expires_at").and_then(expiry),
        None => None,
    };
    registration.client_secret = secret;
    registration.auth_method = method;
    registration.redirect_uri = Some(redirect_uri.to_owned());
    registration.scopes = answer.scopes("scope");
    registration.management = management(&answer);
    Ok(registration)
}

/// Seconds since the epoch; 0 is never (RFC 7591 §3.2.1).
fn expiry(value: &Value) -> Option<Timestamp> {
    let seconds = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (seconds > 0).then(|| Timestamp::from_unix_seconds(seconds))
}

/// RFC 7592 §3: both halves or nothing.
fn management(answer: &Answer) -> Option<RegistrationManagement> {
    Some(RegistrationManagement {
        uri: answer.text("registration_client_uri")?.parse().ok()?,
        token: RegistrationAccessToken::new(answer.text("registration_access_token")?),
    })
}

/// The registration endpoint gave no usable client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (status {}){}", .response.status.as_u16(), .response.words())]
pub struct RegistrationError {
    response: ErrorResponse,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("the authorization server refused to register the client")]
    Refused,
    #[error("the answer to the registration names no client")]
    NoClientId,
    #[error("the client was registered with an authentication method that it can't use")]
    Method,
    /// A deletion was refused: the registration stays.
    #[error("the authorization server did not delete the registration")]
    StillRegistered,
    /// A deletion was refused: the registration access token is not valid.
    #[error(
        "the server no longer accepts the registration's token: the client is gone, or its token is"
    )]
    TokenRejected,
}

impl RegistrationError {
    /// The answer to a deletion that did not succeed.
    pub(crate) fn not_removed(response: &Response<Bytes>) -> Self {
        Self {
            response: ErrorResponse::read(response, &Answer::read(response)),
            reason: match response.status() {
                StatusCode::UNAUTHORIZED => Reason::TokenRejected,
                _ => Reason::StillRegistered,
            },
        }
    }

    /// What the server says.
    pub fn response(&self) -> &ErrorResponse {
        &self.response
    }
}

impl Diagnostic for RegistrationError {
    fn remedy(&self) -> Remedy {
        match self.reason {
            Reason::NoClientId | Reason::TokenRejected => Remedy::Report,
            Reason::Method => Remedy::Configure,
            Reason::Refused | Reason::StillRegistered => match self.response.status.as_u16() {
                408 | 425 | 429 | 500..=599 => Remedy::Retry,
                _ => Remedy::Configure,
            },
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match (self.reason, self.response.code.as_deref()) {
            (Reason::NoClientId | Reason::StillRegistered | Reason::TokenRejected, _) => Vec::new(),
            (Reason::Refused, _) if self.remedy() == Remedy::Retry => Vec::new(),
            (Reason::Refused, Some("invalid_redirect_uri")) => vec![
                Hint::setting("callback", None),
                Hint::text("the server does not accept this callback address"),
            ],
            _ => vec![
                Hint::setting("client", None),
                Hint::text("register a client by hand for it"),
            ],
        }
    }
}
