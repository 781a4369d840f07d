//! rmcp's errors in plain words, with what to do about them.

use std::{error::Error as StdError, fmt};

use hallpass_core::{Diagnostic, Hint, Remedy, ServerWords, sanitize_line};
use rmcp::{
    model::ErrorData,
    service::{ClientInitializeError, ServiceError},
    transport::{DynamicTransportError, streamable_http_client::StreamableHttpError},
};

use crate::{Error, local_error};

/// What one of rmcp's errors says, in plain words and with its remedy.
///
/// rmcp's own texts name types of Rust and repeat what they wrap. This one says what the transport
/// says, or what the server said, or what rmcp means.
#[derive(Debug)]
pub struct ClientError {
    cause: Cause,
    /// rmcp's error.
    source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug)]
enum Cause {
    /// The transport's own error is behind it.
    Transport,
    /// The transport had to say it in the place of the server's answer, or rmcp has no more to say.
    Told {
        text: String,
        remedy: Remedy,
        hints: Vec<Hint>,
    },
    /// The server's own JSON-RPC error.
    Server {
        error: ErrorData,
        words: Option<ServerWords>,
    },
}

impl ClientError {
    /// What `error` says: a `ServiceError`, a `ClientInitializeError`, or what they hold.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = error.into();
        let cause = match Error::find_in_chain(&*source) {
            Some(_) => Cause::Transport,
            None => cause_of(&*source),
        };
        Self { cause, source }
    }

    /// The transport's own error, if it is behind rmcp's.
    pub fn transport_error(&self) -> Option<&Error> {
        Error::find_in_chain(&*self.source)
    }

    /// The JSON-RPC error that the server answered with, if that is the error.
    pub fn server_error(&self) -> Option<&ErrorData> {
        match &self.cause {
            Cause::Server { error, .. } => Some(error),
            Cause::Transport | Cause::Told { .. } => None,
        }
    }
}

impl Diagnostic for ClientError {
    fn remedy(&self) -> Remedy {
        match &self.cause {
            Cause::Transport => self
                .transport_error()
                .map_or(Remedy::Report, Diagnostic::remedy),
            Cause::Told { remedy, .. } => *remedy,
            Cause::Server { .. } => Remedy::Report,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match &self.cause {
            Cause::Transport => {
                let behind = self.transport_error();
                behind.map(Diagnostic::hints).unwrap_or_default()
            }
            Cause::Told { hints, .. } => hints.clone(),
            Cause::Server { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Transport => match self.transport_error() {
                Some(behind) => fmt::Display::fmt(behind, f),
                None => f.write_str("the transport failed"),
            },
            Cause::Told { text, .. } => f.write_str(text),
            Cause::Server { error, .. } => {
                write!(f, "the server answered with the error {}", error.code.0)
            }
        }
    }
}

impl StdError for ClientError {
    /// The cause of what is told, or the server's words: rmcp's own error says the same in other words.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            Cause::Server { words, .. } => words.as_ref().map(|words| words as _),
            Cause::Transport | Cause::Told { .. } => {
                self.transport_error().and_then(StdError::source)
            }
        }
    }
}

impl From<ServiceError> for ClientError {
    fn from(error: ServiceError) -> Self {
        Self::new(error)
    }
}

impl From<ClientInitializeError> for ClientError {
    fn from(error: ClientInitializeError) -> Self {
        Self::new(error)
    }
}

const CLOSED: &str = "the connection to the server has ended";

fn cause_of(error: &(dyn StdError + 'static)) -> Cause {
    if let Some(error) = error.downcast_ref::<ServiceError>() {
        of_service(error)
    } else if let Some(error) = error.downcast_ref::<ClientInitializeError>() {
        of_initialize(error)
    } else if let Some(error) = error.downcast_ref::<DynamicTransportError>() {
        cause_of(&*error.error)
    } else if let Some(error) = error.downcast_ref::<StreamableHttpError<Error>>() {
        of_transport(error)
    } else {
        told(Remedy::Report, sanitize_line(&error.to_string()))
    }
}

fn told(remedy: Remedy, text: impl Into<String>) -> Cause {
    Cause::Told {
        text: text.into(),
        remedy,
        hints: Vec::new(),
    }
}

fn of_answer(error: &ErrorData) -> Cause {
    match local_error::read(error) {
        Some((remedy, hints)) => Cause::Told {
            text: error.message.to_string(),
            remedy,
            hints,
        },
        None => Cause::Server {
            words: ServerWords::cleaned(&error.message),
            error: error.clone(),
        },
    }
}

fn of_service(error: &ServiceError) -> Cause {
    match error {
        ServiceError::McpError(error) => of_answer(error),
        ServiceError::TransportSend(error) => cause_of(&*error.error),
        ServiceError::TransportClosed => told(Remedy::Retry, CLOSED),
        ServiceError::UnexpectedResponse => told(
            Remedy::Report,
            "the server answered with a result of another kind than was asked for",
        ),
        ServiceError::SubscriptionLagged { capacity } => told(
            Remedy::Retry,
            format!("the subscription has ended: more than {capacity} messages were not read"),
        ),
        ServiceError::Cancelled { reason } => {
            let reason = reason
                .as_deref()
                .map(|it| format!(": {}", sanitize_line(it)));
            let reason = reason.unwrap_or_default();
            told(Remedy::Retry, format!("the request was cancelled{reason}"))
        }
        ServiceError::Timeout { timeout } => told(
            Remedy::Retry,
            format!("the server has not answered within {} s", timeout.as_secs()),
        ),
        ServiceError::InputRequiredRoundsExceeded { max_rounds } => told(
            Remedy::Report,
            format!("the server asked for input {max_rounds} times without a result"),
        ),
        _ => told(Remedy::Report, "the request failed"),
    }
}

fn of_initialize(error: &ClientInitializeError) -> Cause {
    match error {
        ClientInitializeError::JsonRpcError(error) => of_answer(error),
        ClientInitializeError::TransportError { error, .. } => cause_of(&*error.error),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => of_initialize(fallback),
        ClientInitializeError::ExpectedInitResponse(_)
        | ClientInitializeError::ExpectedInitResult(_) => told(
            Remedy::Report,
            "the server answered the first request with another result than was asked for",
        ),
        ClientInitializeError::ConflictInitResponseId(..)
        | ClientInitializeError::UncorrelatedErrorResponse { .. } => told(
            Remedy::Report,
            "the server answered another request than the first one",
        ),
        ClientInitializeError::ConnectionClosed(_) => told(
            Remedy::Retry,
            "the connection ended before the server had answered the first request",
        ),
        ClientInitializeError::NoCompatibleProtocolVersion {
            server_supported, ..
        } => {
            let versions = server_supported.iter().map(|it| sanitize_line(it.as_str()));
            let versions: Vec<_> = versions.take(8).collect();
            let versions = versions.join(", ");
            let text = format!("the server speaks other versions of MCP alone: {versions}");
            told(Remedy::Report, text)
        }
        ClientInitializeError::NoPreferredProtocolVersion => {
            told(Remedy::Configure, "the host names no version of MCP")
        }
        ClientInitializeError::Cancelled => told(Remedy::Retry, "the host stopped the connection"),
        _ => told(Remedy::Report, "the connection could not be made"),
    }
}

fn of_transport(error: &StreamableHttpError<Error>) -> Cause {
    match error {
        StreamableHttpError::SessionExpired => told(
            Remedy::Retry,
            "the server has ended the session, and the session that followed it",
        ),
        StreamableHttpError::SessionRecoveryTimeout => told(
            Remedy::Retry,
            "the session was lost, and no other one was opened in time; it is not known whether \
             the server did what was asked",
        ),
        StreamableHttpError::ReinitializationFailed(error) => {
            let words = sanitize_line(&error.message);
            told(
                Remedy::Report,
                format!("the session was lost, and the server refuses another one: {words}"),
            )
        }
        StreamableHttpError::ControlRequestTimeout => {
            told(Remedy::Retry, "the server did not take the message in time")
        }
        StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_) => {
            told(Remedy::SignIn, "the server asks for a sign-in")
        }
        StreamableHttpError::ReservedHeaderConflict(name) => told(
            Remedy::Configure,
            format!("the header `{name}` is set by the transport alone"),
        ),
        StreamableHttpError::TransportChannelClosed => told(Remedy::Retry, CLOSED),
        StreamableHttpError::ServerDoesNotSupportSse => {
            told(Remedy::Report, "the server has no event stream")
        }
        StreamableHttpError::UnexpectedServerResponse(_)
        | StreamableHttpError::MissingSessionIdInResponse
        | StreamableHttpError::UnexpectedEndOfStream
        | StreamableHttpError::Deserialize(_)
        | StreamableHttpError::Sse(_) => told(
            Remedy::Report,
            "the server's answer is none that this client understands",
        ),
        _ => told(Remedy::Report, "the transport failed"),
    }
}
