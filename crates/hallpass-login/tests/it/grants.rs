//! Pushed requests, bound tokens, the device grant, and servers that need to be asked twice.

use std::sync::Arc;

use hallpass_core::{
    AuthScheme, ClientId, CredentialKey, DpopSetting, Record, Registration, Remedy, ServerMetadata,
    ServerUrl, SettingsFingerprint,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_login::LoginErrorKind;
use serde_json::{Value, json};

use crate::{
    desk::quiet_port,
    script::{ISSUER, SERVER, Script, answer, error, tokens},
};

const BEARER: AuthScheme = AuthScheme::Bearer;

fn pushing(more: &Value) -> Script {
    let mut metadata = json!({
        "pushed_authorization_request_endpoint": "https://as.example/par",
    });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let script = Script::new(&metadata);
    let reference =
        json!({ "request_uri": "urn:ietf:params:oauth:request_uri:1", "expires_in": 60 });
    script.on("/par", [answer(201, &reference)]);
    script
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
async fn a_pushed_request_carries_the_parameters_and_the_url_a_reference() {
    let script = Arc::new(pushing(
        &json!({ "require_pushed_authorization_requests": true }),
    ));
    let record = script.login(BEARER, None).await.unwrap();
    assert!(record.is_signed_in());
    let pushed = &script.sent("/par")[0];
    assert_eq!(pushed.values("resource"), [SERVER]);
    assert_eq!(pushed.values("response_type"), ["code"]);
    assert_eq!(script.sent("/token")[0].values("resource"), [SERVER]);
}

#[tokio::test]
async fn a_push_that_is_refused_ends_the_login_only_where_it_is_demanded() {
    let script = Arc::new(pushing(&json!({})));
    script.on("/par", [error(403, "unauthorized_client")]);
    assert!(script.login(BEARER, None).await.unwrap().is_signed_in());

    let script = Arc::new(pushing(
        &json!({ "require_pushed_authorization_requests": true }),
    ));
    script.on("/par", [error(400, "invalid_target")]);
    let refused = script.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Request);
    assert!(refused.hint().is_some());
    assert!(!script.heard("Visit"));

    let demands = json!({ "require_pushed_authorization_requests": true });
    let script = Arc::new(Script::new(&demands));
    let refused = script.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Report);
}

#[tokio::test]
async fn a_push_tells_that_a_registration_is_forgotten() {
    let script = Arc::new(pushing(&json!({})));
    let reference = json!({ "request_uri": "urn:1" });
    script.on(
        "/par",
        [error(401, "invalid_client"), answer(201, &reference)],
    );
    let record = script
        .login(BEARER, Some(&registered().await))
        .await
        .unwrap();
    assert_eq!(
        record.registration.unwrap().client_id.as_str(),
        "the-client"
    );
    assert_eq!(script.sent("/register").len(), 1);
    assert!(script.heard("Registering { issuer: Issuer(https://as.example), anew: Some(Refused)"));
}

#[tokio::test]
async fn tokens_are_bound_where_the_resource_takes_no_others() {
    let script = Arc::new(Script::new(&json!({})));
    let mut demand = error(400, "use_dpop_nonce");
    demand
        .headers_mut()
        .insert("dpop-nonce", "the-nonce".parse().unwrap());
    script.on("/token", [demand, answer(200, &tokens("DPoP"))]);
    let record = script.login(AuthScheme::Dpop, None).await.unwrap();
    let grant = record.grant.unwrap();
    assert_eq!(grant.scheme, AuthScheme::Dpop);
    assert!(grant.dpop_key.is_some());
    let proofs: Vec<_> = script
        .sent("/token")
        .into_iter()
        .map(|sent| sent.dpop.unwrap())
        .collect();
    assert_eq!(proofs.len(), 2);
    assert_ne!(proofs[0], proofs[1]);

    // A bearer token would be good for whoever steals it.
    let script = Arc::new(Script::new(&json!({})));
    let refused = script.login(AuthScheme::Dpop, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Exchange);

    let none_of_ours = json!({ "dpop_signing_alg_values_supported": ["RS256"] });
    let script = Arc::new(Script::new(&none_of_ours));
    let refused = script.login(AuthScheme::Dpop, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Request);
    assert!(script.sent("/register").is_empty());

    let script = Arc::new(Script::new(&json!({})));
    let record = script.login(BEARER, None).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_none());
    assert!(script.sent("/token")[0].dpop.is_none());
}

#[tokio::test]
async fn bound_token_that_was_not_asked_for_is_refused() {
    let script = Arc::new(Script::new(&json!({})));
    script.on("/token", [answer(200, &tokens("DPoP"))]);
    let refused = script.login(BEARER, None).await.unwrap_err();
    assert_eq!(refused.kind(), LoginErrorKind::Exchange);
    assert_eq!(refused.remedy(), Remedy::Configure);
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("a DPoP token"), "{cause}");
    assert!(refused.hint().unwrap().contains("`dpop`"));
    assert_eq!(script.sent("/token").len(), 1);
}

#[tokio::test]
async fn a_setting_binds_tokens_that_no_server_demands() {
    let mut script = Script::new(&json!({}));
    script.settings.dpop = DpopSetting::Always;
    script.on("/token", [answer(200, &tokens("DPoP"))]);
    let script = Arc::new(script);
    let record = script.login(BEARER, None).await.unwrap();
    assert!(record.grant.unwrap().dpop_key.is_some());
    assert!(script.sent("/token")[0].dpop.is_some());
}

#[tokio::test]
async fn a_code_that_was_not_looked_at_is_sent_again() {
    let script = Arc::new(Script::new(&json!({})));
    let busy = answer(503, &json!({}));
    script.on(
        "/token",
        [busy.clone(), busy.clone(), answer(200, &tokens("Bearer"))],
    );
    assert!(script.login(BEARER, None).await.unwrap().is_signed_in());
    let sent = script.sent("/token");
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|again| again.body == sent[0].body));

    let script = Arc::new(Script::new(&json!({})));
    script.on("/token", [busy]);
    let error = script.login(BEARER, None).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry);
    assert_eq!(script.sent("/token").len(), 3);
}

#[tokio::test]
async fn a_server_that_minds_a_public_client_registers_one_with_a_secret() {
    let script = Arc::new(Script::new(
        &json!({ "token_endpoint_auth_methods_supported": null }),
    ));
    let client = json!({ "client_id": "confidential", "client_secret": "canary-secret" });
    script.on(
        "/register",
        [error(400, "invalid_client_metadata"), answer(201, &client)],
    );
    let record = script.login(BEARER, None).await.unwrap();
    assert!(record.registration.unwrap().client_secret.is_some());
    let asked = script.sent("/register");
    let method = |n: usize| {
        let body: Value = serde_json::from_slice(&asked[n].body).unwrap();
        body["token_endpoint_auth_method"].clone()
    };
    assert_eq!([method(0), method(1)], ["none", "client_secret_basic"]);
}

#[tokio::test]
async fn a_server_that_gives_a_public_client_no_tokens_registers_one_with_a_secret() {
    let script = Arc::new(Script::new(
        &json!({ "token_endpoint_auth_methods_supported": null }),
    ));
    let public = json!({ "client_id": "public", "token_endpoint_auth_method": "none" });
    let confidential = json!({ "client_id": "confidential", "client_secret": "canary-secret" });
    script.on(
        "/register",
        [answer(201, &public), answer(201, &confidential)],
    );
    script.on(
        "/token",
        [error(401, "invalid_client"), answer(200, &tokens("Bearer"))],
    );
    let record = script.login(BEARER, None).await.unwrap();
    let registration = record.registration.unwrap();
    assert_eq!(registration.client_id.as_str(), "confidential");
    assert!(registration.client_secret.is_some());
    assert_eq!(script.sent("/token").len(), 2, "each code once");

    // Once: a server that wants no client at all is not registered at for ever.
    let script = Arc::new(Script::new(&json!({})));
    script.on("/token", [error(401, "invalid_client")]);
    script.login(BEARER, None).await.unwrap_err();
    assert_eq!(script.sent("/register").len(), 2);
}

#[tokio::test]
async fn the_host_chooses_among_scopes_and_asks_for_another_account() {
    let mut script = pushing(&json!({ "scopes_supported": ["offline_access"] }));
    script.asks_for = Some("a offline_access");
    script.another_account = true;
    let script = Arc::new(script);
    let record = script.login(BEARER, None).await.unwrap();
    let pushed = &script.sent("/par")[0];
    assert_eq!(pushed.values("scope"), ["a offline_access"]);
    assert_eq!(pushed.values("prompt"), ["select_account consent"]);
    let asked = record.grant.unwrap().requested_scopes;
    assert_eq!(asked.to_string(), "a offline_access");
}

fn device(browser: bool) -> Script {
    let mut script = Script::new(&json!({
        "device_authorization_endpoint": "https://as.example/device",
    }));
    script.declines = !browser;
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
        "expires_in": 900,
        "interval": 5,
    });
    script.on("/device", [answer(200, &code)]);
    script
}

#[tokio::test]
async fn a_person_signs_in_on_another_device() {
    let script = device(false);
    script.on(
        "/token",
        [
            error(400, "authorization_pending"),
            error(400, "slow_down"),
            answer(200, &tokens("Bearer")),
        ],
    );
    let script = Arc::new(script);
    let record = script.login(BEARER, None).await.unwrap();
    assert_eq!(record.grant.unwrap().kind, GrantKind::DeviceCode);
    assert_eq!(script.sent("/device")[0].values("resource"), [SERVER]);
    for poll in script.sent("/token") {
        assert_eq!(poll.values("resource"), [SERVER]);
    }
    let registered: Value = serde_json::from_slice(&script.sent("/register")[0].body).unwrap();
    let grants = registered["grant_types"].to_string();
    assert!(
        grants.contains("device_code") && grants.contains("authorization_code"),
        "{grants}"
    );
    let events = script.events.lock().unwrap().join("\n");
    assert!(events.contains("DeviceCode {"), "{events}");
    assert!(
        !events.contains("WDJB") && !events.contains("canary"),
        "{events}"
    );
}

#[tokio::test]
async fn a_no_on_the_other_device_ends_the_login() {
    let script = device(false);
    script.on("/token", [error(400, "access_denied")]);
    let denied = Arc::new(script).login(BEARER, None).await.unwrap_err();
    assert_eq!(denied.kind(), LoginErrorKind::Denied);
}

#[tokio::test]
async fn a_device_road_that_leads_nowhere_leaves_the_browser() {
    let script = device(true);
    script.on("/device", [error(400, "unauthorized_client")]);
    let script = Arc::new(script);
    let record = script.login(BEARER, None).await.unwrap();
    assert_eq!(record.grant.unwrap().kind, GrantKind::AuthorizationCode);
}
