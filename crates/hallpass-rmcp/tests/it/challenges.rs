//! Who is asked for a token, when, and how often.

use std::{collections::HashMap, sync::Arc};

use hallpass_core::Remedy;
use hallpass_rmcp::Error;
use hallpass_session::SessionError;
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{StreamableHttpClient, StreamableHttpError},
};
use serde_json::json;

use crate::{
    answers::run,
    script::{Answer, SERVER, World, answer, answered, challenge},
};

type RmcpError = StreamableHttpError<Error>;

pub(crate) async fn post(world: &World) -> Result<(), RmcpError> {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    send(world, list).await
}

async fn send(world: &World, message: serde_json::Value) -> Result<(), RmcpError> {
    let message: ClientJsonRpcMessage = serde_json::from_value(message).unwrap();
    let sent = world
        .client
        .post_message(Arc::from(SERVER), message, None, None, HashMap::new());
    sent.await.map(drop)
}

pub(crate) async fn get(world: &World) -> Result<(), RmcpError> {
    let stream = world
        .client
        .get_stream(Arc::from(SERVER), None, None, None, HashMap::new());
    stream.await.map(drop)
}

async fn delete(world: &World) -> Result<(), RmcpError> {
    let session = Arc::from("s-1");
    let deleted = world
        .client
        .delete_session(Arc::from(SERVER), session, None, HashMap::new());
    deleted.await
}

fn granted(world: &World) -> usize {
    world.granted()
}

#[test]
fn the_challenge_drives_the_first_sign_in() {
    for refusal in [
        challenge(
            401,
            "Bearer resource_metadata=\"https://mcp.example.com/x\"",
        ),
        challenge(401, "Basic realm=x"),
        answer(401),
    ] {
        run(async {
            let world = World::new([refusal, answered()]);
            post(&world).await.unwrap();
            assert_eq!(world.seen(), ["POST -", "POST Bearer t1"]);
            post(&world).await.unwrap();
            assert_eq!(world.seen()[2..], ["POST Bearer t1"]);
            assert_eq!(granted(&world), 1);
        });
    }
}

#[test]
fn a_server_that_asks_for_nothing_gets_no_token() {
    run(async {
        let world = World::new([answered()]);
        post(&world).await.unwrap();
        assert_eq!(world.seen(), ["POST -"]);
        assert_eq!(granted(&world), 0);
    });
}

#[test]
fn a_step_up_repeats_the_request() {
    run(async {
        let more = challenge(403, "Bearer error=\"insufficient_scope\", scope=\"write\"");
        let world = World::signed_in([more, answered()]).await;
        post(&world).await.unwrap();
        assert_eq!(world.seen(), ["POST Bearer t1", "POST Bearer t2"]);
    });
}

#[test]
fn the_challenge_that_counts_may_be_the_second() {
    run(async {
        let refusal = challenge(403, "Basic realm=x, Bearer realm=\"a, b\"").header(
            "www-authenticate",
            "Bearer error=insufficient_scope, scope=\"write\"",
        );
        let world = World::signed_in([refusal, answered()]).await;
        post(&world).await.unwrap();
        assert_eq!(world.seen(), ["POST Bearer t1", "POST Bearer t2"]);
    });
}

/// A server that never says yes gets no more than `most` requests, and the caller a stated end.
#[track_caller]
fn ends(answers: Vec<Answer>, most: usize, remedy: Remedy) {
    run(async {
        let world = World::new(answers);
        let error = post(&world).await.unwrap_err();
        let StreamableHttpError::Client(found) = &error else {
            panic!("{error:?}");
        };
        assert!(
            matches!(found, Error::Session(_) | Error::TooManyChallenges(_)),
            "{found:?}"
        );
        assert_eq!(found.remedy(), remedy, "{found}");
        assert!(world.seen().len() <= most, "{:?}", world.seen());
        assert!(world.seen().len() > 1, "{:?}", world.seen());
    });
}

#[test]
fn a_server_that_never_says_yes() {
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
fn a_message_of_the_hosts_own_signs_in_and_another_does_not() {
    let check = |message: serde_json::Value, sign_ins| {
        run(async {
            let world = World::new([answer(401), answered()]);
            let outcome = send(&world, message).await;
            assert_eq!(outcome.is_ok(), sign_ins == 1);
            assert_eq!(granted(&world), sign_ins);
            assert_eq!(world.seen().len(), 1 + sign_ins);
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
fn a_get_or_delete_does_not_sign_in() {
    run(async {
        let world = World::new([answer(401)]);
        let error = get(&world).await.unwrap_err();
        assert!(
            matches!(error, StreamableHttpError::AuthRequired(_)),
            "{error:?}"
        );
        let error = delete(&world).await.unwrap_err();
        assert!(
            matches!(
                error,
                StreamableHttpError::Client(Error::Session(SessionError::SignInRequired(_)))
            ),
            "{error:?}"
        );
        assert_eq!(world.seen(), ["GET -", "DELETE -"]);
        assert_eq!(granted(&world), 0);
    });
}

#[test]
fn a_stream_that_is_refused_is_not_asked_for_again() {
    let check = |refusal: Answer, is_expected: fn(&RmcpError) -> bool, says: &str| {
        run(async {
            let world = World::signed_in([refusal]).await;
            let error = get(&world).await.unwrap_err();
            assert!(is_expected(&error), "{error:?}");
            let text = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(text, says);
            assert_eq!(granted(&world), 1);
        });
    };
    check(
        challenge(401, "Bearer a=b").header("www-authenticate", "Basic"),
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
fn nothing_is_sent_on_a_closed_session() {
    run(async {
        let world = World::new([answered()]);
        world
            .client
            .session()
            .close(std::time::Duration::from_secs(10))
            .await
            .unwrap();
        let error = post(&world).await.unwrap_err();
        assert!(
            matches!(
                error,
                StreamableHttpError::Client(Error::Session(SessionError::Closed(_)))
            ),
            "{error:?}"
        );
        let error = get(&world).await.unwrap_err();
        assert!(
            matches!(error, StreamableHttpError::AuthRequired(_)),
            "{error:?}"
        );
        assert!(world.seen().is_empty());
    });
}

#[test]
fn no_token_in_any_text() {
    run(async {
        let world = World::signed_in([answer(401)]).await;
        let error = post(&world).await.unwrap_err();
        let text = format!("{error} {error:?} {:?}", world.client);
        assert!(!text.contains("t1"), "{text}");
    });
}

#[test]
fn preparing_leaves_all_but_challenges_to_rmcp() {
    for status in [200, 202, 400, 403, 404, 500] {
        run(async {
            let world = World::new([answer(status)]);
            world.client.ensure_signed_in().await.unwrap();
            assert_eq!(world.seen(), ["POST -"]);
            assert_eq!(granted(&world), 0);
        });
    }
    run(async {
        let world = World::new([answer(401)]);
        let error = world.client.ensure_signed_in().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Report, "{error}");
        assert_eq!(world.seen().len(), 2);
        let world = World::new([]);
        let error = world.client.ensure_signed_in().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry, "{error}");
    });
}

#[test]
fn request_to_another_server_or_with_another_token_is_refused() {
    run(async {
        let world = World::signed_in([answered()]).await;
        let get = |uri: &str, token: Option<&str>| {
            let (uri, token) = (Arc::from(uri), token.map(str::to_owned));
            let stream = world
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
        assert!(world.seen().is_empty());
    });
}
