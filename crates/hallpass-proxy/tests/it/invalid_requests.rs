//! Hosts whose messages are no JSON-RPC.

use serde_json::{Value, json};

use crate::{
    fake_server::{FakeServer, Reply, Seen, handshake, handshake_of},
    host::Host,
};

/// What comes back to each line: ids and codes.
const TABLE: &[(&str, &str, i32)] = &[
    ("nonsense", "null", -32700),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"",
        "null",
        -32700,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"} x",
        "null",
        -32700,
    ),
    (r#"{"jsonrpc":"2.0","id":NaN,"method":"m"}"#, "null", -32700),
    ("7", "null", -32600),
    ("{}", "null", -32600),
    ("[]", "null", -32600),
    (" [ ] ", "null", -32600),
    ("[1]", "null", -32600),
    (
        r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
        "null",
        -32600,
    ),
    (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, "null", -32600),
    (r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#, "null", -32600),
    (
        r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#,
        "null",
        -32600,
    ),
    (
        r#"{"jsonrpc":"2.0","id":1e999,"method":"m"}"#,
        "null",
        -32600,
    ),
    (
        r#"{"jsonrpc":"2.0","id":-1e999,"method":"m"}"#,
        "null",
        -32600,
    ),
    (r#"{"jsonrpc":"2.0","id":5,"method":null}"#, "5", -32600),
    (
        r#"{"jsonrpc":"2.0","id":"a","method":"m","params":"x"}"#,
        "\"a\"",
        -32600,
    ),
    (r#"{"id":5,"method":"m"}"#, "5", -32600),
    (
        r#"{"jsonrpc":"2.0","id":5,"result":{},"error":{}}"#,
        "null",
        -32600,
    ),
];

#[tokio::test]
async fn invalid_request_is_refused_and_not_sent() {
    let server =
        FakeServer::start(|seen: &Seen| handshake(seen).unwrap_or(Reply::status(500))).await;
    let mut host = Host::ready(&server.url).await;
    for (line, id, code) in TABLE {
        host.say(line).await;
        let heard = host.hear().await;
        let answer: Value = serde_json::from_str(&heard).unwrap();
        assert_eq!(answer["id"].to_string(), *id, "{line}: {heard}");
        assert_eq!(answer["error"]["code"], *code, "{line}: {heard}");
    }
    assert_eq!(host.leave().await, [""; 0]);
    let posts = server.seen();
    let posts = posts.iter().filter(|seen| seen.method == "POST");
    assert_eq!(posts.count(), 2, "the handshake");
}

#[tokio::test]
async fn invalid_utf8_of_the_host_is_no_json() {
    let server =
        FakeServer::start(|seen: &Seen| handshake(seen).unwrap_or(Reply::status(500))).await;
    let mut host = Host::ready(&server.url).await;
    host.say_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"\xff\"}}")
        .await;
    assert!(host.hear().await.contains("-32700"));
}

#[tokio::test]
async fn invalid_batch_is_refused_under_each_id() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake_of("2025-03-26", seen).unwrap_or(Reply::status(500))
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    let call = |id: u32, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    for (batch, ids) in [
        (json!([call(1, "initialize"), call(2, "m")]), json!([1, 2])),
        (json!([call(1, "m"), 7]), json!([1, null])),
        (
            json!([call(1, "m"), {"id": 2, "method": "m"}]),
            json!([1, 2]),
        ),
        (
            json!([call(1, "m"), call(1, "m"), call(2, "m")]),
            json!([1, null, 2]),
        ),
    ] {
        host.say(&batch.to_string()).await;
        let mut heard = Vec::new();
        for _ in 0..ids.as_array().unwrap().len() {
            let answer: Value = serde_json::from_str(&host.hear().await).unwrap();
            assert_eq!(answer["error"]["code"], -32600, "{batch}: {answer}");
            heard.push(answer["id"].clone());
        }
        assert_eq!(Value::from(heard), ids, "{batch}");
    }
    assert_eq!(host.leave().await, [""; 0]);
}
