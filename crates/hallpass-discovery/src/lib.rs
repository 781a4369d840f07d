//! From an MCP URL or a 401 to its authorization server: RFC 9728, RFC 8414 and OpenID Connect
//! discovery.
//!
//! - [`challenges`] reads `WWW-Authenticate` (RFC 9110 §11.6.1) as it is: several headers, several
//!   schemes in one, quoted strings with escapes.
//! - [`Discovery`] reads the protected resource's metadata (RFC 9728 §3, §5.1) and that of its
//!   authorization server (RFC 8414 §3, OpenID Connect Discovery 1.0 §4) and comes to a
//!   [`Discovered`], or to a [`DiscoveryError`] that says which rule failed, on which values, and
//!   which setting would change it. Either carries every [`Attempt`].
//! - [`MetadataCache`] keeps documents for as long as their server says, for callers that ask often,
//!   and makes one request of those that many callers make at the same moment.
//!
//! Only as much is asked as is needed: with a challenge that names the metadata, two GETs. What must
//! not be asked is not asked: nothing is guessed beside a URL that the challenge names, and no
//! document of the root where the issuer has a path.
//!
//! # What it does not do
//!
//! It opens no socket (it drives the [`HttpClient`](hallpass_core::HttpClient) port), knows no
//! runtime, keeps no credential and sends none. It reports what a server says about PKCE and leaves
//! the judgement to the code that builds a code request. It does not ask the MCP server itself: the 401 is
//! the caller's.
//!
//! # Example
//!
//! ```
//! use hallpass_core::{
//!     BoxFuture, Clock, HttpClient, HttpError, ServerSettings, ServerUrl, Timestamp, block_on,
//!     http::{Body, RequestOptions},
//! };
//! use hallpass_discovery::{Discovery, challenges};
//! # use std::time::Duration;
//! # #[derive(Debug)]
//! # struct StoppedClock;
//! # impl Clock for StoppedClock {
//! #     fn now(&self) -> Timestamp { Timestamp::from_unix_seconds(0) }
//! #     fn monotonic(&self) -> Duration { Duration::ZERO }
//! #     fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> { Box::pin(async {}) }
//! # }
//!
//! /// A network of two documents. A program would take `hallpass_http::Client`.
//! #[derive(Debug)]
//! struct TwoDocuments;
//!
//! impl HttpClient for TwoDocuments {
//!     fn open(
//!         &self,
//!         request: http::Request<bytes::Bytes>,
//!         _: RequestOptions,
//!     ) -> BoxFuture<'_, Result<http::Response<Body>, HttpError>> {
//!         let document = match request.uri().to_string().as_str() {
//!             "https://mcp.example/.well-known/oauth-protected-resource/mcp" => {
//!                 r#"{"resource": "https://mcp.example/mcp",
//!                     "authorization_servers": ["https://as.example"]}"#
//!             }
//!             _ => {
//!                 r#"{"issuer": "https://as.example",
//!                     "token_endpoint": "https://as.example/token"}"#
//!             }
//!         };
//!         Box::pin(async move { Ok(http::Response::new(Body::whole(document))) })
//!     }
//! }
//!
//! let mut headers = http::HeaderMap::new();
//! headers.insert(
//!     "www-authenticate",
//!     "Bearer resource_metadata=\
//!      \"https://mcp.example/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:read\""
//!         .parse()?,
//! );
//! let challenges = challenges(&headers);
//!
//! let settings = ServerSettings::default();
//! let discovery = Discovery { http: &TwoDocuments, clock: &StoppedClock, settings: &settings };
//! let server = ServerUrl::parse("https://mcp.example/mcp")?;
//! let discovered = block_on(discovery.run(&server, &challenges))?;
//!
//! assert_eq!(discovered.server.issuer.as_str(), "https://as.example");
//! assert_eq!(discovered.scopes(&challenges, &settings).to_string(), "mcp:read");
//! assert_eq!(discovered.attempts.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempt;
mod authorization_server;
mod cache;
mod challenge;
mod discovered;
mod discovery;
mod document;
mod error;
mod protected_resource;
mod reader;
mod resource_choice;
mod single_flight;
mod well_known;

pub use attempt::{Attempt, Document};
pub use cache::{CacheMode, MetadataCache};
pub use challenge::{challenges, print_challenge};
pub use discovered::{Discovered, MetadataSource};
pub use discovery::Discovery;
pub use error::{DiscoveryError, DiscoveryErrorKind};
