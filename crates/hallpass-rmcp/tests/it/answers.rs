//! What rmcp is told about each answer to a POST and a DELETE.

use std::{collections::HashMap, sync::Arc};

use futures_util::StreamExt;
use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_rmcp::Error;
use hallpass_testkit::ScriptedResponse;
use http::{HeaderName, HeaderValue};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest},
    transport::streamable_http_client::{
        StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        StreamableHttpResponseLimits,
    },
};
use serde_json::json;

use crate::scripted_server::{Fixture, SERVER, answer, challenge, events, json};

type RmcpError = StreamableHttpError<Error>;

fn message(method: &str) -> ClientJsonRpcMessage {
    let message = match method {
        "notifications/cancelled" => json!({
            "jsonrpc": "2.0", "method": method, "params": { "requestId": 1 }
        }),
        "initialize" => json!({
            "jsonrpc": "2.0", "id": 7, "method": method, "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" }
            }
        }),
        "server/discover" => json!({
            "jsonrpc": "2.0", "id": 7, "method": method, "params": {}
        }),
        _ => json!({ "jsonrpc": "2.0", "id": 7, "method": method }),
    };
    let message = serde_json::from_value(message).unwrap();
    if let ClientJsonRpcMessage::Request(request) = &message {
        let known = !matches!(request.request, ClientRequest::CustomRequest(_));
        assert!(known, "rmcp knows {method}");
    }
    message
}

async fn told(outcome: Result<StreamableHttpPostResponse, RmcpError>) -> String {
    match outcome {
        Ok(StreamableHttpPostResponse::Accepted) => "accepted".to_owned(),
        Ok(StreamableHttpPostResponse::Json(message, session)) => {
            let message = serde_json::to_string(&message).unwrap();
            format!("json {message} {}", session.unwrap_or_default())
        }
        Ok(StreamableHttpPostResponse::Sse(mut stream, session)) => {
            let mut told = format!("sse {}", session.unwrap_or_default());
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => told = format!("{told} [{}]", event.data.unwrap_or_default()),
                    Err(error) => told = format!("{told} error: {error}"),
                }
            }
            told
        }
        Ok(_) => "something else".to_owned(),
        Err(error) => match Error::find_in_chain(&error).and_then(std::error::Error::source) {
            Some(words) => format!("error: {error}; {words}"),
            None => format!("error: {error}"),
        },
    }
}

pub(crate) async fn post(
    answer: ScriptedResponse,
    method: &str,
    session: Option<&str>,
    limits: StreamableHttpResponseLimits,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    let fixture = Fixture::signed_in([answer]).await;
    let session = session.map(Arc::from);
    let sent = fixture.client.post_message_with_response_limits(
        Arc::from(SERVER),
        message(method),
        session,
        None,
        HashMap::new(),
        limits,
    );
    let outcome = sent.await;
    assert_eq!(fixture.seen(), ["POST Bearer t1"], "one request");
    outcome
}

#[track_caller]
fn check(answer: ScriptedResponse, method: &str, session: Option<&str>, expected: &str) {
    let limits = StreamableHttpResponseLimits::default();
    let got = run(async { told(post(answer, method, session, limits).await).await });
    assert_eq!(got, expected);
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

#[test]
fn success_is_an_answer_a_stream_or_accepted() {
    let list = "tools/list";
    // The answer may come on the server's own stream, which there is in a session alone.
    for status in [202, 204] {
        check(answer(status), list, Some("s-1"), "accepted");
        let limits = StreamableHttpResponseLimits::default();
        let outcome = run(async { told(post(answer(status), list, None, limits).await).await });
        assert!(
            outcome.contains("invalid message: it is no answer"),
            "{outcome}"
        );
    }
    let session = |answer: ScriptedResponse| answer.with_header("mcp-session-id", "s-1");
    check(
        session(json(200, RESULT)),
        "ping",
        None,
        &format!("json {RESULT} s-1"),
    );
    check(
        session(events(&format!("data: {RESULT}\n\n"))),
        "ping",
        None,
        &format!("sse s-1 [{RESULT}]"),
    );
    check(
        answer(200)
            .with_header("content-type", "text/html")
            .with_chunk("<title>Sign in</title><p>canary"),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 200 OK with an invalid message: \
         it is an HTML page; the server says: \"Sign in\"",
    );
    check(
        answer(200),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 200 OK with an invalid message: \
         it is neither JSON nor an event stream",
    );
    check(
        json(200, "{\"canary\":1}"),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 200 OK with an invalid message: \
         it is no JSON-RPC message that rmcp knows",
    );
    check(
        json(200, "<canary>"),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 200 OK with an invalid message: \
         it is no JSON",
    );
}

#[test]
fn accepted_request_is_an_error_once_the_server_has_refused_its_own_stream() {
    run(async {
        let fixture = Fixture::signed_in([answer(202), answer(405), answer(202)]).await;
        let session = || Some(Arc::from("s-1"));
        let post = || {
            let list = message("tools/list");
            let (server, session) = (Arc::from(SERVER), session());
            let sent = fixture
                .client
                .post_message(server, list, session, None, HashMap::new());
            Box::pin(async { told(sent.await).await })
        };
        assert_eq!(post().await, "accepted");
        let stream =
            fixture
                .client
                .get_stream(Arc::from(SERVER), session(), None, None, HashMap::new());
        assert!(stream.await.is_err());
        let outcome = post().await;
        assert!(
            outcome.contains("202 Accepted with an invalid message"),
            "{outcome}"
        );
    });
}

#[test]
fn answer_to_another_request_is_an_error_of_this_one() {
    let invalid = |reason: &str| {
        format!(
            "error: Client error: https://mcp.example.com/mcp answered 200 OK with an invalid \
             message: {reason}"
        )
    };
    let other = RESULT.replace('7', "8");
    check(
        json(200, &other),
        "ping",
        None,
        &invalid("it answers another request"),
    );
    let note =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    check(
        json(200, note),
        "ping",
        None,
        &invalid("it is no answer to the request"),
    );
    // The server could not read the id, or made one up: it is still about this request.
    for id in ["null", "8", "\"server-error\""] {
        let other = ERROR.replace('7', id);
        check(json(200, &other), "ping", None, &format!("json {ERROR} "));
    }
}

#[test]
fn refusal_tells_the_words_of_the_server() {
    for status in [400, 403, 429, 500] {
        let answer = json(status, r#"{"error":"rate limit exceeded"}"#);
        let limits = StreamableHttpResponseLimits::default();
        let told = run(async { told(post(answer, "tools/list", None, limits).await).await });
        assert!(
            told.ends_with(r#"the server says: "rate limit exceeded""#),
            "{told}"
        );
    }
}

#[test]
fn notification_accepts_any_success() {
    let cancelled = "notifications/cancelled";
    for answer in [
        answer(202),
        answer(200),
        json(200, ""),
        json(200, "{}"),
        answer(200)
            .with_header("content-type", "text/plain")
            .with_chunk("ok"),
    ] {
        check(answer, cancelled, Some("s-1"), "accepted");
    }
}

const ERROR: &str = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"no"}}"#;

#[test]
fn json_rpc_error_is_kept_at_any_status() {
    for status in [400, 404, 422, 500, 503] {
        check(json(status, ERROR), "ping", None, &format!("json {ERROR} "));
    }
    // The server could not read the id, or made one up: it is still about this request.
    for id in ["null", "\"server-error\""] {
        let other = ERROR.replace('7', id);
        check(json(400, &other), "ping", None, &format!("json {ERROR} "));
    }
}

#[test]
fn failure_status_is_unexpected_status() {
    let list = "tools/list";
    let page = |status| {
        answer(status)
            .with_header("content-type", "text/html")
            .with_chunk("<p>canary-4711</p>")
    };
    check(
        page(400),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 400 Bad Request",
    );
    check(
        json(400, "{\"canary\":1}"),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 400 Bad Request",
    );
    check(
        page(503),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 503 Service Unavailable",
    );
    check(
        json(500, "disk /dev/sda1 is full\nat line 7"),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 500 Internal Server Error; \
         the server says: \"disk /dev/sda1 is full\"",
    );
    check(
        json(429, ERROR),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 429 Too Many Requests; \
         the server says: \"no\"",
    );
    check(
        page(404),
        list,
        Some("s-1"),
        "error: Session expired (HTTP 404)",
    );
    check(
        page(404),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 404 Not Found",
    );
    check(
        answer(302).with_header("location", "/login"),
        list,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 302 to \
         https://mcp.example.com/login, which does not keep the method of an MCP request",
    );
}

#[test]
fn forbidden_without_insufficient_scope_is_unexpected_status() {
    for answer in [
        answer(403),
        json(403, ERROR),
        challenge(403, "Bearer error=\"invalid_token\""),
        challenge(403, "Bearer error_description=\"insufficient_scope\""),
        challenge(403, "Basic realm=x, error=\"insufficient_scope\""),
    ] {
        let limits = StreamableHttpResponseLimits::default();
        let outcome = run(post(answer, "tools/list", None, limits));
        let Err(StreamableHttpError::Client(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(matches!(error, Error::UnexpectedStatus(_)), "{error:?}");
        assert_eq!(error.remedy(), Remedy::Configure);
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn discover_refused_by_an_older_server_falls_back_to_initialize() {
    let rejected = |status: u16| {
        format!(
            "json {{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{{\"code\":-32600,\"message\":\
             \"server/discover rejected with HTTP {status}\"}}}} "
        )
    };
    let discover = "server/discover";
    for status in [400, 404, 405, 415] {
        check(
            answer(status).with_chunk("canary"),
            discover,
            None,
            &rejected(status),
        );
    }
    let own = ERROR.replace('7', "\"server-error\"");
    check(json(400, &own), discover, None, &format!("json {ERROR} "));
    check(
        answer(429),
        discover,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 429 Too Many Requests",
    );
    check(
        answer(502),
        discover,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 502 Bad Gateway",
    );
    check(
        answer(403),
        discover,
        None,
        "error: Client error: https://mcp.example.com/mcp answered 403 Forbidden",
    );
}

#[test]
fn response_beyond_its_limit_is_an_error() {
    let mut limits = StreamableHttpResponseLimits::default();
    limits.max_json_response_size = RESULT.len();
    limits.max_sse_event_size = RESULT.len();
    let check = |answer, method, expected: &str| {
        let got = run(async { told(post(answer, method, None, limits).await).await });
        assert_eq!(got, expected);
    };
    check(json(200, RESULT), "ping", &format!("json {RESULT} "));
    let longer = format!("{RESULT} ");
    let size = RESULT.len();
    let too_large = format!("error: Client error: the server's answer is larger than {size} bytes");
    check(json(200, &longer), "ping", &too_large);
    check(json(400, &longer), "ping", &too_large);
    check(
        json(500, &longer),
        "ping",
        "error: Client error: https://mcp.example.com/mcp answered 500 Internal Server Error",
    );
    // The error stands in the place of the answer: rmcp has no other way to tell it.
    for method in ["initialize", "ping"] {
        let answer = events(&format!("data: {RESULT}\n\n"));
        let got = run(async { told(post(answer, method, None, limits).await).await });
        let text = format!("\"an event of the server's stream is larger than {size} bytes\"");
        assert!(got.starts_with("sse  [{") && got.contains(&text), "{got}");
    }
}

#[test]
fn reserved_headers_of_the_host_are_refused() {
    let send = |headers: &[(&'static str, &'static str)], token: Option<&str>, uri: &str| {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let headers = headers.collect();
        run(async {
            let fixture = Fixture::signed_in([answer(202)]).await;
            let sent = fixture.client.post_message(
                Arc::from(uri),
                message("ping"),
                Some(Arc::from("s-1")),
                token.map(str::to_owned),
                headers,
            );
            let told = told(sent.await).await;
            (fixture, told)
        })
    };
    let headers = [("mcp-protocol-version", "2025-11-25"), ("x-tenant", "7")];
    let (fixture, told) = send(&headers, None, SERVER);
    assert_eq!(told, "accepted");
    for (name, value) in headers.into_iter().chain([("mcp-session-id", "s-1")]) {
        assert_eq!(fixture.sent(name).as_deref(), Some(value));
    }
    for name in ["accept", "authorization", "mcp-session-id", "last-event-id"] {
        let (fixture, told) = send(&[(name, "x")], None, SERVER);
        assert_eq!(
            told,
            format!("error: Header name '{name}' is reserved and conflicts with default headers")
        );
        assert!(fixture.seen().is_empty());
    }
    let (fixture, told) = send(&[], Some("canary"), SERVER);
    assert!(told.contains("'authorization' is reserved"), "{told}");
    assert!(fixture.seen().is_empty());
    let (fixture, told) = send(&[], None, "https://other.example/mcp?canary");
    assert_eq!(
        told,
        "error: Client error: the transport is for https://other.example/mcp, the session for \
         https://mcp.example.com/mcp"
    );
    assert!(fixture.seen().is_empty(), "no token goes to another server");
    let (_, told) = send(&[], None, "HTTPS://mcp.example.com:443/mcp");
    assert_eq!(told, "accepted", "the same server in other words");
}

#[test]
fn delete_of_a_lost_session_succeeds() {
    let check = |answer: ScriptedResponse, expected: &str, requests: &[&str]| {
        let got = run(async {
            let fixture = Fixture::signed_in([answer]).await;
            let (url, session) = (Arc::from(SERVER), Arc::from("s-1"));
            let client = &fixture.client;
            let delete = client.delete_session(url, session, None, HashMap::new());
            let told = delete
                .await
                .map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(fixture.seen(), requests);
            assert_eq!(fixture.sent("mcp-session-id").as_deref(), Some("s-1"));
            told
        });
        assert!(
            got.contains(expected) && got.is_empty() == expected.is_empty(),
            "{got}"
        );
    };
    let once = &["DELETE Bearer t1"][..];
    check(answer(200), "", once);
    check(answer(202), "", once);
    check(answer(404), "", once);
    check(answer(405), "Server does not support delete session", once);
    check(answer(500), "answered 500 Internal", once);
    check(answer(403), "answered 403 Forbidden", once);
}
