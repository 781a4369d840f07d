//! Batches, which MCP has in one version alone.

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake, handshake_of},
    host::{Host, INITIALIZE, INITIALIZED},
};

const BATCH: &str = r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":"b","method":"b"},{"jsonrpc":"2.0","method":"c"}]"#;
const FIRST: &str = r#"{"jsonrpc":"2.0", "id":1,"result":1.0}"#;
const SECOND: &str = r#"{"jsonrpc":"2.0","id":"b","result":{}}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;

/// What the host hears after [`BATCH`], whose server answers so.
async fn heard(answer: Reply) -> Vec<String> {
    let server = FakeServer::start(move |seen: &Seen| {
        handshake_of("2025-03-26", seen).unwrap_or_else(|| answer.clone())
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.say(BATCH).await;
    let heard = host.leave().await;
    assert!(server.seen().iter().any(|seen| seen.body == BATCH));
    heard
}

#[tokio::test]
async fn batch_is_one_post_and_its_answer_comes_as_it_is() {
    let both = format!("[{FIRST} , {SECOND}]");
    for answer in [Reply::json(both.clone()), Reply::events(event("", &both))] {
        assert_eq!(heard(answer).await.join("\n"), both);
    }
    let apart = Reply::events(event("", FIRST) + &event("", SECOND));
    assert_eq!(heard(apart).await, [FIRST, SECOND]);
}

#[tokio::test]
async fn batch_is_answered_request_by_request() {
    let stranger = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let invalid = r#"{"jsonrpc":"2.0","id":"b","error":"busy"}"#;
    // Strangers and second answers are left out, and what has no answer gets an error.
    let rows = [
        (
            format!("[{FIRST},{stranger},{SECOND}]"),
            format!("[{FIRST},{SECOND}]"),
            "",
        ),
        (
            format!("[{FIRST},{FIRST},{NOTE},{SECOND}]"),
            format!("[{FIRST},{NOTE},{SECOND}]"),
            "",
        ),
        (format!("[{FIRST}]"), format!("[{FIRST}]"), "no answer"),
        (FIRST.to_owned(), FIRST.to_owned(), "no answer"),
        (format!("[{FIRST},{invalid}]"), format!("[{FIRST}]"), "busy"),
        (
            format!("[{FIRST},7]"),
            format!("[{FIRST}]"),
            "no JSON object",
        ),
    ];
    for (answer, passed, missing) in rows {
        let mut heard = heard(Reply::json(answer.clone())).await;
        let place = heard.iter().position(|line| *line == passed);
        heard.remove(place.unwrap_or_else(|| panic!("{answer}: {heard:?}")));
        if missing.is_empty() {
            assert_eq!(heard, [""; 0], "{answer}");
        } else {
            assert_eq!(heard.len(), 1, "{answer}: {heard:?}");
            assert!(heard[0].contains(r#""id":"b","error""#), "{heard:?}");
            assert!(heard[0].contains(missing), "{missing}: {heard:?}");
        }
    }
}

#[tokio::test]
async fn batch_that_the_server_refuses_fails_under_each_id() {
    let refusal = Reply::status(429)
        .header("content-type", "application/json")
        .chunk(r#"{"error":"slow down"}"#);
    let heard = heard(refusal).await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(
        heard
            .iter()
            .all(|line| line.contains("429 Too Many Requests: the server says: \\\"slow down\\\""))
    );
}

#[tokio::test]
async fn batch_in_another_version_is_refused() {
    let server =
        FakeServer::start(|seen: &Seen| handshake(seen).unwrap_or(Reply::status(500))).await;
    let mut host = Host::before(&server.url);
    host.say(INITIALIZE).await;
    host.hear().await;
    host.say(INITIALIZED).await;
    host.say(BATCH).await;
    for id in ["1", "\"b\""] {
        let answer = host.hear().await;
        assert!(answer.contains(&format!("\"id\":{id},")), "{answer}");
        assert!(answer.contains("-32600"), "{answer}");
    }
    host.say(&format!("[{NOTE}]")).await;
    let answer = host.hear().await;
    assert!(
        answer.contains("\"id\":null") && answer.contains("-32600"),
        "{answer}"
    );
    assert_eq!(host.leave().await, [""; 0]);
    assert!(server.seen().iter().all(|seen| !seen.body.starts_with('[')));
}
