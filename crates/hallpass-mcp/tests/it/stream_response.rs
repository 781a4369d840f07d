//! What the answer to the GET of an event stream means.

use hallpass_core::block_on;
use hallpass_mcp::{Anonymous, Request, StreamResponse};
use hallpass_testkit::ScriptedResponse;

use crate::fixture::{answer, endpoint};

#[track_caller]
fn check(answer: &ScriptedResponse, expected: StreamResponse) {
    let (endpoint, _) = endpoint([answer.clone()]);
    let response = block_on(endpoint.send(&Request::stream(), &Anonymous)).unwrap();
    assert_eq!(StreamResponse::new(&response), expected, "{answer:?}");
}

#[test]
fn status_says_whether_a_stream_is_opened_again() {
    let events = |status| answer(status).with_header("content-type", "text/event-stream");
    check(&events(200), StreamResponse::Open);
    let json = answer(200).with_header("content-type", "application/json");
    for unavailable in [json, answer(202), answer(400), answer(405), answer(501)] {
        check(&unavailable, StreamResponse::Unavailable);
    }
    check(&answer(404), StreamResponse::NotFound);
    for status in [408, 425, 429, 500, 502, 503, 504] {
        check(&events(status), StreamResponse::Retry);
    }
}
