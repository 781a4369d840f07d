//! What can go wrong between a request and its answer.

use std::{error::Error as StdError, fmt};

use hallpass_core::{Remedy, ServerUrl};
use hallpass_session::SessionError;

/// A request without an answer.
///
/// Exhaustive, so that whoever has an error of its own around it notices a new variant.
#[derive(Debug)]
pub enum Error {
    /// There is no token that the server would take.
    Session(SessionError),
    /// There is no answer, or none that can be read.
    Http(hallpass_mcp_http::Error),
    /// The server refuses one fresh token after another.
    TooManyChallenges(TooManyChallenges),
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Session(error) => error.remedy(),
            Self::Http(error) => error.remedy(),
            Self::TooManyChallenges(error) => error.remedy(),
        }
    }

    /// Advice for a person.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Session(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::TooManyChallenges(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::TooManyChallenges(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    // Transparent: the text is the variant's own, so its source comes next.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Session(error) => error.source(),
            Self::Http(error) => error.source(),
            Self::TooManyChallenges(_) => None,
        }
    }
}

/// The end of a server that refuses each fresh token: a request is not repeated for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooManyChallenges {
    server: ServerUrl,
    sent: usize,
}

impl TooManyChallenges {
    pub(crate) fn new(server: &ServerUrl, sent: usize) -> Self {
        Self {
            server: server.clone(),
            sent,
        }
    }

    /// How often the request was sent.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// What to do about it: the server is at fault.
    pub fn remedy(&self) -> Remedy {
        Remedy::Report
    }
}

impl fmt::Display for TooManyChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} refused the request {} times, with another token each time",
            self.server, self.sent
        )
    }
}

impl StdError for TooManyChallenges {}
