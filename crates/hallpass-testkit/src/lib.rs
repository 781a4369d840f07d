//! Strict doubles for testing OAuth clients of MCP servers.
//!
//! A mock answers what a test told it to; these servers behave like real ones. A code is good once, a refresh
//! token that was replaced revokes its family when it comes back, a token is good for the one
//! resource that it was asked for. A client's mistake shows as the `invalid_grant` or the 401 that
//! it would get in the world, and not as a test that passes.
//!
//! - [`AuthorizationServer`]: metadata (RFC 8414, OpenID Connect Discovery), registration (RFC
//!   7591), the authorization code grant with PKCE (RFC 6749, RFC 7636), resource indicators (RFC
//!   8707), `iss` in callbacks (RFC 9207), rotation with reuse detection (RFC 9700 §4.14.2),
//!   revocation (RFC 7009).
//! - [`McpServer`]: a real rmcp server over streamable HTTP, behind an audience check, with its
//!   metadata (RFC 9728) and challenges (RFC 6750).
//! - [`Recorder`]: what both were sent, in one order.
//! - [`PlannedFault`] and [`Behaviour`]: what goes wrong, as plain data; a [`Gate`] puts events in
//!   order without any sleeping.
//! - [`ScriptedClient`]: an `HttpClient` that answers from a script, for tests without a socket;
//!   [`server_metadata_json`] and others are documents for it.
//! - [`ConnectProxy`]: a proxy that wants a password.
//! - [`Person`]: a user with a browser. [`TestCa`]: certificates for https.
//!   [`FakeClock`], [`FixedEntropy`]: time and randomness by hand. [`LeakCheck`]: no secret in a
//!   text. [`check_corpus`]: the inputs that fuzzing kept.
//!
//! All of it listens on the loopback interface alone. It is no authorization server for anything
//! but tests and demonstrations: it asks for no password and keeps nothing.
//!
//! # Example
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use hallpass_testkit::{AuthorizationServer, Endpoint, McpServer, McpServerOptions};
//!
//! let issuer = AuthorizationServer::start(Default::default()).await?;
//! let server = McpServer::start(McpServerOptions::protected_by(&issuer)).await?;
//! // … point a client at `server.url()`, let it sign in through a `Person` …
//! assert_eq!(server.resource(), server.url());
//! // And then ask the servers what they were sent.
//! for exchange in issuer.requests_to(Endpoint::Token) {
//!     assert_eq!(exchange.parameter("resource"), Some(server.resource().as_str()));
//! }
//! # Ok::<(), std::io::Error>(()) })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod authorization_server;
mod client_key;
mod clock;
mod connect_proxy;
mod corpus;
mod documents;
mod entropy;
mod exchange;
mod fake_server;
mod fault;
mod gate;
mod leak_check;
mod listen;
mod mcp_server;
mod person;
mod recorder;
mod reply;
mod scripted_client;
mod tls;
mod token_registry;

pub use authorization_server::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Callback, ExpiresIn, IssParameter,
    IssuerEndpoints, MetadataPath, ParameterRule, RefreshTokens, RegisteredClient, StaticClient,
};
pub use client_key::TestClientKey;
pub use clock::FakeClock;
pub use connect_proxy::ConnectProxy;
pub use corpus::check_corpus;
pub use documents::{resource_metadata_json, server_metadata_json, token_response_json};
pub use entropy::FixedEntropy;
pub use fake_server::FakeServer;
pub use fault::{Endpoint, Fault, PlannedFault, When};
pub use gate::Gate;
pub use leak_check::{Leak, LeakCheck};
pub use listen::{ListenOptions, LoopbackHost};
pub use mcp_server::{
    ChallengeStyle, Lifecycle, McpServer, McpServerOptions, Protection, PublishedResource,
    ResourceMetadataPath, ServerTransport,
};
pub use person::{BrowserVisit, Decision, Person, Tamper};
pub use recorder::{RecordedAnswer, RecordedBody, RecordedRequest, Recorder};
pub use scripted_client::{RequestPattern, ScriptedClient, ScriptedResponse, SentRequest};
pub use tls::{Identity, ServerTls, TestCa};
pub use token_registry::{Introspection, ReuseCounts, TokenRegistry};
