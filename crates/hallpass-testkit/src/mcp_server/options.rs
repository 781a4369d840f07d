//! What an MCP server may be told, as plain data.

use crate::{
    AuthorizationServer, IssuerEndpoints, ListenOptions, PlannedFault, Recorder, TokenRegistry,
};

/// An MCP server's options. [`protected_by`](Self::protected_by) is the usual beginning: a server
/// at `/mcp` that follows the specification.
#[derive(Debug, Clone)]
pub struct McpServerOptions {
    /// Where it listens.
    pub listen: ListenOptions,
    /// Where requests are recorded; `None` begins a record of its own.
    pub recorder: Option<Recorder>,
    /// Where tokens are looked up; `None` accepts no token.
    pub registry: Option<TokenRegistry>,
    /// The path of the MCP endpoint, with its leading slash; `/` for the bare origin.
    pub path: String,
    /// How clients begin.
    pub lifecycle: Lifecycle,
    /// The transport that it speaks.
    pub transport: ServerTransport,
    /// Whether plain answers come as JSON; otherwise as an event stream.
    pub json_response: bool,
    /// Whether it can do more than a few plain tools: progress, a log, questions to a user,
    /// pictures, resources and prompts.
    pub everything: bool,
    /// How the server protects itself.
    /// [`McpServer::change`](crate::McpServer::change) changes it while the server runs.
    pub protection: Protection,
    /// An authorization server whose endpoints are answered at this server's origin too, as the
    /// 2025-03-26 revision of MCP had it. Its metadata names its own origin, unless
    /// [`metadata_overrides`](crate::Behaviour::metadata_overrides) says otherwise.
    pub issuer_inside: Option<IssuerEndpoints>,
    /// What goes wrong.
    pub faults: Vec<PlannedFault>,
}

impl Default for McpServerOptions {
    fn default() -> Self {
        Self {
            listen: ListenOptions::new("MCP server"),
            recorder: None,
            registry: None,
            path: "/mcp".to_owned(),
            lifecycle: Lifecycle::default(),
            transport: ServerTransport::default(),
            json_response: false,
            everything: false,
            protection: Protection::default(),
            issuer_inside: None,
            faults: Vec::new(),
        }
    }
}

impl McpServerOptions {
    /// A server that takes the tokens of `server`, names it in its metadata, and shares its record.
    pub fn protected_by(server: &AuthorizationServer) -> Self {
        Self {
            recorder: Some(server.recorder().clone()),
            registry: Some(server.registry().clone()),
            protection: Protection {
                authorization_servers: vec![server.issuer().to_owned()],
                ..Protection::default()
            },
            ..Self::default()
        }
    }
}

/// How clients begin with an MCP server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// As they like: by `initialize`, which begins a session (`Mcp-Session-Id`), or by requests that
    /// each stand for themselves (MCP 2026-07-28).
    #[default]
    Any,
    /// The same, without sessions.
    WithoutSessions,
    /// Without a handshake, as from MCP 2026-07-28 on: `initialize` is refused with the versions that
    /// are spoken.
    WithoutHandshake,
}

/// The transport that an MCP server speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServerTransport {
    /// Streamable HTTP (MCP 2025-03-26 and later).
    #[default]
    StreamableHttp,
    /// HTTP+SSE (MCP 2024-11-05): its URL is that of the event stream.
    HttpSse {
        /// The status of a POST to its URL, which is how a client of streamable HTTP begins.
        post_status: u16,
        /// The endpoint that its streams name in the place of the real one.
        endpoint: Option<String>,
    },
}

/// How an MCP server protects itself, in what servers in the world differ by.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// Whether requests without a token are let in.
    pub is_open: bool,
    /// The issuers in its metadata, in its order of preference.
    pub authorization_servers: Vec<String>,
    /// What it calls itself in its metadata. A token has to be for exactly this text.
    pub resource: PublishedResource,
    /// Where its metadata stands.
    pub metadata_at: ResourceMetadataPath,
    /// What a 401 says.
    pub challenge: ChallengeStyle,
    /// The scopes that a 401 asks for, separated by spaces; `None` names none.
    pub challenge_scope: Option<String>,
    /// `scopes_supported` of the metadata.
    pub scopes_supported: Option<Vec<String>>,
    /// The scopes, separated by spaces, that `tools/call` needs; a token without them gets 403
    /// `insufficient_scope` (RFC 6750 §3.1).
    pub call_scope: Option<String>,
    /// `Some(path)`: the MCP endpoint only redirects to that path (status 307), where the server
    /// really is.
    pub moved_to: Option<String>,
}

/// What an MCP server calls itself (RFC 9728 §2, RFC 8707 §2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PublishedResource {
    /// Its URL.
    #[default]
    Url,
    /// Scheme, host and port, without a slash.
    Origin,
    /// Something else.
    Exactly(String),
}

/// Where an MCP server's metadata stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ResourceMetadataPath {
    /// `/.well-known/oauth-protected-resource` and the server's path after it (RFC 9728 §3.1).
    #[default]
    Inserted,
    /// `/.well-known/oauth-protected-resource` and nothing after it.
    Root,
    /// A path of its own, which only the challenge tells.
    At(String),
    /// Nowhere.
    Nowhere,
}

/// What a 401 says (RFC 9728 §5.1, RFC 6750 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ChallengeStyle {
    /// `Bearer` with `resource_metadata`, the scope, and an error where a token was refused.
    #[default]
    Full,
    /// The same without `resource_metadata`.
    WithoutMetadata,
    /// No `WWW-Authenticate` at all.
    None,
    /// These header fields, as they are.
    Exactly(Vec<String>),
}
