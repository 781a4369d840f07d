//! Event streams: what comes through, and when rmcp is kept from opening them again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::BoxStream};
use hallpass_core::Clock;
use hallpass_rmcp::Error;
use hallpass_testkit::ScriptedResponse;
use http::Method;
use rmcp::{
    ServiceExt,
    model::ClientJsonRpcMessage,
    transport::{
        StreamableHttpClientTransport,
        common::client_side_sse::FixedInterval,
        streamable_http_client::{
            SseError, StreamableHttpClient, StreamableHttpClientTransportConfig,
            StreamableHttpError, StreamableHttpPostResponse,
        },
    },
};
use serde_json::json;
use sse_stream::Sse;

use crate::{
    answers::run,
    scripted_server::{BREAK, Fixture, SERVER, answer, challenge, events, json, to},
};

pub(crate) type Stream = BoxStream<'static, Result<Sse, SseError>>;

async fn get(
    fixture: &Fixture,
    session: Option<&str>,
    after: Option<&str>,
) -> Result<Stream, StreamableHttpError<Error>> {
    let stream = fixture.client.get_stream_with_max_sse_event_size(
        Arc::from(SERVER),
        session.map(Arc::from),
        after.map(str::to_owned),
        None,
        HashMap::new(),
        32,
    );
    stream.await
}

pub(crate) async fn read(mut stream: Stream) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = stream.next().await {
        told.push(match event {
            Ok(event) => format!(
                "{:?} {:?} {:?} {:?}",
                event.event, event.data, event.id, event.retry
            ),
            Err(error) => format!("error: {error}"),
        });
    }
    told
}

#[test]
fn events_keep_their_ids_for_resumption() {
    run(async {
        let body = "id: 1\nretry: 1500\ndata:\n\n: ping\n\nevent: x\ndata: {}\n\nid: 2\n\n";
        let fixture = Fixture::signed_in([events(body)]).await;
        let stream = get(&fixture, Some("s-1"), Some("0")).await.unwrap();
        assert_eq!(fixture.sent("last-event-id").as_deref(), Some("0"));
        assert_eq!(fixture.sent("mcp-session-id").as_deref(), Some("s-1"));
        assert_eq!(fixture.sent("accept").as_deref(), Some("text/event-stream"));
        assert_eq!(
            read(stream).await,
            [
                "None Some(\"\") Some(\"1\") Some(1500)",
                "Some(\"x\") Some(\"{}\") None None",
                "None None Some(\"2\") None",
            ]
        );
        let _ = get(&fixture, None, Some("")).await.unwrap();
        assert_eq!(fixture.sent("last-event-id"), None, "after nothing");
    });
}

#[test]
fn get_answer_is_a_stream_or_the_end_of_it() {
    let check = |answer: ScriptedResponse, session: Option<&str>, expected: &str| {
        run(async {
            let fixture = Fixture::signed_in([answer]).await;
            match get(&fixture, session, None).await {
                Ok(_) => panic!("a stream"),
                Err(error) => assert_eq!(error.to_string(), expected),
            }
            assert_eq!(fixture.seen(), ["GET Bearer t1"]);
        });
    };
    let none = "Server does not support SSE";
    for status in [400, 403, 404, 405, 406, 410, 501] {
        check(answer(status), None, none);
    }
    check(answer(202), None, none);
    let page = answer(200).with_header("content-type", "text/html");
    check(page, None, none);
    check(answer(404), Some("s-1"), "Session expired (HTTP 404)");
    check(answer(405), Some("s-1"), none);
    check(
        answer(429),
        None,
        "Client error: https://mcp.example.com/mcp answered 429 Too Many Requests",
    );
    check(
        answer(503),
        None,
        "Client error: https://mcp.example.com/mcp answered 503 Service Unavailable",
    );
    check(
        answer(408),
        None,
        "Client error: https://mcp.example.com/mcp answered 408 Request Timeout",
    );
}

#[test]
fn broken_stream_ends_so_that_rmcp_pauses() {
    run(async {
        let fixture =
            Fixture::signed_in([events("id: 1\ndata: a\n\ndata: b").with_body_error(BREAK)]).await;
        let stream = get(&fixture, None, None).await.unwrap();
        assert_eq!(read(stream).await, ["None Some(\"a\") Some(\"1\") None"]);
    });
}

const TOO_LARGE: &str = "data: 0123456789012345678901234567890123456789\n\n";

#[test]
fn too_large_event_is_not_fetched_again() {
    run(async {
        let body = format!("id: 5\ndata: a\n\n{TOO_LARGE}data: b\n\n");
        let fixture = Fixture::signed_in([events(&body)]).await;
        let stream = get(&fixture, Some("s-1"), None).await.unwrap();
        assert_eq!(read(stream).await.len(), 1);
        assert_eq!(fixture.seen().len(), 1);
        // rmcp would go on after the event 5 now, and meet the same again.
        let refused = get(&fixture, Some("s-1"), Some("5")).await;
        assert!(matches!(
            refused,
            Err(StreamableHttpError::ServerDoesNotSupportSse)
        ));
        assert_eq!(fixture.seen().len(), 1, "nothing is sent");
        // Another place, another session: that is another matter.
        assert!(get(&fixture, Some("s-1"), Some("6")).await.is_ok());
        assert!(get(&fixture, Some("s-2"), Some("5")).await.is_ok());
        assert_eq!(fixture.seen().len(), 3);
    });
}

#[test]
fn too_large_event_without_id_is_not_fetched_again() {
    run(async {
        let fixture = Fixture::signed_in([events(TOO_LARGE)]).await;
        read(get(&fixture, Some("s-1"), None).await.unwrap()).await;
        assert!(get(&fixture, Some("s-1"), None).await.is_err());
        read(get(&fixture, Some("s-1"), Some("7")).await.unwrap()).await;
        assert!(get(&fixture, Some("s-1"), Some("7")).await.is_err());
        assert_eq!(fixture.seen().len(), 2);
    });
}

#[test]
fn too_large_response_leaves_the_server_stream_open() {
    run(async {
        let large = format!("data: {}\n\n", "x".repeat(33 << 20));
        let fixture = Fixture::signed_in([events(&large), events("data: a\n\n")]).await;
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let message: ClientJsonRpcMessage = serde_json::from_value(message).unwrap();
        let session = Some(Arc::from("s-1"));
        let posted =
            fixture
                .client
                .post_message(Arc::from(SERVER), message, session, None, HashMap::new());
        let StreamableHttpPostResponse::Sse(stream, _) = posted.await.unwrap() else {
            panic!("no stream");
        };
        let told = read(stream).await;
        assert!(told[0].contains("is larger than 32 MiB"), "{told:?}");
        assert!(get(&fixture, Some("s-1"), None).await.is_ok());
    });
}

/// How often rmcp asks for its stream when the first one ends and `then` is the answer to all others,
/// once it has asked `enough`.
async fn gets(then: ScriptedResponse, enough: usize) -> usize {
    let initialized = json!({ "jsonrpc": "2.0", "id": 0, "result": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "serverInfo": { "name": "test", "version": "1" }
    } });
    let fixture = Fixture::signed_in([
        to(
            Method::POST,
            json(200, &initialized.to_string()).with_header("mcp-session-id", "s-1"),
        ),
        to(Method::POST, answer(202)),
        to(Method::DELETE, answer(202)),
        to(Method::GET, events(": here\n\n")),
        to(Method::GET, then),
    ])
    .await;
    let mut config = StreamableHttpClientTransportConfig::with_uri(SERVER);
    let mut pauses = FixedInterval::default();
    pauses.duration = Duration::from_millis(1);
    config.retry_config = Arc::new(pauses);
    let transport = StreamableHttpClientTransport::with_client(fixture.client.clone(), config);
    let service = ().serve(transport).await.unwrap();
    let count = || {
        fixture
            .seen()
            .iter()
            .filter(|it| it.starts_with("GET"))
            .count()
    };
    let passing = async |count: &dyn Fn() -> bool| {
        while !count() {
            fixture.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    passing(&|| count() >= enough).await;
    // Long enough for many more, if there are any.
    let end = fixture.clock.monotonic() + Duration::from_secs(30);
    passing(&|| fixture.clock.monotonic() >= end).await;
    service.cancel().await.unwrap();
    count()
}

#[tokio::test]
async fn rmcp_opens_no_stream_after_a_refusal() {
    assert_eq!(gets(answer(401), 2).await, 2);
    let scope = challenge(403, "Bearer error=insufficient_scope, scope=w");
    assert_eq!(gets(scope, 2).await, 2);
    assert_eq!(gets(answer(403), 2).await, 2);
    assert_eq!(gets(answer(405), 2).await, 2);
    // While a server that is down for a moment is asked again.
    assert!(gets(answer(503), 4).await >= 4);
}
