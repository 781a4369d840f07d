//! What a server says about an error: its code, and its words, cleaned.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{Hint, RequestSecrets, ServerWords};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::{answer::Answer, retry_after::RetryAfter};

/// The length limit of an error code. The longest registered one has 29.
const MAX_CODE: usize = 40;
/// The length limit of a word between two underscores. `authorization` has 13.
const MAX_CODE_WORD: usize = 15;

/// What an authorization server says about an error (RFC 6749 §5.2, RFC 7591 §3.2.2), without its words.
///
/// It holds no part of the answer's body but the error code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorResponse {
    /// The answer's status.
    pub status: StatusCode,
    /// The server's `error`, if it has the form of one.
    pub code: Option<String>,
    /// When the server wants the next request.
    pub retry_after: Option<RetryAfter>,
    /// The same for a user, see [`RetryAfter::for_user`].
    pub(crate) wait: Option<Duration>,
}

impl ErrorResponse {
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, error: Option<&str>) -> Self {
        Self {
            status,
            code: error.and_then(error_code),
            retry_after: RetryAfter::from_headers(headers),
            wait: RetryAfter::for_user(headers),
        }
    }

    pub(crate) fn read(response: &Response<Bytes>, answer: &Answer) -> Self {
        let secrets = RequestSecrets::from_extensions(response.extensions());
        let repeats = |error: &&str| secrets.is_some_and(|secrets| secrets.are_in_word(error));
        let error = answer.text("error").filter(|error| !repeats(error));
        Self::new(response.status(), response.headers(), error)
    }

    /// When to try again, if the server says it.
    pub(crate) fn retry_hint(&self) -> Option<Hint> {
        let after = Some(self.wait?);
        Some(Hint::Retry { after })
    }

    /// `: code`, if there is one.
    pub(crate) fn code_text(&self) -> String {
        code_text(self.code.as_deref())
    }
}

/// The server's words in an answer. Of one with a success status, whose body may be anything, only the
/// description counts.
pub(crate) fn server_words(response: &Response<Bytes>, answer: &Answer) -> Option<ServerWords> {
    let secrets = RequestSecrets::from_extensions(response.extensions());
    let words = match answer.text("error_description") {
        Some(text) if !answer.is_json() => ServerWords::in_text(text, secrets),
        None if response.status().is_success() => None,
        _ => ServerWords::in_body(response.body(), secrets),
    };
    // The code stands in the error itself.
    words.filter(|words| answer.text("error") != Some(words.as_str()))
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

/// `: code`, if there is one.
pub(crate) fn code_text(code: Option<&str>) -> String {
    code.map(|code| format!(": {code}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
