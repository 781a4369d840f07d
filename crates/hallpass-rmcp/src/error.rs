//! What can go wrong, and how rmcp is told.

use std::{error::Error as StdError, fmt, io};

use hallpass_core::{Diagnostic, Hint, Remedy, ServerUrl, url_without_query};
use hallpass_mcp::{
    InvalidMessage, RequestError, SessionLost, SseError, TooManyChallenges, Unanswered,
    UnexpectedStatus,
};
use hallpass_session::SessionError;
use http::StatusCode;
use rmcp::{
    service::{ClientInitializeError, ServiceError},
    transport::{
        DynamicTransportError,
        streamable_http_client::{AuthRequiredError, InsufficientScopeError, StreamableHttpError},
    },
};
use url::Url;

pub(crate) type RmcpError = StreamableHttpError<Error>;

/// A request that failed for a reason that rmcp has no variant for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[error(transparent)]
pub enum Error {
    /// There is no token that the server would take.
    Session(SessionError),
    /// There is no answer, or none that can be read.
    Http(hallpass_mcp::Error),
    /// The server refuses one fresh token after another.
    TooManyChallenges(TooManyChallenges),
    /// The server does not do what was asked, for a reason other than authorization.
    UnexpectedStatus(UnexpectedStatus),
    /// An answer is no JSON-RPC message, or none to the request.
    InvalidMessage(InvalidMessage),
    /// The answer to a request does not come.
    Unanswered(Unanswered),
    /// The session of a call was lost.
    SessionLost(SessionLost),
    /// The server is not spoken to by HTTP+SSE.
    HttpSse(SseError),
    /// The transport was made for another server than the session.
    OtherServer(OtherServer),
}

impl Error {
    /// The error of this crate behind one of rmcp's: `ClientInitializeError`, `ServiceError` or
    /// what they hold.
    pub fn find_in_chain<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
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
}

impl Diagnostic for Error {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Session(error) => error.remedy(),
            Self::Http(error) => error.remedy(),
            Self::UnexpectedStatus(error) => error.remedy(),
            Self::OtherServer(_) => Remedy::Configure,
            Self::InvalidMessage(error) => error.remedy(),
            Self::Unanswered(error) => error.remedy(),
            Self::SessionLost(error) => error.remedy(),
            Self::HttpSse(error) => error.remedy(),
            Self::TooManyChallenges(_) => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Session(error) => error.hints(),
            Self::Http(error) => error.hints(),
            Self::UnexpectedStatus(error) => error.hints(),
            Self::InvalidMessage(error) => error.hints(),
            Self::Unanswered(error) => error.hints(),
            Self::SessionLost(error) => error.hints(),
            Self::HttpSse(error) => error.hints(),
            Self::TooManyChallenges(_) | Self::OtherServer(_) => Vec::new(),
        }
    }
}

impl From<hallpass_mcp::Error> for Error {
    fn from(error: hallpass_mcp::Error) -> Self {
        match error {
            hallpass_mcp::Error::Session(error) => Self::Session(error),
            hallpass_mcp::Error::TooManyChallenges(error) => Self::TooManyChallenges(error),
            error => Self::Http(error),
        }
    }
}

/// A transport for one server on the session of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    asked: String,
    server: ServerUrl,
}

impl OtherServer {
    pub(crate) fn new(asked: &str, server: &ServerUrl) -> Self {
        Self {
            asked: Url::parse(asked).map_or_else(
                |_| "no URL".to_owned(),
                |url| url_without_query(&url).into(),
            ),
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

/// A request that can't be sent.
pub(crate) fn unsent(error: hallpass_mcp::Error) -> RmcpError {
    StreamableHttpError::Client(Error::Http(error))
}

/// What rmcp is told about a stream: it opens one again after any error but a few, so that a
/// response about authorization has to be one of those, unless trying again may help.
pub(crate) fn stream_error(error: RequestError) -> RmcpError {
    match error.challenge_response() {
        Some(response) if error.remedy() != Remedy::Retry => {
            tracing::warn!("an event stream ends without authorization: {error}");
            let challenge = response.challenge().to_owned();
            if response.status() == StatusCode::FORBIDDEN {
                let error = InsufficientScopeError::new(challenge, None);
                StreamableHttpError::InsufficientScope(error)
            } else {
                StreamableHttpError::AuthRequired(AuthRequiredError::new(challenge))
            }
        }
        _ => StreamableHttpError::Client(error.into_error().into()),
    }
}
