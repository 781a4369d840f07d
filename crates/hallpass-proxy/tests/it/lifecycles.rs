//! What goes along with a message: sessions and versions, beginnings, ends and cancellations.

use hallpass_testkit::Gate;

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake},
    host::Host,
};

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

/// The headers of MCP in a request.
fn headers(seen: &Seen) -> Vec<String> {
    let names = [
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
    ];
    names
        .into_iter()
        .filter_map(|name| Some(format!("{name}: {}", seen.header(name)?)))
        .collect()
}

/// The answer of a server at which each `initialize` opens another session: `s1`, `s2`, …
fn in_numbered_session(opened: &mut usize, seen: &Seen) -> Reply {
    let reply = handshake(seen).unwrap_or_else(|| Reply::json(RESULT));
    if !seen.is("initialize") {
        return reply;
    }
    *opened += 1;
    reply.header("mcp-session-id", format!("s{opened}"))
}

#[tokio::test]
async fn session_headers_are_sent_from_initialize_to_delete() {
    let server =
        FakeServer::start(|seen: &Seen| handshake(seen).unwrap_or_else(|| Reply::json(RESULT)))
            .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, RESULT);
    assert_eq!(host.leave().await, [""; 0]);
    let in_session = ["mcp-session-id: s1", "mcp-protocol-version: 2025-06-18"];
    for seen in server.seen() {
        if seen.is("initialize") {
            assert_eq!(headers(&seen), [""; 0]);
        } else {
            assert_eq!(headers(&seen), in_session, "{seen:?}");
        }
    }
    let methods: Vec<_> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods.first().unwrap(), "POST");
    assert_eq!(methods.last().unwrap(), "DELETE");
    assert!(methods.contains(&"GET".to_owned()));
}

#[tokio::test]
async fn stateless_requests_carry_version_method_and_name() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let server = FakeServer::start(|seen: &Seen| {
        if seen.is("server/discover") {
            let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;
            return Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
                seen.id()
            ));
        }
        Reply::events(event("", RESULT))
    })
    .await;
    let mut host = Host::before(&server.url);
    host.say(&format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{{meta}}}}}"#
    ))
    .await;
    assert!(host.hear().await.contains("supportedVersions"));
    host.say(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{meta}}}}}"#
    ))
    .await;
    assert_eq!(host.hear().await, RESULT);
    assert_eq!(host.leave().await, [""; 0]);
    let seen: Vec<_> = server.seen().iter().map(headers).collect();
    let version = "mcp-protocol-version: 2026-07-28";
    assert_eq!(
        seen,
        [
            vec![version, "mcp-method: server/discover"],
            vec![version, "mcp-method: tools/call", "mcp-name: t"],
        ]
    );
}

#[tokio::test]
async fn older_server_is_opened_by_initialize_after_discover() {
    for refusal in [
        Reply::status(404),
        Reply::json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"what?"}}"#),
        Reply::status(400).header("content-type", "application/json").chunk(
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no session"}}"#,
        ),
    ] {
        let server = FakeServer::start(move |seen: &Seen| match handshake(seen) {
            Some(reply) => reply,
            None if seen.is("server/discover") => refusal.clone(),
            None => Reply::json(RESULT),
        })
        .await;
        let mut host = Host::before(&server.url);
        host.say(r#"{"jsonrpc":"2.0","id":9,"method":"server/discover","params":{}}"#).await;
        let error = host.hear().await;
        assert!(error.contains("\"id\":9,\"error\""), "{error}");
        host.say(crate::host::INITIALIZE).await;
        assert!(host.hear().await.contains("\"double\""));
        host.say(crate::host::INITIALIZED).await;
        host.call(1, "tools/call").await;
        assert_eq!(host.hear().await, RESULT);
    }
}

#[tokio::test]
async fn server_stream_resumes_after_its_last_event() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let more = r#"{"jsonrpc":"2.0","method":"notifications/more"}"#;
    let server = FakeServer::start(move |seen: &Seen| match seen.header("last-event-id") {
        Some("g1") => Reply::events(event("g2", more)).wait(&Gate::new()),
        _ if seen.method == "GET" => Reply::events(format!("retry: 1\n{}", event("g1", changed))),
        _ => handshake(seen).unwrap(),
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    assert_eq!(host.hear().await, changed);
    assert_eq!(host.hear().await, more);
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn cancellation_in_a_session_is_passed_on() {
    let never = Gate::new();
    let held = never.clone();
    let cancelled = Gate::new();
    let heard = cancelled.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.is("notifications/cancelled") {
            heard.open();
            return Reply::status(202);
        }
        handshake(seen).unwrap_or_else(|| {
            Reply::events(event(
                "",
                r#"{"jsonrpc":"2.0","method":"notifications/begun"}"#,
            ))
            .wait(&held)
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    assert_eq!(
        host.hear().await,
        r#"{"jsonrpc":"2.0","method":"notifications/begun"}"#
    );
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    cancelled.pass().await;
    let passed = server
        .seen()
        .into_iter()
        .find(|seen| seen.is("notifications/cancelled"));
    assert_eq!(passed.unwrap().header("mcp-session-id"), Some("s1"));
}

#[tokio::test]
async fn stateless_request_is_cancelled_by_closing_its_connection() {
    let closed = Gate::new();
    let heard = closed.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.is("server/discover") {
            let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;
            return Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
                seen.id()
            ));
        }
        if seen.body.contains("\"id\":2") {
            return Reply::events(event("", r#"{"jsonrpc":"2.0","id":2,"result":{}}"#));
        }
        Reply::events(event(
            "",
            r#"{"jsonrpc":"2.0","method":"notifications/begun"}"#,
        ))
        .until_closed(&heard)
    })
    .await;
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let call = |id: u32, method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"t",{meta}}}}}"#
        )
    };
    let mut host = Host::before(&server.url);
    host.say(&call(0, "server/discover")).await;
    assert!(host.hear().await.contains("supportedVersions"));
    host.say(&call(1, "tools/call")).await;
    assert_eq!(
        host.hear().await,
        r#"{"jsonrpc":"2.0","method":"notifications/begun"}"#
    );
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    closed.pass().await;
    // Nothing is said about it, and the id serves again.
    host.say(&call(2, "tools/call")).await;
    assert!(host.hear().await.contains("\"id\":2,\"result\""));
    assert_eq!(host.leave().await, [""; 0]);
    assert_eq!(server.count("notifications/cancelled"), 0);
}

#[tokio::test]
async fn last_notification_is_sent_before_the_proxy_ends() {
    let server =
        FakeServer::start(|seen: &Seen| handshake(seen).unwrap_or(Reply::status(202))).await;
    let mut host = Host::ready(&server.url).await;
    let last = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    host.say(last).await;
    assert_eq!(host.leave().await, [""; 0]);
    assert_eq!(server.count("notifications/roots/list_changed"), 1);
}

#[tokio::test]
async fn late_answer_to_an_earlier_initialize_is_dropped() {
    let gates = [Gate::new(), Gate::new()];
    let held = gates.clone();
    let mut opened = 0;
    let server = FakeServer::start(move |seen: &Seen| {
        let reply = in_numbered_session(&mut opened, seen);
        if seen.is("initialize") {
            reply.held(&held[opened - 1])
        } else {
            reply
        }
    })
    .await;
    let mut host = Host::before(&server.url);
    host.say(crate::host::INITIALIZE).await;
    gates[0].until_arrived(1).await;
    host.say(&crate::host::INITIALIZE.replace("\"id\":0", "\"id\":5"))
        .await;
    let error = host.hear().await;
    assert!(error.contains("\"id\":0,\"error\""), "{error}");
    gates[1].until_arrived(1).await;
    gates[0].open();
    // The proxy reads it.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    gates[1].open();
    let answer = host.hear().await;
    assert!(answer.contains("\"id\":5,\"result\""), "{answer}");
    host.say(crate::host::INITIALIZED).await;
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, RESULT);
    let seen = server.seen();
    let call = seen.iter().find(|seen| seen.is("tools/call")).unwrap();
    assert_eq!(call.header("mcp-session-id"), Some("s2"));
    // The session that no host is in is ended.
    server
        .until(|seen| seen.method == "DELETE" && seen.header("mcp-session-id") == Some("s1"))
        .await;
}

#[tokio::test]
async fn session_of_an_invalid_answer_to_initialize_is_deleted() {
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"busy"}}"#;
    for answer in ["nonsense", error] {
        let server = FakeServer::start(move |seen: &Seen| {
            if seen.is("initialize") {
                return Reply::json(answer).header("mcp-session-id", "s1");
            }
            Reply::status(204)
        })
        .await;
        let mut host = Host::before(&server.url);
        host.say(crate::host::INITIALIZE).await;
        host.hear().await;
        server
            .until(|seen| seen.method == "DELETE" && seen.header("mcp-session-id") == Some("s1"))
            .await;
    }
}

#[tokio::test]
async fn session_of_a_replaced_initialize_is_deleted() {
    let mut opened = 0;
    let server = FakeServer::start(move |seen: &Seen| in_numbered_session(&mut opened, seen)).await;
    let mut host = Host::ready(&server.url).await;
    host.say(&crate::host::INITIALIZE.replace("\"id\":0", "\"id\":5"))
        .await;
    assert!(host.hear().await.contains("\"id\":5,\"result\""));
    server.until(|seen| seen.method == "DELETE").await;
    host.say(crate::host::INITIALIZED).await;
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, RESULT);
    assert_eq!(host.leave().await, [""; 0]);
    let deleted: Vec<_> = server
        .seen()
        .into_iter()
        .filter(|seen| seen.method == "DELETE")
        .map(|seen| headers(&seen))
        .collect();
    let version = "mcp-protocol-version: 2025-06-18";
    assert_eq!(
        deleted,
        [
            ["mcp-session-id: s1", version],
            ["mcp-session-id: s2", version]
        ]
    );
}
