//! Scopes of a sign-in whose server names none.

use std::sync::Arc;

use hallpass_core::{AuthScheme::Bearer as BEARER, Hint, Record, Scopes};
use hallpass_login::{BrowserLogin, LoginError, LoginErrorKind, LoginWarning};
use serde_json::{Value, json};

use crate::{
    fixture::{Browser, Fixture},
    scripted_server::{ScriptedServer, answer},
};

async fn login(server: ScriptedServer) -> (Arc<ScriptedServer>, Result<Record, LoginError>) {
    let server = Arc::new(server);
    let outcome = server.login(BEARER, None).await;
    (server, outcome)
}

fn requested(outcome: Result<Record, LoginError>) -> String {
    outcome.unwrap().grant.unwrap().requested_scopes.to_string()
}

/// A provider that lists `scopes`, and refuses a request that names none.
fn demanding(scopes: &Value, more: &Value) -> ScriptedServer {
    let mut metadata = json!({ "scopes_supported": scopes });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let mut server = ScriptedServer::new(&metadata);
    server.demands_scopes = true;
    server
}

#[tokio::test]
async fn no_scope_is_made_up() {
    let listed = json!({ "scopes_supported": ["openid", "profile", "offline_access"] });
    let (_, outcome) = login(ScriptedServer::new(&listed)).await;
    assert_eq!(requested(outcome), "");
}

#[tokio::test]
async fn refused_request_without_scopes_begins_again_with_openid() {
    let (server, outcome) = login(demanding(&json!(["openid", "email"]), &json!({}))).await;
    assert_eq!(requested(outcome), "openid");
    assert_eq!(server.sent("/token").len(), 1);
    // As for any other scope, offline access is asked for where it is listed.
    let scopes = json!(["openid", "offline_access"]);
    let (_, outcome) = login(demanding(&scopes, &json!({}))).await;
    assert_eq!(requested(outcome), "offline_access openid");
}

#[tokio::test]
async fn refused_scopes_of_the_user_are_an_error() {
    let mut server = demanding(&json!(["openid"]), &json!({}));
    server.settings.scopes = Some(Scopes::none());
    let (_, outcome) = login(server).await;
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Denied);
    // A server that does not list `openid` is not asked for it.
    let (_, outcome) = login(demanding(&json!(["email"]), &json!({}))).await;
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Denied);
}

#[tokio::test]
async fn refused_push_without_scopes_begins_again_with_openid() {
    for demanded in [false, true] {
        let server = demanding(
            &json!(["openid"]),
            &json!({
                "pushed_authorization_request_endpoint": "https://as.example/par",
                "require_pushed_authorization_requests": demanded,
            }),
        );
        let refused = answer(400, &json!({ "error": "invalid_scope" }));
        let pushed = json!({ "request_uri": "urn:x:1", "expires_in": 60 });
        server.on("/par", [refused, answer(201, &pushed)]);
        let (server, outcome) = login(server).await;
        assert_eq!(requested(outcome), "openid");
        let scopes: Vec<_> = server
            .sent("/par")
            .iter()
            .map(|it| it.parameters("scope").len())
            .collect();
        assert_eq!(scopes, [0, 1]);
    }
}

#[tokio::test]
async fn refused_device_request_without_scopes_begins_again_with_openid() {
    let device = json!({ "device_authorization_endpoint": "https://as.example/device" });
    let mut server = demanding(&json!(["openid"]), &device);
    server.declines = true;
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
    });
    let refused = answer(400, &json!({ "error": "invalid_scope" }));
    server.on("/device", [refused, answer(200, &code)]);
    let (server, outcome) = login(server).await;
    assert_eq!(requested(outcome), "openid");
    assert_eq!(server.sent("/device")[1].parameters("scope"), ["openid"]);
}

#[tokio::test]
async fn provider_is_noted_before_the_browser_opens() {
    let setting = Hint::setting("scopes", Some("openid"));
    assert_eq!(LoginWarning::NoScopes.hint().as_ref(), Some(&setting));
    for (scopes, expected) in [(json!(["openid"]), true), (json!(["email"]), false)] {
        let server = ScriptedServer::new(&json!({ "scopes_supported": scopes }));
        let (server, outcome) = login(server).await;
        outcome.unwrap();
        let events = server.events.lock().unwrap();
        let of = |start: &str| events.iter().position(|event| event.starts_with(start));
        let noted = of("Warning(NoScopes)");
        assert_eq!(noted.is_some(), expected);
        assert!(noted.is_none_or(|noted| noted < of("OpenUrl").unwrap()));
    }
}

#[tokio::test]
async fn time_limit_of_a_provider_names_the_scope() {
    for (listed, expected) in [("openid", true), ("email", false)] {
        let fixture = Fixture::with(|options| {
            options.behaviour.scopes_supported = Some(vec![listed.to_owned()]);
        })
        .await;
        let clock = fixture.clock.clone();
        let passing = async {
            clock.until_asleep(1).await;
            clock.advance(BrowserLogin::TIMEOUT);
        };
        let (outcome, ()) = tokio::join!(fixture.login_through(Browser::declining()), passing);
        let error = outcome.unwrap_err();
        let setting = Hint::setting("scopes", Some("openid"));
        assert_eq!(error.hints().contains(&setting), expected, "{error:?}");
    }
}
