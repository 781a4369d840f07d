//! An MCP stdio server in front of a remote one, for hosts that speak stdio alone.
//!
//! [`Proxy::serve`] reads the host's messages from one stream and writes the server's to another. In
//! between they are bytes: of each only the few fields are read that say where it belongs, so what
//! this crate knows nothing of goes through as it is, in both directions. What is no JSON-RPC 2.0 goes
//! through in neither.
//!
//! # What it does
//!
//! - Both lifecycles: `initialize` with a session (2025-11-25 and before), and requests that stand for
//!   themselves (2026-07-28), with the headers that each wants.
//! - The host's `initialize` is answered at once, whether the server can be asked or not. Where it
//!   can't, the host hears why in `instructions`; lists are empty, calls end in an error that says
//!   what to do, and as soon as the server can be asked the host is told that its lists have changed.
//! - A request is [sent again](self#nothing-twice) only where that does nothing twice. Answers that
//!   break off are resumed where the server can, and come once.
//! - A server's answer that is no JSON-RPC, whatever its status and its media type, ends its call in an
//!   error with the status, the server's words and what to do; a host's message that is none is refused.
//!   Batches go through in the one protocol version that has them, 2025-03-26.
//! - A request that the host has cancelled is not answered any more, by nothing.
//! - A server of HTTP+SSE (MCP 2024-11-05) is spoken to by that, where it refuses `initialize` as such
//!   servers do, or where its endpoint [says so](hallpass_mcp::TransportKind).
//! - It reads no faster than the server takes it, and the server no faster than the host does. While the
//!   host does not read, the answers of all its requests together take little more memory than the
//!   largest of them.
//!
//! # Nothing twice
//!
//! A request whose connection breaks off is sent again only if the server can't have seen it, if its
//! method does nothing but read, or if the server said that it knows the session no more: then it is
//! opened again with the host's own `initialize`, once a request. Any other break is told to the host
//! as an error that says that the outcome is not known.
//!
//! # What it does not do
//!
//! It knows no terminal, no store and no browser: the session behind its [`Server`] has those, if it
//! has them. It starts no process.

mod answer;
mod answer_budget;
mod capability_cache;
mod connection;
mod error;
mod exchange;
mod host;
mod http_sse;
mod line_reader;
mod listening;
mod opening;
mod outbox;
mod placeholder;
mod proxy;
mod recovery;
mod request_error;
mod response_reader;
mod routing;
mod server;
mod session;
mod shared;
mod sse_session;
mod tool_headers;

pub use capability_cache::{CapabilityCache, NoCache};
pub use error::ProxyError;
pub use proxy::Proxy;
pub use server::{NoEndpoint, Server};

/// The largest message of the host that is passed on, in bytes. How large one of the server may be
/// [its endpoint says](hallpass_mcp::AuthorizedEndpoint::max_message_bytes).
pub const MAX_MESSAGE_BYTES: usize = hallpass_mcp::DEFAULT_MAX_MESSAGE_BYTES;
