//! Statuses that are no answer.

use std::{error::Error as StdError, fmt, time::Duration};

use hallpass_core::{Diagnostic, Hint, Remedy, RequestSecrets, ServerWords, url_without_query};
use hallpass_session::RetryAfter;
use http::{StatusCode, header::WWW_AUTHENTICATE};

use crate::Response;

/// A status that is neither an answer nor about authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexpectedStatus {
    status: StatusCode,
    url: String,
    retry_after: Option<Duration>,
    words: Option<ServerWords>,
    /// Of the request, to be removed from the words; `None` once these are there.
    secrets: Option<RequestSecrets>,
    /// Whether the request carried a token.
    has_token: bool,
    has_challenge: bool,
    is_of_http_sse: bool,
}

/// What to look at where something else than an MCP server answers.
pub(crate) const OTHER_URL: &str = "this may not be the URL of an MCP endpoint";

impl UnexpectedStatus {
    /// The status of `response`.
    pub fn new(response: &Response) -> Self {
        Self {
            status: response.status(),
            url: url_without_query(response.url()).into(),
            retry_after: RetryAfter::for_user(response.headers()),
            words: None,
            secrets: response.request_secrets().cloned(),
            has_token: response.has_token(),
            has_challenge: response.headers().contains_key(WWW_AUTHENTICATE),
            is_of_http_sse: response.is_of_http_sse(),
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

    /// How long after the answer the server wants to be asked again (RFC 9110 §10.2.3), if it says so and that
    /// is a day at most.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn is_no_endpoint(&self) -> bool {
        matches!(
            self.status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE
        )
    }
}

impl Diagnostic for UnexpectedStatus {
    fn remedy(&self) -> Remedy {
        match self.status {
            // The server names the endpoint itself.
            _ if self.is_no_endpoint() && self.is_of_http_sse => Remedy::Report,
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS => Remedy::Retry,
            StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::GONE
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            // The URL takes no POST with JSON.
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::NOT_IMPLEMENTED => Remedy::Configure,
            // A fault of the server's own, which passes more often than not.
            status if status.is_server_error() => Remedy::Retry,
            _ => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self.status {
            StatusCode::FORBIDDEN if !self.has_token && !self.has_challenge => vec![
                Hint::text(
                    "the server refuses the request and asks for no sign-in: often a firewall, a list of \
                     allowed addresses, or a header that is missing",
                ),
                Hint::setting("headers", None),
            ],
            StatusCode::FORBIDDEN if self.has_token => vec![Hint::text(
                "the server does not let this account do this: another token of the account does not \
                 help",
            )],
            _ if self.is_no_endpoint() && self.is_of_http_sse => vec![Hint::text(
                "the server names an endpoint for messages that does not take them: ask its operator for \
                 streamable HTTP, mostly at /mcp",
            )],
            _ if self.is_no_endpoint() => vec![Hint::text(OTHER_URL)],
            _ if self.remedy() == Remedy::Retry && self.retry_after.is_some() => {
                let after = self.retry_after;
                vec![Hint::Retry { after }]
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.url, self.status)?;
        if self.is_of_http_sse {
            f.write_str(" to a message over HTTP+SSE, the old transport of MCP 2024-11-05")?;
        }
        Ok(())
    }
}

impl StdError for UnexpectedStatus {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let words = self.words.as_ref();
        words.map(|words| words as _)
    }
}
