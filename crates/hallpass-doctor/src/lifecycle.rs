//! The two ways in which MCP begins, and what each of their requests carries.

use hallpass_mcp::{Error, Request};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The version from which on there is no handshake.
const STATELESS: &str = "2026-07-28";

/// A request, by what its answer is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) id: u64,
}

/// The `initialize` request that a diagnosis starts with, in the version before stateless MCP.
pub(crate) const PROBE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"hallpass","version":"0"}}}"#;

/// The question that [`PROBE`] asks.
pub(crate) const INITIALIZE: Question = Question {
    method: "initialize",
    id: 0,
};

/// What a server without a handshake is asked in its place.
pub(crate) const DISCOVER: Question = Question {
    method: "server/discover",
    id: 1,
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
}

impl Lifecycle {
    /// The lifecycle that a server's account of itself belongs to.
    pub(crate) fn of(account: &Value, session: Option<String>) -> Self {
        if account.get("supportedVersions").is_some() {
            return Self::Stateless;
        }
        let version = account.get("protocolVersion").and_then(Value::as_str);
        Self::Handshake {
            version: version.map(str::to_owned),
            session,
        }
    }

    pub(crate) fn version(&self) -> Option<&str> {
        match self {
            Self::Handshake { version, .. } => version.as_deref(),
            Self::Stateless => Some(STATELESS),
        }
    }

    /// A request without parameters.
    pub(crate) fn request(&self, Question { method, id }: Question) -> Result<Request, Error> {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        self.post(message, method)
    }

    /// A notification; none where each request stands for itself.
    pub(crate) fn notification(&self, method: &'static str) -> Option<Result<Request, Error>> {
        match self {
            Self::Handshake { .. } => {
                let message = json!({ "jsonrpc": "2.0", "method": method });
                Some(self.post(message, method))
            }
            Self::Stateless => None,
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
