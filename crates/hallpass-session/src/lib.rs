//! One fresh access token: refreshed once, whoever and however many ask for it.
//!
//! A [`Session`] holds the token of one [`CredentialKey`](hallpass_core::CredentialKey). It is what stands between a
//! transport that needs an `Authorization` header and a store that holds a refresh token which the
//! server honours once.
//!
//! - [`Session::token`] gives a fresh token, and costs nothing while there is one.
//! - [`Session::token_after_rejection`] gives another one after a 401.
//! - [`Session::handle_challenge`] is what a transport calls: it signs in or steps up as well, through
//!   the host's [`Authorizer`](hallpass_core::Authorizer).
//! - [`Session::sign_in`], [`Session::sign_out`] and [`Session::close`] are for the host.
//! - [`TokenClient`] sends requests to an authorization server's endpoints, for a session and for
//!   whatever signs in.
//! - [`SystemClock`] and [`OsEntropy`] are the usual time and randomness.
//!
//! # What it promises
//!
//! One refresh for each expiry and each refused token, over all tasks and all processes on the store.
//! A refresh belongs to the session, so a caller that is dropped loses nothing. The new token is saved
//! before anybody sees it. A passing fault costs no sign-in: `invalid_grant` alone ends a grant. A
//! refresh is written down before it is sent, so all processes keep the pause after one whose outcome is
//! unknown. What a session can't mend ends with a stated error, not a loop.
//!
//! What may come of a refresh request, and what follows:
//!
//! | outcome | seen as | what is kept | what follows |
//! |---|---|---|---|
//! | renewed | a readable 200 | the new grant | it is saved, then published |
//! | not processed | no connection, TLS; 408, 425, 429, 503 | everything | a pause (`Retry-After`), then again |
//! | lost | reset or timeout after the write, unreadable 2xx, a process that died | everything | a pause of all processes, then again |
//! | doubtful | any other 5xx | everything | a pause of all processes, then again |
//! | definitive | `invalid_grant` with 400, 401 or 403 | the registration | sign-in needed: `refresh-refused`, or `refresh-outcome-unknown` after a lost or doubtful one |
//! | refused | any other answer | everything | an error that names what to do, remembered |
//!
//! Whatever the outcome, the old access token is used while it lives.
//!
//! A machine's grant has no refresh token. With an authorizer that asks nobody
//! ([`Authorizer::is_interactive`](hallpass_core::Authorizer::is_interactive)) the session has the grant
//! ask anew before its token ends.
//!
//! Where somebody else obtains the tokens, a [`TokenSource`](hallpass_core::TokenSource) takes the
//! place of store, refresh and sign-in: see [`SessionBuilder::token_source`].
//!
//! # What it does not do
//!
//! It opens no browser, no socket and no file: those are ports. It does not send MCP requests, nor
//! refresh a token that nobody asks for, also where the host has it
//! [refresh ahead](SessionBuilder::proactive_refresh).
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
mod circuit_breaker;
mod counters;
mod error;
mod external_token;
mod freshness;
mod grant_status;
mod pending_refresh;
mod proactive_refresh;
mod proof;
mod refresh_outcome;
mod service_sign_in;
mod session;
mod shared;
mod sign_in;
mod sign_out;
mod single_flight;
mod step_up;
mod system;
mod token;
mod token_cache;
mod token_client;
mod transaction;
mod unauthorized;
mod unsaved_grant;

pub use circuit_breaker::CircuitBreakers;
pub use counters::Counters;
pub use error::{
    Closed, ConcurrentUpdate, ExternalTokenError, RefreshError, SessionError, SessionTerminated,
    SignInError, SignInNeed, SignInRequired, TerminationReason, Waiting,
};
pub use proof::ProofError;
pub use session::{LockHolders, Session, SessionBuilder};
pub use sign_in::SignInRequest;
pub use sign_out::{Revocation, RevocationError, SignOut, SignedOut};
pub use system::{OsEntropy, SystemClock};
pub use token::Token;
pub use token_client::{
    DpopSigner, DpopSignerError, Endpoint, OAuthClient, RegistrationDeletionError, Retry,
    TokenClient, TokenRequestError,
};
