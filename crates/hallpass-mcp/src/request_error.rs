//! Why a request is not sent again.

use std::{error::Error as StdError, fmt};

use hallpass_core::{Diagnostic, Hint, Remedy};
use hallpass_session::SessionError;
use http::{StatusCode, header::WWW_AUTHENTICATE};

use crate::{Error, Response, TooManyChallenges};

/// Why a request is not sent again, and what the server said to it.
#[derive(Debug)]
pub struct RequestError {
    error: Error,
    challenge_response: Option<ChallengeResponse>,
}

/// The last answer about authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeResponse {
    status: StatusCode,
    challenge: String,
}

impl RequestError {
    /// There is no token, and so nothing was sent.
    pub(crate) fn before_sending(error: SessionError) -> Self {
        Self {
            error: Error::Session(error),
            challenge_response: Some(ChallengeResponse {
                status: StatusCode::UNAUTHORIZED,
                challenge: String::new(),
            }),
        }
    }

    /// The session has no answer to what `response` asks for.
    pub(crate) fn unanswered_challenge(error: SessionError, response: &Response) -> Self {
        Self {
            error: Error::Session(error),
            challenge_response: Some(ChallengeResponse::new(response)),
        }
    }

    /// No answer to what `response` asks for has been enough.
    pub(crate) fn too_many_challenges(error: TooManyChallenges, response: &Response) -> Self {
        Self {
            error: Error::TooManyChallenges(error),
            challenge_response: Some(ChallengeResponse::new(response)),
        }
    }

    /// What the server said when it is about authorization; a bare 401 when there was no token to
    /// ask it with.
    pub fn challenge_response(&self) -> Option<&ChallengeResponse> {
        self.challenge_response.as_ref()
    }

    /// The error.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The error alone.
    pub fn into_error(self) -> Error {
        self.error
    }
}

impl Diagnostic for RequestError {
    fn remedy(&self) -> Remedy {
        self.error.remedy()
    }

    fn hints(&self) -> Vec<Hint> {
        self.error.hints()
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for RequestError {
    // Transparent: the text is the error's own, so its source comes next.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self {
            error,
            challenge_response: None,
        }
    }
}

impl ChallengeResponse {
    fn new(response: &Response) -> Self {
        let challenges: Vec<_> = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        Self {
            status: response.status(),
            challenge: challenges.join(", "),
        }
    }

    /// 401 or 403.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Every `WWW-Authenticate` of it, joined by commas (RFC 9110 §5.3).
    pub fn challenge(&self) -> &str {
        &self.challenge
    }
}
