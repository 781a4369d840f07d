//! What can go wrong between a request and the end of its answer.

use std::{error::Error as StdError, fmt};

use hallpass_core::{
    Diagnostic, Hint, HttpError, Remedy, ServerUrl, ServerWords, url_without_query,
};
use hallpass_session::SessionError;
use http::{HeaderName, StatusCode};
use url::Url;

use crate::{
    EventTooLarge, Response,
    message_size::{self, Size},
};

/// A request without a usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[error(transparent)]
pub enum Error {
    /// There is no answer, or it broke off.
    Http(#[from] HttpError),
    /// A redirect that is not followed.
    Redirect(#[from] RedirectError),
    /// No authorization could be made for the request.
    Authorization(AuthorizationError),
    /// A text can't stand in a header.
    InvalidHeader(InvalidHeader),
    /// The body is larger than the caller allows.
    BodyTooLarge(BodyTooLarge),
    /// An event is larger than the caller allows.
    EventTooLarge(#[from] EventTooLarge),
    /// The session has no token that the server accepts.
    Session(SessionError),
    /// The server refuses one fresh token after another.
    TooManyChallenges(TooManyChallenges),
}

impl Error {
    pub(crate) fn invalid_header(name: HeaderName) -> Self {
        Self::InvalidHeader(InvalidHeader { name })
    }
}

impl Diagnostic for Error {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Http(error) => error.remedy(),
            Self::Redirect(error) => error.remedy(),
            Self::EventTooLarge(error) => error.remedy(),
            Self::Session(error) => error.remedy(),
            Self::TooManyChallenges(error) => error.remedy(),
            Self::BodyTooLarge(error) => error.remedy(),
            Self::Authorization(_) | Self::InvalidHeader(_) => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Redirect(error) => error.hints(),
            Self::Session(error) => error.hints(),
            Self::EventTooLarge(_) | Self::BodyTooLarge(_) => vec![message_size::hint()],
            _ => Vec::new(),
        }
    }
}

/// A redirect that is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectError {
    status: StatusCode,
    from: String,
    to: Option<String>,
    reason: RedirectReason,
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectReason {
    /// A 301, 302 or 303 does not keep method and body.
    MethodLost,
    /// It leads to another scheme, host or port, where neither token nor headers may go.
    OtherOrigin,
    /// It is the sixth in a row.
    TooMany,
    /// It does not say where to.
    NoLocation,
}

impl RedirectError {
    pub(crate) fn new(
        status: StatusCode,
        from: &Url,
        to: Option<&Url>,
        reason: RedirectReason,
    ) -> Self {
        Self {
            status,
            from: url_without_query(from).into(),
            to: to.map(|url| url_without_query(url).into()),
            reason,
        }
    }

    /// The status: 301, 302, 303, 307 or 308.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The URL that redirects, without its query.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The URL it leads to, without its query.
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// Why it is not followed.
    pub fn reason(&self) -> RedirectReason {
        self.reason
    }
}

impl Diagnostic for RedirectError {
    /// The configured URL is not the server's own.
    fn remedy(&self) -> Remedy {
        match self.reason {
            RedirectReason::MethodLost | RedirectReason::OtherOrigin => Remedy::Configure,
            RedirectReason::TooMany | RedirectReason::NoLocation => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let is_other = self.remedy() == Remedy::Configure;
        let to = self.to.as_deref().filter(|_| is_other);
        let hint = to.map(|to| format!("if {to} is the MCP server, configure that URL instead"));
        hint.into_iter().map(Hint::from).collect()
    }
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.from, self.status.as_u16())?;
        if let Some(to) = &self.to {
            write!(f, " to {to}")?;
        }
        f.write_str(match self.reason {
            RedirectReason::MethodLost => ", which does not keep the method of an MCP request",
            RedirectReason::OtherOrigin => ", which is another origin",
            RedirectReason::TooMany => ", after five redirects that were followed",
            RedirectReason::NoLocation => " without a usable location",
        })
    }
}

impl StdError for RedirectError {}

/// No authorization could be made for a request, which was not sent.
#[derive(Debug)]
pub struct AuthorizationError {
    pub(crate) source: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request can't be authorized")
    }
}

impl StdError for AuthorizationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// A text that can't stand in a header; it is not shown, for what it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHeader {
    name: HeaderName,
}

impl InvalidHeader {
    /// Which header.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value of `{}` can't stand in a header", self.name)
    }
}

impl StdError for InvalidHeader {}

/// A body that is larger than its reader allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyTooLarge {
    pub(crate) cap: usize,
}

impl BodyTooLarge {
    /// How many bytes the body may have.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// What to do about it: allow more.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

impl fmt::Display for BodyTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's answer is larger than {}", Size(self.cap))
    }
}

impl StdError for BodyTooLarge {}

/// The end of a server that refuses each fresh token: a request is not repeated for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooManyChallenges {
    server: Box<ServerUrl>,
    sent: usize,
    words: Option<ServerWords>,
}

impl TooManyChallenges {
    /// The last answer is `response`, whose challenge may say why (RFC 6750 §3).
    pub(crate) fn new(server: &ServerUrl, sent: usize, response: &Response) -> Self {
        let challenges = response.challenges();
        let text = challenges
            .iter()
            .find_map(|it| it.error_description.as_deref());
        Self {
            server: Box::new(server.clone()),
            sent,
            words: text.and_then(|text| ServerWords::in_text(text, response.request_secrets())),
        }
    }

    /// How often the request was sent.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// What to do about it: the server is at fault.
    pub fn remedy(&self) -> Remedy {
        Remedy::Report
    }
}

impl fmt::Display for TooManyChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} refused the request {} times, with another token each time",
            self.server, self.sent
        )
    }
}

impl StdError for TooManyChallenges {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let words = self.words.as_ref();
        words.map(|words| words as _)
    }
}
