//! A refresh that came to nothing and cost nothing.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use hallpass_core::{HttpError, Remedy, Slot};
use hallpass_oauth::TokenError;

/// The authorization server did not refresh the token this time. The credentials are kept.
#[derive(Debug, Clone)]
pub struct RefreshFailed {
    slot: Arc<Slot>,
    cause: Cause,
    retry_after: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Cause {
    Http(Arc<HttpError>),
    Answer(Arc<TokenError>),
}

impl RefreshFailed {
    pub(crate) fn http(slot: &Slot, error: HttpError) -> Self {
        Self {
            slot: Arc::new(slot.clone()),
            cause: Cause::Http(Arc::new(error)),
            retry_after: None,
        }
    }

    pub(crate) fn answer(slot: &Slot, error: Arc<TokenError>) -> Self {
        Self {
            slot: Arc::new(slot.clone()),
            cause: Cause::Answer(error),
            retry_after: None,
        }
    }

    #[must_use]
    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Whose refresh it was.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The transport's error, if there was no answer.
    pub fn http_error(&self) -> Option<&HttpError> {
        match &self.cause {
            Cause::Http(error) => Some(error),
            Cause::Answer(_) => None,
        }
    }

    /// The server's answer, if there was one.
    pub fn token_error(&self) -> Option<&TokenError> {
        self.answered().map(|error| &**error)
    }

    pub(crate) fn answered(&self) -> Option<&Arc<TokenError>> {
        match &self.cause {
            Cause::Answer(error) => Some(error),
            Cause::Http(_) => None,
        }
    }

    /// How long after this error the session tries again, at the next call.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match &self.cause {
            Cause::Http(error) => error.remedy(),
            Cause::Answer(error) => error.remedy(),
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        self.token_error().and_then(TokenError::hint)
    }
}

impl fmt::Display for RefreshFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token for {} could not be refreshed", self.slot)
    }
}

impl Error for RefreshFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Http(error) => Some(&**error),
            Cause::Answer(error) => Some(&**error),
        }
    }
}
