//! The requests that change nothing at a server.

use hallpass_mcp::{
    Request,
    jsonrpc::{Id, Kind, Message},
    probe,
    protocol_version::META_PATH,
};

fn message(request: &Request) -> Message {
    Message::parse(request.body().clone()).unwrap()
}

fn is_request(message: &Message, id: u64, method: &str) -> bool {
    message.single().unwrap().kind
        == Kind::Request {
            id: Id::Number(id.to_string()),
            method: method.to_owned(),
        }
}

#[test]
fn initialize_names_the_newest_version_with_a_handshake() {
    let request = probe::initialize();
    let message = message(&request);
    assert!(is_request(&message, probe::INITIALIZE_ID, "initialize"));
    let params = message.single().unwrap();
    let version = params.text_at(&["protocolVersion"]);
    assert_eq!(version.as_deref(), Some("2025-11-25"));
    let client = params.text_at(&["clientInfo", "name"]);
    assert_eq!(client.as_deref(), Some("hallpass"));
    // It is agreed on by the answer alone.
    assert!(!request.headers().contains_key("mcp-protocol-version"));
}

#[test]
fn discover_names_its_version_and_method() {
    let request = probe::discover();
    let message = message(&request);
    assert!(is_request(&message, probe::DISCOVER_ID, "server/discover"));
    let version = message.single().unwrap().text_at(&META_PATH);
    assert_eq!(version.as_deref(), Some("2026-07-28"));
    assert_eq!(request.headers()["mcp-protocol-version"], "2026-07-28");
    assert_eq!(request.headers()["mcp-method"], "server/discover");
}
