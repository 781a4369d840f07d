//! The error of a login.

use hallpass_core::{ErrorKind, KindError, Remedy};

/// Why a login ended without a grant. Nothing that was saved before is lost by it.
///
/// A host finds it in [`AuthorizeError::get_ref`](hallpass_core::AuthorizeError::get_ref).
pub type LoginError = KindError<LoginErrorKind>;

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
    /// An endpoint that the metadata names is refused: the address policy lets no browser go there, or the
    /// result of the sign-in goes to another host than the sign-in page's, and there is no user to confirm
    /// that.
    Endpoint,
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

impl ErrorKind for LoginErrorKind {
    fn remedy(self) -> Remedy {
        match self {
            Self::CallbackPort | Self::Network | Self::Store => Remedy::Retry,
            Self::Denied | Self::Timeout => Remedy::SignIn,
            Self::Callback | Self::Exchange => Remedy::Report,
            Self::Discovery
            | Self::Setting
            | Self::NoClient
            | Self::OtherIssuer
            | Self::Registration
            | Self::Request
            | Self::Endpoint => Remedy::Configure,
        }
    }
}
