//! What can go wrong between a request and the end of its answer.

use std::{error::Error as StdError, fmt};

use hallpass_core::{HttpError, Remedy, ServerUrl, url_without_query};
use hallpass_session::SessionError;
use http::{HeaderName, StatusCode};
use url::Url;

use crate::EventTooLarge;

/// A request without a usable answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no answer, or it broke off.
    Http(HttpError),
    /// A redirect that is not followed.
    Redirect(RedirectError),
    /// No authorization could be made for the request.
    Authorization(AuthorizationError),
    /// A text can't stand in a header.
    InvalidHeader(InvalidHeader),
    /// The body is larger than the caller allows.
    BodyTooLarge(BodyTooLarge),
    /// An event is larger than the caller allows.
    EventTooLarge(EventTooLarge),
    /// The session has no token that the server accepts.
    Session(SessionError),
    /// The server refuses one fresh token after another.
    TooManyChallenges(TooManyChallenges),
}

impl Error {
    pub(crate) fn invalid_header(name: HeaderName) -> Self {
        Self::InvalidHeader(InvalidHeader { name })
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Http(error) => error.remedy(),
            Self::Redirect(error) => error.remedy(),
            Self::EventTooLarge(error) => error.remedy(),
            Self::Session(error) => error.remedy(),
            Self::TooManyChallenges(error) => error.remedy(),
            Self::Authorization(_) | Self::InvalidHeader(_) | Self::BodyTooLarge(_) => {
                Remedy::Report
            }
        }
    }

    /// Advice for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Redirect(error) => error.hint(),
            Self::Session(error) => error.hint(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Authorization(error) => error.fmt(f),
            Self::InvalidHeader(error) => error.fmt(f),
            Self::BodyTooLarge(error) => error.fmt(f),
            Self::EventTooLarge(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::TooManyChallenges(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    // Transparent: the text is the variant's own, so its source comes next.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Http(error) => error.source(),
            Self::Authorization(error) => error.source(),
            Self::Session(error) => error.source(),
            Self::Redirect(_)
            | Self::InvalidHeader(_)
            | Self::BodyTooLarge(_)
            | Self::EventTooLarge(_)
            | Self::TooManyChallenges(_) => None,
        }
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<RedirectError> for Error {
    fn from(error: RedirectError) -> Self {
        Self::Redirect(error)
    }
}

impl From<EventTooLarge> for Error {
    fn from(error: EventTooLarge) -> Self {
        Self::EventTooLarge(error)
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

    /// What to do about it: the configured URL is not the server's own.
    pub fn remedy(&self) -> Remedy {
        match self.reason {
            RedirectReason::MethodLost | RedirectReason::OtherOrigin => Remedy::Configure,
            RedirectReason::TooMany | RedirectReason::NoLocation => Remedy::Report,
        }
    }

    /// Advice for the user.
    pub fn hint(&self) -> Option<String> {
        let to = self.to.as_deref()?;
        (self.remedy() == Remedy::Configure)
            .then(|| format!("if {to} is the MCP server, configure that URL instead"))
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
        f.write_str("the request can't be authorised")
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
}

impl fmt::Display for BodyTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is larger than {} bytes", self.cap)
    }
}

impl StdError for BodyTooLarge {}

/// The end of a server that refuses each fresh token: a request is not repeated for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooManyChallenges {
    server: ServerUrl,
    sent: usize,
}

impl TooManyChallenges {
    pub(crate) fn new(server: &ServerUrl, sent: usize) -> Self {
        Self {
            server: server.clone(),
            sent,
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

impl StdError for TooManyChallenges {}
