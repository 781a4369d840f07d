//! Proofs of possession (RFC 9449) where the authorization server demands them, and PKCE: both are
//! judged before a client is registered.

use std::sync::Arc;

use hallpass_core::{AuthScheme, AuthScheme::Bearer as BEARER, PkceSetting, Record};
use hallpass_login::LoginErrorKind;
use hallpass_testkit::ScriptedResponse;
use serde_json::{Value, json};

use crate::scripted_server::{ScriptedServer, answer, error, tokens};

fn demand(code: &str) -> ScriptedResponse {
    error(400, code).with_header("dpop-nonce", "the-nonce")
}

async fn signed_in(server: ScriptedServer) -> (Arc<ScriptedServer>, Record) {
    let server = Arc::new(server);
    let record = server.login(BEARER, None).await.unwrap();
    (server, record)
}

/// Which of the requests to a path carried a proof.
fn proofs(server: &ScriptedServer, path: &str) -> Vec<bool> {
    let sent = server.sent(path);
    sent.iter()
        .map(|sent| sent.header("dpop").is_some())
        .collect()
}

fn is_bound(record: &Record) -> bool {
    let grant = record.grant.as_ref().unwrap();
    assert_eq!(grant.scheme == AuthScheme::Dpop, grant.dpop_key.is_some());
    grant.scheme == AuthScheme::Dpop
}

#[tokio::test]
async fn metadata_that_requires_bound_tokens_is_obeyed() {
    let required = json!({ "dpop_bound_access_tokens_required": true });
    let server = ScriptedServer::new(&required);
    server.on("/token", [answer(200, &tokens("DPoP"))]);
    let (server, record) = signed_in(server).await;
    assert!(is_bound(&record));
    assert_eq!(proofs(&server, "/token"), [true]);
    // A list of algorithms demands nothing.
    let listed = json!({ "dpop_signing_alg_values_supported": ["ES256"] });
    let (server, record) = signed_in(ScriptedServer::new(&listed)).await;
    assert!(!is_bound(&record));
    assert_eq!(proofs(&server, "/token"), [false]);
}

#[tokio::test]
async fn token_endpoint_that_demands_a_proof_gets_one_and_is_remembered() {
    for code in ["invalid_dpop_proof", "use_dpop_nonce"] {
        let server = ScriptedServer::new(&json!({}));
        server.on("/token", [demand(code), answer(200, &tokens("DPoP"))]);
        let (server, mut record) = signed_in(server).await;
        assert!(is_bound(&record));
        assert_eq!(proofs(&server, "/token"), [false, true]);
        let sent = server.sent("/token");
        assert_eq!(
            sent[0].request.body(),
            sent[1].request.body(),
            "the same request"
        );
        // Also when the grant is gone.
        record.grant = None;
        let record = server.login(BEARER, Some(&record)).await.unwrap();
        assert!(is_bound(&record));
        assert_eq!(proofs(&server, "/token"), [false, true, true]);
        assert!(record.metadata.dpop_bound_access_tokens_required);
    }
}

#[tokio::test]
async fn demand_for_a_proof_is_answered_once() {
    let server = ScriptedServer::new(&json!({}));
    server.on("/token", [error(400, "invalid_dpop_proof")]);
    let server = Arc::new(server);
    let refused = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Exchange);
    assert_eq!(proofs(&server, "/token"), [false, true]);
    let hints = format!("{:?}", refused.hints());
    assert!(hints.contains("clock"), "a proof was sent: {hints}");
}

#[tokio::test]
async fn demand_that_no_key_can_meet_names_the_setting_and_not_the_clock() {
    let listed = json!({ "dpop_signing_alg_values_supported": ["RS256"] });
    let server = ScriptedServer::new(&listed);
    server.on("/token", [error(400, "invalid_dpop_proof")]);
    let server = Arc::new(server);
    let refused = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(proofs(&server, "/token"), [false]);
    let hints = format!("{:?}", refused.hints());
    assert!(
        hints.contains("dpop") && !hints.contains("clock"),
        "{hints}"
    );
}

fn reference() -> ScriptedResponse {
    answer(201, &json!({ "request_uri": "urn:x:1", "expires_in": 60 }))
}

#[tokio::test]
async fn pushed_request_gets_a_proof_where_it_is_demanded() {
    for demanded in [false, true] {
        let server = ScriptedServer::new(&json!({
            "pushed_authorization_request_endpoint": "https://as.example/par",
            "require_pushed_authorization_requests": demanded,
        }));
        server.on("/par", [demand("use_dpop_nonce"), reference()]);
        server.on("/token", [answer(200, &tokens("DPoP"))]);
        let (server, record) = signed_in(server).await;
        assert!(is_bound(&record));
        assert_eq!(proofs(&server, "/par"), [false, true]);
        assert_eq!(proofs(&server, "/token"), [true], "with the same key");
    }
}

#[tokio::test]
async fn device_request_and_poll_get_a_proof_where_they_demand_it() {
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
    });
    for at_device in [true, false] {
        let mut server = ScriptedServer::new(&json!({
            "device_authorization_endpoint": "https://as.example/device",
        }));
        server.declines = true;
        if at_device {
            let demand = demand("invalid_dpop_proof");
            server.on("/device", [demand, answer(200, &code)]);
            server.on("/token", [answer(200, &tokens("DPoP"))]);
        } else {
            server.on("/device", [answer(200, &code)]);
            let tokens = answer(200, &tokens("DPoP"));
            server.on("/token", [demand("use_dpop_nonce"), tokens]);
        }
        let (server, record) = signed_in(server).await;
        assert!(is_bound(&record));
        let expected: [&[bool]; 2] = if at_device {
            [&[false, true], &[true]]
        } else {
            [&[false], &[false, true]]
        };
        assert_eq!(proofs(&server, "/device"), expected[0]);
        assert_eq!(proofs(&server, "/token"), expected[1]);
    }
}

#[tokio::test]
async fn request_that_can_t_be_made_registers_no_client() {
    let check = async |more: Value, change: fn(&mut ScriptedServer), registered: usize| {
        let mut server = ScriptedServer::new(&more);
        change(&mut server);
        let server = Arc::new(server);
        let outcome = server.login(BEARER, None).await;
        assert_eq!(server.sent("/register").len(), registered, "{more}");
        assert_eq!(outcome.is_ok(), registered == 1, "{more}");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), LoginErrorKind::Request);
            assert!(!server.heard("Registering"));
        }
    };
    let without = json!({ "code_challenge_methods_supported": null });
    check(without.clone(), |_| {}, 0).await;
    let assumed = |server: &mut ScriptedServer| server.settings.pkce = PkceSetting::AssumeS256;
    check(without, assumed, 1).await;
    let plain = json!({ "code_challenge_methods_supported": ["plain"] });
    check(plain, |_| {}, 0).await;
    check(json!({ "authorization_endpoint": null }), |_| {}, 0).await;
    let reserved = |server: &mut ScriptedServer| {
        server.settings.authorize_parameters = vec![("state".to_owned(), "mine".to_owned())];
    };
    check(json!({}), reserved, 0).await;
}
