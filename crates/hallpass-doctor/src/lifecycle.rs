//! The ways in which MCP begins, what each of their requests carries, and where its answer comes.

use hallpass_mcp::{Error, Request, Response, SseConnection, probe, protocol_version::STATELESS};
use serde_json::{Value, json};

use crate::{Finding, reply::Reply};

/// A request, by what its answer is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) id: u64,
}

/// The question that [`probe::initialize`] asks.
pub(crate) const INITIALIZE: Question = Question {
    method: "initialize",
    id: probe::INITIALIZE_ID,
};

/// What a server without a handshake is asked in its place.
pub(crate) const DISCOVER: Question = Question {
    method: "server/discover",
    id: probe::DISCOVER_ID,
};

/// Asks for the tools.
pub(crate) const LIST_TOOLS: Question = Question {
    method: "tools/list",
    id: 2,
};

/// How a server is spoken to.
#[derive(Debug)]
pub(crate) enum Lifecycle {
    /// After `initialize`, in the session that it began if it began one (2025-11-25 and before).
    Handshake {
        version: Option<String>,
        session: Option<String>,
    },
    /// Each request stands for itself (2026-07-28).
    Stateless,
    /// After `initialize` over HTTP+SSE, on whose stream the answers come (2024-11-05).
    HttpSse {
        version: Option<String>,
        stream: Box<SseConnection>,
    },
}

impl Lifecycle {
    /// The lifecycle that a server's account of itself belongs to.
    pub(crate) fn of(account: &Value, session: Option<String>) -> Self {
        if account.get("supportedVersions").is_some() {
            return Self::Stateless;
        }
        Self::Handshake {
            version: agreed_version(account),
            session,
        }
    }

    /// The lifecycle of a server that has initialized on `stream`.
    pub(crate) fn of_http_sse(account: &Value, stream: SseConnection) -> Self {
        let version = agreed_version(account);
        let stream = Box::new(stream);
        Self::HttpSse { version, stream }
    }

    pub(crate) fn version(&self) -> Option<&str> {
        match self {
            Self::Handshake { version, .. } | Self::HttpSse { version, .. } => version.as_deref(),
            Self::Stateless => Some(STATELESS),
        }
    }

    /// A request without parameters.
    pub(crate) fn request(&self, Question { method, id }: Question) -> Result<Request, Error> {
        match self {
            Self::Handshake { .. } => {
                let message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
                self.within(Request::post(message.to_string()))
            }
            Self::Stateless => Ok(probe::stateless(id, method)),
            Self::HttpSse { stream, .. } => {
                let message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
                Ok(SseConnection::post(stream.endpoint(), message.to_string()))
            }
        }
    }

    /// The answer to `question`, whose POST was answered with the success `response`.
    pub(crate) async fn read(
        &mut self,
        response: Response,
        question: Question,
    ) -> Result<Reply, Finding> {
        match self {
            Self::HttpSse { stream, .. } => Reply::read_on(stream, question).await,
            _ => Reply::read(response, question).await,
        }
    }

    /// A notification; none where each request stands for itself.
    pub(crate) fn notification(&self, method: &'static str) -> Option<Result<Request, Error>> {
        match self {
            Self::Handshake { .. } => {
                let message = json!({ "jsonrpc": "2.0", "method": method });
                Some(self.within(Request::post(message.to_string())))
            }
            Self::Stateless => None,
            Self::HttpSse { stream, .. } => {
                let message = json!({ "jsonrpc": "2.0", "method": method });
                let request = SseConnection::post(stream.endpoint(), message.to_string());
                Some(Ok(request))
            }
        }
    }

    /// What ends the session, where there is one.
    pub(crate) fn end(&self) -> Option<Result<Request, Error>> {
        match self {
            Self::Handshake {
                session: Some(_), ..
            } => Some(self.within(Request::delete())),
            _ => None,
        }
    }

    fn within(&self, mut request: Request) -> Result<Request, Error> {
        if let Self::Handshake {
            session: Some(id), ..
        } = self
        {
            request = request.session(id)?;
        }
        match self.version() {
            Some(version) => request.protocol_version(version),
            None => Ok(request),
        }
    }
}

fn agreed_version(account: &Value) -> Option<String> {
    let version = account.get("protocolVersion")?.as_str()?;
    Some(version.to_owned())
}
