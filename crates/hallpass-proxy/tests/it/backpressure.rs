//! Hosts and servers that say more than anybody can take.

use std::{sync::Arc, time::Duration};

use hallpass_proxy::{MAX_MESSAGE_BYTES, NoCache};
use hallpass_testkit::{FakeClock, Gate};

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake},
    host::Host,
};

#[tokio::test]
async fn host_that_does_not_read_stops_the_server() {
    let note = event(
        "",
        &format!(
            r#"{{"jsonrpc":"2.0","method":"n","params":["{}"]}}"#,
            "x".repeat(10_000)
        ),
    );
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).unwrap_or_else(|| Reply::events("\n").flood(note.clone()))
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    // Until nothing more is taken: what is in between is what the sockets and the proxy hold.
    let mut taken = 0;
    loop {
        tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>())
            .await
            .unwrap_err();
        let now = *server.flooded.lock().unwrap();
        if now == taken && taken > 0 {
            break;
        }
        taken = now;
    }
    assert!(taken < 24 << 20, "{taken} bytes went somewhere");
    for _ in 0..100 {
        assert!(host.hear().await.contains("\"method\":\"n\""));
    }
}

#[tokio::test]
async fn thousand_requests_get_a_thousand_answers() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
                seen.id()
            ))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    let mut answered = std::collections::BTreeSet::new();
    for id in 0..1000 {
        host.call(id, "tools/call").await;
    }
    for _ in 0..1000 {
        let answer = host.hear().await;
        assert!(answer.contains("\"result\""), "{answer}");
        answered.insert(answer);
    }
    assert_eq!(answered.len(), 1000);
    assert_eq!(server.count("tools/call"), 1000);
}

/// What a host may have under way at a time.
const MAX_AT_ONCE: u32 = 256;

#[tokio::test]
async fn request_beyond_the_limit_waits_and_is_then_refused() {
    let (gate, clock) = (Gate::new(), FakeClock::default());
    let held = gate.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, seen.id());
            Reply::status(200)
                .header("content-type", "application/json")
                .wait(&held)
                .chunk(answer)
        })
    })
    .await;
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    let mut host = host.after_the_handshake().await;
    for id in 1..=MAX_AT_ONCE + 1 {
        host.call(id, "tools/call").await;
    }
    gate.until_arrived(MAX_AT_ONCE as usize).await;
    let refused = host.hear_in_time(&clock).await;
    let id = format!("\"id\":{},\"error\"", MAX_AT_ONCE + 1);
    assert!(refused.contains(&id), "{refused}");
    assert!(refused.contains("too many requests"), "{refused}");
    assert_eq!(server.count("tools/call"), MAX_AT_ONCE as usize);

    // The next one finds a place as soon as there is one.
    host.call(1000, "tools/call").await;
    gate.open();
    let mut answers = Vec::new();
    for _ in 0..=MAX_AT_ONCE {
        answers.push(host.hear().await);
    }
    assert!(answers.iter().all(|answer| answer.contains("\"result\"")));
    assert!(answers.iter().any(|answer| answer.contains("\"id\":1000,")));
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn too_large_message_is_refused_under_its_id() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let much = "x".repeat(MAX_MESSAGE_BYTES);
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":"{much}"}}"#,
                seen.id()
            ))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    let much = "x".repeat(MAX_MESSAGE_BYTES);
    host.say(&format!(
        r#"{{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{{"a":"{much}"}}}}"#
    ))
    .await;
    let answer = host.hear().await;
    assert!(
        answer.contains("\"id\":\"big\"") && answer.contains("33554432"),
        "{answer}"
    );
    assert_eq!(server.count("tools/call"), 0);

    // The same the other way round.
    host.call(1, "tools/call").await;
    let answer = host.hear().await;
    assert!(
        answer.contains("\"id\":1,")
            && answer.contains("larger than 32 MiB; set `max_message_size`"),
        "{answer}"
    );
    assert_eq!(host.leave().await, [""; 0]);
}
