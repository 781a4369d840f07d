//! A client that proves itself with a signature (`private_key_jwt`, RFC 7523 §2.2).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{
    AuthScheme, ClientId, ClientPrivateKey, ClientSigningKey, PreRegisteredClient,
    TokenEndpointAuthMethod, record::GrantKind,
};
use hallpass_login::LoginErrorKind;
use hallpass_oauth::ProofKey;
use serde_json::{Value, json};

use crate::script::{ISSUER, Script, Sent, answer, error, tokens};

fn key() -> ClientSigningKey {
    let document = ProofKey::generate().unwrap();
    let document = document.expose();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n");
    ClientSigningKey {
        pem: ClientPrivateKey::new(pem),
        id: Some("key-1".to_owned()),
    }
}

/// A server that takes signatures alone, and a client with a key.
fn signing(more: &Value) -> Script {
    let mut metadata = json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let mut script = Script::new(&metadata);
    script.settings.client.pre_registered =
        Some(PreRegisteredClient::new(ClientId::new("by-hand")));
    script.settings.client.key = Some(key());
    script
}

/// The header and the claims of a request's assertion.
fn assertion(sent: &Sent) -> (Value, Value) {
    assert_eq!(sent.values("client_id"), ["by-hand"]);
    let [assertion] = sent.values("client_assertion")[..] else {
        panic!("{sent:?}");
    };
    let mut parts = assertion.split('.').map(|part| {
        let part = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&part).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

#[tokio::test]
async fn each_request_is_signed_for_the_issuer_and_anew() {
    let script = signing(&json!({
        "pushed_authorization_request_endpoint": "https://as.example/par",
    }));
    let reference = json!({ "request_uri": "urn:example:1", "expires_in": 60 });
    script.on("/par", [answer(201, &reference)]);
    let busy = answer(503, &json!({}));
    script.on("/token", [busy, answer(200, &tokens("Bearer"))]);
    let script = Arc::new(script);
    let record = script.login(AuthScheme::Bearer, None).await.unwrap();
    let registration = record.registration.unwrap();
    assert_eq!(
        registration.auth_method,
        TokenEndpointAuthMethod::PrivateKeyJwt
    );

    let sent = [script.sent("/par"), script.sent("/token")].concat();
    assert_eq!(sent.len(), 3);
    let mut seen = Vec::new();
    for sent in &sent {
        let (header, claims) = assertion(sent);
        assert_eq!(header["kid"], "key-1");
        assert_eq!(claims["aud"], ISSUER);
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("by-hand"), &json!("by-hand"))
        );
        assert!(!seen.contains(&claims["jti"]), "a jti came twice");
        seen.push(claims["jti"].clone());
    }
}

#[tokio::test]
async fn each_question_about_a_device_code_is_signed_anew() {
    let mut script = signing(&json!({
        "device_authorization_endpoint": "https://as.example/device",
    }));
    script.declines = true;
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
        "expires_in": 900,
    });
    script.on("/device", [answer(200, &code)]);
    let pending = error(400, "authorization_pending");
    script.on("/token", [pending, answer(200, &tokens("Bearer"))]);
    let script = Arc::new(script);
    let record = script.login(AuthScheme::Bearer, None).await.unwrap();
    assert_eq!(record.grant.unwrap().kind, GrantKind::DeviceCode);
    let sent = [script.sent("/device"), script.sent("/token")].concat();
    let mut jtis: Vec<_> = sent
        .iter()
        .map(|sent| assertion(sent).1["jti"].to_string())
        .collect();
    jtis.sort();
    jtis.dedup();
    assert_eq!(jtis.len(), 3);
}

#[tokio::test]
async fn a_metadata_document_with_a_key_signs_too() {
    let mut script = signing(&json!({ "client_id_metadata_document_supported": true }));
    script.settings.client.pre_registered = None;
    script.settings.client.metadata_document = Some("https://host.example/c.json".parse().unwrap());
    let script = Arc::new(script);
    script.login(AuthScheme::Bearer, None).await.unwrap();
    let sent = &script.sent("/token")[0];
    assert_eq!(sent.values("client_id"), ["https://host.example/c.json"]);
    assert_eq!(sent.values("client_assertion").len(), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_before_anything_is_sent() {
    let mut script = signing(&json!({}));
    script.settings.client.key = Some(ClientSigningKey {
        pem: ClientPrivateKey::new("canary"),
        id: None,
    });
    let script = Arc::new(script);
    let error = script.login(AuthScheme::Bearer, None).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Setting);
    assert!(error.hint().unwrap().contains("openssl"));
    assert!(!script.heard("Discovering"));
}
