//! A service signs in: client credentials, JWT bearer and identity assertions.
//!
//! [`ServiceLogin`] is an [`Authorizer`](hallpass_core::Authorizer) without a user. One sign-in is
//!
//! 1. discovery, by `hallpass-discovery`; left out where a grant has only expired, since the record
//!    holds all that the next request needs;
//! 2. the client: the pre-registered one of the settings, for its own authorization server alone, else a
//!    client ID metadata document. Nothing is registered here: a client that any program may register
//!    proves nothing. A secret, or an assertion of another party, goes only to an authorization server that
//!    the host names, for the metadata of an MCP server can name any
//!    ([`ServerSettings::names_issuer`](hallpass_core::ServerSettings::names_issuer));
//! 3. the grant: the client's own credentials (RFC 6749 §4.4), an assertion of another
//!    party (RFC 7523 §2.1), or an ID token that its provider turns into an identity assertion
//!    (RFC 8693, draft-ietf-oauth-identity-assertion-authz-grant);
//! 4. the token request, with the same `resource` (RFC 8707) as everywhere else, bound to a key
//!    where the server demands it (RFC 9449), and a [`Record`](hallpass_core::Record) that the
//!    session saves.
//!
//! Where a platform provides the access tokens themselves, no grant is needed: [`TokenFile`] and
//! [`CommandSource`] are [`TokenSource`](hallpass_core::TokenSource)s for a session.
//!
//! # What it does not do
//!
//! It keeps no refresh token: the grant itself gets the next token (RFC 6749 §4.4.3). It sends no refused
//! assertion again, also not at a later sign-in, and tries no grant in place of another. It saves nothing
//! and keeps no assertion: an [`AssertionSource`] is read for each request, since platforms replace
//! assertions every few minutes.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use hallpass_core::{Clock, Entropy, HttpClient};
//! use hallpass_service::{AssertionFile, ServiceClient, ServiceGrant, ServiceLogin};
//!
//! /// A workload whose platform writes its JWT into a file.
//! fn authorizer(
//!     http: Arc<dyn HttpClient>,
//!     clock: Arc<dyn Clock>,
//!     entropy: Arc<dyn Entropy>,
//! ) -> ServiceLogin {
//!     let source = AssertionFile::new("/var/run/secrets/tokens/mcp");
//!     let client = ServiceClient::new(ServiceGrant::JwtBearer(Arc::new(source)));
//!     ServiceLogin::new(http, clock, entropy, client)
//! }
//! ```

mod assertion;
mod client;
mod error;
mod grant;
mod login;
mod secret_source;
mod service_login;

pub use assertion::{Assertion, AssertionError, AssertionFile, AssertionSource};
pub use error::{ServiceError, ServiceErrorKind};
pub use grant::{IdentityProvider, ServiceClient, ServiceGrant};
pub use secret_source::{CommandSource, TokenFile};
pub use service_login::ServiceLogin;
