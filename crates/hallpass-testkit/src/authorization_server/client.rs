//! Clients, and how they prove who they are (RFC 6749 §2.3).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hallpass_core::{ClientSecret, Timestamp, TokenEndpointAuthMethod};
use http::{StatusCode, header};
use url::form_urlencoded;

use super::{State, StaticClient, locked, single};
use crate::{exchange::Received, reply::Reply};

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that the server knows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegisteredClient {
    /// The identifier.
    pub id: String,
    /// The secret, which a public client has none of.
    pub secret: Option<ClientSecret>,
    /// When the secret ends.
    pub secret_expires_at: Option<Timestamp>,
    /// The one method it may authenticate by.
    pub auth_method: TokenEndpointAuthMethod,
    /// The redirect URIs, compared as text.
    pub redirect_uris: Vec<String>,
    /// The grants it registered for.
    pub grant_types: Vec<String>,
    /// The name it gave itself.
    pub name: Option<String>,
}

impl From<StaticClient> for RegisteredClient {
    fn from(client: StaticClient) -> Self {
        Self {
            id: client.id,
            secret: client.secret.map(ClientSecret::new),
            secret_expires_at: None,
            auth_method: client.auth_method,
            redirect_uris: client.redirect_uris,
            grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
            name: None,
        }
    }
}

/// A client that is not who it says, or does not say it in the way it registered.
#[derive(Debug)]
pub(super) struct InvalidClient {
    why: &'static str,
    by_header: bool,
}

impl InvalidClient {
    pub(super) fn reply(&self) -> Reply {
        let reply = Reply::error(StatusCode::UNAUTHORIZED, "invalid_client", self.why);
        // RFC 6749 §5.2: the scheme that the client tried is challenged.
        if self.by_header {
            reply.with(header::WWW_AUTHENTICATE, "Basic realm=\"clients\"")
        } else {
            reply
        }
    }
}

impl fmt::Display for InvalidClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

/// What a request says about its client.
struct Credentials {
    id: String,
    secret: Option<String>,
    assertion: Option<String>,
    method: TokenEndpointAuthMethod,
}

impl State {
    /// The client that a request to the token or the revocation endpoint comes from, by exactly the
    /// method that the client is registered with.
    pub(super) fn authenticated(
        &self,
        request: &Received,
    ) -> Result<RegisteredClient, InvalidClient> {
        let by_header = request.headers.contains_key(header::AUTHORIZATION);
        let refuse = |why| Err(InvalidClient { why, by_header });
        let given = match credentials(request) {
            Ok(given) => given,
            Err(why) => return refuse(why),
        };
        let client = locked(&self.clients).get(&given.id).cloned();
        let Some(client) = client else {
            return refuse("no such client");
        };
        if client.auth_method != given.method {
            return refuse("the client is registered with another method of authentication");
        }
        if client.auth_method.needs_secret() {
            let secret = client.secret.as_ref().map(ClientSecret::expose);
            if secret.is_none() || secret != given.secret.as_deref() {
                return refuse("the client's secret is wrong");
            }
            let now = self.clock.now();
            if client.secret_expires_at.is_some_and(|end| now >= end) {
                return refuse("the client's secret has expired");
            }
        }
        if let Some(assertion) = &given.assertion
            && let Err(why) = self.check_assertion(&given.id, assertion)
        {
            return refuse(why);
        }
        Ok(client)
    }
}

fn credentials(request: &Received) -> Result<Credentials, &'static str> {
    let form = request.form.as_deref().unwrap_or_default();
    let id = single(form, "client_id").map_err(|_| "client_id is repeated")?;
    let secret = single(form, "client_secret").map_err(|_| "client_secret is repeated")?;
    if let Some(field) = request.header(&header::AUTHORIZATION) {
        // RFC 6749 §2.3: no more than one method in a request.
        if secret.is_some() {
            return Err("the secret is in the header and in the body");
        }
        let (basic_id, basic_secret) =
            basic(field).ok_or("the Authorization header is no Basic")?;
        if id.is_some_and(|id| id != basic_id) {
            return Err("header and body name different clients");
        }
        return Ok(Credentials {
            id: basic_id,
            secret: Some(basic_secret),
            assertion: None,
            method: TokenEndpointAuthMethod::ClientSecretBasic,
        });
    }
    let id = id.ok_or("the request names no client")?;
    let kind = single(form, "client_assertion_type");
    let kind = kind.map_err(|_| "client_assertion_type is repeated")?;
    let assertion = single(form, "client_assertion").map_err(|_| "client_assertion is repeated")?;
    let method = match (secret, assertion) {
        (Some(_), Some(_)) => return Err("there are a secret and an assertion"),
        (Some(_), None) => TokenEndpointAuthMethod::ClientSecretPost,
        (None, Some(_)) if kind == Some(JWT_BEARER) => TokenEndpointAuthMethod::PrivateKeyJwt,
        (None, Some(_)) => return Err("the assertion is of an unknown type"),
        (None, None) => TokenEndpointAuthMethod::None,
    };
    Ok(Credentials {
        assertion: assertion.map(str::to_owned),
        id: id.to_owned(),
        secret: secret.map(str::to_owned),
        method,
    })
}

/// Identifier and secret of a Basic header. Both are form-encoded in it (RFC 6749 §2.3.1).
fn basic(field: &str) -> Option<(String, String)> {
    let (scheme, blob) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(blob.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // A bare word is a form of one name without a value.
    form_urlencoded::parse(text.replace('=', "%3D").replace('&', "%26").as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}
