//! The error of a service's sign-in.

use std::{error::Error, fmt};

use hallpass_core::{AuthorizeError, Remedy};
use hallpass_session::TokenRequestError;

/// Why a service got no token. Nothing that was saved before is lost by it.
///
/// A host finds it in [`AuthorizeError::get_ref`].
#[derive(Debug)]
pub struct ServiceError {
    kind: ServiceErrorKind,
    what: String,
    remedy: Remedy,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Which step of the sign-in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceErrorKind {
    /// The authorization server was not found, or its metadata is refused.
    Discovery,
    /// No client is configured, or it has nothing to authenticate with.
    NoClient,
    /// The configured client is registered with another authorization server.
    OtherIssuer,
    /// There is no assertion to send.
    Assertion,
    /// The request can't be made: no endpoint, no signature.
    Request,
    /// The identity provider gave no assertion.
    Exchange,
    /// The authorization server gave no token.
    Refused,
    /// The network failed.
    Network,
}

impl ServiceError {
    pub(crate) fn new(kind: ServiceErrorKind, remedy: Remedy, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            remedy,
            hint: None,
            source: None,
        }
    }

    /// What failed, because of the request to a token endpoint; `refused` is the kind where the
    /// server answered.
    pub(crate) fn token_request(
        refused: ServiceErrorKind,
        what: String,
        error: TokenRequestError,
    ) -> Self {
        let kind = match &error {
            TokenRequestError::Answer(_) => refused,
            TokenRequestError::Signing(_) => ServiceErrorKind::Request,
            _ => ServiceErrorKind::Network,
        };
        // No user is there to sign in: what a user would sign in for is a matter of configuration.
        let remedy = match error.remedy() {
            Remedy::SignIn => Remedy::Configure,
            remedy => remedy,
        };
        Self::new(kind, remedy, what)
            .with_hint(error.hint())
            .with_source(error.into_inner())
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

    /// Which step failed.
    pub fn kind(&self) -> ServiceErrorKind {
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

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<ServiceError> for AuthorizeError {
    fn from(error: ServiceError) -> Self {
        let hint = error.hint.clone();
        Self::new(error.remedy, error).with_hint(hint)
    }
}
