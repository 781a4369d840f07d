//! Tokens that are bound to a key (RFC 9449).

use hallpass_core::{AuthScheme, Challenge, DpopSetting, Remedy, SignInReason};
use hallpass_service::ServiceErrorKind;
use serde_json::json;

use crate::scripted_server::{ScriptedServer, SignInCase, answer, claims, error, itself, token};

fn demanded<'a>() -> SignInCase<'a> {
    SignInCase {
        challenges: vec![Challenge::new(AuthScheme::Dpop)],
        ..SignInCase::default()
    }
}

#[tokio::test]
async fn demanded_nonce_is_sent_in_another_proof() {
    let server = ScriptedServer::new(&json!({}));
    let wants = error(400, "use_dpop_nonce").with_header("dpop-nonce", "n1");
    server.on("/token", [wants, answer(200, &token("DPoP"))]);
    let login = server.login(itself());
    let record = demanded().run(&login).await.unwrap();
    let grant = record.grant.as_ref().unwrap();
    assert_eq!(grant.scheme, AuthScheme::Dpop);
    assert!(grant.dpop_key.is_some());
    let sent = server.sent("/token");
    let proofs: Vec<_> = sent
        .iter()
        .map(|sent| claims(sent.header("dpop").unwrap()))
        .collect();
    assert_eq!(proofs.len(), 2);
    assert_eq!(proofs[0]["htu"], "https://as.example/token");
    assert_eq!(proofs[1]["nonce"], "n1");
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);

    // The next token is bound to the same key, without another demand.
    let asked = SignInCase {
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        previous: Some(&record),
        ..SignInCase::default()
    };
    let next = asked.run(&login).await.unwrap().grant.unwrap();
    assert_eq!(next.dpop_key, grant.dpop_key);
    assert_eq!(next.scheme, AuthScheme::Dpop);
}

#[tokio::test]
async fn bearer_token_in_answer_to_a_proof_is_refused() {
    let server = ScriptedServer::new(&json!({}));
    let refused = demanded().run(&server.login(itself())).await.unwrap_err();
    assert_eq!(refused.kind(), ServiceErrorKind::Refused);
    assert_eq!(server.sent("/token").len(), 1);
}

#[tokio::test]
async fn bound_token_without_proof_is_refused() {
    let server = ScriptedServer::new(&json!({}));
    server.on("/token", [answer(200, &token("DPoP"))]);
    let login = server.login(itself());
    let refused = SignInCase::default().run(&login).await.unwrap_err();
    assert_eq!(refused.kind(), ServiceErrorKind::Refused);
    assert_eq!(refused.remedy(), Remedy::Configure);
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("a DPoP token"), "{cause}");
    assert!(refused.hints()[0].to_string().contains("`dpop`"));
    assert_eq!(server.sent("/token").len(), 1);
}

#[tokio::test]
async fn demanded_proof_is_sent_in_the_same_request_once_more() {
    let server = ScriptedServer::new(&json!({}));
    let demand = error(400, "invalid_dpop_proof");
    server.on("/token", [demand, answer(200, &token("DPoP"))]);
    let login = server.login(itself());
    let record = SignInCase::default().run(&login).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_some());
    let sent = server.sent("/token");
    assert!(sent[0].header("dpop").is_none() && sent[1].header("dpop").is_some());
    assert_eq!(sent[0].form(), sent[1].form());
}

#[tokio::test]
async fn dpop_setting_binds_tokens() {
    let server = ScriptedServer::new(&json!({}));
    server.on("/token", [answer(200, &token("DPoP"))]);
    let mut asked = SignInCase::default();
    asked.settings.dpop = DpopSetting::Always;
    let record = asked.run(&server.login(itself())).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_some());
    assert!(server.sent("/token")[0].header("dpop").is_some());
}

#[tokio::test]
async fn server_without_es256_is_reported() {
    let server = ScriptedServer::new(&json!({ "dpop_signing_alg_values_supported": ["RS256"] }));
    let refused = demanded().run(&server.login(itself())).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Report);
    assert!(server.sent("/token").is_empty());
}
