//! Pushed requests, bound tokens, the device grant, and requests that are sent again.

use std::sync::Arc;

use hallpass_core::{
    AuthScheme, ClientId, CredentialKey, DpopSetting, Record, Registration, Remedy, ServerMetadata,
    ServerUrl, SettingsFingerprint,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_login::LoginErrorKind;
use serde_json::{Value, json};

use crate::{
    fixture::quiet_port,
    scripted_server::{ISSUER, SERVER, ScriptedServer, answer, error, tokens},
};

const BEARER: AuthScheme = AuthScheme::Bearer;

fn pushing(more: &Value) -> ScriptedServer {
    let mut metadata = json!({
        "pushed_authorization_request_endpoint": "https://as.example/par",
    });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let server = ScriptedServer::new(&metadata);
    let reference =
        json!({ "request_uri": "urn:ietf:params:oauth:request_uri:1", "expires_in": 60 });
    server.on("/par", [answer(201, &reference)]);
    server
}

/// A record with a registration of an earlier login.
async fn registered() -> Record {
    let metadata = ServerMetadata::new(ISSUER.parse().unwrap());
    let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
    let mut record = Record::new(key, metadata, SettingsFingerprint::default());
    let mut registration = Registration::new(RegistrationOrigin::Dynamic, ClientId::new("before"));
    let port = quiet_port().await;
    registration.redirect_uri = Some(format!("http://127.0.0.1:{port}/callback"));
    record.registration = Some(registration);
    record
}

#[tokio::test]
async fn pushed_request_has_the_parameters_and_the_url_a_reference() {
    let server = Arc::new(pushing(
        &json!({ "require_pushed_authorization_requests": true }),
    ));
    let record = server.login(BEARER, None).await.unwrap();
    assert!(record.is_signed_in());
    let pushed = &server.sent("/par")[0];
    assert_eq!(pushed.parameters("resource"), [SERVER]);
    assert_eq!(pushed.parameters("response_type"), ["code"]);
    assert_eq!(server.sent("/token")[0].parameters("resource"), [SERVER]);
}

#[tokio::test]
async fn refused_push_ends_the_login_only_where_demanded() {
    let server = Arc::new(pushing(&json!({})));
    server.on("/par", [error(403, "unauthorized_client")]);
    assert!(server.login(BEARER, None).await.unwrap().is_signed_in());

    let server = Arc::new(pushing(
        &json!({ "require_pushed_authorization_requests": true }),
    ));
    server.on("/par", [error(400, "invalid_target")]);
    let refused = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Request);
    assert!(!refused.hints().is_empty());
    assert!(!server.heard("OpenUrl"));

    let demands = json!({ "require_pushed_authorization_requests": true });
    let server = Arc::new(ScriptedServer::new(&demands));
    let refused = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Report);
}

#[tokio::test]
async fn refused_push_of_a_reused_client_registers_again() {
    let server = Arc::new(pushing(&json!({})));
    let reference = json!({ "request_uri": "urn:1" });
    server.on(
        "/par",
        [error(401, "invalid_client"), answer(201, &reference)],
    );
    let record = server
        .login(BEARER, Some(&registered().await))
        .await
        .unwrap();
    assert_eq!(
        record.registration.unwrap().client_id.as_str(),
        "the-client"
    );
    assert_eq!(server.sent("/register").len(), 1);
    assert!(
        server.heard("Registering { issuer: Issuer(https://as.example), reason: Some(Refused)")
    );
}

#[tokio::test]
async fn tokens_are_bound_where_the_resource_demands_it() {
    let server = Arc::new(ScriptedServer::new(&json!({})));
    let demand = error(400, "use_dpop_nonce").with_header("dpop-nonce", "the-nonce");
    server.on("/token", [demand, answer(200, &tokens("DPoP"))]);
    let record = server.login(AuthScheme::Dpop, None).await.unwrap();
    let grant = record.grant.unwrap();
    assert_eq!(grant.scheme, AuthScheme::Dpop);
    assert!(grant.dpop_key.is_some());
    let proofs: Vec<_> = server
        .sent("/token")
        .into_iter()
        .map(|sent| sent.header("dpop").unwrap().to_owned())
        .collect();
    assert_eq!(proofs.len(), 2);
    assert_ne!(proofs[0], proofs[1]);

    // A stolen bearer token could be used without the key.
    let server = Arc::new(ScriptedServer::new(&json!({})));
    let refused = server.login(AuthScheme::Dpop, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Exchange);

    let none_of_ours = json!({ "dpop_signing_alg_values_supported": ["RS256"] });
    let server = Arc::new(ScriptedServer::new(&none_of_ours));
    let refused = server.login(AuthScheme::Dpop, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Request);
    assert!(server.sent("/register").is_empty());

    let server = Arc::new(ScriptedServer::new(&json!({})));
    let record = server.login(BEARER, None).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_none());
    assert!(server.sent("/token")[0].header("dpop").is_none());
}

#[tokio::test]
async fn bound_token_without_proof_is_refused() {
    let server = Arc::new(ScriptedServer::new(&json!({})));
    server.on("/token", [answer(200, &tokens("DPoP"))]);
    let refused = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Exchange);
    assert_eq!(refused.remedy(), Remedy::Configure);
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("a DPoP token"), "{cause}");
    assert!(refused.hints()[0].to_string().contains("`dpop`"));
    assert_eq!(server.sent("/token").len(), 1);
}

#[tokio::test]
async fn dpop_setting_binds_tokens() {
    let mut server = ScriptedServer::new(&json!({}));
    server.settings.dpop = DpopSetting::Always;
    server.on("/token", [answer(200, &tokens("DPoP"))]);
    let server = Arc::new(server);
    let record = server.login(BEARER, None).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_some());
    assert!(server.sent("/token")[0].header("dpop").is_some());
}

#[tokio::test]
async fn code_that_was_not_processed_is_sent_again() {
    let server = Arc::new(ScriptedServer::new(&json!({})));
    let busy = answer(503, &json!({}));
    server.on(
        "/token",
        [busy.clone(), busy.clone(), answer(200, &tokens("Bearer"))],
    );
    assert!(server.login(BEARER, None).await.unwrap().is_signed_in());
    let sent = server.sent("/token");
    assert_eq!(sent.len(), 3);
    assert!(
        sent.iter()
            .all(|again| again.request.body() == sent[0].request.body())
    );

    let server = Arc::new(ScriptedServer::new(&json!({})));
    server.on("/token", [busy]);
    let error = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry);
    assert_eq!(server.sent("/token").len(), 3);
}

#[tokio::test]
async fn public_client_refused_by_the_token_endpoint_is_registered_with_a_secret() {
    let server = Arc::new(ScriptedServer::new(&json!({})));
    let public = json!({ "client_id": "public", "token_endpoint_auth_method": "none" });
    let confidential = json!({ "client_id": "confidential", "client_secret": "canary-secret" });
    server.on(
        "/register",
        [answer(201, &public), answer(201, &confidential)],
    );
    server.on(
        "/token",
        [error(401, "invalid_client"), answer(200, &tokens("Bearer"))],
    );
    let record = server.login(BEARER, None).await.unwrap();
    let registration = record.registration.unwrap();
    assert_eq!(registration.client_id.as_str(), "confidential");
    assert!(registration.client_secret.is_some());
    assert_eq!(server.sent("/token").len(), 2, "each code once");

    // Once: a server that wants no client at all is not registered at for ever.
    let server = Arc::new(ScriptedServer::new(&json!({})));
    server.on("/token", [error(401, "invalid_client")]);
    server.login(BEARER, None).await.unwrap_err();
    assert_eq!(server.sent("/register").len(), 2);
}

#[tokio::test]
async fn host_chooses_scopes_and_another_account() {
    let mut server = pushing(&json!({ "scopes_supported": ["offline_access"] }));
    server.asks_for = Some("a offline_access");
    server.another_account = true;
    let server = Arc::new(server);
    let record = server.login(BEARER, None).await.unwrap();
    let pushed = &server.sent("/par")[0];
    assert_eq!(pushed.parameters("scope"), ["a offline_access"]);
    assert_eq!(pushed.parameters("prompt"), ["select_account consent"]);
    let asked = record.grant.unwrap().requested_scopes;
    assert_eq!(asked.to_string(), "a offline_access");
}

pub(crate) fn device(browser: bool) -> ScriptedServer {
    let mut server = ScriptedServer::new(&json!({
        "device_authorization_endpoint": "https://as.example/device",
    }));
    server.declines = !browser;
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
        "expires_in": 900,
        "interval": 5,
    });
    server.on("/device", [answer(200, &code)]);
    server
}

#[tokio::test]
async fn user_signs_in_on_another_device() {
    let server = device(false);
    server.on(
        "/token",
        [
            error(400, "authorization_pending"),
            error(400, "slow_down"),
            answer(200, &tokens("Bearer")),
        ],
    );
    let server = Arc::new(server);
    let record = server.login(BEARER, None).await.unwrap();
    assert_eq!(record.grant.unwrap().kind, GrantKind::DeviceCode);
    assert_eq!(server.sent("/device")[0].parameters("resource"), [SERVER]);
    for poll in server.sent("/token") {
        assert_eq!(poll.parameters("resource"), [SERVER]);
    }
    let registered: Value =
        serde_json::from_slice(server.sent("/register")[0].request.body()).unwrap();
    let grants = registered["grant_types"].to_string();
    assert!(
        grants.contains("device_code") && grants.contains("authorization_code"),
        "{grants}"
    );
    let events = server.events.lock().unwrap().join("\n");
    assert!(events.contains("DeviceCode {"), "{events}");
    assert!(
        !events.contains("WDJB") && !events.contains("canary"),
        "{events}"
    );
}

#[tokio::test]
async fn denial_on_another_device_ends_the_login() {
    let server = device(false);
    server.on("/token", [error(400, "access_denied")]);
    let denied = Arc::new(server).login(BEARER, None).await.unwrap_err();
    assert_eq!(denied.kind(), LoginErrorKind::Denied);
}

#[tokio::test]
async fn failed_device_grant_leaves_the_browser() {
    let server = device(true);
    server.on("/device", [error(400, "unauthorized_client")]);
    let server = Arc::new(server);
    let record = server.login(BEARER, None).await.unwrap();
    assert_eq!(record.grant.unwrap().kind, GrantKind::AuthorizationCode);
}
