//! A server without metadata anywhere, and one whose metadata is on another origin.

use std::sync::Arc;

use hallpass_core::{AuthScheme::Bearer as BEARER, ClientId, Hint, PreRegisteredClient, Remedy};
use hallpass_login::{LoginError, LoginErrorKind};
use serde_json::json;

use crate::scripted_server::{ISSUER, SERVER, ScriptedServer, answer};

/// A server that answers 404 at each metadata URL.
pub(crate) fn guessed() -> ScriptedServer {
    let server = ScriptedServer::new(&json!({}));
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
    ] {
        server.on(path, [answer(404, &json!({}))]);
    }
    server
}

fn names_the_endpoints(error: &LoginError) {
    assert_eq!(error.remedy(), Remedy::Configure);
    for setting in ["endpoints", "server_metadata_url"] {
        let hint = Hint::setting(setting, None);
        assert!(error.hints().contains(&hint), "{:?}", error.hints());
    }
    let hints = format!("{:?}", error.hints());
    assert!(!hints.contains("by hand"), "{hints}");
}

#[tokio::test]
async fn guessed_endpoints_are_said_to_be_guesses_before_the_browser_opens() {
    let server = Arc::new(guessed());
    server.login(BEARER, None).await.unwrap();
    let events = server.events.lock().unwrap().clone();
    let of = |start: &str| events.iter().position(|event| event.starts_with(start));
    assert!(of("Warning(GuessedEndpoints)").unwrap() < of("OpenUrl").unwrap());
    let server = Arc::new(ScriptedServer::new(&json!({})));
    server.login(BEARER, None).await.unwrap();
    assert!(!server.heard("Warning(GuessedEndpoints)"));
}

#[tokio::test]
async fn registration_at_a_guessed_endpoint_that_fails_names_the_endpoints() {
    let server = guessed();
    server.on("/register", [answer(404, &json!({}))]);
    let server = Arc::new(server);
    let error = server.login(BEARER, None).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Registration);
    names_the_endpoints(&error);
}

#[tokio::test]
async fn guessed_authorization_endpoint_that_is_absent_opens_no_browser() {
    for status in [404, 410, 405] {
        let mut server = guessed();
        let client = PreRegisteredClient::new(ClientId::new("mine"));
        server.settings.client.pre_registered = Some(client);
        server.on("/authorize", [answer(status, &json!({}))]);
        let server = Arc::new(server);
        let error = server.login(BEARER, None).await.unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Discovery);
        let text = error.to_string();
        assert!(
            text.contains("guessed https://mcp.example/authorize"),
            "{text}"
        );
        names_the_endpoints(&error);
        assert!(!server.heard("OpenUrl"));
    }
    // A page, a redirect or an error of the request is an endpoint.
    for status in [200, 302, 400, 401, 500] {
        let server = guessed();
        server.on("/authorize", [answer(status, &json!({}))]);
        let server = Arc::new(server);
        assert!(server.login(BEARER, None).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn metadata_on_another_origin_is_named() {
    for (named, expected) in [
        ("https://docs.example/prm", true),
        ("https://mcp.example/prm", false),
    ] {
        let mut server = ScriptedServer::new(&json!({}));
        server.challenged_metadata = Some(named);
        let metadata = json!({ "resource": SERVER, "authorization_servers": [ISSUER] });
        server.on("/prm", [answer(200, &metadata)]);
        let server = Arc::new(server);
        server.login(BEARER, None).await.unwrap();
        let event = "Warning(MetadataElsewhere { origin: \"https://docs.example\" })";
        assert_eq!(server.heard(event), expected);
    }
}
