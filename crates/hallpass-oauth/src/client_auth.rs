//! How a client authenticates at an authorization server's endpoints (RFC 6749 §2.3).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hallpass_core::{
    ClientId, ClientSecret, Entropy, Issuer, Registration, ServerMetadata, Timestamp,
    TokenEndpointAuthMethod,
};
use http::{HeaderValue, Request, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

use crate::{assertion::ClientKey, form::Form, signing::SigningError};

/// A client with its authentication for one request to the token, revocation, pushed authorization
/// or device endpoint.
#[derive(Clone)]
pub struct ClientAuthentication<'a> {
    client_id: &'a ClientId,
    method: Method<'a>,
}

#[derive(Clone)]
enum Method<'a> {
    /// Only the identifier, in the body.
    None,
    /// `client_secret_basic`.
    Basic(&'a ClientSecret),
    /// `client_secret_post`.
    Post(&'a ClientSecret),
    /// `private_key_jwt`: a signed assertion, good for one request.
    Assertion(SecretString),
}

impl<'a> ClientAuthentication<'a> {
    /// The method and the secret of a registration.
    ///
    /// A registration without the secret or key that its method needs sends its identifier alone, and
    /// the server answers `invalid_client`.
    pub fn from_registration(registration: &'a Registration) -> Self {
        let secret = registration.client_secret.as_ref();
        let method = match (&registration.auth_method, secret) {
            (TokenEndpointAuthMethod::ClientSecretBasic, Some(secret)) => Method::Basic(secret),
            (TokenEndpointAuthMethod::ClientSecretPost, Some(secret)) => Method::Post(secret),
            _ => Method::None,
        };
        Self {
            client_id: &registration.client_id,
            method,
        }
    }

    /// The authentication of one request to the server `audience`: as
    /// [`from_registration`](Self::from_registration), and for `private_key_jwt` a fresh assertion,
    /// which is good for that request alone (RFC 7523 §3). Without a `key` the identifier goes alone.
    ///
    /// # Errors
    ///
    /// When signing fails: the operating system gives no randomness.
    pub fn authenticate(
        registration: &'a Registration,
        key: Option<&ClientKey>,
        audience: &Issuer,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, SigningError> {
        match (&registration.auth_method, key) {
            (TokenEndpointAuthMethod::PrivateKeyJwt, Some(key)) => {
                let client_id = &registration.client_id;
                let assertion = key.assertion(client_id, audience, now, entropy)?;
                Ok(Self::assertion(client_id, assertion))
            }
            _ => Ok(Self::from_registration(registration)),
        }
    }

    /// A public client.
    pub fn none(client_id: &'a ClientId) -> Self {
        Self {
            client_id,
            method: Method::None,
        }
    }

    /// Identifier and secret in the `Authorization` header.
    pub fn basic(client_id: &'a ClientId, secret: &'a ClientSecret) -> Self {
        Self {
            client_id,
            method: Method::Basic(secret),
        }
    }

    /// Identifier and secret in the body.
    pub fn post(client_id: &'a ClientId, secret: &'a ClientSecret) -> Self {
        Self {
            client_id,
            method: Method::Post(secret),
        }
    }

    /// A signed assertion in the body (RFC 7523 §2.2). It is good for one request.
    pub fn assertion(client_id: &'a ClientId, assertion: impl Into<String>) -> Self {
        Self {
            client_id,
            method: Method::Assertion(SecretString::from(assertion.into())),
        }
    }

    /// The client.
    pub fn client_id(&self) -> &ClientId {
        self.client_id
    }

    /// The method.
    pub fn method(&self) -> TokenEndpointAuthMethod {
        match self.method {
            Method::None => TokenEndpointAuthMethod::None,
            Method::Basic(_) => TokenEndpointAuthMethod::ClientSecretBasic,
            Method::Post(_) => TokenEndpointAuthMethod::ClientSecretPost,
            Method::Assertion(_) => TokenEndpointAuthMethod::PrivateKeyJwt,
        }
    }

    /// `form` as a POST of this client. A client uses one method in a request, never two
    /// (RFC 6749 §2.3). Its identifier alone is none (§3.2.1), and stands in every body: the MCP SDK
    /// for Python looks nowhere else, not even beside Basic.
    pub(crate) fn post_form(&self, form: Form, endpoint: &Url) -> Request<Bytes> {
        let id = self.client_id.as_str();
        match &self.method {
            Method::None => form.with("client_id", id).post(endpoint),
            Method::Basic(secret) => {
                let mut request = form.with("client_id", id).post(endpoint);
                request
                    .headers_mut()
                    .insert(header::AUTHORIZATION, basic(id, secret.expose()));
                request
            }
            Method::Post(secret) => form
                .with("client_id", id)
                .with("client_secret", secret.expose())
                .post(endpoint),
            Method::Assertion(assertion) => form
                .with("client_id", id)
                .with("client_assertion_type", ASSERTION_TYPE)
                .with("client_assertion", assertion.expose_secret())
                .post(endpoint),
        }
    }
}

impl fmt::Debug for ClientAuthentication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthentication")
            .field("client_id", self.client_id)
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}

/// What a client has to authenticate with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AvailableCredentials {
    /// It has a secret.
    pub secret: bool,
    /// It has a private key that the server knows the public half of.
    pub key: bool,
}

/// The method of a client that was registered by hand, where no method is configured.
///
/// The strongest that the server lists and the client has the credentials for: `private_key_jwt`,
/// `client_secret_basic`, `client_secret_post`, `none`. A server that lists nothing takes
/// `client_secret_basic` (RFC 8414 §2).
///
/// A client without credentials is public, whatever the server lists: the list says how clients
/// authenticate, and a public client does not. Entra, Cognito, Salesforce and Snowflake leave out
/// `none` and take public clients.
///
/// `None` when the server lists methods and a client with a key alone is able to use none of them. A
/// client with a secret uses `client_secret_basic` where nothing in the list fits: every server that
/// issues secrets must support it (RFC 6749 §2.3.1).
pub fn negotiate(
    metadata: &ServerMetadata,
    credentials: AvailableCredentials,
) -> Option<TokenEndpointAuthMethod> {
    use TokenEndpointAuthMethod::{
        ClientSecretBasic, ClientSecretPost, None as Public, PrivateKeyJwt,
    };

    if credentials == AvailableCredentials::default() {
        return Some(Public);
    }
    let Some(listed) = metadata.token_endpoint_auth_methods_supported.as_deref() else {
        return Some(match credentials {
            AvailableCredentials { secret: true, .. } => ClientSecretBasic,
            _ => PrivateKeyJwt,
        });
    };
    let able = [
        (PrivateKeyJwt, credentials.key),
        (ClientSecretBasic, credentials.secret),
        (ClientSecretPost, credentials.secret),
        (Public, true),
    ];
    able.into_iter()
        .find(|(method, able)| *able && listed.contains(method))
        .map(|(method, _)| method)
        .or_else(|| credentials.secret.then_some(ClientSecretBasic))
}

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Basic credentials with both halves form-encoded first (RFC 6749 §2.3.1), so that a colon or a
/// letter outside ASCII in either survives. The tilde stays as it is: it means the same to a server
/// that decodes, and Entra's secrets, which hold one, then work at servers that don't.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let encode = |text: &str| {
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        Zeroizing::new(encoded.replace("%7E", "~"))
    };
    let (id, secret) = (encode(id), encode(secret));
    let pair = Zeroizing::new(format!("{}:{}", *id, *secret));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    // Base64 is always a header value.
    let mut value =
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
