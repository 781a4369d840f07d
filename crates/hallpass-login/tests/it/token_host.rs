//! A token endpoint on another host than the authorization endpoint (RFC 9700 §4.4).

use std::sync::Arc;

use hallpass_core::{
    AuthScheme, ClientId, ClientSecret, Hint, PreRegisteredClient, Record, Remedy, ServerSettings,
};
use hallpass_login::{LoginError, LoginErrorKind};
use serde_json::{Value, json};

use crate::{
    scripted_server::{ISSUER, ScriptedServer},
    signing::key,
};

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

/// The issuer that metadata at `ISSUER` claims in a mix-up, where the user trusts it.
const HONEST: &str = "https://honest.example";

fn trusting() -> ServerSettings {
    ServerSettings::default().with_trusted_issuers(vec![HONEST.parse().unwrap()])
}

#[tokio::test]
async fn trusted_issuer_that_metadata_elsewhere_claims_is_asked_for() {
    let mut more = mix_up();
    more["issuer"] = json!(HONEST);
    for settings in [trusting(), trusting().with_issuer_from_resource(true)] {
        let (outcome, server) = login(&more, settings, None, None).await;
        assert!(server.sent("/token").is_empty(), "the code was sent");
        assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Endpoint);
        assert!(!server.heard("OpenUrl"));
    }
    // A result that goes to the trusted issuer itself is no question.
    more["token_endpoint"] = json!("https://honest.example/token");
    more["authorization_endpoint"] = json!("https://other.example/authorize");
    let (outcome, _) = login(&more, trusting(), None, None).await;
    outcome.unwrap();
}

#[tokio::test]
async fn client_of_a_trusted_issuer_is_not_sent_to_endpoints_elsewhere() {
    let all = [
        "token_endpoint",
        "revocation_endpoint",
        "device_authorization_endpoint",
        "pushed_authorization_request_endpoint",
    ];
    let at = |host: &str, name: &str| json!(format!("https://{host}/{name}"));
    for elsewhere in all {
        let mut more = json!({ "issuer": HONEST });
        more["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
        for name in all {
            more[name] = at("honest.example", name);
        }
        more[elsewhere] = at("as.example", elsewhere);
        for bound in [None, HONEST.parse().ok()] {
            let client = PreRegisteredClient::new(ClientId::new("by-hand"))
                .with_secret(ClientSecret::new("canary-secret"))
                .with_issuer(bound);
            let mut settings = trusting();
            settings.client.pre_registered = Some(client);
            let (outcome, server) = login(&more, settings, Some(true), None).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), LoginErrorKind::OtherIssuer, "{elsewhere}");
            assert!(
                all.iter()
                    .all(|name| server.sent(&format!("/{name}")).is_empty())
            );
            assert_eq!(error.remedy(), Remedy::Configure);
            assert_eq!(
                error.to_string(),
                "the client `by-hand` is not sent to as.example: metadata of any server may claim \
                 the trusted issuer https://honest.example, whose own host is honest.example"
            );
            assert_eq!(error.hints()[0], Hint::setting("server_metadata_url", None));
            assert_eq!(error.hints()[1], Hint::setting("issuer", Some(HONEST)));
        }
    }
}

#[tokio::test]
async fn signature_for_a_trusted_issuer_is_not_sent_to_endpoints_elsewhere() {
    let more = json!({ "issuer": HONEST, "client_id_metadata_document_supported": true });
    let mut settings = trusting();
    settings.client.metadata_document = "https://me.example/client.json".parse().ok();
    settings.client.key = Some(key());
    let (outcome, server) = login(&more, settings, Some(true), None).await;
    assert!(server.sent("/token").is_empty(), "the signature was sent");
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::OtherIssuer);
}
