//! Answers that are no messages.

use std::{error::Error as StdError, fmt};

use hallpass_core::{Diagnostic, Hint, Remedy, RequestSecrets, ServerWords, url_without_query};
use http::{StatusCode, header::CONTENT_TYPE};
use url::Url;

use crate::{Content, Response, unexpected_status::OTHER_URL};

/// An answer whose status is a success, and whose body is no JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMessage {
    status: StatusCode,
    /// Without its query.
    url: Url,
    reason: &'static str,
    words: Option<ServerWords>,
    /// Of the request, to be removed from the words; `None` once these are there.
    secrets: Option<RequestSecrets>,
    is_other_media_type: bool,
}

impl InvalidMessage {
    /// That `response` is, or holds, no message: for its media type, if that is neither JSON nor an
    /// event stream, else for a reason that is still to be named.
    pub fn new(response: &Response) -> Self {
        let is_page = || {
            let media_type = response.headers().get(CONTENT_TYPE);
            media_type
                .is_some_and(|it| it.as_bytes().to_ascii_lowercase().starts_with(b"text/html"))
        };
        let (reason, is_other_media_type) = match response.content() {
            Content::Json | Content::Events => ("it is no JSON-RPC", false),
            _ if is_page() => ("it is an HTML page", true),
            _ => ("it is neither JSON nor an event stream", true),
        };
        Self {
            status: response.status(),
            url: url_without_query(response.url()),
            reason,
            words: None,
            secrets: response.request_secrets().cloned(),
            is_other_media_type,
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the request carried that the words of an answer must not repeat.
    pub fn request_secrets(&self) -> Option<&RequestSecrets> {
        self.secrets.as_ref()
    }

    /// For another reason than the media type.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self.is_other_media_type = false;
        self
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
}

impl Diagnostic for InvalidMessage {
    fn remedy(&self) -> Remedy {
        if self.is_other_media_type {
            Remedy::Configure
        } else {
            Remedy::Report
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = self.is_other_media_type.then(|| Hint::text(OTHER_URL));
        hint.into_iter().collect()
    }
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, status, reason) = (&self.url, self.status, self.reason);
        write!(
            f,
            "{url} answered {status} with an invalid message: {reason}"
        )
    }
}

impl StdError for InvalidMessage {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let words = self.words.as_ref();
        words.map(|words| words as _)
    }
}
