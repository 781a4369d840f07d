//! What a login through the facade fails with.

use hallpass_core::{Diagnostic, Hint, Remedy};
use hallpass_session::SessionError;

/// Why [`Hallpass::login`](crate::Hallpass::login) has no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The MCP server could not be asked for its challenge.
    #[error("could not ask the MCP server how to sign in")]
    Unreachable(#[source] hallpass_mcp::Error),
    /// The authorizer or the store failed.
    #[error(transparent)]
    Session(SessionError),
}

impl Diagnostic for Error {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable(error) => error.remedy(),
            Self::Session(error) => error.remedy(),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unreachable(error) => error.hints(),
            Self::Session(error) => error.hints(),
        }
    }
}
