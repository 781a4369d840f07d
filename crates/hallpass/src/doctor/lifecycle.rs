//! The two ways in which MCP begins, and what each of their requests carries.

use hallpass_mcp_http::{Authorization, Content, Endpoint, Error, Request, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The version from which on there is no handshake.
const STATELESS: &str = "2026-07-28";

/// What a server without a handshake tells of itself.
const DISCOVER: &str = "server/discover";

/// How a server is spoken to.
#[derive(Debug)]
pub(super) enum Lifecycle {
    /// After `initialize`, in the session that it began if it began one (2025-11-25 and before).
    Handshake {
        version: Option<String>,
        session: Option<String>,
    },
    /// Each request stands for itself (2026-07-28).
    Stateless,
}

impl Lifecycle {
    /// The lifecycle that a server's account of itself belongs to.
    pub(super) fn of(account: &Value, session: Option<String>) -> Self {
        if account.get("supportedVersions").is_some() {
            return Self::Stateless;
        }
        let version = account.get("protocolVersion").and_then(Value::as_str);
        Self::Handshake {
            version: version.map(str::to_owned),
            session,
        }
    }

    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Self::Handshake { version, .. } => version.as_deref(),
            Self::Stateless => Some(STATELESS),
        }
    }

    /// A request for a method without parameters.
    pub(super) fn request(&self, method: &'static str) -> Result<Request, Error> {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
        self.post(message, method)
    }

    /// A notification; none where each request stands for itself.
    pub(super) fn notification(&self, method: &'static str) -> Option<Result<Request, Error>> {
        match self {
            Self::Handshake { .. } => {
                let message = json!({ "jsonrpc": "2.0", "method": method });
                Some(self.post(message, method))
            }
            Self::Stateless => None,
        }
    }

    /// What ends the session, where there is one.
    pub(super) fn end(&self) -> Option<Result<Request, Error>> {
        match self {
            Self::Handshake {
                session: Some(_), ..
            } => Some(self.within(Request::delete())),
            _ => None,
        }
    }

    fn post(&self, mut message: Value, method: &'static str) -> Result<Request, Error> {
        if let Self::Stateless = self {
            message["params"] = json!({ "_meta": {
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientInfo": { "name": "hallpass", "version": "0" },
                "io.modelcontextprotocol/clientCapabilities": {},
            }});
        }
        let request = self.within(Request::post(message.to_string()))?;
        Ok(match self {
            Self::Handshake { .. } => request,
            Self::Stateless => {
                let name = HeaderName::from_static("mcp-method");
                request.header(name, HeaderValue::from_static(method))
            }
        })
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

/// Asks a server without a handshake what it is.
pub(super) async fn discover(
    server: &Endpoint,
    authorization: &dyn Authorization,
) -> Option<Response> {
    let question = Lifecycle::Stateless.request(DISCOVER).ok()?;
    server.send(&question, authorization).await.ok()
}

/// The answer to `initialize`, or where a server refuses that as one without a handshake does, what it
/// answers to the question that takes its place.
pub(super) async fn past_the_handshake(
    answer: Response,
    server: &Endpoint,
    authorization: &dyn Authorization,
) -> Response {
    let status = answer.status();
    let refuses_the_message = matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED
    );
    if !refuses_the_message || answer.content() != Content::Json {
        return answer;
    }
    match discover(server, authorization).await {
        Some(other) if other.status().is_success() || is_challenge(other.status()) => other,
        _ => answer,
    }
}

fn is_challenge(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}
