//! What comes back: statuses, headers, whole bodies and streams.

use hallpass_core::{Diagnostic as _, Remedy, block_on};
use hallpass_mcp::{Anonymous, Content, Error, InvalidMessage, Request, Response};
use hallpass_testkit::ScriptedResponse;

use crate::fixture::{BREAK, answer, endpoint};

fn send(answer: ScriptedResponse) -> Response {
    let (endpoint, _) = endpoint([answer]);
    block_on(endpoint.send(&Request::post("{}"), &Anonymous)).unwrap()
}

#[test]
fn challenge_is_a_response_with_every_header() {
    for status in [401, 403, 404, 405, 429, 500] {
        let response = send(
            answer(status)
                .with_header("www-authenticate", "Basic realm=x")
                .with_header("www-authenticate", "Bearer error=invalid_token")
                .with_header("mcp-session-id", "s-1")
                .with_header("x-request-id", "9"),
        );
        assert_eq!(response.status(), status);
        let challenges = response.headers().get_all("www-authenticate");
        assert_eq!(challenges.iter().count(), 2);
        assert_eq!(response.headers()["x-request-id"], "9");
        assert_eq!(response.session_id(), Some("s-1"));
    }
}

#[test]
fn content_is_read_from_the_media_type() {
    let check = |content_type: Option<&str>, expected| {
        let mut answer = answer(200);
        if let Some(value) = content_type {
            answer = answer.with_header("content-type", value);
        }
        assert_eq!(send(answer).content(), expected, "{content_type:?}");
    };
    check(Some("application/json"), Content::Json);
    check(Some("Application/JSON; charset=utf-8"), Content::Json);
    check(Some("text/event-stream ;charset=UTF-8"), Content::Events);
    check(Some("application/json-seq"), Content::Other);
    check(Some("text/html"), Content::Other);
    check(Some(""), Content::Other);
    check(None, Content::Unstated);
}

#[test]
fn body_beyond_its_cap_is_an_error() {
    let check = |cap, expected: Result<&str, &str>| {
        let response = send(
            answer(200)
                .with_chunk("abc")
                .with_chunk("")
                .with_chunk("def"),
        );
        match block_on(response.read(cap)) {
            Ok(body) => assert_eq!(Ok(std::str::from_utf8(&body).unwrap()), expected),
            Err(error) => {
                assert_eq!(Err(error.to_string().as_str()), expected);
                assert_eq!(error.remedy(), Remedy::Configure);
                assert!(matches!(error, Error::BodyTooLarge(_)));
            }
        }
    };
    check(6, Ok("abcdef"));
    check(usize::MAX, Ok("abcdef"));
    check(5, Err("the server's answer is larger than 5 bytes"));
    check(2, Err("the server's answer is larger than 2 bytes"));
    check(0, Err("the server's answer is larger than 0 bytes"));
    let broken = send(answer(200).with_chunk("abc").with_body_error(BREAK));
    let error = block_on(broken.read(100)).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry);
    assert_eq!(block_on(send(answer(200)).read(0)).unwrap(), "");
}

#[test]
fn start_of_a_body_is_read_and_the_rest_dropped() {
    let start = |answer, most| block_on(send(answer).read_start(most));
    let body = || answer(500).with_chunk("abc").with_chunk("def");
    assert_eq!(start(body(), 100), "abcdef");
    assert_eq!(start(body(), 4), "abcd");
    assert_eq!(start(body(), 0), "");
    assert_eq!(start(body().with_body_error(BREAK), 100), "abcdef");
}

#[test]
fn events_are_read_as_they_come() {
    let response = send(
        answer(200)
            .with_chunk("id: 1\nda")
            .with_chunk("ta: a\n\nid: 2\ndata: b\n\n: ping\n\nid:\n\ndata: c\n\n"),
    );
    let mut events = response.events(100);
    let mut read = Vec::new();
    while let Some(event) = block_on(events.next()) {
        let event = event.unwrap();
        read.push((event.data, event.id));
    }
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        read,
        [
            (some("a"), some("1")),
            (some("b"), some("2")),
            (None, some("")),
            (some("c"), None),
        ]
    );
    assert!(block_on(events.next()).is_none());
}

#[test]
fn stream_ends_with_its_first_error() {
    let check = |answer, cap, text: &str, remedy| {
        let mut events = send(answer).events(cap);
        let first = block_on(events.next()).unwrap().unwrap();
        assert_eq!(first.data.as_deref(), Some("a"));
        let error = block_on(events.next()).unwrap().unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.remedy(), remedy);
        assert!(block_on(events.next()).is_none());
    };
    let stream = || answer(200).with_chunk("id: 1\ndata: a\n\ndata: bbbbbbbbbbbbbbbbbbbb");
    check(
        stream().with_body_error(BREAK).with_chunk("\n\n"),
        100,
        "MCP request to https://mcp.example.com/mcp: the connection broke off",
        Remedy::Retry,
    );
    check(
        stream().with_chunk("\n\ndata: c\n\n"),
        20,
        "an event of the server's stream is larger than 20 bytes",
        Remedy::Configure,
    );
}

#[test]
fn debug_shows_no_body() {
    let response = send(answer(200).with_chunk("data: canary\n\n data: canary"));
    let text = format!("{response:?}");
    assert!(!text.contains("canary"), "{text}");
    let mut events = response.events(100);
    block_on(events.next()).unwrap().unwrap();
    let text = format!("{events:?}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn error_with_its_words_keeps_no_secret_of_the_request() {
    let invalid = InvalidMessage::new(&send(answer(200)));
    assert!(invalid.request_secrets().is_some());
    assert!(invalid.with_body(b"no").request_secrets().is_none());
}
