//! What a server says when it refuses a request: one challenge of `WWW-Authenticate`.

use crate::Scopes;

/// An authentication scheme that Hallpass can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthScheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449.
    Dpop,
}

impl AuthScheme {
    /// The scheme's name as it stands in `Authorization`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// One `Bearer` or `DPoP` challenge (RFC 9110 §11.6.1) with the parameters OAuth gives meaning to.
///
/// Parameters are as received; nothing is checked here. A 401 without any challenge is
/// [`Challenge::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// Which scheme the server asks for.
    pub scheme: AuthScheme,
    /// Where the protected resource's metadata is (RFC 9728 §5.1).
    pub resource_metadata: Option<String>,
    /// The scopes that the request needs (RFC 6750 §3).
    pub scope: Option<Scopes>,
    /// `invalid_token`, `insufficient_scope`, `use_dpop_nonce` and the like.
    pub error: Option<String>,
    /// The server's words for it: [`sanitize_line`](crate::sanitize_line) before showing.
    pub error_description: Option<String>,
    /// The protection space (RFC 9110 §11.5).
    pub realm: Option<String>,
    /// The signature algorithms a DPoP proof may use (RFC 9449 §7.1), space-separated in the header.
    pub algs: Vec<String>,
}

impl Challenge {
    /// A challenge of this scheme that says nothing more. Also what a 401 without the header means.
    pub fn new(scheme: AuthScheme) -> Self {
        Self {
            scheme,
            resource_metadata: None,
            scope: None,
            error: None,
            error_description: None,
            realm: None,
            algs: Vec::new(),
        }
    }

    /// Whether the server says that the token lacks scopes (RFC 6750 §3.1), which alone makes a 403
    /// a matter of authorization.
    pub fn is_insufficient_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }
}
