//! A resource-bound MCP server on the loopback interface: a real rmcp server behind an audience
//! check.

use std::{
    fmt, io,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use hallpass_core::BoxFuture;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::{Map, Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Endpoint, FakeServer, TokenRegistry,
    authorization_server::IssuerEndpoints,
    clock::ComputerClock,
    exchange::{Answering, Received},
    listen::Bound,
    reply::Reply,
};

mod elicitation;
mod everything;
mod http_sse;
mod messages;
mod options;
mod tools;

use http_sse::{HttpSse, MESSAGES};
use messages::{calls, no_handshake};
pub use options::{
    ChallengeStyle, Lifecycle, McpServerOptions, Protection, PublishedResource,
    ResourceMetadataPath, ServerTransport,
};
use tools::Tools;

/// A real MCP server (rmcp's streamable HTTP) that accepts tokens issued for exactly this server.
///
/// A request without a good token is answered with 401 and a challenge (RFC 9728 §5.1) before rmcp
/// sees it; `initialize` is no exception. It offers the tools `add`, `echo`, `fail` and `ping`,
/// more [if it is told to](McpServerOptions::everything), and stops when it is dropped.
pub struct McpServer {
    state: Arc<State>,
    server: FakeServer,
    _rmcp: DropGuard,
}

struct State {
    origin: String,
    path: String,
    lifecycle: Lifecycle,
    registry: Option<TokenRegistry>,
    protection: Mutex<Protection>,
    issuer_inside: Option<IssuerEndpoints>,
    rmcp: StreamableHttpService<Tools, LocalSessionManager>,
    http_sse: Option<HttpSse>,
}

impl McpServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When it can't listen, or when its certificate is not usable.
    pub async fn start(options: McpServerOptions) -> io::Result<Self> {
        let bound = Bound::new(&options.listen).await?;
        let stop = CancellationToken::new();
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(options.lifecycle == Lifecycle::Any)
            .with_json_response(options.json_response)
            .with_cancellation_token(stop.clone());
        let everything = options.everything;
        // A server whose tokens are another's shows that server's time.
        let clock = options.registry.as_ref().map(TokenRegistry::clock);
        let clock = clock.unwrap_or_else(|| Arc::new(ComputerClock::new()));
        let http_sse = match options.transport {
            ServerTransport::StreamableHttp => None,
            ServerTransport::HttpSse {
                post_status,
                endpoint,
            } => Some(HttpSse::new(post_status, endpoint, everything)),
        };
        let state = Arc::new(State {
            http_sse,
            origin: bound.origin().to_owned(),
            path: options.path,
            lifecycle: options.lifecycle,
            registry: options.registry,
            protection: Mutex::new(options.protection),
            issuer_inside: options.issuer_inside,
            rmcp: StreamableHttpService::new(
                move || Ok(Tools::new(everything)),
                Arc::default(),
                config,
            ),
        });
        let server = FakeServer::start(
            bound,
            options.listen,
            state.clone(),
            clock,
            options.recorder,
            options.faults,
        );
        Ok(Self {
            state,
            server,
            _rmcp: stop.drop_guard(),
        })
    }

    /// The URL of the MCP endpoint; for the bare origin it has no slash at the end.
    pub fn url(&self) -> String {
        self.state.url()
    }

    /// What the server calls itself, and what a token has to be for.
    pub fn resource(&self) -> String {
        self.state.resource(&self.state.protection())
    }

    /// Ends every event stream of HTTP+SSE, and its session with it.
    pub fn end_streams(&self) {
        if let Some(http_sse) = &self.state.http_sse {
            http_sse.end_streams();
        }
    }

    /// Changes how the server protects itself from the next request on.
    pub fn change(&self, change: impl FnOnce(&mut Protection)) {
        change(
            &mut self
                .state
                .protection
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

impl Deref for McpServer {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        &self.server
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

/// Why a request is not let in.
enum Refused {
    /// It holds no token.
    NoToken,
    /// Its token is unknown, expired, revoked or for another resource.
    BadToken,
    /// Its token lacks these scopes.
    Scope(String),
}

impl State {
    fn protection(&self) -> Protection {
        self.protection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn url(&self) -> String {
        let path = if self.path == "/" { "" } else { &self.path };
        format!("{}{path}", self.origin)
    }

    fn resource(&self, protection: &Protection) -> String {
        match &protection.resource {
            PublishedResource::Url => self.url(),
            PublishedResource::Origin => self.origin.clone(),
            PublishedResource::Exactly(text) => text.clone(),
        }
    }

    fn metadata_path(&self, protection: &Protection) -> Option<String> {
        let path = if self.path == "/" { "" } else { &self.path };
        match &protection.metadata_at {
            ResourceMetadataPath::Inserted => Some(format!("{WELL_KNOWN}{path}")),
            ResourceMetadataPath::Root => Some(WELL_KNOWN.to_owned()),
            ResourceMetadataPath::At(path) => Some(path.clone()),
            ResourceMetadataPath::Nowhere => None,
        }
    }

    /// RFC 9728 §2.
    fn metadata(&self, protection: &Protection) -> Reply {
        let mut document = Map::new();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        set("resource", json!(self.resource(protection)));
        set(
            "authorization_servers",
            json!(protection.authorization_servers),
        );
        set("bearer_methods_supported", json!(["header"]));
        set("resource_name", json!("Hallpass test server"));
        if let Some(scopes) = &protection.scopes_supported {
            set("scopes_supported", json!(scopes));
        }
        Reply::json(StatusCode::OK, &Value::Object(document))
    }

    /// Lets a request in, or says why not.
    fn admit(&self, protection: &Protection, request: &Received) -> Result<(), Refused> {
        let field = request.header(&header::AUTHORIZATION);
        let token = field.and_then(|field| {
            let (scheme, token) = field.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token.ok_or(Refused::NoToken)?;
        let found = self
            .registry
            .as_ref()
            .and_then(|registry| registry.introspect(token));
        let found = found.ok_or(Refused::BadToken)?;
        // The audience is compared as text: RFC 8707 knows no other likeness.
        if found.audience != Some(self.resource(protection)) {
            return Err(Refused::BadToken);
        }
        if let Some(needed) = &protection.call_scope
            && calls(&request.body, "tools/call")
        {
            let held = |scope| found.scope.split_ascii_whitespace().any(|it| it == scope);
            if !needed.split_ascii_whitespace().all(held) {
                return Err(Refused::Scope(needed.clone()));
            }
        }
        Ok(())
    }

    fn refusal(&self, protection: &Protection, refused: &Refused) -> Reply {
        let (status, error, scope) = match refused {
            Refused::NoToken => (
                StatusCode::UNAUTHORIZED,
                None,
                protection.challenge_scope.as_deref(),
            ),
            Refused::BadToken => (
                StatusCode::UNAUTHORIZED,
                Some("invalid_token"),
                protection.challenge_scope.as_deref(),
            ),
            Refused::Scope(scope) => (
                StatusCode::FORBIDDEN,
                Some("insufficient_scope"),
                Some(scope.as_str()),
            ),
        };
        let reply = Reply::text(status, error.unwrap_or("a token is needed"));
        let mut parameters = Vec::new();
        if let Some(error) = error {
            parameters.push(format!("error=\"{error}\""));
        }
        if let Some(scope) = scope {
            parameters.push(format!("scope=\"{scope}\""));
        }
        match &protection.challenge {
            ChallengeStyle::None => return reply,
            ChallengeStyle::Exactly(fields) => {
                return fields.iter().fold(reply, |reply, field| {
                    reply.with(header::WWW_AUTHENTICATE, field)
                });
            }
            ChallengeStyle::WithoutMetadata => {}
            ChallengeStyle::Full => {
                if let Some(path) = self.metadata_path(protection) {
                    let url = format!("resource_metadata=\"{}{path}\"", self.origin);
                    parameters.insert(0, url);
                }
            }
        }
        let challenge = format!("Bearer {}", parameters.join(", "));
        reply.with(header::WWW_AUTHENTICATE, challenge.trim_end())
    }

    fn is_for_messages(&self, request: &Received) -> bool {
        self.http_sse.is_some() && request.path == MESSAGES
    }

    async fn respond(&self, request: Received) -> Reply {
        let protection = self.protection();
        if Some(&request.path) == self.metadata_path(&protection).as_ref() {
            return match request.method {
                Method::GET => self.metadata(&protection),
                _ => Reply::empty(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, "GET"),
            };
        }
        match &protection.moved_to {
            Some(there) if request.path == self.path => {
                return Reply::empty(StatusCode::TEMPORARY_REDIRECT).with(header::LOCATION, there);
            }
            Some(there) if request.path == *there => {}
            None if request.path == self.path => {}
            _ if self.is_for_messages(&request) => {}
            _ => {
                return match &self.issuer_inside {
                    Some(IssuerEndpoints(issuer)) => issuer.answer(request).await,
                    None => Reply::text(StatusCode::NOT_FOUND, "nothing here"),
                };
            }
        }
        if !protection.is_open
            && let Err(refused) = self.admit(&protection, &request)
        {
            return self.refusal(&protection, &refused);
        }
        if let Some(http_sse) = &self.http_sse {
            return match request.method {
                Method::GET if request.path != MESSAGES => http_sse.stream(),
                Method::POST if request.path == MESSAGES => http_sse.post(&request).await,
                _ => http_sse.refusal(),
            };
        }
        if self.lifecycle == Lifecycle::WithoutHandshake && calls(&request.body, "initialize") {
            return no_handshake(&request.body);
        }
        let mut forwarded = Request::new(Full::new(request.body));
        *forwarded.method_mut() = request.method;
        *forwarded.uri_mut() = request.uri;
        *forwarded.headers_mut() = request.headers;
        Reply::streaming(self.rmcp.handle(forwarded).await)
    }
}

impl Answering for State {
    fn endpoints(&self, request: &Received) -> Vec<Endpoint> {
        let protection = self.protection();
        let endpoint = if Some(&request.path) == self.metadata_path(&protection).as_ref() {
            Endpoint::ResourceMetadata
        } else if request.path == self.path
            || Some(&request.path) == protection.moved_to.as_ref()
            || self.is_for_messages(request)
        {
            if request.method == Method::GET {
                return vec![Endpoint::Mcp, Endpoint::Stream];
            }
            Endpoint::Mcp
        } else if request.path.starts_with(WELL_KNOWN) {
            Endpoint::ResourceMetadata
        } else if let Some(IssuerEndpoints(issuer)) = &self.issuer_inside {
            return issuer.endpoints(request);
        } else {
            Endpoint::Other
        };
        vec![endpoint]
    }

    fn answer(&self, request: Received) -> BoxFuture<'_, Reply> {
        Box::pin(self.respond(request))
    }
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
