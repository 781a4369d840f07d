//! A client that proves itself with a signature (`private_key_jwt`, RFC 7523 §2.2).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{
    AuthScheme, ClientId, ClientPrivateKey, ClientSigningKey, PreRegisteredClient,
    TokenEndpointAuthMethod, record::GrantKind,
};
use hallpass_login::LoginErrorKind;
use hallpass_oauth::ProofKey;
use hallpass_testkit::SentRequest;
use serde_json::{Value, json};

use crate::scripted_server::{ISSUER, ScriptedServer, answer, error, tokens};

pub(crate) fn key() -> ClientSigningKey {
    let document = ProofKey::generate().unwrap();
    let document = document.expose();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n");
    ClientSigningKey {
        pem: ClientPrivateKey::new(pem),
        id: Some("key-1".to_owned()),
    }
}

/// A server that takes signatures alone, and a client with a key.
fn signing(more: &Value) -> ScriptedServer {
    let mut metadata = json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let mut server = ScriptedServer::new(&metadata);
    server.settings.client.pre_registered =
        Some(PreRegisteredClient::new(ClientId::new("by-hand")));
    server.settings.client.key = Some(key());
    server
}

/// The header and the claims of a request's assertion.
fn assertion(sent: &SentRequest) -> (Value, Value) {
    assert_eq!(sent.parameters("client_id"), ["by-hand"]);
    let assertion = sent.parameter("client_assertion").unwrap();
    let mut parts = assertion.split('.').map(|part| {
        let part = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&part).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

#[tokio::test]
async fn each_request_has_a_new_assertion_for_the_issuer() {
    let server = signing(&json!({
        "pushed_authorization_request_endpoint": "https://as.example/par",
    }));
    let reference = json!({ "request_uri": "urn:example:1", "expires_in": 60 });
    server.on("/par", [answer(201, &reference)]);
    let busy = answer(503, &json!({}));
    server.on("/token", [busy, answer(200, &tokens("Bearer"))]);
    let server = Arc::new(server);
    let record = server.login(AuthScheme::Bearer, None).await.unwrap();
    let registration = record.registration.unwrap();
    assert_eq!(
        registration.auth_method,
        TokenEndpointAuthMethod::PrivateKeyJwt
    );

    let sent = [server.sent("/par"), server.sent("/token")].concat();
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
async fn each_device_poll_has_a_new_assertion() {
    let mut server = signing(&json!({
        "device_authorization_endpoint": "https://as.example/device",
    }));
    server.declines = true;
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
        "expires_in": 900,
    });
    server.on("/device", [answer(200, &code)]);
    let pending = error(400, "authorization_pending");
    server.on("/token", [pending, answer(200, &tokens("Bearer"))]);
    let server = Arc::new(server);
    let record = server.login(AuthScheme::Bearer, None).await.unwrap();
    assert_eq!(record.grant.unwrap().kind, GrantKind::DeviceCode);
    let sent = [server.sent("/device"), server.sent("/token")].concat();
    let mut jtis: Vec<_> = sent
        .iter()
        .map(|sent| assertion(sent).1["jti"].to_string())
        .collect();
    jtis.sort();
    jtis.dedup();
    assert_eq!(jtis.len(), 3);
}

#[tokio::test]
async fn metadata_document_client_with_a_key_signs() {
    let mut server = signing(&json!({ "client_id_metadata_document_supported": true }));
    server.settings.client.pre_registered = None;
    server.settings.client.metadata_document = Some("https://host.example/c.json".parse().unwrap());
    let server = Arc::new(server);
    server.login(AuthScheme::Bearer, None).await.unwrap();
    let sent = &server.sent("/token")[0];
    assert_eq!(
        sent.parameters("client_id"),
        ["https://host.example/c.json"]
    );
    assert_eq!(sent.parameters("client_assertion").len(), 1);
}

#[tokio::test]
async fn unusable_client_key_is_refused_before_discovery() {
    let mut server = signing(&json!({}));
    server.settings.client.key = Some(ClientSigningKey {
        pem: ClientPrivateKey::new("canary"),
        id: None,
    });
    let server = Arc::new(server);
    let error = server.login(AuthScheme::Bearer, None).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Setting);
    assert!(error.hints()[0].to_string().contains("openssl"));
    assert!(!server.heard("Discovering"));
}
