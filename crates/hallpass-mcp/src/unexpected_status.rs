//! Statuses that are no answer.

use std::{error::Error as StdError, fmt};

use hallpass_core::{Diagnostic, Hint, Remedy, RequestSecrets, ServerWords, url_without_query};
use http::{StatusCode, header::RETRY_AFTER};

use crate::Response;

/// A status that is neither an answer nor about authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexpectedStatus {
    status: StatusCode,
    url: String,
    retry_after: Option<String>,
    words: Option<ServerWords>,
    /// Of the request, to be removed from the words; `None` once these are there.
    secrets: Option<RequestSecrets>,
}

/// The longest `Retry-After` that is kept: a date has 29 characters.
const MAX_RETRY_AFTER: usize = 64;

/// What to look at where something else than an MCP server answers.
pub(crate) const OTHER_URL: &str = "this may not be the URL of an MCP endpoint";

impl UnexpectedStatus {
    /// The status of `response`.
    pub fn new(response: &Response) -> Self {
        Self {
            status: response.status(),
            url: url_without_query(response.url()).into(),
            retry_after: response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .filter(|value| value.len() <= MAX_RETRY_AFTER)
                .map(str::to_owned),
            words: None,
            secrets: response.request_secrets().cloned(),
        }
    }

    /// With what the server says in the body, or in the beginning of it. It is the error's source.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        self.words = ServerWords::in_body(body, self.secrets.as_ref());
        self.without_secrets()
    }

    /// Without the secrets of the request, which an error that is kept must not keep.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        self.secrets = None;
        self
    }

    /// When the server wants to be asked again, as it said it: seconds or an HTTP date (RFC 9110
    /// §10.2.3).
    pub fn retry_after(&self) -> Option<&str> {
        self.retry_after.as_deref()
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl Diagnostic for UnexpectedStatus {
    fn remedy(&self) -> Remedy {
        match self.status {
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Remedy::Retry,
            StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::GONE
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Remedy::Configure,
            _ => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self.status {
            StatusCode::FORBIDDEN => vec![Hint::text(
                "the server knows the account and does not let it do this; no other token helps",
            )],
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                vec![Hint::text(OTHER_URL)]
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.url, self.status)
    }
}

impl StdError for UnexpectedStatus {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let words = self.words.as_ref();
        words.map(|words| words as _)
    }
}
