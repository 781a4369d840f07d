//! Keeps one access token fresh; concurrent callers share a single refresh.
//!
//! A [`Session`] has the token of one [`CredentialKey`](hallpass_core::CredentialKey). It connects a
//! transport that needs an `Authorization` header with a store that has a refresh token, which the
//! server accepts once.
//!
//! - [`Session::token`] gives a fresh token, and costs nothing while there is one.
//! - [`Session::token_after_rejection`] gives another one after a 401.
//! - [`Session::handle_challenge`] is what a transport calls: it also signs in or steps up, through the
//!   host's [`Authorizer`](hallpass_core::Authorizer).
//! - [`Session::sign_in`], [`Session::sign_out`] and [`Session::close`] are for the host.
//! - [`TokenClient`] sends requests to an authorization server's endpoints, for the session and for what
//!   signs in.
//! - [`SystemClock`] and [`OsEntropy`] are the default clock and randomness.
//!
//! # What it promises
//!
//! One refresh for each expiry and each refused token, over all tasks and all processes with the same
//! store. A refresh belongs to the session, so a dropped caller changes nothing. A new token is saved
//! before any caller gets it. A temporary failure costs no sign-in: a grant ends with the server's
//! `invalid_grant`, with a new token of a type that was not requested, or where the host limits the
//! number of posts. A refresh that the server refuses in another way keeps the grant, and a sign-in is
//! needed once the access token has ended. A refresh is saved as pending before it is sent, so all
//! processes keep the pause after one whose outcome is unknown. A session that can't recover returns a
//! terminal error, not a loop.
//!
//! The module documentation of `transaction` has the table of outcomes of a refresh request. Whatever the
//! outcome, the old access token is used while it is valid.
//!
//! The grant of a service has no refresh token. With a non-interactive authorizer
//! ([`Authorizer::is_interactive`](hallpass_core::Authorizer::is_interactive)) the session signs in
//! again before its token expires.
//!
//! Where the host obtains the tokens, a [`TokenSource`](hallpass_core::TokenSource) replaces store,
//! refresh and sign-in: see [`SessionBuilder::token_source`].
//!
//! # What it does not do
//!
//! It opens no browser, no socket and no file: those are ports. It does not send MCP requests. It
//! refreshes no token that no caller uses, also with
//! [proactive refreshes](SessionBuilder::proactive_refresh).
//!
//! # RFCs
//!
//! 6749 §6 (refresh), 6750 §3 (refusals), 7009 (revocation), 8707 (the `resource` stays the same), 9207
//! and 9728 (an issuer's credentials go to no other), 9449 §5 and §7 to §9 (bound grants), 9700 §2.2.2
//! (rotation).
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use hallpass_core::{CredentialStore, HttpClient, ServerSettings, ServerUrl, CredentialKey};
//! use hallpass_session::Session;
//! use http::{HeaderMap, Method};
//!
//! async fn headers(
//!     store: Arc<dyn CredentialStore>,
//!     http: Arc<dyn HttpClient>,
//! ) -> Result<HeaderMap, Box<dyn std::error::Error>> {
//!     let key = CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp")?);
//!     let session = Session::builder(key, ServerSettings::default(), store, http).build()?;
//!     let token = session.token().await?;
//!     let mut headers = HeaderMap::new();
//!     let url = session.key().server.url();
//!     session.authorize(&token, &Method::POST, url, &mut headers)?;
//!     Ok(headers)
//! }
//! ```

mod backoff;
mod challenge;
mod circuit_breaker;
mod context;
mod counters;
mod error;
mod external_token;
mod freshness;
mod grant_status;
mod pending_refresh;
mod ports;
mod proactive_refresh;
mod proof;
mod refresh_engine;
mod refresh_outcome;
mod refused_refresh;
mod refused_scopes;
mod service_sign_in;
mod session;
mod session_inner;
mod sign_in;
mod sign_out;
mod single_flight;
mod stored_token;
mod system;
mod tasks;
mod token;
mod token_cache;
mod token_client;
mod token_origin;
mod transaction;
mod unauthorized;
mod unsaved_grant;

pub use circuit_breaker::CircuitBreakers;
pub use counters::Counters;
pub use error::{
    Closed, ConcurrentUpdate, ExternalTokenError, RefreshError, SessionError, SessionTerminated,
    SignInError, SignInNeed, SignInRequired, TerminationReason, Waiting,
};
pub use ports::Ports;
pub use proof::ProofError;
pub use refused_refresh::RefusedRefresh;
pub use session::{LockHolders, Session, SessionBuilder};
pub use sign_in::{MAX_SIGN_IN_TIME, SignInRequest};
pub use sign_out::{Revocation, RevocationError, SignOut, SignedOut};
pub use system::{OsEntropy, SystemClock};
pub use token::Token;
pub use token_client::{
    DpopOnDemand, DpopSigner, DpopSignerError, Endpoint, OAuthClient, RegistrationDeletionError,
    Retry, TokenClient, TokenRequestError,
};

/// When a server wants to be asked again, of an authorization server and of an MCP server alike.
pub use hallpass_oauth::RetryAfter;
