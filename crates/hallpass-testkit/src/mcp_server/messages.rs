//! What is told from a message before rmcp reads it.

use http::StatusCode;
use rmcp::model::{ErrorCode, ProtocolVersion};
use serde_json::{Value, json};

use crate::reply::Reply;

/// Whether a message calls this method.
pub(super) fn calls(body: &[u8], wanted: &str) -> bool {
    serde_json::from_slice(body).is_ok_and(|message: Value| {
        let method = message.get("method").and_then(Value::as_str);
        method == Some(wanted)
    })
}

/// The answer of a server that knows no handshake any more.
pub(super) fn no_handshake(body: &[u8]) -> Reply {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = json!({
        "code": ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0,
        "message": "Unsupported protocol version",
        "data": {
            "supported": [ProtocolVersion::V_2026_07_28.as_str()],
            "requested": message["params"]["protocolVersion"],
        },
    });
    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
    Reply::json(StatusCode::BAD_REQUEST, &answer)
}
