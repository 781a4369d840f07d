//! MCP's streamable HTTP transport as bytes, over any [`HttpClient`](hallpass_core::HttpClient).
//!
//! A [`Request`] is a POST, GET or DELETE with the headers MCP gives meaning to; an [`Endpoint`]
//! sends it; a [`Response`] shows status and every header before its body is read, whole or as an
//! [`EventStream`]. A 401 or 403 is an answer like any other.
//!
//! Messages go through untouched: this crate does not know JSON-RPC, so it serves each protocol
//! version, with sessions (2025-11-25 and before) or without (2026-07-28). It knows neither OAuth
//! nor stores: an [`Authorization`] adds what a hop needs, and whoever calls parses the challenges.
//! It does not reconnect, retry or spawn.
//!
//! What it implements: the streamable HTTP transport of MCP 2025-03-26 to 2026-07-28; redirects by
//! RFC 9110 §15.4, same origin only; server-sent events by WHATWG HTML §9.2. The event parser is our
//! own because each event has a size cap that holds before anything is buffered, and because a
//! block without data still tells its `id` and `retry`.
//!
//! # Example
//!
//! ```
//! # use std::sync::Arc;
//! # use hallpass_core::{BoxFuture, HttpClient, HttpError, ServerUrl, http::{Body, RequestOptions}};
//! use hallpass_mcp_http::{Anonymous, Content, Endpoint, Request};
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
//!         assert_eq!(event?.data.as_deref(), Some("{}"));
//!     }
//!     assert_eq!(events.last_event_id(), Some("1"));
//! }
//! # Ok::<(), hallpass_mcp_http::Error>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

mod authorization;
mod endpoint;
mod error;
mod request;
mod response;
mod sse;
mod stream;

pub use authorization::{Anonymous, Authorization};
pub use endpoint::Endpoint;
pub use error::{
    AuthorizationError, BodyTooLarge, Error, InvalidHeader, RedirectError, RedirectReason,
};
pub use request::{LAST_EVENT_ID, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Request};
pub use response::{Content, Response};
pub use sse::{Event, EventParser, EventTooLarge};
pub use stream::EventStream;
