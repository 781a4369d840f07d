//! A token endpoint on another host than the authorization endpoint (RFC 9700 §4.4).

use std::sync::Arc;

use hallpass_core::{AuthScheme, Hint, Record, Remedy, ServerSettings};
use hallpass_login::{LoginError, LoginErrorKind};
use serde_json::{Value, json};

use crate::scripted_server::{ISSUER, ScriptedServer};

/// What a hostile authorization server publishes: the sign-in page is another one's.
fn mix_up() -> Value {
    json!({ "authorization_endpoint": "https://honest.example/authorize" })
}

/// A login with `settings` where the user answers `confirms`.
async fn login(
    more: &Value,
    settings: ServerSettings,
    confirms: Option<bool>,
    previous: Option<&Record>,
) -> (Result<Record, LoginError>, Arc<ScriptedServer>) {
    let mut server = ScriptedServer::new(more);
    server.settings = settings;
    server.confirms = confirms;
    let server = Arc::new(server);
    let outcome = server.login(AuthScheme::Bearer, previous).await;
    (outcome, server)
}

const ASKED: &str = "asked: you sign in at honest.example; as.example receives the result";

#[tokio::test]
async fn code_of_another_host_is_not_sent_without_a_user_to_confirm() {
    let (outcome, server) = login(&mix_up(), ServerSettings::default(), None, None).await;
    assert!(
        server.sent("/token").is_empty(),
        "the code went to as.example"
    );
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Endpoint);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert_eq!(
        error.to_string(),
        "no sign-in to https://mcp.example/mcp: the metadata of https://as.example has the user sign in \
         at honest.example, and as.example receives the result; there is no user to confirm that"
    );
    assert_eq!(error.hints()[0], Hint::setting("issuer", Some(ISSUER)));
    assert!(server.sent("/register").is_empty());
    assert!(!server.heard("OpenUrl"));
}

#[tokio::test]
async fn user_who_does_not_confirm_the_token_host_ends_the_login() {
    let (outcome, server) = login(&mix_up(), ServerSettings::default(), Some(false), None).await;
    assert!(server.heard(ASKED));
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Denied);
    assert!(server.sent("/register").is_empty());
    assert!(!server.heard("OpenUrl"));
}

#[tokio::test]
async fn metadata_that_promises_iss_does_not_confirm_the_token_host() {
    let mut more = mix_up();
    more["authorization_response_iss_parameter_supported"] = json!(true);
    let (outcome, _) = login(&more, ServerSettings::default(), None, None).await;
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Endpoint);
}

#[tokio::test]
async fn confirmed_token_host_is_asked_for_once() {
    let settings = ServerSettings::default;
    let (outcome, server) = login(&mix_up(), settings(), Some(true), None).await;
    let record = outcome.unwrap();
    assert!(server.heard(ASKED));
    let (outcome, server) = login(&mix_up(), settings(), None, Some(&record)).await;
    outcome.unwrap();
    assert!(!server.heard("asked"));
    // Other hosts are another question.
    let more = json!({ "authorization_endpoint": "https://other.example/authorize" });
    let (outcome, _) = login(&more, settings(), None, Some(&record)).await;
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Endpoint);
}

#[tokio::test]
async fn issuer_that_the_user_named_is_not_asked_for() {
    let issuer = Some(ISSUER.parse().unwrap());
    for settings in [
        ServerSettings::default().with_issuer(issuer.clone()),
        ServerSettings::default().with_trusted_issuers(issuer.into_iter().collect::<Vec<_>>()),
        ServerSettings::default().with_issuer_from_resource(true),
    ] {
        let (outcome, server) = login(&mix_up(), settings, None, None).await;
        outcome.unwrap();
        assert!(!server.heard("asked"));
    }
}

#[tokio::test]
async fn host_below_the_token_host_is_not_asked_for() {
    for endpoint in [
        "https://login.as.example/authorize",
        "https://as.example:8443/authorize",
    ] {
        let more = json!({ "authorization_endpoint": endpoint });
        let (outcome, server) = login(&more, ServerSettings::default(), None, None).await;
        outcome.unwrap();
        assert!(!server.heard("asked"), "{endpoint}");
    }
}
