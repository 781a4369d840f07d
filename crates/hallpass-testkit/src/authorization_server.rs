//! A strict authorization server on the loopback interface.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hallpass_core::{BoxFuture, Clock};
use http::{Method, StatusCode, header};
use url::Url;

use crate::{
    Endpoint, FakeServer, FixedEntropy, TokenRegistry,
    clock::ComputerClock,
    exchange::{Answering, Received},
    listen::Bound,
    reply::Reply,
};

mod assertion;
mod authorization;
mod client;
mod metadata;
mod options;
mod page;
mod registration;
mod token;

pub use client::RegisteredClient;
pub use options::{
    AuthorizationServerOptions, Behaviour, Callback, ExpiresIn, IssParameter, MetadataPath,
    ParameterRule, RefreshTokens, StaticClient,
};

/// An authorization server that does what RFC 6749 with PKCE, RFC 7591, RFC 7009, RFC 8414, RFC
/// 8707, RFC 9207 and RFC 9700 demand, and what its [options](AuthorizationServerOptions) tell it to
/// do wrong.
///
/// It stops when it is dropped.
pub struct AuthorizationServer {
    state: Arc<State>,
    server: FakeServer,
}

/// The endpoints of an authorization server, wherever they are answered.
#[derive(Clone)]
pub struct IssuerEndpoints(pub(crate) Arc<dyn Answering>);

impl fmt::Debug for IssuerEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerEndpoints")
    }
}

/// What the endpoints share.
struct State {
    issuer: String,
    issuer_path: String,
    behaviour: Mutex<Behaviour>,
    clients: Mutex<HashMap<String, RegisteredClient>>,
    /// The token by which each client manages its registration, by the client's identifier.
    managed: Mutex<HashMap<String, String>>,
    /// Requests that a user is looking at, by the ticket on the page.
    asked: Mutex<HashMap<String, authorization::PendingConsent>>,
    /// The assertions of clients that came, since each is good once.
    seen: Mutex<HashSet<String>>,
    registry: TokenRegistry,
    entropy: Arc<FixedEntropy>,
    clock: Arc<dyn Clock>,
}

impl AuthorizationServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When it can't listen, when its certificate is not usable, or when the system gives no random
    /// bytes.
    pub async fn start(options: AuthorizationServerOptions) -> io::Result<Self> {
        let bound = Bound::new(&options.listen).await?;
        let entropy = Arc::new(match options.seed {
            Some(seed) => FixedEntropy::new(seed),
            None => FixedEntropy::unpredictable()?,
        });
        let clock = options
            .clock
            .unwrap_or_else(|| Arc::new(ComputerClock::new()));
        let clients = options.clients.into_iter().map(RegisteredClient::from);
        let state = Arc::new(State {
            issuer: format!("{}{}", bound.origin(), options.issuer_path),
            issuer_path: options.issuer_path,
            behaviour: Mutex::new(options.behaviour),
            clients: Mutex::new(clients.map(|it| (it.id.clone(), it)).collect()),
            managed: Mutex::default(),
            asked: Mutex::default(),
            seen: Mutex::default(),
            registry: TokenRegistry::new(clock.clone(), entropy.clone()),
            entropy,
            clock,
        });
        let server = FakeServer::start(
            bound,
            options.listen,
            state.clone(),
            state.clock.clone(),
            options.recorder,
            options.faults,
        );
        Ok(Self { state, server })
    }

    /// The issuer identifier: the origin, and the path after it where the options name one.
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// The codes and tokens it has given out.
    pub fn registry(&self) -> &TokenRegistry {
        &self.state.registry
    }

    /// Ends the life of every access token at once, without waiting.
    pub fn expire_access_tokens(&self) {
        self.state.registry.expire_access_tokens();
    }

    /// The clients it knows, in the order of their identifiers.
    pub fn clients(&self) -> Vec<RegisteredClient> {
        let mut clients: Vec<_> = locked(&self.state.clients).values().cloned().collect();
        clients.sort_by(|a, b| a.id.cmp(&b.id));
        clients
    }

    /// Forgets every client, as servers do that clean up.
    pub fn forget_clients(&self) {
        locked(&self.state.clients).clear();
    }

    /// Changes how the server behaves from the next request on.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut locked(&self.state.behaviour));
    }

    /// Its endpoints, to be answered at the origin of an MCP server as well
    /// ([`McpServerOptions::issuer_inside`](crate::McpServerOptions::issuer_inside)).
    pub fn endpoints(&self) -> IssuerEndpoints {
        IssuerEndpoints(self.state.clone())
    }
}

impl Deref for AuthorizationServer {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        &self.server
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .field("registry", self.registry())
            .finish_non_exhaustive()
    }
}

impl State {
    fn behaviour(&self) -> Behaviour {
        locked(&self.behaviour).clone()
    }

    /// The path of an endpoint below the issuer.
    fn path(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.issuer_path)
    }

    fn url(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.issuer)
    }

    /// Which endpoint a path is.
    fn endpoint(&self, path: &str) -> Endpoint {
        if self.metadata_paths().iter().any(|(_, at)| at == path) {
            return Endpoint::ServerMetadata;
        }
        match path.strip_prefix(self.issuer_path.as_str()) {
            Some(AUTHORIZE | CONSENT) => Endpoint::Authorization,
            Some(TOKEN) => Endpoint::Token,
            Some(REGISTER) => Endpoint::Registration,
            Some(REVOKE) => Endpoint::Revocation,
            Some(below) if registration::client_in(below).is_some() => Endpoint::Registration,
            _ => Endpoint::Other,
        }
    }

    fn respond(&self, request: &Received) -> Reply {
        let behaviour = self.behaviour();
        let below = request.path.strip_prefix(self.issuer_path.as_str());
        match (self.endpoint(&request.path), &request.method) {
            (Endpoint::ServerMetadata, &Method::GET) => self.metadata(&behaviour, request),
            (Endpoint::Authorization, &Method::GET) if below == Some(AUTHORIZE) => {
                self.authorization(&behaviour, request)
            }
            (Endpoint::Authorization, &Method::POST) if below == Some(CONSENT) => {
                self.consent(&behaviour, request)
            }
            (Endpoint::Token, &Method::POST) => self.token(&behaviour, request),
            (Endpoint::Registration, &Method::DELETE) if behaviour.registration_management => {
                self.unregistration(below.and_then(registration::client_in), request)
            }
            (Endpoint::Registration, &Method::POST)
                if behaviour.registration && below == Some(REGISTER) =>
            {
                self.registration(&behaviour, request)
            }
            (Endpoint::Revocation, &Method::POST) => self.revocation(request),
            (Endpoint::Other, _) => Reply::text(StatusCode::NOT_FOUND, "nothing here"),
            (Endpoint::Registration, _) if !behaviour.registration => {
                Reply::text(StatusCode::NOT_FOUND, "nothing here")
            }
            (endpoint, _) => {
                let get = endpoint == Endpoint::ServerMetadata || below == Some(AUTHORIZE);
                Reply::empty(StatusCode::METHOD_NOT_ALLOWED)
                    .with(header::ALLOW, if get { "GET" } else { "POST" })
            }
        }
    }
}

impl Answering for State {
    fn endpoints(&self, request: &Received) -> Vec<Endpoint> {
        let mut endpoints = vec![self.endpoint(&request.path)];
        let form = request.form.as_deref().unwrap_or_default();
        let grant_type = form.iter().find(|(name, _)| name == "grant_type");
        match grant_type.map(|(_, value)| value.as_str()) {
            Some("authorization_code") => endpoints.push(Endpoint::CodeExchange),
            Some("refresh_token") => endpoints.push(Endpoint::Refresh),
            _ => {}
        }
        endpoints
    }

    fn answer(&self, request: Received) -> BoxFuture<'_, Reply> {
        Box::pin(async move { self.respond(&request) })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one value of a parameter; `Err` when it is there more than once, which RFC 6749 §3.1 and
/// §3.2 forbid. An empty value counts as absent.
fn single<'a>(pairs: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Repeated> {
    let mut values = pairs.iter().filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.as_str());
    match values.next() {
        None => Ok(first.filter(|value| !value.is_empty())),
        Some(_) => Err(Repeated),
    }
}

/// A parameter that is there more than once.
#[derive(Debug)]
struct Repeated;

/// Whether a text can be a resource indicator (RFC 8707 §2).
fn is_resource(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.fragment().is_none())
}

const AUTHORIZE: &str = "/authorize";
const CONSENT: &str = "/consent";
const TOKEN: &str = "/token";
const REGISTER: &str = "/register";
const REVOKE: &str = "/revoke";
