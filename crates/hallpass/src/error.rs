//! What a login through the facade fails with.

use hallpass_core::{Diagnostic, Hint, Remedy};
use hallpass_mcp::UnexpectedStatus;
use hallpass_session::SessionError;
use http::StatusCode;

/// Why [`Hallpass::login`](crate::Hallpass::login) has no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The MCP server could not be asked for its challenge.
    #[error("could not ask the MCP server how to sign in")]
    Unreachable(#[source] hallpass_mcp::Error),
    /// The MCP server answers a request without a token with a status that is no challenge, such as 403
    /// or 503, and it has no metadata that says how to sign in.
    #[error("could not ask the MCP server how to sign in")]
    UnexpectedStatus(#[source] UnexpectedStatus),
    /// The authorizer or the store failed.
    #[error(transparent)]
    Session(SessionError),
}

impl Diagnostic for Error {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable(error) => error.remedy(),
            Self::UnexpectedStatus(status) => status.remedy(),
            Self::Session(error) => error.remedy(),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unreachable(error) => error.hints(),
            // No token was sent, so it is not about the account.
            Self::UnexpectedStatus(status) if status.status() == StatusCode::FORBIDDEN => vec![
                Hint::setting("headers", None),
                Hint::text(
                    "a gateway before the server may refuse the request: ask the server's operator \
                     what it wants",
                ),
            ],
            Self::UnexpectedStatus(status) => {
                let after = status.retry_after();
                vec![Hint::Retry { after }]
            }
            Self::Session(error) => error.hints(),
        }
    }
}
