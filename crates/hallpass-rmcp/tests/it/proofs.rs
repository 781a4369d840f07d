//! Tokens that are bound to a key, on each method, hop and repeat.

use std::{collections::HashMap, sync::Arc};

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_rmcp::Error;
use hallpass_testkit::ScriptedResponse;
use http::Method;
use rmcp::transport::streamable_http_client::{StreamableHttpClient, StreamableHttpError};

use crate::{
    answers::run,
    challenges::{get, post},
    scripted_server::{Fixture, SERVER, answer, answered, challenge, events},
};

/// The server wants its nonce in the proof.
fn wants(nonce: &str) -> ScriptedResponse {
    challenge(401, "DPoP error=\"use_dpop_nonce\"").with_header("dpop-nonce", nonce)
}

/// Every proof that was sent: what it is for, and the nonce in it. Each is another one.
fn proofs(fixture: &Fixture) -> Vec<String> {
    let claims = fixture.proofs();
    let mut ids: Vec<_> = claims.iter().map(|claims| claims["jti"].clone()).collect();
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), claims.len(), "a proof went out twice");
    let shown = claims.iter().map(|claims| {
        let url = claims["htu"].as_str().unwrap();
        let path = url.strip_prefix("https://mcp.example.com").unwrap();
        let nonce = claims["nonce"].as_str().unwrap_or("-");
        format!("{} {path} {nonce}", claims["htm"].as_str().unwrap())
    });
    shown.collect()
}

#[test]
fn every_request_has_a_proof_and_the_last_nonce() {
    run(async {
        let fixture = Fixture::bound([
            answered().with_header("dpop-nonce", "n1"),
            events("data: {}\n\n").with_header("dpop-nonce", "n2"),
            answer(200),
        ])
        .await;
        post(&fixture).await.unwrap();
        get(&fixture).await.unwrap();
        let client = &fixture.client;
        let deleted =
            client.delete_session(Arc::from(SERVER), Arc::from("s"), None, HashMap::new());
        deleted.await.unwrap();
        assert_eq!(
            proofs(&fixture),
            ["POST /mcp -", "GET /mcp n1", "DELETE /mcp n2"]
        );
        assert_eq!(
            fixture.seen(),
            ["POST DPoP t1", "GET DPoP t1", "DELETE DPoP t1"]
        );
    });
}

#[test]
fn nonce_challenge_repeats_the_request_with_the_nonce() {
    run(async {
        let fixture = Fixture::bound([wants("n1"), answered(), answered()]).await;
        post(&fixture).await.unwrap();
        post(&fixture).await.unwrap();
        assert_eq!(
            proofs(&fixture),
            ["POST /mcp -", "POST /mcp n1", "POST /mcp n1"]
        );
        assert_eq!(fixture.granted(), 1, "no token was refused");
    });
}

#[test]
fn each_hop_has_a_proof_of_its_own() {
    run(async {
        let moved = answer(307)
            .with_header("location", "/elsewhere?x=1")
            .with_header("dpop-nonce", "n1");
        let fixture = Fixture::bound([moved, answered()]).await;
        post(&fixture).await.unwrap();
        assert_eq!(proofs(&fixture), ["POST /mcp -", "POST /elsewhere n1"]);
    });
}

#[test]
fn endless_nonce_challenges_end_with_an_error() {
    run(async {
        let fixture = Fixture::bound([wants("n1"), wants("n2"), wants("n3"), wants("n4")]).await;
        let error = post(&fixture).await.unwrap_err();
        let StreamableHttpError::Client(error @ Error::TooManyChallenges(_)) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(error.remedy(), Remedy::Report);
        assert_eq!(
            proofs(&fixture),
            ["POST /mcp -", "POST /mcp n1", "POST /mcp n2"]
        );
        assert_eq!(fixture.granted(), 1);
    });
}

#[test]
fn nonce_challenge_repeats_no_bearer_request() {
    run(async {
        let fixture = Fixture::signed_in([wants("n1"), answered()]).await;
        // What follows is a refusal like any other: a fresh token that was refused.
        post(&fixture).await.unwrap_err();
        assert_eq!(fixture.seen(), [format!("{} Bearer t1", Method::POST)]);
    });
}
