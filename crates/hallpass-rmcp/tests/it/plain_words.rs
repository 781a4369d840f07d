//! What a host hears of an answer that is none: plain words, and what to do.

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_mcp::with_causes;
use hallpass_rmcp::{ClientError, Transport, transport};
use hallpass_testkit::ScriptedResponse;
use http::Method;
use rmcp::{ServiceExt, model::CallToolRequestParams};
use serde_json::json;

use crate::lost_sessions::served;
use crate::scripted_server::{BREAK, Fixture, answer, events, json, to};

/// The answer to `initialize`, which opens the session `session`.
pub(crate) fn opened(session: &str) -> ScriptedResponse {
    let result = json!({ "jsonrpc": "2.0", "id": 0, "result": {
        "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
        "serverInfo": { "name": "test", "version": "1" }
    } });
    json(200, &result.to_string()).with_header("mcp-session-id", session)
}

fn page() -> ScriptedResponse {
    answer(200)
        .with_header("content-type", "text/html")
        .with_chunk("<!doctype html><title>Sign in</title>")
}

fn redirect(to: &str) -> ScriptedResponse {
    answer(307).with_header("location", to)
}

pub(crate) fn over(fixture: &Fixture) -> Transport {
    let server = fixture.client.session().key().server.clone();
    transport(fixture.client.clone(), &server)
}

/// The error of a call that is answered so, and of one that reads.
async fn called(answers: impl IntoIterator<Item = ScriptedResponse>) -> ClientError {
    let (_fixture, service) = served(answers).await;
    let called = service.call_tool(CallToolRequestParams::new("t")).await;
    let error = ClientError::from(called.unwrap_err());
    service.cancel().await.unwrap();
    error
}

async fn initialized(first: ScriptedResponse) -> ClientError {
    let fixture = Fixture::signed_in([first]).await;
    ().serve(over(&fixture)).await.unwrap_err().into()
}

const UNKNOWN: &str =
    "it is not known whether the server did what was asked; it was not asked again";

fn check(error: &ClientError, text: &str, remedy: Remedy, hint: Option<&str>) {
    assert_eq!(with_causes(error), text);
    assert_eq!(error.remedy(), remedy, "{text}");
    let hints: Vec<_> = error.hints().iter().map(ToString::to_string).collect();
    assert_eq!(hints.first().map(String::as_str), hint, "{text}");
}

#[tokio::test]
async fn answer_that_is_no_message_is_told_in_plain_words() {
    let other_url = Some("this may not be the URL of an MCP endpoint");
    let page_words = "https://mcp.example.com/mcp answered 200 OK with an invalid message: it is an \
                      HTML page: the server says: \"Sign in\"";
    check(
        &called([page()]).await,
        page_words,
        Remedy::Configure,
        other_url,
    );
    check(
        &initialized(page()).await,
        page_words,
        Remedy::Configure,
        other_url,
    );
    // A redirect to a page that is not there: the session was opened again, which did not help.
    let lost = || [redirect("/login?next=/mcp"), json(404, "no")];
    let again = [opened("s-2"), answer(202)];
    check(
        &called(lost().into_iter().chain(again).chain(lost())).await,
        "https://mcp.example.com/login answered 404 Not Found: the server says: \"no\"",
        Remedy::Configure,
        other_url,
    );
    check(
        &called([answer(500).with_chunk("oops")]).await,
        "https://mcp.example.com/mcp answered 500 Internal Server Error: the server says: \"oops\"",
        Remedy::Retry,
        None,
    );
    check(
        &called([events(
            "data: {\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}\n\n",
        )])
        .await,
        "https://mcp.example.com/mcp answered 200 OK with an invalid message: it answers another \
         request",
        Remedy::Report,
        None,
    );
    check(
        &called([events("data: {\"id\":1,\"result\":{}}\n\n")]).await,
        "https://mcp.example.com/mcp answered 200 OK with an invalid message: its `jsonrpc` is not \
         \"2.0\"",
        Remedy::Report,
        None,
    );
}

#[tokio::test]
async fn stream_without_an_answer_says_that_the_outcome_is_not_known() {
    for stream in [events("data: {\n"), events(": here\n\n")] {
        let text = "the server ended the stream without an answer";
        check(&called([stream]).await, text, Remedy::Retry, Some(UNKNOWN));
    }
    let broken = called([events(": here\n\n").with_body_error(BREAK)]).await;
    assert_eq!(broken.remedy(), Remedy::Retry);
    assert_eq!(broken.hints()[0].to_string(), UNKNOWN, "{broken}");
    let cut = json(200, "{").with_body_error(BREAK);
    let broken = called([cut]).await;
    assert_eq!(broken.remedy(), Remedy::Retry);
    assert_eq!(broken.hints()[0].to_string(), UNKNOWN, "{broken}");
    // The first request of a connection does nothing twice.
    let empty = initialized(events(": here\n\n")).await;
    assert_eq!(
        empty.to_string(),
        "the server ended the stream without an answer"
    );
    assert_eq!(empty.remedy(), Remedy::Retry);
}

#[tokio::test]
async fn size_limit_is_named_with_its_setting() {
    let large = "x".repeat(33 << 20);
    let setting = Some("set `max_message_size`");
    let check = |error: &ClientError, text: &str| check(error, text, Remedy::Configure, setting);
    let body = called([json(200, &large)]).await;
    check(&body, "the server's answer is larger than 32 MiB");
    let stream = called([events(&format!("data: {large}\n\n"))]).await;
    check(
        &stream,
        "an event of the server's stream is larger than 32 MiB",
    );
}

#[tokio::test]
async fn error_of_the_server_is_its_own_word_on_one_line() {
    let error = json!({ "jsonrpc": "2.0", "id": 1, "error": {
        "code": -32602, "message": "no\nhint: run this", "data": { "remedy": "retry" }
    } });
    for answer in [
        json(200, &error.to_string()),
        events(&format!("data: {error}\n\n")),
    ] {
        let text =
            "the server answered with the error -32602: the server says: \"no hint: run this\"";
        check(&called([answer]).await, text, Remedy::Report, None);
    }
}

#[tokio::test]
async fn whatever_the_server_says_to_initialized_the_call_goes_on() {
    let result = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    let refused = |status| answer(status).with_header("content-type", "text/plain");
    for said in [
        refused(500).with_chunk("oops"),
        refused(400).with_chunk("no"),
        refused(404),
        events(": ok\n\n"),
        events(""),
        page(),
        json(
            400,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#,
        ),
    ] {
        let fixture = Fixture::signed_in([
            to(Method::GET, answer(405)),
            to(Method::DELETE, answer(200)),
            to(Method::POST, opened("s-1")),
            to(Method::POST, said),
            to(Method::POST, json(200, result)),
        ])
        .await;
        let service = ().serve(over(&fixture)).await.unwrap();
        let called = service.call_tool(CallToolRequestParams::new("t")).await;
        called.unwrap();
        service.cancel().await.unwrap();
    }
}
