//! What can go wrong, and how rmcp is told.

use std::{error::Error as StdError, fmt, io};

use hallpass_core::{Remedy, ServerUrl};
use hallpass_mcp_http::{Endpoint, Response};
use hallpass_session::SessionError;
use http::{
    StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use rmcp::{
    service::{ClientInitializeError, ServiceError},
    transport::{
        DynamicTransportError,
        streamable_http_client::{AuthRequiredError, InsufficientScopeError, StreamableHttpError},
    },
};
use url::Url;

/// A request that came to nothing for a reason that rmcp has no word for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no token that the server would take.
    Session(SessionError),
    /// There is no answer, or none that can be read.
    Http(hallpass_mcp_http::Error),
    /// The server refuses one fresh token after another.
    Refused(Refused),
    /// The server does not do what was asked, for a reason other than authorisation.
    UnexpectedStatus(UnexpectedStatus),
    /// An answer is no JSON-RPC message.
    UnreadableMessage(UnreadableMessage),
    /// The transport was made for another server than the session.
    OtherServer(OtherServer),
}

impl Error {
    /// The error of this crate behind one of rmcp's: `ClientInitializeError`, `ServiceError` or
    /// what they hold.
    pub fn behind<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = if let Some(error) = error.downcast_ref::<StreamableHttpError<Self>>() {
                match error {
                    StreamableHttpError::Client(found) => return Some(found),
                    other => other.source(),
                }
            } else if let Some(error) = error.downcast_ref::<DynamicTransportError>() {
                Some(&*error.error)
            } else if let Some(error) = error.downcast_ref::<ClientInitializeError>() {
                match error {
                    ClientInitializeError::TransportError { error, .. } => Some(&*error.error),
                    ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Some(fallback),
                    other => other.source(),
                }
            } else if let Some(error) = error.downcast_ref::<io::Error>() {
                error.get_ref().map(|error| error as _)
            } else if let Some(ServiceError::TransportSend(error)) = error.downcast_ref() {
                Some(&*error.error)
            } else {
                error.source()
            };
        }
        None
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Session(error) => error.remedy(),
            Self::Http(error) => error.remedy(),
            Self::UnexpectedStatus(error) => error.remedy(),
            Self::OtherServer(_) => Remedy::Configure,
            Self::Refused(_) | Self::UnreadableMessage(_) => Remedy::Report,
        }
    }

    /// Advice for a person.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Session(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::UnexpectedStatus(error) => error.hint(),
            Self::Refused(_) | Self::UnreadableMessage(_) | Self::OtherServer(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::UnexpectedStatus(error) => error.fmt(f),
            Self::UnreadableMessage(error) => error.fmt(f),
            Self::OtherServer(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    // Transparent: the text is the variant's own, so its source comes next.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Session(error) => error.source(),
            Self::Http(error) => error.source(),
            Self::Refused(_)
            | Self::UnexpectedStatus(_)
            | Self::UnreadableMessage(_)
            | Self::OtherServer(_) => None,
        }
    }
}

/// The end of a server that refuses each fresh token: a request is not repeated for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    server: ServerUrl,
    sent: usize,
}

impl Refused {
    pub(crate) fn new(endpoint: &Endpoint, sent: usize) -> Self {
        Self {
            server: endpoint.server().clone(),
            sent,
        }
    }

    /// How often the request was sent.
    pub fn sent(&self) -> usize {
        self.sent
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} refused the request {} times, with another token each time",
            self.server, self.sent
        )
    }
}

impl StdError for Refused {}

/// A status that is neither an answer nor about authorisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexpectedStatus {
    status: StatusCode,
    url: String,
    retry_after: Option<String>,
}

/// The longest `Retry-After` that is kept: a date has 29 characters.
const MOST_RETRY_AFTER: usize = 64;

impl UnexpectedStatus {
    pub(crate) fn new(response: &Response) -> Self {
        Self {
            status: response.status(),
            url: shown(response.url()),
            retry_after: response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .filter(|value| value.len() <= MOST_RETRY_AFTER)
                .map(str::to_owned),
        }
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

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
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

    /// Advice for a person.
    pub fn hint(&self) -> Option<String> {
        let text = match self.status {
            StatusCode::FORBIDDEN => {
                "the server knows the account and does not let it do this; no other token helps"
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                "this may not be the URL of an MCP endpoint with streamable HTTP"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.url, self.status)
    }
}

impl StdError for UnexpectedStatus {}

/// An answer in JSON that is no JSON-RPC message. What it holds is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableMessage {
    is_json: bool,
    size: usize,
}

impl UnreadableMessage {
    pub(crate) fn new(error: &serde_json::Error, size: usize) -> Self {
        Self {
            is_json: error.is_data(),
            size,
        }
    }
}

impl fmt::Display for UnreadableMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_json {
            "no JSON-RPC message that rmcp knows"
        } else {
            "no JSON, though it says so"
        };
        write!(f, "the answer of {} bytes is {what}", self.size)
    }
}

impl StdError for UnreadableMessage {}

/// A transport for one server on the session of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    asked: String,
    server: ServerUrl,
}

impl OtherServer {
    pub(crate) fn new(asked: &str, server: &ServerUrl) -> Self {
        Self {
            asked: Url::parse(asked).map_or_else(|_| "no URL".to_owned(), |url| shown(&url)),
            server: server.clone(),
        }
    }
}

impl fmt::Display for OtherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the transport is for {}, the session for {}",
            self.asked, self.server
        )
    }
}

impl StdError for OtherServer {}

/// Why a request is not sent again.
#[derive(Debug)]
pub(crate) struct Stop {
    error: Error,
    /// What the server said, when it is about authorisation.
    refusal: Option<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    challenge: String,
}

impl Stop {
    /// There is no token, and so nothing was sent.
    pub(crate) fn before_sending(error: SessionError) -> Self {
        Self {
            error: Error::Session(error),
            refusal: Some(Refusal {
                status: StatusCode::UNAUTHORIZED,
                challenge: String::new(),
            }),
        }
    }

    /// The session has no answer to what `response` asks for.
    pub(crate) fn refused(error: SessionError, response: &Response) -> Self {
        Self {
            error: Error::Session(error),
            refusal: Some(Refusal::read(response)),
        }
    }

    /// No answer to what `response` asks for has been enough.
    pub(crate) fn in_circles(error: Refused, response: &Response) -> Self {
        Self {
            error: Error::Refused(error),
            refusal: Some(Refusal::read(response)),
        }
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// What rmcp is told about a stream: it opens one again after any error but a few, so that a
    /// refusal has to be one of those, unless trying again may help.
    pub(crate) fn of_stream(self) -> StreamableHttpError<Error> {
        let Self { error, refusal } = self;
        match refusal {
            Some(refusal) if error.remedy() != Remedy::Retry => {
                tracing::warn!("an event stream ends for want of authorisation: {error}");
                refusal.into_rmcp()
            }
            _ => StreamableHttpError::Client(error),
        }
    }
}

impl From<Stop> for StreamableHttpError<Error> {
    fn from(stop: Stop) -> Self {
        Self::Client(stop.error)
    }
}

impl From<hallpass_mcp_http::Error> for Stop {
    fn from(error: hallpass_mcp_http::Error) -> Self {
        Self {
            error: Error::Http(error),
            refusal: None,
        }
    }
}

impl Refusal {
    fn read(response: &Response) -> Self {
        let challenges: Vec<_> = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        Self {
            status: response.status(),
            challenge: challenges.join(", "),
        }
    }

    fn into_rmcp(self) -> StreamableHttpError<Error> {
        if self.status == StatusCode::FORBIDDEN {
            let error = InsufficientScopeError::new(self.challenge, None);
            StreamableHttpError::InsufficientScope(error)
        } else {
            StreamableHttpError::AuthRequired(AuthRequiredError::new(self.challenge))
        }
    }
}

/// The URL as errors show it: without query, fragment and user information.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // These two fail only for URLs that can't hold user information in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
