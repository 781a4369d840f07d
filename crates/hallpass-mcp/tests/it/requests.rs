//! What goes out.

use std::time::Duration;

use hallpass_core::{
    Diagnostic as _, Remedy, block_on,
    http::{Redirects, RequestOptions, RequestTarget},
};
use hallpass_mcp::{Anonymous, Authorization, Error, MCP_PROTOCOL_VERSION, Request};
use hallpass_testkit::SentRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::AUTHORIZATION};
use url::Url;

use crate::fixture::{SERVER, answer, endpoint, sent};

#[track_caller]
fn check(request: &Request, authorization: Option<&str>, expected: &[&str]) {
    let (endpoint, script) = endpoint([answer(202)]);
    let response = block_on(async {
        let Some(text) = authorization else {
            return endpoint.send(request, &Anonymous).await;
        };
        let value = HeaderValue::from_str(text).unwrap();
        endpoint.send(request, &value).await
    });
    assert_eq!(response.unwrap().status(), 202);
    let SentRequest { request, options } = sent(&script).pop().unwrap();
    assert_eq!(options.target, RequestTarget::Mcp);
    assert_eq!(options.redirects, Redirects::None);
    assert_eq!(options.timeout, None);
    let mut wire = vec![format!("{} {}", request.method(), request.uri())];
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    wire.extend(headers);
    wire.push(String::from_utf8(request.into_body().to_vec()).unwrap());
    assert_eq!(wire, expected);
}

#[test]
fn each_method_has_its_headers() {
    check(
        &Request::post(" {\"id\": 1} "),
        None,
        &[
            "POST https://mcp.example.com/mcp",
            "accept: application/json, text/event-stream",
            "content-type: application/json",
            " {\"id\": 1} ",
        ],
    );
    check(
        &Request::stream()
            .session("s-1")
            .unwrap()
            .after("e-7")
            .unwrap(),
        Some("Bearer t"),
        &[
            "GET https://mcp.example.com/mcp",
            "accept: text/event-stream",
            "authorization: Bearer t",
            "last-event-id: e-7",
            "mcp-session-id: s-1",
            "",
        ],
    );
    check(
        &Request::delete()
            .session("s-1")
            .unwrap()
            .protocol_version("2025-11-25")
            .unwrap(),
        Some("DPoP t"),
        &[
            "DELETE https://mcp.example.com/mcp",
            "authorization: DPoP t",
            "mcp-protocol-version: 2025-11-25",
            "mcp-session-id: s-1",
            "",
        ],
    );
}

#[test]
fn added_header_replaces_others_of_its_name() {
    let request = Request::stream()
        .after("")
        .unwrap()
        .header(MCP_PROTOCOL_VERSION, HeaderValue::from_static("2025-06-18"))
        .header(
            HeaderName::from_static("x-tenant"),
            HeaderValue::from_static("7"),
        );
    check(
        &request,
        None,
        &[
            "GET https://mcp.example.com/mcp",
            "accept: text/event-stream",
            "mcp-protocol-version: 2025-06-18",
            "x-tenant: 7",
            "",
        ],
    );
}

#[test]
fn authorization_replaces_an_added_header() {
    let request = Request::delete().header(AUTHORIZATION, HeaderValue::from_static("Basic x"));
    check(
        &request,
        Some("Bearer t"),
        &[&format!("DELETE {SERVER}"), "authorization: Bearer t", ""],
    );
}

#[test]
fn text_that_no_header_can_hold_is_an_error() {
    let check = |outcome: Result<Request, Error>, name: &str| {
        let error = outcome.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the value of `{name}` can't stand in a header")
        );
        assert_eq!(error.remedy(), Remedy::Report);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    };
    check(Request::delete().session("canary\r\n"), "mcp-session-id");
    check(Request::stream().after("canary\n"), "last-event-id");
    check(
        Request::delete().protocol_version("canary\0"),
        "mcp-protocol-version",
    );
}

#[test]
fn debug_shows_neither_session_nor_message() {
    let request = Request::post("canary").session("canary").unwrap();
    let text = format!("{request:?}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn requests_have_the_timeouts_of_their_method() {
    let head_limits = |set: Option<RequestOptions>| {
        let (mut endpoint, script) = endpoint([answer(202), answer(202)]);
        if let Some(policy) = set {
            endpoint = endpoint.with_options(policy);
        }
        block_on(endpoint.send(&Request::post(""), &Anonymous)).unwrap();
        block_on(endpoint.send(&Request::stream(), &Anonymous)).unwrap();
        let seen = sent(&script);
        assert!(
            seen.iter()
                .all(|sent| sent.options.redirects == Redirects::None)
        );
        assert!(
            seen.iter()
                .all(|sent| sent.options.server == *endpoint.server()),
            "options for another server"
        );
        [&seen[0], &seen[1]].map(|sent| sent.options.response_timeout.unwrap().as_secs())
    };
    assert_eq!(head_limits(None), [300, 60]);
    let set = RequestOptions {
        response_timeout: Some(Duration::from_secs(7)),
        redirects: Redirects::SameOrigin { limit: 3 },
        ..RequestOptions::mcp(&"https://another.example".parse().unwrap())
    };
    assert_eq!(head_limits(Some(set)), [7, 7]);
}

/// An authorization that can't be made.
struct WithoutKey;

impl Authorization for WithoutKey {
    fn authorize(
        &self,
        _: &Method,
        _: &Url,
        _: &mut HeaderMap,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err("no key".into())
    }
}

#[test]
fn failed_authorization_sends_nothing() {
    let (endpoint, script) = endpoint([]);
    let error = block_on(endpoint.send(&Request::post(""), &WithoutKey)).unwrap_err();
    assert_eq!(error.to_string(), "the request can't be authorized");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no key");
    assert!(sent(&script).is_empty());
}
