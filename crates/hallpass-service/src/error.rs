//! The error of a service's sign-in.

use hallpass_core::{Diagnostic as _, ErrorKind, KindError, Remedy};
use hallpass_session::TokenRequestError;

/// Why a service got no token. Nothing that was saved before is lost by it.
///
/// A host finds it in [`AuthorizeError::get_ref`](hallpass_core::AuthorizeError::get_ref).
pub type ServiceError = KindError<ServiceErrorKind>;

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
    /// The MCP server alone names the authorization server, and what would be sent there could be used at
    /// another one.
    IssuerNotNamed,
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

impl ErrorKind for ServiceErrorKind {
    fn remedy(self) -> Remedy {
        match self {
            Self::Network => Remedy::Retry,
            Self::Request | Self::Exchange | Self::Refused => Remedy::Report,
            Self::Discovery
            | Self::NoClient
            | Self::OtherIssuer
            | Self::IssuerNotNamed
            | Self::Assertion => Remedy::Configure,
        }
    }
}

/// What failed, because of the request to a token endpoint; `refused` is the kind where the server
/// answered.
pub(crate) fn token_request_error(
    refused: ServiceErrorKind,
    what: String,
    error: TokenRequestError,
) -> ServiceError {
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
    ServiceError::new(kind, what)
        .with_remedy(remedy)
        .with_hints(error.hints())
        .with_source(error.into_inner())
}
