//! The server's own words about an error, cleaned: its code and its description.

use bytes::Bytes;
use hallpass_core::redact_text;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::{answer::Answer, retry_after::RetryAfter};

/// The length limit of an error code. The longest registered one has 29.
const MAX_CODE: usize = 40;
/// The length limit of a word between two underscores. `authorization` has 13.
const MAX_CODE_WORD: usize = 15;

/// What an authorization server says about an error (RFC 6749 §5.2, RFC 7591 §3.2.2).
///
/// It holds no part of the answer's body but the error code and the words of the description that
/// can't be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorResponse {
    /// The answer's status.
    pub status: StatusCode,
    /// The server's `error`, if it has the form of one.
    pub code: Option<String>,
    /// The server's words: one bounded line without anything that could be a secret, a control
    /// character or markup.
    pub description: Option<String>,
    /// When the server wants the next request.
    pub retry_after: Option<RetryAfter>,
}

impl ErrorResponse {
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        error: Option<&str>,
        description: Option<&str>,
    ) -> Self {
        Self {
            status,
            code: error.and_then(error_code),
            description: description.and_then(redact_text),
            retry_after: RetryAfter::from_headers(headers),
        }
    }

    pub(crate) fn read(response: &Response<Bytes>, answer: &Answer) -> Self {
        let (error, description) = (answer.text("error"), answer.text("error_description"));
        Self::new(response.status(), response.headers(), error, description)
    }

    /// `: code, description`, or the one of them that is there.
    pub(crate) fn words(&self) -> String {
        words(self.code.as_deref(), self.description.as_deref())
    }
}

/// Where a redirect leads, without its query; it may be relative to the endpoint.
pub(crate) fn redirect_target(
    status: StatusCode,
    location: Option<&HeaderValue>,
) -> Option<String> {
    let location = location.filter(|_| status.is_redirection())?;
    let location = location.to_str().ok()?;
    let end = location.find(['?', '#']).unwrap_or(location.len());
    Some(location[..end].to_owned())
}

/// An `error` that has the form of one: words of one case with underscores between. Anything else may
/// repeat a secret of the request.
pub(crate) fn error_code(text: &str) -> Option<String> {
    let is_word = |word: &str| {
        (1..=MAX_CODE_WORD).contains(&word.len())
            && (word.bytes().all(|byte| byte.is_ascii_lowercase())
                || word.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    let fits = text.len() <= MAX_CODE && text.split('_').all(is_word);
    fits.then(|| text.to_owned())
}

/// `: code, description`, or the one of them that is there.
pub(crate) fn words(code: Option<&str>, description: Option<&str>) -> String {
    let words: Vec<&str> = [code, description].into_iter().flatten().collect();
    let before = if words.is_empty() { "" } else { ": " };
    format!("{before}{}", words.join(", "))
}

#[cfg(test)]
mod tests;
