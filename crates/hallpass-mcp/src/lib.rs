//! MCP's streamable HTTP as bytes, and the same authorized by a session.
//!
//! A [`Request`] is a POST, GET or DELETE with the headers that MCP defines. An [`Endpoint`] sends it
//! over any [`HttpClient`](hallpass_core::HttpClient). A [`Response`] shows the status and every header
//! before its body is read, whole or as an [`EventStream`]. An [`AuthorizedEndpoint`] sends the same
//! requests with a token of a [`Session`](hallpass_session::Session).
//!
//! Messages pass unchanged, so each protocol version works, with sessions (2025-11-25 and before) or
//! without (2026-07-28).
//!
//! # What it does
//!
//! - Streamable HTTP of MCP 2025-03-26 to 2026-07-28; redirects by RFC 9110 §15.4, on the same origin
//!   only; server-sent events by WHATWG HTML §9.2. The event parser is our own: it checks the size limit
//!   of an event before it buffers, and it reports the `id` and `retry` of a block without data.
//! - Without a stored sign-in, the first request goes out without a token, so that the server's own
//!   challenge says what to sign in for. After a 401, or a 403 that says `insufficient_scope`
//!   (RFC 6750 §3.1), the session gets another token and the request is repeated. Any other 403 is a
//!   response like any other.
//! - The caller says on whose behalf it sends: only [`Interactivity::Interactive`] may lead to a sign-in.
//! - A token that is bound to a key goes out with a proof of its own for each request, hop and repeat
//!   (RFC 9449 §7), with the server's last nonce. When the server asks for its nonce, the same request
//!   is sent again.
//! - Every repetition is bounded: [`AttemptBudget`] counts.
//! - [`jsonrpc`] reads the envelope of a message, and [`probe`] makes the requests that change nothing.
//! - [`SseConnection`] is the HTTP+SSE transport of MCP 2024-11-05, with the same authorization;
//!   [`TransportKind`] says when it is tried.
//! - [`StreamResponse`] says what the answer to the GET of an event stream means.
//! - [`Reconnection`] says when an event stream that ended is opened again, and when it is not. Two
//!   requests for one stream are at least a second apart.
//! - [`ServerStream`] makes calls wait until the stream is open on which the server sends its requests.
//!
//! # What it does not do
//!
//! It opens no browser (the session's `Authorizer` does), keeps no credentials, resumes no stream by
//! itself, and does not know rmcp.
//!
//! # Examples
//!
//! Bytes, without a session:
//!
//! ```
//! # use std::sync::Arc;
//! # use hallpass_core::{BoxFuture, HttpClient, HttpError, ServerUrl, http::{Body, RequestOptions}};
//! use hallpass_mcp::{Anonymous, Content, Endpoint, Request};
//!
//! # #[derive(Debug)]
//! # struct Scripted;
//! # impl HttpClient for Scripted {
//! #     fn open(&self, _: http::Request<bytes::Bytes>, _: RequestOptions)
//! #         -> BoxFuture<'_, Result<http::Response<Body>, HttpError>> {
//! #         Box::pin(async {
//! #             let mut answer = http::Response::new(Body::whole("id: 1\ndata: {}\n\n"));
//! #             answer.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
//! #             Ok(answer)
//! #         })
//! #     }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let http = Arc::new(Scripted);
//! let endpoint = Endpoint::new(http, &ServerUrl::parse("https://mcp.example.com/mcp")?);
//! let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
//! let request = Request::post(message).session("4711")?;
//! # hallpass_core::block_on(async {
//! let response = endpoint.send(&request, &Anonymous).await?;
//! if response.content() == Content::Events {
//!     let mut events = response.events(16 << 20);
//!     while let Some(event) = events.next().await {
//!         let event = event?;
//!         assert_eq!(event.data.as_deref(), Some("{}"));
//!         assert_eq!(event.id.as_deref(), Some("1"));
//!     }
//! }
//! # Ok::<(), hallpass_mcp::Error>(())
//! # })?;
//! # Ok(())
//! # }
//! ```
//!
//! Authorized by a session:
//!
//! ```
//! use hallpass_core::HttpClient;
//! use hallpass_mcp::{AuthorizedEndpoint, Interactivity, Request, RequestError};
//! use hallpass_session::Session;
//! use std::sync::Arc;
//!
//! /// Whether the server accepts the session's token for this message.
//! async fn ask(session: Session, http: Arc<dyn HttpClient>, message: String) -> Result<bool, RequestError> {
//!     let server = AuthorizedEndpoint::new(session, http);
//!     let response = server.send(&Request::post(message), Interactivity::Interactive).await?;
//!     Ok(response.status().is_success())
//! }
//! ```

mod authorization;
mod authorized_endpoint;
mod endpoint;
mod error;
mod event_stream;
mod http_sse;
mod interactivity;
mod invalid_message;
pub mod jsonrpc;
mod lost_session;
mod message_size;
pub mod probe;
pub mod protocol_version;
mod reconnection;
mod request;
mod request_error;
mod response;
mod server_stream;
mod sse;
mod stream_response;
mod token_authorization;
mod unanswered;
mod unexpected_status;

pub use authorization::{Anonymous, Authorization};
pub use authorized_endpoint::AuthorizedEndpoint;
pub use endpoint::Endpoint;
pub use error::{
    AuthorizationError, BodyTooLarge, Error, InvalidHeader, RedirectError, RedirectReason,
    TooManyChallenges,
};
pub use event_stream::EventStream;
pub use http_sse::{EndpointError, SseConnection, SseError, TransportKind};
pub use interactivity::{AttemptBudget, Interactivity};
pub use invalid_message::InvalidMessage;
pub use lost_session::{RequestRefusal, SessionLost, SessionRenewals};
pub use message_size::DEFAULT_MAX_MESSAGE_BYTES;
pub use reconnection::Reconnection;
pub use request::{LAST_EVENT_ID, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Request};
pub use request_error::{ChallengeResponse, RequestError};
pub use response::{Content, Response, challenges};
pub use server_stream::ServerStream;
pub use sse::{Event, EventParser, EventTooLarge};
pub use stream_response::StreamResponse;
pub use token_authorization::TokenAuthorization;
pub use unanswered::{Unanswered, only_reads, with_causes};
pub use unexpected_status::UnexpectedStatus;
