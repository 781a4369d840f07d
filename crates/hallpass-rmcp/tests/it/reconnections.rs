//! Streams that a server ends again and again: rmcp's GET waits, and is refused in the end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hallpass_core::{Clock, Diagnostic as _, Remedy};
use hallpass_rmcp::{ClientError, Error};
use http::Method;
use rmcp::{
    ServiceExt,
    model::ClientJsonRpcMessage,
    transport::{
        StreamableHttpClientTransport,
        common::client_side_sse::FixedInterval,
        streamable_http_client::{
            StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
            StreamableHttpPostResponse,
        },
    },
};
use serde_json::json;

use crate::{
    answers::run,
    scripted_server::{BREAK, Fixture, SERVER, answer, events, json, to},
    streams::{Stream, read},
};

type Got = Result<Stream, StreamableHttpError<Error>>;

fn post(
    fixture: &Fixture,
    method: &str,
) -> impl Future<Output = Result<StreamableHttpPostResponse, StreamableHttpError<Error>>> + use<> {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "t" } });
    let message: ClientJsonRpcMessage = serde_json::from_value(message).unwrap();
    let (client, session) = (fixture.client.clone(), Some(Arc::from("s-1")));
    async move {
        client
            .post_message(Arc::from(SERVER), message, session, None, HashMap::new())
            .await
    }
}

/// The stream that answers a request.
async fn posted(fixture: &Fixture) -> Stream {
    match post(fixture, "tools/list").await.unwrap() {
        StreamableHttpPostResponse::Sse(stream, _) => stream,
        _ => panic!("no stream"),
    }
}

/// What comes of a GET, and how long it waits before it is sent.
async fn get(fixture: &Fixture, after: Option<&str>) -> (Got, Duration) {
    let (client, after) = (fixture.client.clone(), after.map(str::to_owned));
    let session = Some(Arc::from("s-1"));
    let got = client.get_stream(Arc::from(SERVER), session, after, None, HashMap::new());
    let began = fixture.clock.monotonic();
    let passing = async {
        loop {
            fixture.clock.until_asleep(1).await;
            fixture.clock.advance(Duration::from_millis(500));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        got = got => (got, fixture.clock.monotonic().saturating_sub(began)),
        () = passing => unreachable!("time does not end"),
    }
}

const NO_MESSAGE: &str = "again and again without a message";

/// How long each GET waits, in seconds, when every stream ends at once, until one is answered by an
/// error or there are as many.
async fn waits(fixture: &Fixture, first: Stream, after: Option<&str>, most: usize) -> Vec<u64> {
    read(first).await;
    let mut waits = Vec::new();
    while waits.len() < most {
        match get(fixture, after).await {
            (Ok(stream), waited) => {
                if read(stream).await.iter().any(|it| it.contains(NO_MESSAGE)) {
                    break;
                }
                waits.push(waited.as_secs());
            }
            (Err(error), _) => panic!("{error}"),
        }
    }
    waits
}

const ID: &str = "id: 1\n\n";

#[test]
fn request_whose_stream_only_hands_out_ids_ends() {
    run(async {
        for stream in [
            events(ID),
            events(ID).with_body_error(BREAK),
            events("retry: 0\nid: 1\n\n"),
        ] {
            let fixture = Fixture::signed_in([stream]).await;
            let first = posted(&fixture).await;
            let waited = waits(&fixture, first, Some("1"), 100).await;
            assert_eq!(waited[..7], [1, 2, 4, 8, 16, 30, 30]);
            assert_eq!(waited.len(), 24);
            assert_eq!(fixture.seen().len(), 25, "nothing is sent after it");
        }
    });
}

#[test]
fn requests_with_the_same_event_ids_are_counted_each() {
    run(async {
        let fixture = Fixture::signed_in([events(ID)]).await;
        let (one, other) = (posted(&fixture).await, posted(&fixture).await);
        read(other).await;
        let waited = waits(&fixture, one, Some("1"), 6).await;
        let each = [1, 0, 2, 0, 4, 0];
        assert_eq!(waited, each);
    });
}

#[test]
fn server_stream_without_messages_is_opened_less_and_less_often() {
    run(async {
        for (body, after) in [(ID, Some("1")), (": here\n\n", None)] {
            let fixture = Fixture::signed_in([events(body)]).await;
            let first = get(&fixture, None).await.0.unwrap();
            let waited = waits(&fixture, first, after, 100).await;
            assert_eq!(waited[..7], [1, 2, 4, 8, 16, 30, 30]);
            assert_eq!(waited.len(), 100);
        }
    });
}

#[test]
fn server_stream_with_messages_is_opened_after_a_second() {
    run(async {
        let fixture = Fixture::signed_in([events("data: {}\n\n")]).await;
        let first = get(&fixture, None).await.0.unwrap();
        assert_eq!(waits(&fixture, first, None, 5).await, [1; 5]);
        // One that lived that long is opened at once.
        fixture.clock.advance(Duration::from_secs(60));
        let (got, waited) = get(&fixture, None).await;
        assert!(got.is_ok());
        assert_eq!(waited, Duration::ZERO);
    });
}

#[test]
fn failed_open_counts_as_an_end() {
    run(async {
        let fixture = Fixture::signed_in([to(Method::POST, events(ID)), answer(503).into()]).await;
        read(posted(&fixture).await).await;
        let mut waited = Vec::new();
        while let (Err(StreamableHttpError::Client(_)), wait) = get(&fixture, Some("1")).await {
            waited.push(wait.as_secs());
        }
        assert_eq!(waited, [1, 2, 4, 8, 16]);
        // A session that is lost has no answer to the request any more.
        let fixture = Fixture::signed_in([to(Method::POST, events(ID)), answer(404).into()]).await;
        read(posted(&fixture).await).await;
        let told = read(get(&fixture, Some("1")).await.0.unwrap()).await;
        assert!(told[0].contains("ended the stream without"), "{told:?}");
    });
}

#[test]
fn short_retry_is_raised_to_a_second() {
    run(async {
        let body = "retry: 0\n\nretry: 1500\n\n";
        let fixture = Fixture::signed_in([events(body)]).await;
        let told = read(posted(&fixture).await).await;
        assert_eq!(
            told[..2],
            ["None None None Some(1000)", "None None None Some(1500)"]
        );
    });
}

#[test]
fn call_waits_while_the_server_stream_is_about_to_be_reopened() {
    run(async {
        let result = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
        let fixture = Fixture::signed_in([
            to(Method::POST, json(200, &result)),
            to(Method::GET, events("data: {}\n\n")),
        ])
        .await;
        read(get(&fixture, None).await.0.unwrap()).await;
        let call = tokio::spawn(post(&fixture, "tools/call"));
        fixture.clock.until_asleep(1).await;
        assert_eq!(fixture.seen(), ["GET Bearer t1"]);
        let _stream = get(&fixture, None).await.0.unwrap();
        call.await.unwrap().unwrap();
        let seen = ["GET", "GET", "POST"].map(|it| format!("{it} Bearer t1"));
        assert_eq!(fixture.seen(), seen);
    });
}

#[tokio::test]
async fn request_whose_stream_only_hands_out_ids_is_an_error_in_rmcp() {
    let initialized = json!({ "jsonrpc": "2.0", "id": 0, "result": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "serverInfo": { "name": "test", "version": "1" }
    } });
    let initialized = json(200, &initialized.to_string()).with_header("mcp-session-id", "s-1");
    let fixture = Fixture::signed_in([
        to(Method::POST, initialized),
        to(Method::POST, answer(202)),
        to(Method::DELETE, answer(202)),
        to(Method::GET, answer(405)),
        to(Method::GET, events(ID)),
        to(Method::POST, events(ID)),
    ])
    .await;
    let mut config = StreamableHttpClientTransportConfig::with_uri(SERVER);
    let mut pauses = FixedInterval::default();
    pauses.duration = Duration::from_millis(1);
    config.retry_config = Arc::new(pauses);
    let transport = StreamableHttpClientTransport::with_client(fixture.client.clone(), config);
    let service = ().serve(transport).await.unwrap();
    let passing = async {
        loop {
            fixture.clock.until_asleep(1).await;
            fixture.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::select! {
        listed = service.list_all_tools() => listed.unwrap_err(),
        () = passing => unreachable!("time does not end"),
    };
    let error = ClientError::from(error);
    assert!(error.to_string().contains(NO_MESSAGE), "{error}");
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(!service.is_closed());
    service.cancel().await.unwrap();
}
