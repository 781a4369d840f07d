//! Hosts and servers that say more than anybody can take.

use std::time::Duration;

use hallpass_proxy::MOST_MESSAGE;

use crate::{
    host::Host,
    server::{Double, Reply, Seen, event, handshake},
};

#[tokio::test]
async fn a_host_that_does_not_read_stops_the_server() {
    let note = event(
        "",
        &format!(r#"{{"method":"n","params":"{}"}}"#, "x".repeat(10_000)),
    );
    let server = Double::start(move |seen: &Seen| {
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
        if now == taken {
            break;
        }
        taken = now;
    }
    assert!(
        taken > 0 && taken < 24 << 20,
        "{taken} bytes went somewhere"
    );
    for _ in 0..100 {
        assert!(host.hear().await.contains("\"method\":\"n\""));
    }
}

#[tokio::test]
async fn a_host_that_asks_a_thousand_things_gets_a_thousand_answers() {
    let server = Double::start(|seen: &Seen| {
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

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_by_its_id() {
    let server = Double::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let much = "x".repeat(MOST_MESSAGE);
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":"{much}"}}"#,
                seen.id()
            ))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    let much = "x".repeat(MOST_MESSAGE);
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
        answer.contains("\"id\":1,") && answer.contains("33554432"),
        "{answer}"
    );
    assert_eq!(host.leave().await, [""; 0]);
}
