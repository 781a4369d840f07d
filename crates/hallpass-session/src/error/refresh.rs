//! A refresh that failed and kept the credentials.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use hallpass_core::{CredentialKey, Diagnostic, Hint, HttpError, Remedy, record::PostEnd};
use hallpass_oauth::{SigningError, TokenError};

/// The token was not refreshed this time. The credentials are kept.
#[derive(Debug, Clone)]
pub struct RefreshError {
    key: Arc<CredentialKey>,
    cause: Cause,
    retry_after: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Cause {
    Http(Arc<HttpError>),
    Answer(Arc<TokenError>),
    Signing(SigningError),
    Waiting(Waiting),
}

/// Why no refresh request is sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// The last request, of this or another process, ended without a usable answer.
    AfterPost(PostEnd),
    /// The circuit breaker of the token endpoint is open: one account at a time tries.
    AfterLostAnswers,
}

impl RefreshError {
    pub(crate) fn http(key: &CredentialKey, error: HttpError) -> Self {
        Self {
            key: Arc::new(key.clone()),
            cause: Cause::Http(Arc::new(error)),
            retry_after: None,
        }
    }

    pub(crate) fn answer(key: &CredentialKey, error: Arc<TokenError>) -> Self {
        Self {
            key: Arc::new(key.clone()),
            cause: Cause::Answer(error),
            retry_after: None,
        }
    }

    pub(crate) fn signing(key: &CredentialKey, error: SigningError) -> Self {
        Self {
            key: Arc::new(key.clone()),
            cause: Cause::Signing(error),
            retry_after: None,
        }
    }

    pub(crate) fn waiting(key: &CredentialKey, why: Waiting) -> Self {
        Self {
            key: Arc::new(key.clone()),
            cause: Cause::Waiting(why),
            retry_after: None,
        }
    }

    #[must_use]
    pub(crate) fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// The credential.
    pub fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// The HTTP error, if there was no answer.
    pub fn http_error(&self) -> Option<&HttpError> {
        match &self.cause {
            Cause::Http(error) => Some(error),
            Cause::Answer(_) | Cause::Signing(_) | Cause::Waiting(_) => None,
        }
    }

    /// Why no request was sent, if none was.
    pub fn waits(&self) -> Option<Waiting> {
        match &self.cause {
            Cause::Waiting(why) => Some(*why),
            Cause::Http(_) | Cause::Answer(_) | Cause::Signing(_) => None,
        }
    }

    /// The server's answer, if there was one.
    pub fn token_error(&self) -> Option<&TokenError> {
        self.shared_token_error().map(|error| &**error)
    }

    pub(crate) fn shared_token_error(&self) -> Option<&Arc<TokenError>> {
        match &self.cause {
            Cause::Answer(error) => Some(error),
            Cause::Http(_) | Cause::Signing(_) | Cause::Waiting(_) => None,
        }
    }

    /// How long after this error the next call tries again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Diagnostic for RefreshError {
    fn remedy(&self) -> Remedy {
        match &self.cause {
            Cause::Http(error) => error.remedy(),
            Cause::Answer(error) => error.remedy(),
            Cause::Signing(_) | Cause::Waiting(_) => Remedy::Retry,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let mut hints = self.token_error().map_or_else(Vec::new, Diagnostic::hints);
        let next = self
            .retry_after
            .filter(|pause| *pause >= Duration::from_secs(1));
        if next.is_some() {
            // The session waits longer than the server says, and no shorter.
            hints.retain(|hint| !matches!(hint, Hint::Retry { .. }));
        }
        hints.extend(next.map(|pause| Hint::Retry { after: Some(pause) }));
        hints
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token for {} could not be refreshed", self.key)
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Http(error) => Some(&**error),
            Cause::Answer(error) => Some(&**error),
            Cause::Signing(error) => Some(error),
            Cause::Waiting(why) => Some(why),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterPost(PostEnd::Silent) => {
                "the authorization server did not answer the last refresh request in time"
            }
            Self::AfterPost(PostEnd::Lost) => {
                "the last refresh request got no readable answer"
            }
            Self::AfterPost(PostEnd::Doubtful) => {
                "the authorization server failed to process the last refresh request"
            }
            Self::AfterPost(PostEnd::NotProcessed) => "the authorization server asked for a pause",
            Self::AfterPost(_) => {
                "another process's refresh request is under way, or was interrupted"
            }
            Self::AfterLostAnswers => {
                "the token endpoint lost several answers in a row, so one account at a time is tried"
            }
        })
    }
}

impl Error for Waiting {}
