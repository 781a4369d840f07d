//! rmcp's streamable HTTP client on top of a Hallpass session: what a host hands to rmcp.
//!
//! [`Client`] implements rmcp's
//! [`StreamableHttpClient`](rmcp::transport::streamable_http_client::StreamableHttpClient) as a
//! typed skin over [`hallpass_mcp`], and authorizes each request with a token of a
//! [`Session`](hallpass_session::Session). [`transport`] is the ready transport.
//!
//! # What it does
//!
//! - Before the first sign-in it sends the request without a token, so that the server's own
//!   challenge says what to sign in for. After a 401, or a 403 that says `insufficient_scope`
//!   (RFC 6750 §3.1), the session gets another token and the request is repeated. Any other 403 is
//!   no matter of authorization.
//! - Only a request or a notification of the host's own may lead to a sign-in. A stream that is
//!   opened again, a cancellation, an answer to the server and the DELETE at the end make do with a
//!   refresh: no user waits for them, or not for long.
//! - A token that is bound to a key goes out with a proof of its own for each request, hop and repeat
//!   (RFC 9449 §7), with the server's last nonce; a server that asks for its nonce gets the same
//!   request again.
//! - Every repetition is bounded: a request is sent [at most a few times](Client), and a GET that
//!   repeating can't help ends the stream instead of opening it again for ever. Between two requests
//!   for the same stream there is a second at least, and more and more while no message comes
//!   ([`Reconnection`](hallpass_mcp::Reconnection)).
//! - A call is not sent before the server has answered the GET for its own stream, or has taken more
//!   than two seconds to: what the server asks in the course of the call may come there.
//! - A server of HTTP+SSE (MCP 2024-11-05) is called as any other: where it refuses `initialize` as such
//!   servers do, or where the endpoint [says so](hallpass_mcp::TransportKind).
//! - It serves each lifecycle that rmcp knows; which one is rmcp's choice and the host's.
//!
//! # What it does not do
//!
//! It opens no browser (the session's `Authorizer` does), keeps no credentials, and reconnects
//! nothing itself: rmcp does. A host that lets rmcp choose the lifecycle
//! (`ClientLifecycleMode::Auto`) calls [`Client::ensure_signed_in`] before, because rmcp waits no more than
//! ten seconds for its first answer then, which is little time for a user to sign in.
//!
//! # Errors
//!
//! A POST or DELETE that the server's authorization refuses ends in rmcp's
//! `StreamableHttpError::Client(Error::Session(…))`, one that the server has no time for in
//! `Error::UnexpectedStatus`. [`ClientError`] says what any of rmcp's errors means, in plain words and
//! with its [`remedy`](hallpass_core::Diagnostic::remedy): also where the transport had to end a request
//! in the place of the server's answer. [`Error::find_in_chain`] finds the transport's own error. A GET
//! ends in `AuthRequired` or `InsufficientScope`, the two by which rmcp knows that it must not try
//! again.
//!
//! # Example
//!
//! ```
//! use hallpass_core::{HttpClient, ServerUrl};
//! use hallpass_rmcp::{Client, Transport, transport};
//! use hallpass_session::Session;
//! use std::sync::Arc;
//!
//! /// What `rmcp::ServiceExt::serve` takes.
//! fn authorized(session: Session, http: Arc<dyn HttpClient>) -> Transport {
//!     let server: ServerUrl = session.key().server.clone();
//!     transport(Client::new(session, http), &server)
//! }
//! ```

#![expect(
    clippy::result_large_err,
    reason = "the error is rmcp's, and as large as it makes it"
)]

mod answer;
mod client;
mod client_error;
mod error;
mod http_sse;
mod local_error;
mod outgoing;
mod server_streams;
mod sessions;
mod stream;

pub use client::{Client, Transport, transport};
pub use client_error::ClientError;
pub use error::{Error, OtherServer};
pub use hallpass_mcp::{
    InvalidMessage, SessionLost, TooManyChallenges, Unanswered, UnexpectedStatus,
};
