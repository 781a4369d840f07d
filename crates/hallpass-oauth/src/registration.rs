//! Dynamic client registration (RFC 7591).

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{
    ClientId, ClientSecret, Diagnostic, Hint, Registration, RegistrationAccessToken, Remedy,
    Scopes, ServerMetadata, ServerWords, Timestamp, TokenEndpointAuthMethod,
    record::{RegistrationManagement, RegistrationOrigin},
};
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use crate::{
    answer::Answer,
    client_auth::{AvailableCredentials, negotiate},
    error_response::{ErrorResponse, redirect_target, server_words},
    form::post,
    redirect_uri::RedirectUriRefusal,
    retry_after::RetryAfter,
    token::grant_type,
};

/// A request to register a client (RFC 7591 §3.1).
#[derive(Debug, Clone, Copy)]
pub struct RegistrationRequest<'a> {
    /// The server's metadata, which decides the grant types and the authentication method.
    pub metadata: &'a ServerMetadata,
    /// The name that the user sees on the consent page; `None` leaves the field out.
    pub client_name: Option<&'a str>,
    /// The redirect URIs; empty for a client that signs in by device alone.
    pub redirect_uris: &'a [String],
    /// The scopes the client will ever ask for; none leaves the field out.
    pub scopes: &'a Scopes,
    /// Register for the refresh of tokens, whatever the server lists: servers issue refresh tokens and
    /// don't list the grant, and some refuse the refresh of a client that was not registered for it.
    pub refresh: bool,
    /// Register for the device grant (RFC 8628) too.
    pub device: bool,
    /// The authentication method; `None` takes the first of `none`, `client_secret_basic` and
    /// `client_secret_post` that the server lists, `client_secret_basic` where it lists nothing
    /// (RFC 8414 §2), and `none` where it lists none of the three.
    pub auth_method: Option<&'a TokenEndpointAuthMethod>,
    /// Leave out the members that say no more than their defaults: `application_type` and
    /// `response_types`.
    pub minimal: bool,
}

impl RegistrationRequest<'_> {
    /// The request to send to `endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url) -> Request<Bytes> {
        let mut body = json!({
            "grant_types": self.grant_types(),
            "token_endpoint_auth_method": self.method().as_str(),
        });
        if let Some(name) = self.client_name {
            body["client_name"] = json!(name);
        }
        if !self.minimal {
            body["application_type"] = json!("native");
        }
        if !self.redirect_uris.is_empty() {
            body["redirect_uris"] = json!(self.redirect_uris);
            if !self.minimal {
                body["response_types"] = json!(["code"]);
            }
        }
        if !self.scopes.is_empty() {
            body["scope"] = json!(self.scopes.to_string());
        }
        post(endpoint, "application/json", body.to_string())
    }

    /// The grants to register for.
    pub fn grant_types(&self) -> Vec<&'static str> {
        let mut types = Vec::new();
        if !self.redirect_uris.is_empty() {
            types.push("authorization_code");
        }
        if self.refresh {
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
        let Some(listed) = &self.metadata.token_endpoint_auth_methods_supported else {
            return ClientSecretBasic;
        };
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
    let refuse = |reason| Err(RegistrationError::new(response, &answer, reason));
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
    registration.grant_types = answer.texts("grant_types");
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

/// What a registration can do without (RFC 7591 §3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistrationPart {
    /// A grant among the `grant_types`.
    GrantType,
    /// Members that describe the client: `application_type`, `response_types`, `client_name`.
    Description,
    /// `scope`.
    Scopes,
    /// This `token_endpoint_auth_method`.
    AuthMethod,
}

impl RegistrationPart {
    /// What a server calls it, in lower case.
    const WORDS: &[(&str, Option<Self>)] = &[
        ("redirect", None),
        ("grant_type", Some(Self::GrantType)),
        ("grant type", Some(Self::GrantType)),
        ("device", Some(Self::GrantType)),
        ("application_type", Some(Self::Description)),
        ("application type", Some(Self::Description)),
        ("response_type", Some(Self::Description)),
        ("response type", Some(Self::Description)),
        ("client_name", Some(Self::Description)),
        ("client name", Some(Self::Description)),
        ("scope", Some(Self::Scopes)),
        ("auth_method", Some(Self::AuthMethod)),
        ("auth method", Some(Self::AuthMethod)),
        ("authentication", Some(Self::AuthMethod)),
        ("public client", Some(Self::AuthMethod)),
    ];

    /// The parts that a server's words name, in their order. A redirect URI is `None`.
    fn named_by(words: &str) -> Vec<Option<Self>> {
        let words = words.to_lowercase();
        let mut found: Vec<_> = Self::WORDS
            .iter()
            .filter_map(|(word, part)| Some((words.find(word)?, *part)))
            .collect();
        found.sort_by_key(|(position, _)| *position);
        let mut parts: Vec<_> = found.into_iter().map(|(_, part)| part).collect();
        parts.dedup();
        parts
    }
}

/// How much of a server's words is looked at.
const MAX_WORDS: usize = 4096;

/// The beginning of a server's words, which ends with a whole character.
fn first_words(words: &str) -> &str {
    let end = words.len().min(MAX_WORDS);
    (0..=end)
        .rev()
        .find_map(|end| words.get(..end))
        .unwrap_or_default()
}

/// The registration endpoint gave no usable client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (status {}){}", .response.status.as_u16(), .response.code_text())]
pub struct RegistrationError {
    response: Box<ErrorResponse>,
    #[source]
    words: Option<ServerWords>,
    /// The parts of the request that the server's words name, as [`RegistrationPart::named_by`] says.
    named: Vec<Option<RegistrationPart>>,
    /// What its words say of the redirect URI.
    redirect_uri: RedirectUriRefusal,
    /// Where the endpoint leads, if it redirects.
    location: Option<String>,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("the authorization server refused to register the client")]
    Refused,
    #[error("the authorization server does not accept the redirect URI")]
    RedirectUri,
    #[error("the registration endpoint redirects, and registrations follow no redirect")]
    Redirect,
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
    fn new(response: &Response<Bytes>, answer: &Answer, reason: Reason) -> Self {
        let body = String::from_utf8_lossy(response.body());
        let words = answer.text("error_description").unwrap_or(&body);
        let words = first_words(words);
        let named = RegistrationPart::named_by(words);
        let location = response.headers().get(header::LOCATION);
        let location = redirect_target(response.status(), location);
        let shown = server_words(response, answer);
        let response = ErrorResponse::read(response, answer);
        let is_redirect_uri = response.code.as_deref() == Some("invalid_redirect_uri")
            || matches!(response.status.as_u16(), 400 | 403 | 422) && named.first() == Some(&None);
        Self {
            redirect_uri: RedirectUriRefusal::read(words),
            named: match answer.text("error_description") {
                Some(_) => named,
                None => Vec::new(),
            },
            reason: match reason {
                Reason::Refused if location.is_some() => Reason::Redirect,
                Reason::Refused if is_redirect_uri => Reason::RedirectUri,
                reason => reason,
            },
            words: shown,
            response: Box::new(response),
            location,
        }
    }

    /// The answer to a deletion that did not succeed.
    pub(crate) fn not_removed(response: &Response<Bytes>) -> Self {
        let reason = match response.status() {
            StatusCode::UNAUTHORIZED => Reason::TokenRejected,
            _ => Reason::StillRegistered,
        };
        Self::new(response, &Answer::read(response), reason)
    }

    /// What the server says, without its words, which are the error's source.
    pub fn response(&self) -> &ErrorResponse {
        &self.response
    }

    /// What the server wants in the place of the redirect URI, if it refused that.
    pub fn redirect_uri_refusal(&self) -> Option<RedirectUriRefusal> {
        (self.reason == Reason::RedirectUri).then_some(self.redirect_uri)
    }

    /// Where the registration endpoint leads, if it answered with a redirect; without a query.
    pub fn redirect_target(&self, endpoint: &Url) -> Option<Url> {
        endpoint.join(self.location.as_deref()?).ok()
    }

    /// How long to wait before the same request is sent again to a server that has not processed it
    /// (408, 425, 429, 503), while a user waits. `None` after the second repeat.
    pub fn retry_delay(&self, repeats: u32, now: Timestamp) -> Option<Duration> {
        let is_unprocessed = matches!(self.response.status.as_u16(), 408 | 425 | 429 | 503);
        is_unprocessed
            .then(|| RetryAfter::delay(self.response.retry_after, repeats, now))
            .flatten()
    }

    /// Whether the server may register a client that asks for less: it refused the metadata
    /// (RFC 7591 §3.2.2), and its words don't begin with the redirect URI.
    pub fn is_metadata_refused(&self) -> bool {
        self.response.status == StatusCode::BAD_REQUEST
            && self.response.code.as_deref() == Some("invalid_client_metadata")
            && self.named.first() != Some(&None)
    }

    /// The parts of the request that the server's words name, in their order.
    pub fn named_parts(&self) -> impl Iterator<Item = RegistrationPart> + '_ {
        self.named.iter().copied().flatten()
    }
}

impl Diagnostic for RegistrationError {
    fn remedy(&self) -> Remedy {
        match self.reason {
            Reason::NoClientId | Reason::TokenRejected => Remedy::Report,
            Reason::Method | Reason::RedirectUri | Reason::Redirect => Remedy::Configure,
            Reason::Refused | Reason::StillRegistered => match self.response.status.as_u16() {
                408 | 425 | 429 | 500..=599 => Remedy::Retry,
                _ => Remedy::Configure,
            },
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match (self.reason, self.response.code.as_deref()) {
            (Reason::NoClientId | Reason::StillRegistered | Reason::TokenRejected, _) => Vec::new(),
            (Reason::Refused, _) if self.remedy() == Remedy::Retry => {
                self.response.retry_hint().into_iter().collect()
            }
            (Reason::RedirectUri, _) => self.redirect_uri.hints("127.0.0.1"),
            (Reason::Redirect, _) => vec![Hint::text(
                "the metadata has to name the final URL: contact the server's operator",
            )],
            _ => vec![
                Hint::setting("client", None),
                Hint::text("register a client by hand for it"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_before_a_character_that_is_too_long() {
        for (words, length) in [
            (
                "a".repeat(MAX_WORDS - 1) + "\u{e9}, and the scope",
                MAX_WORDS - 1,
            ),
            ("a".repeat(MAX_WORDS) + "\u{e9}", MAX_WORDS),
            ("\u{e9}".to_owned(), 2),
            (String::new(), 0),
        ] {
            assert_eq!(first_words(&words).len(), length);
        }
    }
}
