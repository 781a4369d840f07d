//! The client: its identifier, and how it proves who it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A client identifier (RFC 6749 §2.2). Not a secret; possibly a URL (a client ID metadata
/// document).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Takes an identifier as the server gave it or a user configured it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The exact text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a client authenticates at the token endpoint (RFC 7591 §2, RFC 8414 §2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum TokenEndpointAuthMethod {
    /// A public client: only its identifier is sent.
    None,
    /// Identifier and secret in the `Authorization` header (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Identifier and secret in the body.
    ClientSecretPost,
    /// A signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// A method this client does not know; kept as it was received.
    Other(String),
}

impl TokenEndpointAuthMethod {
    /// The registered name of the method.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Other(name) => name,
        }
    }

    /// Whether the method sends the client's secret.
    pub fn needs_secret(&self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

impl From<String> for TokenEndpointAuthMethod {
    fn from(name: String) -> Self {
        match name.as_str() {
            "none" => Self::None,
            "client_secret_basic" => Self::ClientSecretBasic,
            "client_secret_post" => Self::ClientSecretPost,
            "private_key_jwt" => Self::PrivateKeyJwt,
            _ => Self::Other(name),
        }
    }
}

impl From<TokenEndpointAuthMethod> for String {
    fn from(method: TokenEndpointAuthMethod) -> Self {
        method.as_str().to_owned()
    }
}

impl fmt::Display for TokenEndpointAuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
