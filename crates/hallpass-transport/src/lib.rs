//! MCP's streamable HTTP, authorised by a session, as bytes.
//!
//! [`AuthorizedEndpoint`] sends the requests of [`hallpass_mcp_http`] with a token of a
//! [`Session`](hallpass_session::Session), and again with another one for as long as that is the
//! answer to what the server says. It knows no messages: what a request and its answer mean is the
//! caller's business.
//!
//! # What it does
//!
//! - With nobody signed in it sends the first request without a token, so that the server's own
//!   challenge says what to sign in for. After a 401, or a 403 that says `insufficient_scope`
//!   (RFC 6750 §3.1), the session gets another token and the request is repeated. Any other 403 is
//!   no matter of authorisation, and an answer like any other.
//! - The caller says on whose behalf it sends: only [`Interactivity::Interactive`] may lead to a sign-in.
//! - A token that is bound to a key goes out with a proof of its own for each request, hop and repeat
//!   (RFC 9449 §7), with the server's last nonce; a server that asks for its nonce gets the same
//!   request again.
//! - It never goes round in circles: [`AttemptBudget`] counts.
//! - [`Reconnection`] says when an event stream that ended is opened again, and when it is not: there is
//!   a second between two requests at least.
//! - [`ServerStream`] lets calls wait until the stream is open on which the server asks in their course.
//!
//! # What it does not do
//!
//! It opens no browser (the session's `Authorizer` does), keeps no credentials, and resumes no
//! stream.
//!
//! # Example
//!
//! ```
//! use hallpass_core::HttpClient;
//! use hallpass_mcp_http::Request;
//! use hallpass_session::Session;
//! use hallpass_transport::{AuthorizedEndpoint, Interactivity, RequestError};
//! use std::sync::Arc;
//!
//! /// Whether the server takes the session's token for this message.
//! async fn ask(session: Session, http: Arc<dyn HttpClient>, message: String) -> Result<bool, RequestError> {
//!     let server = AuthorizedEndpoint::new(session, http);
//!     let response = server.send(&Request::post(message), Interactivity::Interactive).await?;
//!     Ok(response.status().is_success())
//! }
//! ```

mod endpoint;
mod ensure_signed_in;
mod error;
mod interactivity;
mod invalid_message;
mod proof;
mod reconnection;
mod request_error;
mod server_stream;
mod status;

pub use endpoint::AuthorizedEndpoint;
pub use error::{Error, TooManyChallenges};
pub use interactivity::{AttemptBudget, Interactivity};
pub use invalid_message::InvalidMessage;
pub use reconnection::Reconnection;
pub use request_error::{ChallengeResponse, RequestError};
pub use server_stream::ServerStream;
pub use status::UnexpectedStatus;
