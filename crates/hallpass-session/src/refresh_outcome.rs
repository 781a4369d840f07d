//! The outcome of a refresh request: the rows of the table in [`transaction`](crate::transaction).

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    CredentialKey, Diagnostic as _, HttpError, Remedy, Timestamp, http::HttpErrorKind,
    record::PostEnd,
};
use hallpass_oauth::{TokenError, TokenErrorClass, TokenResponse};

use crate::{error::RefreshError, token_client::TokenRequestError};

#[derive(Debug)]
pub(crate) enum RefreshOutcome {
    /// The server has issued a new token.
    Renewed(Box<TokenResponse>),
    /// The server has not processed the request: it was not sent, or the server asked for a retry.
    NotProcessed(Failure),
    /// The server may have processed the request: there is no usable answer, for this reason.
    Unanswered(PostEnd, Failure),
    /// The server will not accept this refresh token again.
    Definitive(Arc<TokenError>),
    /// The server refused the request, and a retry would be refused too.
    Refused(Arc<TokenError>, Failure),
}

/// A refresh without a new token.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: RefreshError,
    /// Whether the same request may succeed later.
    pub(crate) is_retryable: bool,
    /// The server's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

impl RefreshOutcome {
    /// The outcome of a refresh request.
    pub(crate) fn from_result(
        result: Result<TokenResponse, TokenRequestError>,
        key: &CredentialKey,
        now: Timestamp,
    ) -> Self {
        match result {
            Ok(response) => Self::Renewed(Box::new(response)),
            Err(TokenRequestError::Http(error)) => Self::from_http_error(error, key),
            Err(TokenRequestError::Answer(error)) => Self::from_token_error(error, key, now),
            // Nothing was sent.
            Err(TokenRequestError::Signing(error)) => Self::NotProcessed(Failure {
                error: RefreshError::signing(key, error),
                is_retryable: true,
                retry_after: None,
            }),
        }
    }

    fn from_http_error(error: HttpError, key: &CredentialKey) -> Self {
        let ended = match error.kind() {
            _ if !error.may_have_been_sent() => None,
            HttpErrorKind::Timeout => Some(PostEnd::Silent),
            _ => Some(PostEnd::Lost),
        };
        let failure = Failure {
            is_retryable: error.remedy() == Remedy::Retry,
            retry_after: None,
            error: RefreshError::http(key, error),
        };
        match ended {
            Some(ended) => Self::Unanswered(ended, failure),
            None => Self::NotProcessed(failure),
        }
    }

    fn from_token_error(error: TokenError, key: &CredentialKey, now: Timestamp) -> Self {
        let class = error.class();
        let is_server_error = error.status().is_server_error();
        let retry_after = error.retry_after().map(|after| after.wait(now));
        let is_retryable = error.remedy() == Remedy::Retry;
        let error = Arc::new(error);
        let failure = || Failure {
            error: RefreshError::answer(key, Arc::clone(&error)),
            is_retryable,
            retry_after,
        };
        match class {
            TokenErrorClass::NotProcessed => Self::NotProcessed(failure()),
            TokenErrorClass::Unknown if is_server_error => {
                Self::Unanswered(PostEnd::Doubtful, failure())
            }
            TokenErrorClass::Unknown => Self::Unanswered(PostEnd::Lost, failure()),
            // A token of the wrong type is unusable, and its refresh token too.
            TokenErrorClass::Definitive | TokenErrorClass::WrongType => Self::Definitive(error),
            TokenErrorClass::Refused => {
                let failure = failure();
                Self::Refused(error, failure)
            }
        }
    }

    /// Its name in traces.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Renewed(_) => "renewed",
            Self::NotProcessed(_) => "not processed",
            Self::Unanswered(PostEnd::Doubtful, _) => "doubtful",
            Self::Unanswered(..) => "lost",
            Self::Definitive(_) => "definitive",
            Self::Refused(..) => "refused",
        }
    }
}
