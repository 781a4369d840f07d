//! Servers whose answers are no JSON-RPC: each call ends at once, in an error that says why.

use hallpass_testkit::Gate;
use serde_json::Value;

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake, pong},
    host::{Host, INITIALIZE, INITIALIZED},
};

/// What a server may answer in place of a message. `ID` stands for the request's id.
const BODIES: [&str; 33] = [
    "",
    "the words of a server",
    "{",
    "null",
    "7",
    "[]",
    "{}",
    r#"{"error":"rate limit exceeded"}"#,
    r#"{"error":{"message":"rate limit exceeded"}}"#,
    r#"{"jsonrpc":"2.0","id":ID}"#,
    r#"{"id":ID,"result":{}}"#,
    r#"{"jsonrpc":"1.0","id":ID,"result":{}}"#,
    r#"{"jsonrpc":2.0,"id":ID,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":null}"#,
    r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":"m"}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"result":{},"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"m","result":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"error":"rate limit exceeded"}"#,
    r#"{"jsonrpc":"2.0","id":ID,"error":["rate limit exceeded"]}"#,
    r#"{"jsonrpc":"2.0","id":ID,"error":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"error":{"code":"1","message":"m"}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"error":{"code":1.5,"message":"m"}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"error":{"code":1,"message":null}}"#,
    r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
    r#"{"jsonrpc":"2.0","result":{}}"#,
    r#"{"jsonrpc":"2.0","id":[ID],"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":true,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":1e999,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":"other","result":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"result":{}} {}"#,
    r#"[{"jsonrpc":"2.0","id":ID,"result":{}}]"#,
    "{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":\"\u{0}\"}",
    "<!DOCTYPE html><html><title>rate limit exceeded</title></html>",
];

/// Bodies of what does not say that it is JSON.
const PAGES: [&str; 4] = [
    "",
    "rate limit exceeded",
    r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#,
    "<!DOCTYPE html><html><title>rate limit exceeded</title></html>",
];

fn answer(status: u16, media_type: &'static str, body: &str, id: &str) -> Reply {
    let body = body.replace("ID", id);
    let reply = Reply::status(status);
    match media_type {
        "" => reply.chunk(body),
        "text/event-stream" => reply
            .header("content-type", media_type)
            .chunk(event("", &body)),
        _ => reply.header("content-type", media_type).chunk(body),
    }
}

/// The error under `id` in `line`, which has to be a response as JSON-RPC 2.0 §5 wants it.
#[track_caller]
fn error_of(line: &str, id: u32) -> Value {
    let response: Value = serde_json::from_str(line).unwrap();
    assert_eq!(response["jsonrpc"], "2.0", "{line}");
    assert_eq!(response["id"], id, "{line}");
    assert!(response.get("result").is_none(), "{line}");
    let error = &response["error"];
    assert!(error["code"].is_i64(), "{line}");
    assert!(error["message"].is_string(), "{line}");
    error.clone()
}

#[tokio::test]
async fn invalid_answer_ends_its_call_with_an_error() {
    let mut cases = Vec::new();
    for status in [200, 400, 403, 429, 503] {
        cases.extend(BODIES.map(|body| (status, "application/json", body)));
        cases.extend(PAGES.map(|body| (status, "text/html; charset=utf-8", body)));
        cases.extend(PAGES.map(|body| (status, "", body)));
    }
    cases.extend(BODIES.map(|body| (200, "text/event-stream", body)));
    cases.extend(PAGES.map(|body| (429, "text/event-stream", body)));
    let table = cases.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).or_else(|| pong(seen)).unwrap_or_else(|| {
            let (status, media_type, body) = table[seen.id().parse::<usize>().unwrap() - 1];
            answer(status, media_type, body, &seen.id())
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    for (id, (status, media_type, body)) in (1..).zip(cases) {
        host.call(id, "tools/call").await;
        let line = host.hear().await;
        let error = error_of(&line, id);
        let message = error["message"].as_str().unwrap();
        let case = format!("{status} {media_type} {body}: {line}");
        let ended = "the server ended the stream without an answer";
        let is_empty = media_type == "text/event-stream" && status < 300 && body.is_empty();
        if is_empty {
            assert!(message.contains(ended), "{case}");
        } else {
            assert!(message.contains(&status.to_string()), "{case}");
        }
        // What is no stream has its words told.
        if body.contains("rate limit exceeded")
            && (media_type != "text/event-stream" || status < 300)
        {
            assert!(message.contains("rate limit exceeded"), "{case}");
        }
        assert!(error["data"]["remedy"].is_string(), "{case}");
    }
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn invalid_answer_on_a_stream_that_stays_open_ends_its_call() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let bad = [
                r#"{"jsonrpc":"2.0","id":ID,"error":"busy"}"#,
                r#"{"error":"busy"}"#,
                r#"{"id":ID,"result":{}}"#,
                r#"[{"jsonrpc":"2.0","id":ID,"result":{}}]"#,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"busy"}}"#,
                r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"busy"}}"#,
            ];
            let bad = bad[seen.id().parse::<usize>().unwrap() - 1];
            Reply::events(event("", &bad.replace("ID", &seen.id()))).wait(&Gate::new())
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    for id in 1..=6 {
        host.call(id, "tools/call").await;
        let line = host.hear().await;
        error_of(&line, id);
    }
}

#[tokio::test]
async fn invalid_event_before_the_answer_is_skipped() {
    let result = r#"{"jsonrpc":"2.0","id":1,"result":{"a":1.0}}"#;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
    let bad = [
        "no json",
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":7}"#,
        r#"{"jsonrpc":"2.0","method":7}"#,
        r#"{"method":"notifications/progress"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"sampling/createMessage"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"sampling/createMessage"}"#,
        r#"[{"jsonrpc":"2.0","method":"notifications/progress"}]"#,
        r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":99,"error":"text"}"#,
    ];
    for bad in bad {
        let is_batch = bad.starts_with('[');
        let server = FakeServer::start(move |seen: &Seen| {
            handshake(seen).unwrap_or_else(|| {
                let events = [bad, progress, result].map(|it| event("", it));
                Reply::events(events.concat())
            })
        })
        .await;
        let mut host = Host::ready(&server.url).await;
        host.call(1, "tools/call").await;
        if is_batch {
            // It might have been the answer: there are no batches in this version.
            error_of(&host.hear().await, 1);
            continue;
        }
        assert_eq!(host.hear().await, progress, "{bad}");
        assert_eq!(host.hear().await, result, "{bad}");
        assert_eq!(host.leave().await, [""; 0], "{bad}");
    }
}

#[tokio::test]
async fn request_that_only_reads_is_not_sent_again_after_an_invalid_answer() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| Reply::events(event("", "no json")))
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/list").await;
    error_of(&host.hear().await, 1);
    assert_eq!(server.count("tools/list"), 1);
}

#[tokio::test]
async fn invalid_utf8_is_no_json() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            Reply::json(*b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}")
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    let line = host.hear().await;
    assert!(
        error_of(&line, 1)["message"]
            .as_str()
            .unwrap()
            .contains("no JSON"),
        "{line}"
    );
}

#[tokio::test]
async fn accepted_request_without_a_stream_for_its_answer_ends() {
    for status in [202, 204] {
        let server = FakeServer::start(move |seen: &Seen| {
            handshake(seen).unwrap_or_else(|| Reply::status(status))
        })
        .await;
        let mut host = Host::ready(&server.url).await;
        host.call(1, "tools/call").await;
        let error = error_of(&host.hear().await, 1);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&status.to_string()), "{message}");
    }
}

#[tokio::test]
async fn error_on_many_lines_comes_on_one() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            Reply::json(
                "{\"jsonrpc\": \"2.0\", \"id\": null, \"error\": {\n\"code\": -1,\n\"message\": \"no\"}}",
            )
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    assert_eq!(error_of(&host.hear().await, 1)["message"], "no");
    assert_eq!(host.leave().await, [""; 0]);
}

const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;

/// The answer to `initialize` is as bad: the host is answered in the server's place.
#[tokio::test]
async fn invalid_answer_to_initialize_is_told_in_the_instructions() {
    for (status, body, words) in [
        (
            429,
            r#"{"error":"rate limit exceeded"}"#,
            r#"429 Too Many Requests: the server says: "rate limit exceeded""#,
        ),
        (200, r#"{"id":0,"result":{}}"#, "`jsonrpc`"),
        (
            200,
            r#"{"jsonrpc":"2.0","id":5,"result":{}}"#,
            "another request",
        ),
        (200, NOTE, "no answer"),
        (200, r#"[{"jsonrpc":"2.0","id":0,"result":{}}]"#, "batch"),
        (
            200,
            r#"{"jsonrpc":"2.0","id":0,"error":"busy"}"#,
            r#"says: "busy""#,
        ),
    ] {
        for as_events in [false, true] {
            if as_events && status != 200 {
                continue;
            }
            let server = FakeServer::start(move |seen: &Seen| {
                if seen.method != "POST" || seen.is("notifications/initialized") {
                    return Reply::status(405);
                }
                if as_events {
                    return Reply::events(event("", body));
                }
                Reply::status(status)
                    .header("content-type", "application/json")
                    .chunk(body)
            })
            .await;
            let mut host = Host::before(&server.url);
            host.say(INITIALIZE).await;
            let mut line = host.hear().await;
            if line == NOTE {
                line = host.hear().await;
            }
            let answer: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(answer["id"], 0, "{line}");
            let instructions = answer["result"]["instructions"].as_str().unwrap();
            assert!(instructions.contains(words), "{words}: {line}");
            host.say(INITIALIZED).await;
            host.call(1, "tools/call").await;
            error_of(&host.hear().await, 1);
        }
    }
}
