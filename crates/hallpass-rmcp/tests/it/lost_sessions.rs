//! Sessions that the server knows no more, and says so in other words than 404.

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_rmcp::{ClientError, Error};
use hallpass_testkit::ScriptedResponse;
use http::Method;
use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::{RunningService, ServiceError},
};

use crate::{
    plain_words::{opened, over},
    scripted_server::{Fixture, answer, events, json, to},
};

type Service = RunningService<RoleClient, ()>;

/// A service whose server answers its requests so, after the session `s-1` was opened.
pub(crate) async fn served(
    answers: impl IntoIterator<Item = ScriptedResponse>,
) -> (Fixture, Service) {
    let mut all = vec![
        to(Method::GET, answer(405)),
        to(Method::DELETE, answer(200)),
        to(Method::POST, opened("s-1")),
        to(Method::POST, answer(202)),
    ];
    all.extend(answers.into_iter().map(|answer| to(Method::POST, answer)));
    let fixture = Fixture::signed_in(all).await;
    let service = ().serve(over(&fixture)).await.unwrap();
    (fixture, service)
}

fn refusal(status: u16, code: i64) -> ScriptedResponse {
    let body = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"no"}}}}"#);
    json(status, &body)
}

fn plain(status: u16) -> ScriptedResponse {
    answer(status).with_header("content-type", "text/plain")
}

fn tools(id: u32) -> ScriptedResponse {
    json(
        200,
        &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#),
    )
}

async fn call(service: &Service) -> Result<(), ServiceError> {
    let called = service.call_tool(CallToolRequestParams::new("t"));
    called.await.map(drop)
}

/// How each request was named, after the first two.
fn methods(fixture: &Fixture) -> Vec<String> {
    let posts = fixture.posted();
    posts.into_iter().skip(2).collect()
}

#[tokio::test]
async fn request_that_is_refused_like_a_ping_is_sent_again_in_another_session() {
    for refused in [
        || plain(400),
        || plain(409),
        || refusal(400, -32600),
        || refusal(400, -32000),
        || refusal(200, -32000),
    ] {
        let again = [opened("s-2"), answer(202), tools(1)];
        let (fixture, service) = served([refused(), refused()].into_iter().chain(again)).await;
        service.list_tools(None).await.unwrap();
        assert_eq!(
            methods(&fixture),
            [
                "tools/list s-1",
                "ping s-1",
                "initialize -",
                "notifications/initialized s-2",
                "tools/list s-2"
            ]
        );
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn call_that_is_refused_like_a_ping_is_an_error_and_the_next_opens_a_session() {
    for (refused, may_have_run) in [
        (plain(400), false),
        (refusal(400, -32600), false),
        (refusal(200, -32000), true),
    ] {
        let done = json(200, r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
        let again = [opened("s-2"), answer(202), done];
        let (fixture, service) = served([refused.clone(), refused].into_iter().chain(again)).await;
        let error = ClientError::from(call(&service).await.unwrap_err());
        let Some(Error::SessionLost(lost)) = error.transport_error() else {
            panic!("{error:?}");
        };
        assert_eq!(lost.may_have_run(), may_have_run, "{error}");
        assert_eq!(error.remedy(), Remedy::Retry);
        assert!(
            error.to_string().contains("has lost the session"),
            "{error}"
        );
        call(&service).await.unwrap();
        assert_eq!(
            methods(&fixture),
            [
                "tools/call s-1",
                "ping s-1",
                "initialize -",
                "notifications/initialized s-2",
                "tools/call s-2"
            ]
        );
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn refusal_that_a_ping_does_not_get_is_the_answer() {
    let pong = || json(200, r#"{"jsonrpc":"2.0","id":"hallpass-ping","result":{}}"#);
    for (refused, ping) in [
        (plain(400), pong()),
        (refusal(400, -32600), refusal(400, -32000)),
        (refusal(200, -32000), refusal(400, -32000)),
        (plain(409), plain(400)),
    ] {
        let (fixture, service) = served([refused, ping]).await;
        assert!(service.list_tools(None).await.is_err());
        assert_eq!(methods(&fixture), ["tools/list s-1", "ping s-1"]);
        service.cancel().await.unwrap();
    }
    // Other errors are no question.
    for refused in [plain(422), refusal(200, -32601)] {
        let (fixture, service) = served([refused, pong()]).await;
        assert!(service.list_tools(None).await.is_err());
        assert_eq!(methods(&fixture), ["tools/list s-1"]);
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn second_loss_within_a_minute_is_the_answer() {
    let first = [plain(400), plain(400), opened("s-2"), answer(202), tools(1)];
    let later = [
        plain(400),
        plain(400),
        plain(400),
        opened("s-3"),
        answer(202),
        tools(3),
    ];
    let (fixture, service) = served(first.into_iter().chain(later)).await;
    service.list_tools(None).await.unwrap();
    let error = ClientError::from(service.list_tools(None).await.unwrap_err());
    assert!(error.to_string().contains("answered 400"), "{error}");
    assert_eq!(methods(&fixture).len(), 6, "{:?}", methods(&fixture));
    fixture.clock.advance(std::time::Duration::from_secs(60));
    service.list_tools(None).await.unwrap();
    assert_eq!(methods(&fixture)[6..8], ["tools/list s-2", "ping s-2"]);
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn session_that_ends_with_404_repeats_the_call_once() {
    let done = json(200, r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    let (fixture, service) = served([plain(404), opened("s-2"), answer(202), done]).await;
    call(&service).await.unwrap();
    assert_eq!(methods(&fixture).last().unwrap(), "tools/call s-2");
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn refusal_on_a_stream_is_the_answer_and_the_next_request_has_another_session() {
    let error = |id: &str| {
        let error = r#""error":{"code":-32000,"message":"no"}"#;
        events(&format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},{error}}}\n\n"
        ))
    };
    let refused = [error("1"), error("\"hallpass-ping\"")];
    let again = [opened("s-2"), answer(202), tools(2)];
    let (fixture, service) = served(refused.into_iter().chain(again)).await;
    assert!(call(&service).await.is_err());
    service.list_tools(None).await.unwrap();
    let expected = [
        "tools/call s-1",
        "ping s-1",
        "initialize -",
        "notifications/initialized s-2",
        "tools/list s-2",
    ];
    assert_eq!(methods(&fixture), expected);
    service.cancel().await.unwrap();
    // An error of the tool, while the session lives.
    let pong = json(200, r#"{"jsonrpc":"2.0","id":"hallpass-ping","result":{}}"#);
    let (fixture, service) = served([error("1"), pong, tools(2), tools(3)]).await;
    assert!(call(&service).await.is_err());
    service.list_tools(None).await.unwrap();
    service.list_tools(None).await.unwrap();
    let expected = [
        "tools/call s-1",
        "ping s-1",
        "tools/list s-1",
        "tools/list s-1",
    ];
    assert_eq!(methods(&fixture), expected);
    service.cancel().await.unwrap();
}
