//! What a login would do, as its plan prints it.

use hallpass_core::{
    AuthScheme, CallbackSetting, Challenge, ClientId, Clock, HttpClient, PreRegisteredClient,
    Record, ResourceSetting, Scopes, ServerSettings, ServerUrl, SignInReason, Timestamp,
};
use hallpass_discovery::Discovery;
use hallpass_login::{LoginError, LoginErrorKind, LoginInputs, LoginPlan};
use hallpass_testkit::FakeClock;
use serde_json::{Value, json};

use crate::scripted_server::{SERVER, ScriptedServer};

/// The plan for a server whose metadata has `more`.
async fn plan(
    more: &Value,
    settings: &ServerSettings,
    scheme: AuthScheme,
    previous: Option<&Record>,
) -> Result<LoginPlan, LoginError> {
    let server = ScriptedServer::new(more);
    let url = ServerUrl::parse(SERVER).unwrap();
    let clock = FakeClock::default();
    let challenges = [Challenge::new(scheme)];
    let discovery = Discovery {
        http: &*server.http as &dyn HttpClient,
        clock: &clock as &dyn Clock,
        settings,
    };
    let discovered = discovery.run(&url, &challenges).await.unwrap();
    let inputs = LoginInputs {
        server: &url,
        settings,
        discovered: &discovered,
        challenges: &challenges,
        previous,
        reason: SignInReason::Requested,
        added_scopes: &Scopes::none(),
        device_grant: true,
        another_account: false,
        now: Timestamp::from_unix_seconds(1_800_000_000),
    };
    let plan = inputs.plan(inputs.scopes());
    assert!(server.sent("/register").is_empty(), "a plan sends nothing");
    plan
}

#[tokio::test]
async fn plan_prints_one_line_for_each_decision() {
    let settings = ServerSettings::default();
    let planned = plan(&json!({}), &settings, AuthScheme::Bearer, None).await;
    assert_eq!(
        planned.unwrap().to_string(),
        "client: registered at the sign-in (RFC 7591)\n\
         redirect URI: http://127.0.0.1/callback/93e20fbd9d9436f7 on a free port\n\
         scopes: none\n\
         resource: https://mcp.example/mcp\n\
         grants: authorization code\n\
         tokens: bearer"
    );

    let more = json!({
        "device_authorization_endpoint": "https://as.example/device",
        "pushed_authorization_request_endpoint": "https://as.example/par",
    });
    let mut settings = ServerSettings::default();
    settings.scopes = Some(Scopes::from_server("a b"));
    settings.resource = ResourceSetting::Omitted;
    settings.callback = CallbackSetting::default();
    settings.callback.host = "localhost".to_owned();
    settings.callback.port = Some(3118);
    settings.callback.path = Some("/back".to_owned());
    settings.client.pre_registered = Some(PreRegisteredClient::new(ClientId::new("by-hand")));
    let planned = plan(&more, &settings, AuthScheme::Dpop, None).await;
    assert_eq!(
        planned.unwrap().to_string(),
        "client: `by-hand`, registered by hand, authenticates by none\n\
         redirect URI: http://localhost:3118/back\n\
         scopes: a b\n\
         resource: none\n\
         grants: authorization code, pushed first; device code\n\
         tokens: bound to a key (DPoP)"
    );
}

#[tokio::test]
async fn plan_says_what_the_user_is_asked_first() {
    let settings = ServerSettings::default();
    let more = json!({ "authorization_endpoint": "https://login.example/authorize" });
    let planned = plan(&more, &settings, AuthScheme::Bearer, None).await;
    let planned = planned.unwrap();
    let token_host = planned.token_host.as_ref().unwrap();
    assert_eq!(token_host.issuer.as_str(), "https://as.example");
    let text = planned.to_string();
    let line = "\nasks first: you sign in at login.example; as.example receives the result";
    assert!(text.ends_with(line), "{text}");
}

#[tokio::test]
async fn planned_redirect_uri_is_the_registered_one_of_a_reused_client() {
    let server = std::sync::Arc::new(ScriptedServer::new(&json!({})));
    let record = server.login(AuthScheme::Bearer, None).await.unwrap();
    let registered = record.registration.as_ref().unwrap().redirect_uri.clone();
    let settings = ServerSettings::default();
    let planned = plan(&json!({}), &settings, AuthScheme::Bearer, Some(&record)).await;
    let planned = planned.unwrap();
    assert_eq!(planned.redirect_uri(), registered.unwrap());
    let text = planned.to_string();
    assert!(text.starts_with("client: `the-client`, registered at an earlier sign-in\n"));
}

#[tokio::test]
async fn plan_without_client_is_the_error_of_the_login() {
    let settings = ServerSettings::default();
    let more = json!({ "registration_endpoint": null });
    let error = plan(&more, &settings, AuthScheme::Bearer, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::NoClient);
    assert!(!error.hints().is_empty());
}
