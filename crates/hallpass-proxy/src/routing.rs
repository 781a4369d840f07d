//! From a message to its request: the headers that MCP wants beside the body.

use hallpass_mcp::{
    Error, Request, SseConnection,
    jsonrpc::{Kind, Message, Part},
    probe::MCP_METHOD,
    protocol_version::{META_PATH, STATELESS},
};
use http::{HeaderName, HeaderValue};

use crate::{
    connection::Connection,
    request_error::ProxyRequestError,
    tool_headers::{ToolHeaders, encoded},
};

const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The protocol version that a message names for itself, as each request does from 2026-07-28 on.
pub(crate) fn own_version(message: &Message) -> Option<String> {
    let part = message.single()?;
    match part.kind {
        Kind::Request { .. } | Kind::Notification { .. } => part.text_at(&META_PATH),
        Kind::Response { .. } => None,
    }
}

/// The request that carries `message` on `connection`.
pub(crate) fn post(
    message: &Message,
    connection: &Connection,
    tools: &ToolHeaders,
) -> Result<Request, ProxyRequestError> {
    if let Some(session) = &connection.http_sse {
        return Ok(SseConnection::post(
            &session.endpoint,
            message.bytes.clone(),
        ));
    }
    let mut request = Request::post(message.bytes.clone());
    if message.method() == Some("initialize") {
        return Ok(request);
    }
    if let Some(session) = &connection.session {
        request = request.session(session)?;
    }
    let own = own_version(message);
    let Some(version) = own.as_deref().or(connection.version.as_deref()) else {
        return Ok(request);
    };
    request = request.protocol_version(version)?;
    if version < STATELESS {
        return Ok(request);
    }
    let Some((part, method)) = message
        .single()
        .and_then(|part| Some((part, part.method()?)))
    else {
        return Ok(request);
    };
    if let Ok(value) = HeaderValue::from_str(method) {
        request = request.header(MCP_METHOD, value);
    }
    if let Some(value) = name_in(part, method).as_deref().and_then(encoded) {
        request = request.header(MCP_NAME, value);
    }
    if method == "tools/call" {
        request = tools.add_to(request, part)?;
    }
    Ok(request)
}

/// A GET on `connection`, of the server's own stream or of the rest of a stream after an event.
pub(crate) fn stream(connection: &Connection, after: Option<&str>) -> Result<Request, Error> {
    let request = on_connection(Request::stream(), connection)?;
    match after {
        Some(after) => request.after(after),
        None => Ok(request),
    }
}

/// The DELETE that ends the session of `connection`; `None` where it has none.
pub(crate) fn delete(connection: &Connection) -> Option<Request> {
    connection.session.as_ref()?;
    on_connection(Request::delete(), connection).ok()
}

/// A request without a message, in the session of `connection` if it has one.
fn on_connection(mut request: Request, connection: &Connection) -> Result<Request, Error> {
    if let Some(session) = &connection.session {
        request = request.session(session)?;
    }
    match &connection.version {
        Some(version) => request.protocol_version(version),
        None => Ok(request),
    }
}

/// What the method is about (SEP-2243).
fn name_in(part: &Part, method: &str) -> Option<String> {
    let name = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    part.text_at(&[name])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(message: &'static str, session: Option<&str>, version: Option<&str>) -> Vec<String> {
        let connection = Connection {
            session: session.map(str::to_owned),
            version: version.map(str::to_owned),
            ..Connection::default()
        };
        let tools = ToolHeaders::default();
        tools.learn(br#"{"tools":[{"name":"t","inputSchema":{"properties":{"o":{"properties":{"n":{"type":"integer","x-mcp-header":"Num"}}},"s":{"x-mcp-header":"Bad name"}}}}]}"#);
        let message = Message::parse(message.into()).unwrap();
        let request = post(&message, &connection, &tools).unwrap();
        let headers = request.headers().iter();
        let mut headers: Vec<_> = headers
            .filter(|(name, _)| name.as_str().starts_with("mcp-"))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        headers
    }

    #[test]
    fn headers_of_a_message_follow_the_protocol_version() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"o":{"n":7}}}}"#;
        let none: [&str; 0] = [];
        assert_eq!(headers(call, None, None), none);
        assert_eq!(
            headers(call, Some("s"), Some("2025-11-25")),
            ["mcp-protocol-version: 2025-11-25", "mcp-session-id: s"]
        );
        assert_eq!(
            headers(call, None, Some("2026-07-28")),
            [
                "mcp-method: tools/call",
                "mcp-name: t",
                "mcp-param-num: 7",
                "mcp-protocol-version: 2026-07-28"
            ]
        );
        let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"é","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert_eq!(
            headers(read, None, None),
            [
                "mcp-method: resources/read",
                "mcp-name: =?base64?w6k=?=",
                "mcp-protocol-version: 2026-07-28"
            ]
        );
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
        assert_eq!(headers(initialize, Some("s"), Some("2025-11-25")), none);
    }
}
