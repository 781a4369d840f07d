//! Grants that are bound to a key (RFC 9449).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{AuthScheme, DpopKey, Remedy, record::SignInCause};
use hallpass_oauth::ProofKey;
use hallpass_session::{Session, SignInNeed, Token};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::{
    fakes::Fault,
    fixture::{Fixture, need, serial},
};

async fn bound(key: DpopKey) -> Fixture {
    let fixture = Fixture::empty();
    fixture
        .put(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.scheme = AuthScheme::Dpop;
            grant.dpop_key = Some(key);
        })
        .await;
    fixture.server.token_type("DPoP");
    fixture.clock.advance(3_600);
    fixture
}

#[tokio::test]
async fn dpop_grant_is_refreshed_with_a_proof_and_the_server_nonce() {
    let fixture = bound(ProofKey::generate().unwrap()).await;
    fixture.server.fault(Fault::WantsNonce("nonce-1"));
    let token = fixture.session().token().await.unwrap();
    assert_eq!((serial(&token), token.scheme()), (2, AuthScheme::Dpop));
    assert!(token.authorization().to_str().unwrap().starts_with("DPoP "));
    assert!(token.dpop_key().is_some());
    let proofs = fixture.server.proofs();
    assert_eq!(proofs.len(), 2);
    assert_ne!(proofs[0], proofs[1], "each request has a proof of its own");
    assert!(fixture.clock.sleeps().is_empty(), "a nonce is no fault");
    assert_eq!(fixture.record().await.pending_refresh, None);
}

#[tokio::test]
async fn server_that_always_asks_for_a_nonce_ends_the_refresh() {
    let fixture = bound(ProofKey::generate().unwrap()).await;
    for _ in 0..20 {
        fixture.server.fault(Fault::WantsNonce("nonce-1"));
    }
    fixture.session().token().await.unwrap_err();
    assert!(fixture.server.posts() <= 6, "{}", fixture.server.posts());
}

#[tokio::test]
async fn bearer_token_in_answer_to_a_dpop_refresh_is_refused() {
    let fixture = bound(ProofKey::generate().unwrap()).await;
    fixture.server.token_type("Bearer");
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::RefreshRefused));
}

#[tokio::test]
async fn dpop_token_in_answer_to_a_bearer_refresh_is_refused() {
    let fixture = Fixture::signed_in().await;
    fixture.server.token_type("DPoP");
    fixture.clock.advance(3_600);
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::RefreshRefused));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("a DPoP token"), "{cause}");
    assert_eq!(fixture.server.posts(), 1);
    let record = fixture.record().await;
    assert_eq!(record.grant.unwrap().scheme, AuthScheme::Bearer);
}

#[tokio::test]
async fn lost_dpop_key_requires_sign_in() {
    let fixture = bound(DpopKey::new("not a key")).await;
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::DpopKeyUnreadable);
    assert_eq!(fixture.server.posts(), 0);
}

/// The headers of one request, and the claims of its proof.
fn authorized(session: &Session, token: &Token, method: &Method, url: &str) -> (HeaderMap, Value) {
    let mut headers = HeaderMap::new();
    let url = url.parse().unwrap();
    session
        .authorize(token, method, &url, &mut headers)
        .unwrap();
    let proof = headers["dpop"].to_str().unwrap();
    let claims = proof.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims = serde_json::from_slice(&claims).unwrap();
    (headers, claims)
}

/// A session with a fresh bound token.
async fn bound_session(key: DpopKey) -> (Session, Token) {
    let fixture = Fixture::empty();
    let put = fixture.put(|record| {
        let grant = record.grant.as_mut().unwrap();
        grant.scheme = AuthScheme::Dpop;
        grant.dpop_key = Some(key);
    });
    put.await;
    let session = fixture.session();
    let token = session.token().await.unwrap();
    (session, token)
}

#[tokio::test]
async fn each_resource_request_has_its_own_proof() {
    let (session, token) = bound_session(ProofKey::generate().unwrap()).await;
    let url = "https://mcp.example.com/mcp?part=1";
    let (headers, first) = authorized(&session, &token, &Method::POST, url);
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("DPoP ")
    );
    assert_eq!(first["htm"], "POST");
    assert_eq!(first["htu"], "https://mcp.example.com/mcp");
    assert_eq!(first["ath"].as_str().unwrap().len(), 43);
    assert_eq!(first["nonce"], Value::Null);
    let (_, second) = authorized(&session, &token, &Method::GET, url);
    assert_eq!(second["htm"], "GET");
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(first["ath"], second["ath"]);
}

#[tokio::test]
async fn last_resource_nonce_is_in_the_next_proof() {
    let (session, token) = bound_session(ProofKey::generate().unwrap()).await;
    let url = "https://mcp.example.com/mcp";
    for nonce in ["one", "two"] {
        let mut answer = HeaderMap::new();
        answer.insert("dpop-nonce", nonce.parse().unwrap());
        session.record_response(&token, &answer);
        let (_, claims) = authorized(&session, &token, &Method::POST, url);
        assert_eq!(claims["nonce"], nonce);
    }
    // A response without a nonce keeps the last one.
    session.record_response(&token, &HeaderMap::new());
    let (_, claims) = authorized(&session, &token, &Method::POST, url);
    assert_eq!(claims["nonce"], "two");
}

#[tokio::test]
async fn bearer_token_is_sent_without_a_proof() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let token = session.token().await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("dpop", "stale".parse().unwrap());
    let url = "https://mcp.example.com/mcp".parse().unwrap();
    session
        .authorize(&token, &Method::POST, &url, &mut headers)
        .unwrap();
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Bearer ")
    );
    assert!(!headers.contains_key("dpop"));
}

#[tokio::test]
async fn dpop_token_without_its_key_is_not_sent() {
    let (session, token) = bound_session(DpopKey::new("not a key")).await;
    let mut headers = HeaderMap::new();
    let url = "https://mcp.example.com/mcp".parse().unwrap();
    let error = session
        .authorize(&token, &Method::POST, &url, &mut headers)
        .unwrap_err();
    assert_eq!(error.remedy(), Remedy::SignIn);
    assert!(headers.is_empty());
}
