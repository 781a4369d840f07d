//! What goes through is what came, byte for byte.

use hallpass_testkit::Gate;

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake},
    host::Host,
};

/// Unknown members and methods, numbers that no double holds, spaces, escapes.
const ODD: &str = r#"{ "x-new":{"a":[1,2.50,1.0,9007199254740993]},"jsonrpc":"2.0","id":7,"method":"vendor/new-thing","params":{"n":9007199254740993,"f":1.0,"e":1e400,"u":"\u00e9é","s":" "} , "trailing":null }"#;
const ODD_ANSWER: &str = r#"{"jsonrpc":"2.0", "id":7,"result":{"n":9007199254740993,"f":1.0,"e":1E-999,"u":"\u00e9é"},"x-more":[1.0]}"#;

#[tokio::test]
async fn messages_pass_unread_in_both_directions() {
    for as_events in [false, true] {
        let server = FakeServer::start(move |seen: &Seen| {
            handshake(seen).unwrap_or_else(|| {
                if as_events {
                    Reply::events(event("", ODD_ANSWER))
                } else {
                    Reply::json(ODD_ANSWER)
                }
            })
        })
        .await;
        let mut host = Host::ready(&server.url).await;
        host.say(ODD).await;
        assert_eq!(host.hear().await, ODD_ANSWER);
        let sent = server
            .seen()
            .into_iter()
            .find(|seen| seen.is("vendor/new-thing"));
        assert_eq!(sent.unwrap().body, ODD);
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn answer_on_many_lines_is_written_on_one() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            Reply::json("{\"jsonrpc\":\"2.0\",\n \"id\": 1,\r\n \"result\": {}\n}\n")
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/list").await;
    assert_eq!(
        host.hear().await,
        "{\"jsonrpc\":\"2.0\",  \"id\": 1,   \"result\": {} }"
    );
}

#[tokio::test]
async fn request_of_the_server_is_answered_by_the_host() {
    let question =
        r#"{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"n":1.0}}"#;
    let answer =
        r#"{"jsonrpc":"2.0","id":"q-1","result":{"action":"accept","n":9007199254740993}}"#;
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0}}"#;
    let gate = Gate::new();
    let (opens, waits) = (gate.clone(), gate.clone());
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.body == answer {
            opens.open();
            return Reply::status(202);
        }
        handshake(seen).unwrap_or_else(|| {
            Reply::events(event("", progress) + &event("", question))
                .wait(&waits)
                .chunk(event("", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, progress);
    assert_eq!(host.hear().await, question);
    host.say(answer).await;
    assert_eq!(host.hear().await, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}
