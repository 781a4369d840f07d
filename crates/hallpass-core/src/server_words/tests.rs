use bytes::Bytes;
use http::Request;

use super::*;

fn words(body: &[u8], secrets: Option<&RequestSecrets>) -> Option<String> {
    ServerWords::in_body(body, secrets).map(|words| words.as_str().to_owned())
}

#[test]
fn body_with_known_member_shows_that_member() {
    let check = |body: &str, expected: Option<&str>| {
        assert_eq!(words(body.as_bytes(), None).as_deref(), expected, "{body}");
    };
    check(
        r#"{"error":"rate limit exceeded"}"#,
        Some("rate limit exceeded"),
    );
    check(r#"{"error":{"message":"bad"}}"#, Some("bad"));
    check(
        r#"{"error":"invalid_request","error_description":"no resource"}"#,
        Some("no resource"),
    );
    check(r#"{"errors":[{"message":"try later"}]}"#, Some("try later"));
    check(
        r#"{"title":"Out of credit","status":403}"#,
        Some("Out of credit"),
    );
    check(r#""just words""#, Some("just words"));
    check(r#"{"token":"canary"}"#, None);
    check("[]", None);
    check("{\"error\":\"cut of", None);
    check(
        "\u{feff}<!DOCTYPE html><HTML><Title lang=en>Sign in\n</TITLE><p>more",
        Some("Sign in"),
    );
    check("<p>no title", None);
    check("upstream timed out\n", Some("upstream timed out"));
    check("", None);
    assert_eq!(words(b"\xffbusy now", None).as_deref(), Some("… now"));
}

#[test]
fn words_with_known_request_are_shown_as_they_are() {
    let mut request = Request::new(Bytes::new());
    let token = "Bearer canary-4711".parse().unwrap();
    request.headers_mut().insert("authorization", token);
    let secrets = RequestSecrets::new(&request);
    let check = |body: &str, expected: Option<&str>| {
        let words = words(body.as_bytes(), Some(&secrets));
        assert_eq!(words.as_deref(), expected, "{body}");
    };
    check(
        r#"{"error":"invalid_grant","error_description":"AADSTS50011: 'http://127.0.0.1:7/callback' is unknown\r\n  hint: run this\u001b[2J"}"#,
        Some("AADSTS50011: 'http://127.0.0.1:7/callback' is unknown hint: run this[2J"),
    );
    check(
        r#"{"error":{"message":"no canary-4711 here"}}"#,
        Some("no … here"),
    );
    check(
        r#"{"detail":[{"msg":"Field required","input":{"token":"x"}}]}"#,
        Some("Field required"),
    );
    for member in ["input", "body", "request"] {
        check(&format!(r#"{{"{member}":"some text"}}"#), None);
    }
    check("first line a1\nsecond", Some("first line a1"));
    check("<html><title>Error 4711-b</title>", Some("Error 4711-b"));
    check("\u{0}\u{1}binary", None);
    check(r#"{"message":"canary-4711"}"#, None);
    check(&"x".repeat(MAX_BODY), None);
    let long = "x ".repeat(MAX_SHOWN);
    let shown = words(long.as_bytes(), Some(&secrets)).unwrap();
    assert_eq!(shown.chars().count(), MAX_SHOWN + 1);
}

#[test]
fn words_as_an_error_are_marked_as_the_server_s() {
    let words = ServerWords::cleaned("no\nhint: x").unwrap();
    assert_eq!(words.to_string(), r#"the server says: "no hint: x""#);
}
