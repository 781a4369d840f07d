//! Answers of the token endpoint without a token, in five classes.
//!
//! The table is closed. It decides what a session may do with a refresh token:
//!
//! | answer | class |
//! |---|---|
//! | 408, 425, 429, 503 | [`NotProcessed`](TokenErrorClass::NotProcessed) |
//! | any other 5xx | [`Unknown`](TokenErrorClass::Unknown) |
//! | 2xx with neither a usable token nor an `error` | [`Unknown`](TokenErrorClass::Unknown) |
//! | `invalid_grant` with 400, 401, 403 or a 2xx | [`Definitive`](TokenErrorClass::Definitive) |
//! | 2xx with a token of another type than was asked for | [`WrongType`](TokenErrorClass::WrongType) |
//! | everything else: another `error`, an empty 401, 404, a redirect | [`Refused`](TokenErrorClass::Refused) |
//!
//! GitHub says `bad_refresh_token` and `bad_verification_code`, with status 200, where RFC 6749 says
//! `invalid_grant`; they count as that. An `error` of any other word is never definitive.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{AuthScheme, Diagnostic, Hint, Remedy, ServerWords, Timestamp};
use http::{HeaderMap, Response, StatusCode, header};
use url::Url;

use crate::{
    answer::Answer,
    error_response::{ErrorResponse, redirect_target, server_words},
    hint,
    retry_after::RetryAfter,
};

/// An answer without a token.
///
/// It holds no part of the answer's body but the error code, and [`ServerWords`] as its source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} (status {}{}){}",
    .class.text(),
    .response.status.as_u16(),
    .detail.map(|detail| format!(", {detail}")).unwrap_or_default(),
    .response.code_text(),
)]
pub struct TokenError {
    response: Box<ErrorResponse>,
    #[source]
    words: Option<ServerWords>,
    class: TokenErrorClass,
    detail: Option<Detail>,
    /// Whether the request carried a proof of possession.
    with_proof: bool,
    dpop_nonce: Option<String>,
    /// Where the endpoint leads, if it redirects.
    location: Option<Box<str>>,
}

/// What is wrong with an answer that is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Detail {
    #[error("{0}")]
    Unreadable(&'static str),
    /// In answer to a request without a proof.
    #[error("a DPoP token where a bearer token was asked for")]
    UnexpectedDpop,
    #[error("a bearer token where one bound by DPoP is required")]
    UnexpectedBearer,
}

/// What an answer without a token means for the grant that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenErrorClass {
    /// The server did not look at the request: send the same one again, after a while.
    NotProcessed,
    /// The server may have acted on the request. A refresh token may have been consumed or not.
    Unknown,
    /// The grant (the code, the refresh token) has ended. Only a sign-in helps.
    Definitive,
    /// The server refused the request, not the grant.
    Refused,
    /// The server took the grant and gave a token of another type than was asked for. The grant is
    /// spent, and the token can't be used.
    WrongType,
}

impl TokenError {
    /// Reads an answer. Any status but a 2xx is an error, and so is a 2xx with an `error` in it.
    pub(crate) fn check(response: &Response<Bytes>) -> Result<Answer, Self> {
        let answer = Answer::read(response);
        let error = answer.text("error");
        if response.status().is_success() && error.is_none() {
            return Ok(answer);
        }
        let read = ErrorResponse::read(response, &answer);
        Err(Self {
            words: server_words(response, &answer),
            ..Self::new(read, error.is_some(), response.headers())
        })
    }

    fn new(response: ErrorResponse, has_error: bool, headers: &HeaderMap) -> Self {
        Self {
            class: classify(response.status, has_error, response.code.as_deref()),
            location: redirect_target(response.status, headers.get(header::LOCATION))
                .map(String::into_boxed_str),
            response: Box::new(response),
            words: None,
            detail: None,
            with_proof: false,
            dpop_nonce: dpop_nonce(headers),
        }
    }

    /// A 2xx that brings no usable token.
    pub(crate) fn unreadable(response: &Response<Bytes>, why: &'static str) -> Self {
        Self::without_token(response, Detail::Unreadable(why))
    }

    /// A token of the type `scheme` where another was asked for. Repeating the request repeats the
    /// answer.
    pub(crate) fn wrong_type(response: &Response<Bytes>, scheme: AuthScheme) -> Self {
        let detail = match scheme {
            AuthScheme::Dpop => Detail::UnexpectedDpop,
            _ => Detail::UnexpectedBearer,
        };
        Self {
            class: TokenErrorClass::WrongType,
            ..Self::without_token(response, detail)
        }
    }

    fn without_token(response: &Response<Bytes>, detail: Detail) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let read = ErrorResponse::new(status, headers, None);
        Self {
            detail: Some(detail),
            ..Self::new(read, false, headers)
        }
    }

    /// The error of an earlier answer, from what is stored of it.
    pub fn remembered(status: StatusCode, code: Option<&str>, description: Option<&str>) -> Self {
        let headers = HeaderMap::new();
        let read = ErrorResponse::new(status, &headers, code);
        Self {
            words: description.and_then(ServerWords::cleaned),
            ..Self::new(read, code.is_some(), &headers)
        }
    }

    /// The error of an answer; `None` when it is none.
    pub fn from_http(response: &Response<Bytes>) -> Option<Self> {
        Self::check(response).err()
    }

    /// Says that the request carried a proof of possession (RFC 9449), which the advice depends on.
    #[must_use]
    pub fn after_proof(mut self) -> Self {
        self.with_proof = true;
        self
    }

    /// Whether the server wants a proof of possession, or another one (RFC 9449 §5, §8). To a request
    /// without a proof that means: send the same request with one.
    pub fn demands_proof(&self) -> bool {
        self.class == TokenErrorClass::Refused
            && matches!(self.code(), Some("invalid_dpop_proof" | "use_dpop_nonce"))
    }

    /// What the answer means for the grant.
    pub fn class(&self) -> TokenErrorClass {
        self.class
    }

    /// The server's `error`, if it has the form of one (RFC 6749 §5.2).
    pub fn code(&self) -> Option<&str> {
        self.response.code.as_deref()
    }

    /// The server's words, which are also the error's source.
    pub fn description(&self) -> Option<&str> {
        self.words.as_ref().map(ServerWords::as_str)
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.response.status
    }

    /// Where the token endpoint leads, if it answered with a redirect; without a query.
    pub fn redirect_target(&self, endpoint: &Url) -> Option<Url> {
        endpoint.join(self.location.as_deref()?).ok()
    }

    /// When the server wants the next request.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        self.response.retry_after
    }

    /// The nonce that the next proof has to hold (RFC 9449 §8).
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop_nonce.as_deref()
    }

    /// The nonce that the server demands with `use_dpop_nonce`. It has not looked at the request: the
    /// same request is sent again with the nonce in a new proof, once (RFC 9449 §8).
    pub fn dpop_nonce_challenge(&self) -> Option<&str> {
        let wants = self.code() == Some("use_dpop_nonce");
        self.dpop_nonce().filter(|_| wants)
    }

    /// How long to wait before the same request is sent again to a server that has not processed it,
    /// while a user waits for the tokens. `None` after the second repeat, and where the server wants
    /// more time than a code lives.
    pub fn retry_delay(&self, repeats: u32, now: Timestamp) -> Option<Duration> {
        if self.class != TokenErrorClass::NotProcessed {
            return None;
        }
        RetryAfter::delay(self.retry_after(), repeats, now)
    }
}

impl Diagnostic for TokenError {
    fn remedy(&self) -> Remedy {
        match self.class {
            TokenErrorClass::NotProcessed | TokenErrorClass::Unknown => Remedy::Retry,
            TokenErrorClass::Definitive => Remedy::SignIn,
            TokenErrorClass::WrongType => Remedy::Configure,
            TokenErrorClass::Refused => match self.code() {
                Some(
                    "use_dpop_nonce"
                    | "authorization_pending"
                    | "slow_down"
                    | "temporarily_unavailable"
                    | "server_error",
                ) => Remedy::Retry,
                Some("access_denied" | "expired_token") => Remedy::SignIn,
                Some("invalid_request") => Remedy::Report,
                _ => Remedy::Configure,
            },
        }
    }

    fn hints(&self) -> Vec<Hint> {
        if self.detail == Some(Detail::UnexpectedDpop) {
            return vec![Hint::setting("dpop", Some("always"))];
        }
        if self.demands_proof() && !self.with_proof {
            return vec![Hint::setting("dpop", Some("always"))];
        }
        if self.remedy() == Remedy::Retry
            && let Some(retry) = self.response.retry_hint()
        {
            return vec![retry];
        }
        let hints = hint::for_code(self.code(), self.description());
        if hints.is_empty() && self.status().is_redirection() {
            return vec![Hint::text(
                "token requests follow no redirect: the metadata has to name the final URL",
            )];
        }
        hints
    }
}

impl TokenErrorClass {
    fn text(self) -> &'static str {
        match self {
            Self::NotProcessed => "the authorization server is not ready",
            Self::Unknown => "the authorization server gave no usable answer",
            Self::Definitive => "the authorization server no longer accepts the grant",
            Self::Refused => "the authorization server refused the request",
            Self::WrongType => "the authorization server gave another type of token",
        }
    }
}

/// The table of the module's documentation.
fn classify(status: StatusCode, has_error: bool, code: Option<&str>) -> TokenErrorClass {
    let is_dead = code.is_some_and(|code| INVALID_GRANT.contains(&code));
    match status.as_u16() {
        408 | 425 | 429 | 503 => TokenErrorClass::NotProcessed,
        500..=599 => TokenErrorClass::Unknown,
        200..=299 if !has_error => TokenErrorClass::Unknown,
        200..=299 | 400 | 401 | 403 if is_dead => TokenErrorClass::Definitive,
        _ => TokenErrorClass::Refused,
    }
}

/// RFC 6749 §5.2, and GitHub's two words for it.
const INVALID_GRANT: &[&str] = &[
    "invalid_grant",
    "bad_refresh_token",
    "bad_verification_code",
];

/// The nonce that a server hands out with any of its answers, for the next proof to it (RFC 9449
/// §8, §9). One is `1*NQCHAR`; anything else, and more than one, is none.
pub fn dpop_nonce(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("dpop-nonce").iter();
    let nonce = values.next()?.to_str().ok()?;
    let fits = values.next().is_none()
        && (1..=1024).contains(&nonce.len())
        && nonce
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    fits.then(|| nonce.to_owned())
}
