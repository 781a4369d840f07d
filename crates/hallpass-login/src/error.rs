//! The error of a login.

use std::{error::Error, fmt};

use hallpass_core::{AuthorizeError, Remedy};

/// Why a login ended without a grant. Nothing that was saved before is lost by it.
///
/// A host finds it in [`AuthorizeError::get_ref`].
#[derive(Debug)]
pub struct LoginError {
    kind: LoginErrorKind,
    what: String,
    remedy: Remedy,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// How far a login came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginErrorKind {
    /// The authorization server was not found, or its metadata is refused.
    Discovery,
    /// A setting of the login itself can't be used.
    Setting,
    /// The authorization server offers no registration, and no client is configured.
    NoClient,
    /// The configured client is registered with another authorization server.
    OtherIssuer,
    /// The callback port is taken, or closed by itself.
    CallbackPort,
    /// The authorization server refused to register the client.
    Registration,
    /// The registration could not be saved.
    Store,
    /// The authorization request can't be made: no endpoint, no PKCE, a reserved parameter.
    Request,
    /// The user or the authorization server refused.
    Denied,
    /// The callback is not to be trusted: a wrong or missing `iss` (RFC 9207).
    Callback,
    /// The user did not finish the sign-in within the time limit.
    Timeout,
    /// The code was not exchanged for tokens.
    Exchange,
    /// The network failed.
    Network,
}

impl LoginError {
    pub(crate) fn new(kind: LoginErrorKind, remedy: Remedy, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            remedy,
            hint: None,
            source: None,
        }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        if let Some(hint) = hint {
            self.hint = Some(hint.into());
        }
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How far the login came.
    pub fn kind(&self) -> LoginErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Advice for the user.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for LoginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<LoginError> for AuthorizeError {
    fn from(error: LoginError) -> Self {
        let hint = error.hint.clone();
        Self::new(error.remedy, error).with_hint(hint)
    }
}
