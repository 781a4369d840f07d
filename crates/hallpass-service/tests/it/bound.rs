//! Tokens that are bound to a key (RFC 9449).

use hallpass_core::{AuthScheme, Challenge, DpopSetting, Remedy, SignInReason};
use hallpass_service::ServiceErrorKind;
use serde_json::json;

use crate::script::{Asked, Script, answer, claims, error, itself, token};

fn demanded<'a>() -> Asked<'a> {
    Asked {
        challenges: vec![Challenge::new(AuthScheme::Dpop)],
        ..Asked::default()
    }
}

#[tokio::test]
async fn a_server_that_wants_its_nonce_gets_the_same_request_with_another_proof() {
    let script = Script::new(&json!({}));
    let mut wants = error(400, "use_dpop_nonce");
    wants
        .headers_mut()
        .insert("dpop-nonce", "n1".parse().unwrap());
    script.on("/token", [wants, answer(200, &token("DPoP"))]);
    let login = script.login(itself());
    let record = demanded().of(&login).await.unwrap();
    let grant = record.grant.as_ref().unwrap();
    assert_eq!(grant.scheme, AuthScheme::Dpop);
    assert!(grant.dpop_key.is_some());
    let sent = script.sent("/token");
    let proofs: Vec<_> = sent
        .iter()
        .map(|sent| claims(sent.dpop.as_ref().unwrap()))
        .collect();
    assert_eq!(proofs.len(), 2);
    assert_eq!(proofs[0]["htu"], "https://as.example/token");
    assert_eq!(proofs[1]["nonce"], "n1");
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);

    // The next token is bound to the same key, without anybody demanding it again.
    let asked = Asked {
        reason: SignInReason::Ended,
        challenges: Vec::new(),
        previous: Some(&record),
        ..Asked::default()
    };
    let next = asked.of(&login).await.unwrap().grant.unwrap();
    assert_eq!(next.dpop_key, grant.dpop_key);
    assert_eq!(next.scheme, AuthScheme::Dpop);
}

#[tokio::test]
async fn a_bearer_token_in_place_of_a_bound_one_is_refused() {
    let script = Script::new(&json!({}));
    let refused = demanded().of(&script.login(itself())).await.unwrap_err();
    assert_eq!(refused.kind(), ServiceErrorKind::Refused);
    assert_eq!(script.sent("/token").len(), 1);
}

#[tokio::test]
async fn bound_token_that_was_not_asked_for_is_refused() {
    let script = Script::new(&json!({}));
    script.on("/token", [answer(200, &token("DPoP"))]);
    let login = script.login(itself());
    let refused = Asked::default().of(&login).await.unwrap_err();
    assert_eq!(refused.kind(), ServiceErrorKind::Refused);
    assert_eq!(refused.remedy(), Remedy::Configure);
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("a DPoP token"), "{cause}");
    assert!(refused.hint().unwrap().contains("`dpop`"));
    assert_eq!(script.sent("/token").len(), 1);
}

#[tokio::test]
async fn a_setting_binds_tokens_that_no_server_demands() {
    let script = Script::new(&json!({}));
    script.on("/token", [answer(200, &token("DPoP"))]);
    let mut asked = Asked::default();
    asked.settings.dpop = DpopSetting::Always;
    let record = asked.of(&script.login(itself())).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_some());
    assert!(script.sent("/token")[0].dpop.is_some());
}

#[tokio::test]
async fn a_server_that_takes_no_es256_is_reported() {
    let script = Script::new(&json!({ "dpop_signing_alg_values_supported": ["RS256"] }));
    let refused = demanded().of(&script.login(itself())).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Report);
    assert!(script.sent("/token").is_empty());
}
