//! What has to be known about a message once it is bytes.

use std::collections::HashMap;

use hallpass_mcp::{Interactivity, LAST_EVENT_ID, MCP_SESSION_ID, Request};
use http::{
    HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientNotification, ClientRequest, RequestId},
    transport::streamable_http_client::StreamableHttpError,
};

use crate::error::RmcpError;

/// The headers of one request, as rmcp hands them over.
pub(crate) type Headers = HashMap<HeaderName, HeaderValue>;

/// A message that was sent, as far as its answer depends on it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    kind: Kind,
    method: String,
    in_session: bool,
}

#[derive(Debug)]
enum Kind {
    Discover(RequestId),
    Initialize(RequestId),
    Call(RequestId),
    Request(RequestId),
    /// `notifications/initialized`: the session is open, whatever the server says to it.
    Initialized,
    /// Another notification, to which there is no answer.
    OneWay,
    /// A cancellation or an answer to the server, which rmcp gives five seconds.
    Control,
}

impl Outgoing {
    pub(crate) fn new(message: &ClientJsonRpcMessage, in_session: bool) -> Self {
        let kind = match message {
            ClientJsonRpcMessage::Request(request) => {
                let id = request.id.clone();
                match &request.request {
                    ClientRequest::DiscoverRequest(_) => Kind::Discover(id),
                    ClientRequest::InitializeRequest(_) => Kind::Initialize(id),
                    ClientRequest::CallToolRequest(_) => Kind::Call(id),
                    _ => Kind::Request(id),
                }
            }
            ClientJsonRpcMessage::Notification(notification) => match &notification.notification {
                ClientNotification::CancelledNotification(_) => Kind::Control,
                ClientNotification::InitializedNotification(_) => Kind::Initialized,
                _ => Kind::OneWay,
            },
            _ => Kind::Control,
        };
        let method = match message {
            ClientJsonRpcMessage::Request(request) => request.request.method(),
            _ => "",
        };
        Self {
            kind,
            method: method.to_owned(),
            in_session,
        }
    }

    /// The id to be answered.
    pub(crate) fn id(&self) -> Option<&RequestId> {
        match &self.kind {
            Kind::Discover(id) | Kind::Initialize(id) | Kind::Call(id) | Kind::Request(id) => {
                Some(id)
            }
            Kind::Initialized | Kind::OneWay | Kind::Control => None,
        }
    }

    /// The method of a request; empty for other messages.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Whether it says that the host is ready.
    pub(crate) fn is_initialized(&self) -> bool {
        matches!(self.kind, Kind::Initialized)
    }

    /// Whether it begins a session.
    pub(crate) fn is_initialize(&self) -> bool {
        matches!(self.kind, Kind::Initialize(_))
    }

    /// Whether it calls a tool, which must not be done twice.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self.kind, Kind::Call(_))
    }

    /// On whose behalf it is sent. A sign-in that rmcp would break off at once is not begun.
    pub(crate) fn interactivity(&self) -> Interactivity {
        match self.kind {
            Kind::Control => Interactivity::Background,
            _ => Interactivity::Interactive,
        }
    }

    /// Whether it is the first message of a connection, whose answer rmcp reads to its end.
    pub(crate) fn starts_a_lifecycle(&self) -> bool {
        matches!(self.kind, Kind::Discover(_) | Kind::Initialize(_))
    }

    /// Whether it asks a server that may be of an older protocol whether it is.
    pub(crate) fn probes(&self) -> bool {
        matches!(self.kind, Kind::Discover(_)) && !self.in_session
    }
}

/// Adds the host's headers and those of the protocol, which rmcp hands over together. Those that
/// the transport sets itself are refused, as by rmcp's own client.
pub(crate) fn with_headers(mut request: Request, headers: Headers) -> Result<Request, RmcpError> {
    for (name, value) in headers {
        if [ACCEPT, AUTHORIZATION, MCP_SESSION_ID, LAST_EVENT_ID].contains(&name) {
            return Err(StreamableHttpError::ReservedHeaderConflict(
                name.to_string(),
            ));
        }
        request = request.header(name, value);
    }
    Ok(request)
}
