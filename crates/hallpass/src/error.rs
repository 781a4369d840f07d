//! What a login through the facade fails with.

use std::{error, fmt};

use hallpass_core::Remedy;
use hallpass_session::SessionError;

/// Why [`Hallpass::login`](crate::Hallpass::login) has no token.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The MCP server could not be asked for its challenge.
    Unreachable(hallpass_mcp::Error),
    /// The authorizer or the store failed.
    Session(SessionError),
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable(error) => error.remedy(),
            Self::Session(error) => error.remedy(),
        }
    }

    /// Advice for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable(error) => error.hint(),
            Self::Session(error) => error.hint(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("could not ask the MCP server how to sign in"),
            Self::Session(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error),
            // Transparent: the text is the session error's own, so its source comes next.
            Self::Session(error) => error.source(),
        }
    }
}

hallpass_core::impl_diagnostic!(Error, hint);
