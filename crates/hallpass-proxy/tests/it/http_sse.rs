//! Servers of HTTP+SSE (MCP 2024-11-05).

use hallpass_testkit::{Endpoint, Gate, McpServer, McpServerOptions, ServerTransport};
use serde_json::{Value, json};

use crate::{
    fake_server::{FakeServer, Reply, Seen, event},
    host::Host,
};

async fn server(post_status: u16, endpoint: Option<&str>) -> McpServer {
    let mut options = McpServerOptions {
        transport: ServerTransport::HttpSse {
            post_status,
            endpoint: endpoint.map(str::to_owned),
        },
        everything: true,
        ..McpServerOptions::default()
    };
    options.protection.is_open = true;
    McpServer::start(options).await.unwrap()
}

fn call(id: u64, tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

fn list(id: u64) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list" }).to_string()
}

/// The answer to this line; other messages before it are passed over.
async fn ask(host: &mut Host, line: &str) -> Value {
    host.say(line).await;
    let id = serde_json::from_str::<Value>(line).unwrap()["id"].clone();
    loop {
        let heard: Value = serde_json::from_str(&host.hear().await).unwrap();
        if heard["id"] == id && heard.get("method").is_none() {
            return heard;
        }
    }
}

async fn add(host: &mut Host, id: u64) -> String {
    let answer = ask(host, &call(id, "add", &json!({ "a": 1, "b": id }))).await;
    let text = &answer["result"]["content"][0]["text"];
    text.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

fn initialize() -> String {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "host", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string()
}

/// A host after the handshake.
async fn ready(server: &McpServer) -> Host {
    let mut host = Host::before(&server.url());
    let answer = ask(&mut host, &initialize()).await;
    assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;
    host
}

fn opened(server: &McpServer) -> usize {
    let requests = server.requests_to(Endpoint::Mcp);
    let opens = requests
        .iter()
        .filter(|it| it.rpc_method() == Some("initialize"));
    opens.filter(|it| it.path == "/messages").count()
}

#[tokio::test]
async fn server_of_http_sse_is_passed_on() {
    for status in [405, 404, 400] {
        let server = server(status, None).await;
        let mut host = ready(&server).await;
        for id in 1..20 {
            assert_eq!(add(&mut host, id).await, (id + 1).to_string());
        }
        // Many at once.
        for id in 20..60 {
            host.say(&call(id, "add", &json!({ "a": 0, "b": id })))
                .await;
        }
        let mut heard = Vec::new();
        for _ in 20..60 {
            let answer: Value = serde_json::from_str(&host.hear().await).unwrap();
            let id = answer["id"].as_u64().unwrap();
            assert_eq!(answer["result"]["content"][0]["text"], id.to_string());
            heard.push(id);
        }
        heard.sort_unstable();
        assert!(heard.into_iter().eq(20..60));
        assert_eq!(opened(&server), 1);
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn ended_stream_is_opened_again() {
    let server = server(405, None).await;
    let mut host = ready(&server).await;
    assert_eq!(add(&mut host, 1).await, "2");
    for round in 1..=3 {
        server.end_streams();
        let tools = ask(&mut host, &list(10 * round)).await;
        assert!(tools["result"]["tools"].is_array(), "{tools}");
        assert_eq!(
            add(&mut host, 10 * round + 1).await,
            (10 * round + 2).to_string()
        );
    }
    let posts = server.requests_to(Endpoint::Mcp);
    let refused = posts.iter().filter(|it| it.status() == Some(405));
    assert_eq!(
        refused.count(),
        1,
        "the transport is known after the first time"
    );
    host.leave().await;
}

#[tokio::test]
async fn call_whose_stream_ends_is_an_error() {
    let server = server(405, None).await;
    let mut host = ready(&server).await;
    // The server waits for this host's answer to its question.
    host.say(&call(1, "question", &json!({}))).await;
    let question: Value = serde_json::from_str(&host.hear().await).unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    server.end_streams();
    let answer: Value = serde_json::from_str(&host.hear().await).unwrap();
    assert_eq!(answer["id"], 1, "{answer}");
    let told = answer["error"]["message"].as_str().unwrap();
    assert!(
        told.contains("ended the stream without an answer"),
        "{told}"
    );
    assert!(told.contains("not known whether the server did"), "{told}");
    assert_eq!(add(&mut host, 2).await, "3");
    host.leave().await;
}

#[tokio::test]
async fn endpoint_event_that_is_too_large_is_not_repeated() {
    let url = format!("/{}", "x".repeat(1 << 20));
    let server = server(405, Some(&url)).await;
    let mut host = Host::before(&server.url());
    let answer = ask(&mut host, &initialize()).await;
    let told = answer["result"]["instructions"].as_str().unwrap();
    // It may be another stream than one of HTTP+SSE.
    assert!(told.contains("405 Method Not Allowed"), "{told}");
    assert!(!told.contains("xxxx"), "{told}");
    assert_eq!(opened(&server), 0);
    host.leave().await;
}

#[tokio::test]
async fn endpoint_on_another_origin_gets_no_message() {
    let server = server(405, Some("https://evil.example/messages")).await;
    let mut host = Host::before(&server.url());
    let answer = ask(&mut host, &initialize()).await;
    let told = answer["result"]["instructions"].as_str().unwrap();
    assert!(
        told.contains("https://evil.example/messages as the endpoint"),
        "{told}"
    );
    assert_eq!(opened(&server), 0);
    host.leave().await;
}

#[tokio::test]
async fn event_that_is_no_message_takes_no_room_of_answers() {
    const PIECE: usize = 64 * 1024;
    let mut opened = 0;
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.method == "GET" {
            let info = r#"{"name":"double","version":"1"}"#;
            let result = format!(
                r#"{{"protocolVersion":"2024-11-05","capabilities":{{}},"serverInfo":{info}}}"#
            );
            let answer = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
            return Reply::events("event: endpoint\ndata: /messages\n\n")
                .chunk(event("", &answer))
                .chunk("event: other\ndata: ")
                .repeat("x".repeat(PIECE), 64)
                .chunk("\n\n")
                .chunk(event("", r#"{"jsonrpc":"2.0","method":"n"}"#))
                .chunk("event: other\ndata: ")
                .repeat("x".repeat(PIECE), 64)
                .chunk("\n\n:")
                .wait(&Gate::new());
        }
        opened += usize::from(seen.is("initialize"));
        if seen.is("initialize") && opened == 1 {
            return Reply::status(405);
        }
        if !seen.is("tools/call") {
            return Reply::status(202);
        }
        let head = format!(r#"{{"jsonrpc":"2.0","id":{},"result":""#, seen.id());
        Reply::json(head).repeat("x".repeat(PIECE), 64).chunk("\"}")
    })
    .await;
    let mut host = Host::before(&server.url);
    let answer = ask(&mut host, &initialize()).await;
    assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
    assert!(host.hear().await.contains("\"method\":\"n\""));
    let skipped = async {
        while host.bytes_read() < 128 * PIECE {
            tokio::task::yield_now().await;
        }
    };
    let soon = std::time::Duration::from_secs(60);
    tokio::time::timeout(soon, skipped).await.unwrap();
    let answer = ask(&mut host, &call(1, "add", &json!({}))).await;
    assert_eq!(answer["id"], 1);
    host.leave().await;
}
