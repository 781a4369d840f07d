//! The `prompt` of an authorization request, and what helps where it fails (`OpenID` Connect Core §11).

use std::sync::Arc;

use hallpass_core::{AuthScheme::Bearer as BEARER, Hint, Scopes};
use hallpass_login::{BrowserLogin, LoginError, LoginErrorKind};
use hallpass_testkit::Callback;
use serde_json::json;

use crate::{
    fixture::{Browser, Fixture},
    scripted_server::{SERVER, ScriptedServer, answer},
};

/// A server whose resource lists the scope `a`, behind a provider of offline access.
fn offering() -> ScriptedServer {
    let server = ScriptedServer::new(&json!({
        "scopes_supported": ["a", "offline_access"],
        "pushed_authorization_request_endpoint": "https://as.example/par",
    }));
    let resource = json!({
        "resource": SERVER,
        "authorization_servers": ["https://as.example"],
        "scopes_supported": ["a"],
    });
    let path = "/.well-known/oauth-protected-resource/mcp";
    server.on(path, [answer(200, &resource)]);
    let pushed = json!({ "request_uri": "urn:x:1", "expires_in": 60 });
    server.on("/par", [answer(201, &pushed)]);
    server
}

/// What was sent as `scope` and `prompt`.
async fn asked(server: ScriptedServer) -> (String, Vec<String>) {
    let server = Arc::new(server);
    server.login(BEARER, None).await.unwrap();
    let pushed = server.sent("/par").remove(0);
    (
        pushed.parameter("scope").unwrap(),
        pushed.parameters("prompt"),
    )
}

#[tokio::test]
async fn added_offline_access_asks_for_consent() {
    let (scope, prompt) = asked(offering()).await;
    assert_eq!(scope, "a offline_access");
    assert_eq!(prompt, ["consent"]);
}

#[tokio::test]
async fn offline_access_of_the_user_asks_for_no_consent() {
    let mut server = offering();
    server.settings.scopes = Some(Scopes::from_server("a offline_access"));
    let (scope, prompt) = asked(server).await;
    assert_eq!(scope, "a offline_access");
    assert!(prompt.is_empty(), "{prompt:?}");
}

#[tokio::test]
async fn prompt_of_the_settings_is_sent_as_it_is() {
    for (value, expected) in [
        ("select_account", &["select_account"][..]),
        ("none", &["none"]),
        ("", &[]),
    ] {
        let mut server = offering();
        server.another_account = true;
        server.settings.authorize_parameters = vec![("prompt".to_owned(), value.to_owned())];
        let (_, prompt) = asked(server).await;
        assert_eq!(prompt, expected, "prompt={value}");
    }
}

#[tokio::test]
async fn entra_is_not_asked_for_consent() {
    let server = offering();
    let issuer = "https://login.microsoftonline.com/tenant/v2.0";
    let resource = json!({
        "resource": SERVER,
        "authorization_servers": [issuer],
        "scopes_supported": ["api://app/.default"],
    });
    let path = "/.well-known/oauth-protected-resource/mcp";
    server.on(path, [answer(200, &resource)]);
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
        "registration_endpoint": "https://as.example/register",
        "pushed_authorization_request_endpoint": "https://as.example/par",
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "offline_access"],
    });
    let path = "/.well-known/oauth-authorization-server/tenant/v2.0";
    server.on(path, [answer(200, &metadata)]);
    let (scope, prompt) = asked(server).await;
    assert_eq!(scope, "api://app/.default offline_access");
    assert!(prompt.is_empty(), "{prompt:?}");
}

/// A login that asks for consent.
async fn consenting(change: impl FnOnce(&mut Fixture)) -> Fixture {
    let mut fixture = Fixture::with(|options| {
        options.behaviour.scopes_supported = Some(vec!["a".into(), "offline_access".into()]);
    })
    .await;
    fixture.scopes = Scopes::from_server("a");
    change(&mut fixture);
    fixture
}

fn names_the_option(error: &LoginError) -> bool {
    let option = Hint::setting("authorize_parameters", Some("prompt="));
    error.hints().contains(&option)
}

#[tokio::test]
async fn refused_consent_names_the_setting() {
    for (code, expected) in [
        ("access_denied", true),
        ("consent_required", true),
        ("interaction_required", true),
        ("server_error", false),
    ] {
        let fixture = consenting(|_| {}).await;
        fixture
            .issuer
            .change(|behaviour| behaviour.callback = Callback::Error(code.to_owned()));
        let error = fixture.login().await.unwrap_err();
        assert_eq!(names_the_option(&error), expected, "{code}");
    }
    // Where nothing asked for consent, that is no advice.
    let fixture = consenting(|fixture| {
        fixture.settings.scopes = Some(Scopes::from_server("a"));
    })
    .await;
    fixture
        .issuer
        .change(|behaviour| behaviour.callback = Callback::Error("access_denied".to_owned()));
    let error = fixture.login().await.unwrap_err();
    assert!(!names_the_option(&error));
}

#[tokio::test]
async fn consent_without_callback_names_the_setting() {
    let fixture = consenting(|_| {}).await;
    let clock = fixture.clock.clone();
    let passing = async {
        clock.until_asleep(1).await;
        clock.advance(BrowserLogin::TIMEOUT);
    };
    let (outcome, ()) = tokio::join!(fixture.login_through(Browser::declining()), passing);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Timeout);
    assert!(names_the_option(&error));
}

#[tokio::test]
async fn check_of_the_client_sends_the_prompt_of_the_login() {
    let mut fixture = consenting(|_| {}).await;
    let record = fixture.signed_in().await;
    fixture.previous = Some(record);
    let earlier = fixture.issuer.requests().len();
    let (_, known) = fixture.plan().await;
    assert_eq!(known, Some(true));
    let checks = fixture.issuer.requests().split_off(earlier);
    let prompts = checks.iter().filter_map(|request| {
        let pairs = request.query.iter();
        pairs.clone().find(|(name, _)| name == "prompt")
    });
    let prompts: Vec<_> = prompts.map(|(_, value)| value.as_str()).collect();
    assert_eq!(prompts, ["consent"]);
}
