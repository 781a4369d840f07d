//! Connections that break: nothing is lost that can be had, and nothing is done twice.

use std::sync::Arc;

use hallpass_proxy::NoCache;
use hallpass_testkit::{FakeClock, Gate};
use tokio::net::TcpListener;

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake},
    host::Host,
};

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

#[tokio::test]
async fn broken_stream_resumes_after_its_last_event() {
    let note =
        |n: u32| format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":[{n}]}}"#);
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.header("last-event-id") == Some("e2") {
            // It says the last one once more.
            let events = event("e2", &note(2)) + &event("e3", &note(3)) + &event("e4", RESULT);
            return Reply::events(events);
        }
        handshake(seen).unwrap_or_else(|| {
            Reply::events(event("e1", &note(1)) + &event("e2", &note(2))).breaks()
        })
    })
    .await;
    let clock = FakeClock::default();
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    let mut host = host.after_the_handshake().await;
    host.call(1, "tools/call").await;
    for n in 1..=3 {
        assert_eq!(host.hear_in_time(&clock).await, note(n));
    }
    assert_eq!(host.hear_in_time(&clock).await, RESULT);
    assert_eq!(server.count("tools/call"), 1);
    assert_eq!(host.leave().await, [""; 0]);
    let resumed = server
        .seen()
        .into_iter()
        .find(|seen| seen.header("last-event-id").is_some());
    assert_eq!(resumed.unwrap().header("mcp-session-id"), Some("s1"));
}

/// A server whose first answer to `method` breaks off as `broken` says, and whose next one is good.
/// What the host hears, and how often it was sent.
async fn broken(method: &'static str, broken: Reply) -> (String, usize) {
    let mut first = true;
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            if std::mem::take(&mut first) {
                broken.clone()
            } else {
                Reply::json(RESULT)
            }
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, method).await;
    let heard = host.hear().await;
    assert_eq!(host.leave().await, [""; 0]);
    (heard, server.count(method))
}

#[tokio::test]
async fn call_whose_answer_is_lost_is_not_sent_again() {
    for lost in [
        Reply::hang_up(),
        Reply::json("{\"jsonrpc\"").breaks(),
        Reply::events("data: {\"js").breaks(),
        Reply::events(": nothing\n\n"),
    ] {
        let (heard, sent) = broken("tools/call", lost.clone()).await;
        assert_eq!(sent, 1, "{lost:?}");
        assert!(
            heard.starts_with(r#"{"jsonrpc":"2.0","id":1,"error""#),
            "{heard}"
        );
        assert!(
            heard.contains("it is not known whether the server did"),
            "{heard}"
        );
    }
}

#[tokio::test]
async fn read_only_request_whose_answer_is_lost_is_sent_again() {
    for lost in [
        Reply::hang_up(),
        Reply::json("{\"jsonrpc\"").breaks(),
        Reply::events("data: {\"js").breaks(),
    ] {
        let (heard, sent) = broken("tools/list", lost.clone()).await;
        assert_eq!((heard.as_str(), sent), (RESULT, 2), "{lost:?}");
    }
}

#[tokio::test]
async fn answer_on_two_streams_is_passed_on_once() {
    let gate = Gate::new();
    let opens = gate.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.method == "GET" {
            return Reply::events(": here\n\n")
                .wait(&gate)
                .chunk(event("", RESULT));
        }
        handshake(seen).unwrap_or_else(|| Reply::events(event("", RESULT)))
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, RESULT);
    opens.open();
    host.call(2, "nothing/more").await;
    let error = host.hear().await;
    assert!(error.contains("\"id\":2,\"error\""), "{error}");
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn lost_session_is_reopened_once() {
    let mut sessions = 0;
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.is("initialize") {
            sessions += 1;
            return handshake(seen)
                .unwrap()
                .header("mcp-session-id", format!("s{sessions}"));
        }
        match handshake(seen) {
            Some(reply) => reply,
            None if seen.is("lost/for-ever") => Reply::status(404),
            None if seen.header("mcp-session-id") == Some("s1") => Reply::status(404),
            None => Reply::json(RESULT),
        }
    })
    .await;
    let mut host = Host::before(&server.url);
    host.say(crate::host::INITIALIZE).await;
    host.hear().await;
    host.say(crate::host::INITIALIZED).await;
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, RESULT);
    assert_eq!(server.count("initialize"), 2);
    assert_eq!(server.count("notifications/initialized"), 2);
    assert_eq!(
        server.count("tools/call"),
        2,
        "the first was refused unread"
    );

    // Also what the server says unasked comes in the new one.
    server
        .until(|seen| seen.method == "GET" && seen.header("mcp-session-id") == Some("s2"))
        .await;

    host.call(2, "lost/for-ever").await;
    let error = host.hear().await;
    assert!(error.contains("404"), "{error}");
    assert_eq!(server.count("lost/for-ever"), 2, "once for each session");
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn request_that_did_not_reach_the_server_is_sent_again() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let good = |seen: &Seen| handshake(seen).unwrap_or_else(|| Reply::json(RESULT));
    let server = FakeServer::on(socket, good);
    let mut host = Host::ready(&server.url).await;
    drop(server);
    host.call(1, "tools/call").await;
    // The port is free once the first socket has gone.
    let socket = loop {
        match TcpListener::bind(address).await {
            Ok(socket) => break socket,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let server = FakeServer::on(socket, good);
    let heard = host.hear().await;
    assert_eq!(heard, RESULT);
    assert_eq!(server.count("tools/call"), 1);
}
