//! Requests that change nothing at a server: what it answers shows whether it speaks MCP, and what it
//! wants to be signed in to.

use http::{HeaderName, HeaderValue};
use serde_json::json;

use crate::{
    MCP_PROTOCOL_VERSION, Request,
    protocol_version::{NEWEST_WITH_HANDSHAKE, STATELESS},
};

/// The header that repeats the method, from [`STATELESS`] on (SEP-2243).
pub const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// The id of [`initialize`].
pub const INITIALIZE_ID: u64 = 0;

/// The id of [`discover`].
pub const DISCOVER_ID: u64 = 1;

/// `initialize`, which each server with a handshake answers.
pub fn initialize() -> Request {
    let message = json!({
        "jsonrpc": "2.0",
        "id": INITIALIZE_ID,
        "method": "initialize",
        "params": {
            "protocolVersion": NEWEST_WITH_HANDSHAKE,
            "capabilities": {},
            "clientInfo": client_info(),
        },
    });
    Request::post(message.to_string())
}

/// `ping`, which each server with a handshake answers. It belongs in a session.
pub fn ping() -> Request {
    Request::post(PING)
}

/// The message of [`ping`].
pub const PING: &str = r#"{"jsonrpc":"2.0","id":"hallpass-ping","method":"ping"}"#;

/// `server/discover`, which each server without a handshake answers.
pub fn discover() -> Request {
    stateless(DISCOVER_ID, "server/discover")
}

/// A request of [`STATELESS`] without parameters of its own.
pub fn stateless(id: u64, method: &'static str) -> Request {
    let message = json!({
        "jsonrpc": "2.0",
        "id": id,
        "method": method,
        "params": { "_meta": {
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientInfo": client_info(),
            "io.modelcontextprotocol/clientCapabilities": {},
        }},
    });
    Request::post(message.to_string())
        .header(MCP_PROTOCOL_VERSION, HeaderValue::from_static(STATELESS))
        .header(MCP_METHOD, HeaderValue::from_static(method))
}

fn client_info() -> serde_json::Value {
    json!({ "name": "hallpass", "version": "0" })
}
