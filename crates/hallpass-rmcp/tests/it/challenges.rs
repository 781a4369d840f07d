//! Who is asked for a token, when, and how often.

use std::{collections::HashMap, sync::Arc};

use hallpass_core::{Diagnostic as _, Remedy, http::HttpErrorKind};
use hallpass_rmcp::Error;
use hallpass_session::SessionError;
use hallpass_testkit::ScriptedResponse;
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{StreamableHttpClient, StreamableHttpError},
};
use serde_json::json;

use crate::{
    answers::run,
    scripted_server::{Fixture, SERVER, answer, answered, challenge},
};

type RmcpError = StreamableHttpError<Error>;

pub(crate) async fn post(fixture: &Fixture) -> Result<(), RmcpError> {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    send(fixture, list).await
}

async fn send(fixture: &Fixture, message: serde_json::Value) -> Result<(), RmcpError> {
    let message: ClientJsonRpcMessage = serde_json::from_value(message).unwrap();
    let sent = fixture
        .client
        .post_message(Arc::from(SERVER), message, None, None, HashMap::new());
    sent.await.map(drop)
}

pub(crate) async fn get(fixture: &Fixture) -> Result<(), RmcpError> {
    let stream = fixture
        .client
        .get_stream(Arc::from(SERVER), None, None, None, HashMap::new());
    stream.await.map(drop)
}

async fn delete(fixture: &Fixture) -> Result<(), RmcpError> {
    let session = Arc::from("s-1");
    let deleted = fixture
        .client
        .delete_session(Arc::from(SERVER), session, None, HashMap::new());
    deleted.await
}

fn granted(fixture: &Fixture) -> usize {
    fixture.granted()
}

#[test]
fn challenge_leads_to_the_first_sign_in() {
    for refusal in [
        challenge(
            401,
            "Bearer resource_metadata=\"https://mcp.example.com/x\"",
        ),
        challenge(401, "Basic realm=x"),
        answer(401),
    ] {
        run(async {
            let fixture = Fixture::new([refusal, answered()]);
            post(&fixture).await.unwrap();
            assert_eq!(fixture.seen(), ["POST -", "POST Bearer t1"]);
            post(&fixture).await.unwrap();
            assert_eq!(fixture.seen()[2..], ["POST Bearer t1"]);
            assert_eq!(granted(&fixture), 1);
        });
    }
}

#[test]
fn server_without_challenge_gets_no_token() {
    run(async {
        let fixture = Fixture::new([answered()]);
        post(&fixture).await.unwrap();
        assert_eq!(fixture.seen(), ["POST -"]);
        assert_eq!(granted(&fixture), 0);
    });
}

#[test]
fn insufficient_scope_leads_to_another_token() {
    run(async {
        let more = challenge(403, "Bearer error=\"insufficient_scope\", scope=\"write\"");
        let fixture = Fixture::signed_in([more, answered()]).await;
        post(&fixture).await.unwrap();
        assert_eq!(fixture.seen(), ["POST Bearer t1", "POST Bearer t2"]);
    });
}

#[test]
fn second_challenge_is_read_too() {
    run(async {
        let refusal = challenge(403, "Basic realm=x, Bearer realm=\"a, b\"").with_header(
            "www-authenticate",
            "Bearer error=insufficient_scope, scope=\"write\"",
        );
        let fixture = Fixture::signed_in([refusal, answered()]).await;
        post(&fixture).await.unwrap();
        assert_eq!(fixture.seen(), ["POST Bearer t1", "POST Bearer t2"]);
    });
}

/// A server that never says yes gets no more than `most` requests, and the caller a stated end.
#[track_caller]
fn ends(answers: Vec<ScriptedResponse>, most: usize, remedy: Remedy) {
    run(async {
        let fixture = Fixture::new(answers);
        let error = post(&fixture).await.unwrap_err();
        let StreamableHttpError::Client(found) = &error else {
            panic!("{error:?}");
        };
        assert!(
            matches!(found, Error::Session(_) | Error::TooManyChallenges(_)),
            "{found:?}"
        );
        assert_eq!(found.remedy(), remedy, "{found}");
        assert!(fixture.seen().len() <= most, "{:?}", fixture.seen());
        assert!(fixture.seen().len() > 1, "{:?}", fixture.seen());
    });
}

#[test]
fn server_that_refuses_each_token_gets_few_requests() {
    ends(vec![answer(401)], 2, Remedy::Report);
    ends(
        vec![challenge(401, "Bearer error=invalid_token")],
        2,
        Remedy::Report,
    );
    let wants = |scope: &str| {
        challenge(
            403,
            &format!("Bearer error=insufficient_scope, scope={scope}"),
        )
    };
    ends(vec![answer(401), wants("a")], 3, Remedy::Configure);
    let insatiable = ["a", "b", "c", "d", "e", "f", "g", "h"].map(wants);
    let insatiable = [answer(401)].into_iter().chain(insatiable);
    // The sign-in, then two step-ups.
    ends(insatiable.collect(), 4, Remedy::Report);
}

#[test]
fn only_requests_and_notifications_of_the_host_sign_in() {
    let check = |message: serde_json::Value, sign_ins| {
        run(async {
            let fixture = Fixture::new([answer(401), answered()]);
            let outcome = send(&fixture, message).await;
            assert_eq!(outcome.is_ok(), sign_ins == 1);
            assert_eq!(granted(&fixture), sign_ins);
            assert_eq!(fixture.seen().len(), 1 + sign_ins);
        });
    };
    let initialized = "notifications/initialized";
    check(json!({ "jsonrpc": "2.0", "method": initialized }), 1);
    check(json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }), 1);
    check(json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), 0);
    let error = json!({ "code": -32601, "message": "no" });
    check(json!({ "jsonrpc": "2.0", "id": 1, "error": error }), 0);
    let cancelled = "notifications/cancelled";
    let of = json!({ "requestId": 1 });
    check(
        json!({ "jsonrpc": "2.0", "method": cancelled, "params": of }),
        0,
    );
}

#[test]
fn get_and_delete_do_not_sign_in() {
    run(async {
        let fixture = Fixture::new([answer(401)]);
        let error = get(&fixture).await.unwrap_err();
        assert!(
            matches!(error, StreamableHttpError::AuthRequired(_)),
            "{error:?}"
        );
        let error = delete(&fixture).await.unwrap_err();
        assert!(
            matches!(
                error,
                StreamableHttpError::Client(Error::Session(SessionError::SignInRequired(_)))
            ),
            "{error:?}"
        );
        assert_eq!(fixture.seen(), ["GET -", "DELETE -"]);
        assert_eq!(granted(&fixture), 0);
    });
}

#[test]
fn refused_stream_is_not_opened_again() {
    let check = |refusal: ScriptedResponse, is_expected: fn(&RmcpError) -> bool, says: &str| {
        run(async {
            let fixture = Fixture::signed_in([refusal]).await;
            let error = get(&fixture).await.unwrap_err();
            assert!(is_expected(&error), "{error:?}");
            let text = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(text, says);
            assert_eq!(granted(&fixture), 1);
        });
    };
    check(
        challenge(401, "Bearer a=b").with_header("www-authenticate", "Basic"),
        |error| matches!(error, StreamableHttpError::AuthRequired(_)),
        "authorization required: Bearer a=b, Basic",
    );
    check(
        answer(401),
        |error| matches!(error, StreamableHttpError::AuthRequired(_)),
        "authorization required: ",
    );
    check(
        challenge(403, "Bearer error=insufficient_scope, scope=w"),
        |error| matches!(error, StreamableHttpError::InsufficientScope(_)),
        "insufficient scope: Bearer error=insufficient_scope, scope=w",
    );
}

#[test]
fn closed_session_sends_nothing() {
    run(async {
        let fixture = Fixture::new([answered()]);
        fixture
            .client
            .session()
            .close(std::time::Duration::from_secs(10))
            .await
            .unwrap();
        let error = post(&fixture).await.unwrap_err();
        assert!(
            matches!(
                error,
                StreamableHttpError::Client(Error::Session(SessionError::Closed(_)))
            ),
            "{error:?}"
        );
        let error = get(&fixture).await.unwrap_err();
        assert!(
            matches!(error, StreamableHttpError::AuthRequired(_)),
            "{error:?}"
        );
        assert!(fixture.seen().is_empty());
    });
}

#[test]
fn errors_and_debug_show_no_token() {
    run(async {
        let fixture = Fixture::signed_in([answer(401)]).await;
        let error = post(&fixture).await.unwrap_err();
        let text = format!("{error} {error:?} {:?}", fixture.client);
        assert!(!text.contains("t1"), "{text}");
    });
}

#[test]
fn ensure_signed_in_answers_challenges_only() {
    for status in [200, 202, 400, 403, 404, 500] {
        run(async {
            let fixture = Fixture::new([answer(status)]);
            fixture.client.ensure_signed_in().await.unwrap();
            assert_eq!(fixture.seen(), ["POST -"]);
            assert_eq!(granted(&fixture), 0);
        });
    }
    run(async {
        let fixture = Fixture::new([answer(401)]);
        let error = fixture.client.ensure_signed_in().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Report, "{error}");
        assert_eq!(fixture.seen().len(), 2);
        let fixture = Fixture::new([ScriptedResponse::error(HttpErrorKind::Connect)]);
        let error = fixture.client.ensure_signed_in().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry, "{error}");
    });
}

#[test]
fn request_to_another_server_or_with_another_token_is_refused() {
    run(async {
        let fixture = Fixture::signed_in([answered()]).await;
        let get = |uri: &str, token: Option<&str>| {
            let (uri, token) = (Arc::from(uri), token.map(str::to_owned));
            let stream = fixture
                .client
                .get_stream(uri, None, None, token, HashMap::new());
            async { stream.await.map(drop).unwrap_err() }
        };
        let error = get("https://other.example/mcp", None).await;
        let found = Error::find_in_chain(&error).unwrap();
        assert!(matches!(found, Error::OtherServer(_)), "{found:?}");
        assert_eq!(found.remedy(), Remedy::Configure);
        let error = get(SERVER, Some("another")).await;
        assert!(
            matches!(error, StreamableHttpError::ReservedHeaderConflict(_)),
            "{error:?}"
        );
        assert!(fixture.seen().is_empty());
    });
}
