//! A request that the host has cancelled is not answered, whatever its outcome.

use hallpass_testkit::Gate;

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake, handshake_of},
    host::Host,
};

const CANCELLED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
const LATE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const NEXT: &str = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;

#[tokio::test]
async fn cancelled_request_gets_no_late_answer() {
    let lates = [
        Reply::status(200).header("content-type", "application/json"),
        Reply::status(429).header("content-type", "application/json"),
        Reply::status(200).header("content-type", "text/event-stream"),
        Reply::status(200).header("content-type", "text/event-stream"),
    ];
    let bodies = [
        LATE.to_owned(),
        "{}".to_owned(),
        event("", LATE),
        event("", "bad"),
    ];
    for (late, body) in lates.into_iter().zip(bodies) {
        // The stream of the server's own says it too, after the server has heard of the cancellation.
        let (seen_call, opens) = (Gate::new(), Gate::new());
        let (called, waits, hears) = (seen_call.clone(), opens.clone(), opens.clone());
        let server = FakeServer::start(move |seen: &Seen| {
            if seen.method == "GET" {
                return Reply::events(": here\n\n")
                    .wait(&waits)
                    .chunk(event("", LATE));
            }
            if seen.is("notifications/cancelled") {
                hears.open();
                return Reply::status(202);
            }
            handshake(seen).unwrap_or_else(|| {
                if seen.is("next") {
                    return Reply::json(NEXT);
                }
                called.open();
                late.clone().wait(&waits).chunk(body.clone())
            })
        })
        .await;
        let mut host = Host::ready(&server.url).await;
        host.call(1, "tools/call").await;
        seen_call.pass().await;
        host.say(CANCELLED).await;
        opens.pass().await;
        host.call(2, "next").await;
        assert_eq!(host.hear().await, NEXT);
        assert_eq!(host.leave().await, [""; 0]);
        assert_eq!(server.count("notifications/cancelled"), 1);
    }
}

#[tokio::test]
async fn cancelled_request_is_not_sent_again() {
    let (called, breaks) = (Gate::new(), Gate::new());
    let (calls, waits, hears) = (called.clone(), breaks.clone(), breaks.clone());
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.is("notifications/cancelled") {
            hears.open();
            return Reply::status(202);
        }
        handshake(seen).unwrap_or_else(|| {
            if seen.is("next") {
                return Reply::json(NEXT);
            }
            calls.open();
            Reply::hang_up().held(&waits)
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/list").await;
    called.pass().await;
    host.say(CANCELLED).await;
    breaks.pass().await;
    host.call(2, "next").await;
    assert_eq!(host.hear().await, NEXT);
    assert_eq!(host.leave().await, [""; 0]);
    assert_eq!(server.count("tools/list"), 1);
}

#[tokio::test]
async fn cancelled_request_of_a_batch_leaves_the_others() {
    let (called, opens) = (Gate::new(), Gate::new());
    let (calls, waits, hears) = (called.clone(), opens.clone(), opens.clone());
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.is("notifications/cancelled") {
            hears.open();
            return Reply::status(202);
        }
        handshake_of("2025-03-26", seen).unwrap_or_else(|| {
            calls.open();
            Reply::status(200)
                .header("content-type", "application/json")
                .wait(&waits)
                .chunk(format!("[{LATE},{NEXT}]"))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.say(r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"b"}]"#)
        .await;
    called.pass().await;
    host.say(CANCELLED).await;
    assert_eq!(host.hear().await, format!("[{NEXT}]"));
    assert_eq!(host.leave().await, [""; 0]);
}

/// The answer of the one waits until the host reads on while the other is cancelled.
#[tokio::test]
async fn cancelled_request_of_a_batch_leaves_an_answer_that_waits_to_be_written() {
    let (called, told) = (Gate::new(), Gate::new());
    let (calls, hears) = (called.clone(), told.clone());
    let large = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":["{}"]}}"#,
        "x".repeat(2 * 1024 * 1024)
    );
    let events = event("", &large) + &event("", NEXT);
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.is("notifications/cancelled") {
            hears.open();
            return Reply::status(202);
        }
        handshake_of("2025-03-26", seen).unwrap_or_else(|| {
            Reply::events(events.clone())
                .wait(&calls)
                .wait(&Gate::new())
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.say(r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"b"}]"#)
        .await;
    called.until_arrived(1).await;
    called.open();
    // The proxy takes what has been sent, and can't write it.
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    host.say(CANCELLED).await;
    told.pass().await;
    assert_eq!(host.hear().await, large);
    assert_eq!(host.hear().await, NEXT);
}
