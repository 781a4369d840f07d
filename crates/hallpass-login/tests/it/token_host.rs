//! A token endpoint on another host than the authorization endpoint (RFC 9700 §4.4).

use std::sync::Arc;

use hallpass_core::{
    AuthScheme, ClientId, ClientSecret, Clock as _, ExplicitEndpoints, Hint, PreRegisteredClient,
    Record, Remedy, ServerSettings,
};
use hallpass_login::{BrowserLogin, LoginError, LoginErrorKind};
use serde_json::{Value, json};

use crate::{
    grants::device,
    scripted_server::{ISSUER, ScriptedServer, answer},
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
        "no sign-in to https://mcp.example/mcp: https://as.example has the user sign in at \
         honest.example, and as.example receives the result; there is no user to confirm that"
    );
    assert_eq!(error.hints()[0], Hint::setting("issuer", Some(ISSUER)));
    assert!(server.sent("/register").is_empty());
    assert!(!server.heard("OpenUrl"));
}

#[tokio::test]
async fn user_who_does_not_confirm_the_token_host_ends_the_login() {
    let (outcome, server) = login(&mix_up(), ServerSettings::default(), Some(false), None).await;
    assert!(server.heard(ASKED));
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Denied);
    assert_eq!(error.hints()[0], Hint::setting("issuer", Some(ISSUER)));
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
async fn record_that_no_user_confirmed_does_not_answer_the_question() {
    let (outcome, _) = login(&mix_up(), ServerSettings::default(), Some(true), None).await;
    let confirmed = outcome.unwrap();
    // As an import or another version writes it.
    let metadata = confirmed.metadata.clone();
    let mut record = Record::new(confirmed.key.clone(), metadata, confirmed.settings.clone());
    record.registration = confirmed.registration.clone();
    record.grant = confirmed.grant.clone();
    record.state = confirmed.state.clone();
    let (outcome, _) = login(&mix_up(), ServerSettings::default(), None, Some(&record)).await;
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Endpoint);
}

#[tokio::test]
async fn question_without_an_answer_ends_at_the_time_limit() {
    let mut server = ScriptedServer::new(&mix_up());
    server.thinks_for = BrowserLogin::TIMEOUT;
    let server = Arc::new(server);
    let error = server.login(AuthScheme::Bearer, None).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Timeout);
    assert_eq!(error.hints()[0], Hint::setting("issuer", Some(ISSUER)));
    assert!(!server.heard("OpenUrl"));
}

#[tokio::test]
async fn question_and_sign_in_have_one_time_limit() {
    let mut server = ScriptedServer::new(&mix_up());
    server.confirms = Some(true);
    server.declines = true;
    server.thinks_for = BrowserLogin::TIMEOUT / 2;
    let server = Arc::new(server);
    let clock = server.clock.clone();
    let login = async {
        (
            server.login(AuthScheme::Bearer, None).await,
            clock.monotonic(),
        )
    };
    let passing = async {
        while !server.heard("BrowserNotOpened") {
            tokio::task::yield_now().await;
        }
        server.clock.advance(BrowserLogin::TIMEOUT / 2);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        server.clock.advance(BrowserLogin::TIMEOUT / 2);
    };
    let ((outcome, ended), ()) = tokio::join!(login, passing);
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Timeout);
    // With the seconds of a look at the authorization endpoint, which ends at once here.
    assert!(ended < BrowserLogin::TIMEOUT * 4 / 3, "{ended:?}");
}

#[tokio::test]
async fn login_waits_for_the_longest_time_limit_at_most() {
    let mut server = ScriptedServer::new(&json!({}));
    server.declines = true;
    server.timeout = Some(BrowserLogin::MAX_TIMEOUT * 2);
    let server = Arc::new(server);
    let passing = async {
        while !server.heard("BrowserNotOpened") {
            tokio::task::yield_now().await;
        }
        server.clock.advance(BrowserLogin::MAX_TIMEOUT);
    };
    let (outcome, ()) = tokio::join!(server.login(AuthScheme::Bearer, None), passing);
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Timeout);
}

/// A server whose page for a device code is on another host than its token endpoint.
fn device_page(uri: &str, complete: Option<&str>) -> ScriptedServer {
    let server = device(false);
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": uri,
        "verification_uri_complete": complete,
        "expires_in": 900,
        "interval": 5,
    });
    server.on("/device", [answer(200, &code)]);
    server
}

const PAGE: &str = "https://honest.example/device";

#[tokio::test]
async fn device_page_on_another_host_is_asked_for_once() {
    for (uri, complete) in [(PAGE, None), ("https://as.example/device-page", Some(PAGE))] {
        let mut server = device_page(uri, complete);
        server.confirms = Some(true);
        let server = Arc::new(server);
        let record = server.login(AuthScheme::Bearer, None).await.unwrap();
        assert!(server.heard(ASKED), "{uri}");
        let server = Arc::new(device_page(uri, complete));
        let previous = Some(&record);
        server.login(AuthScheme::Bearer, previous).await.unwrap();
        assert!(!server.heard("asked"), "{uri}");
    }
}

#[tokio::test]
async fn device_page_on_another_host_is_not_shown_without_a_user_to_confirm() {
    let mut server = device_page(PAGE, None);
    server.declines = false;
    let server = Arc::new(server);
    let record = server.login(AuthScheme::Bearer, None).await.unwrap();
    assert!(!server.heard("DeviceCode("));
    assert!(server.heard("DeviceEnded"));
    let events = server.events.lock().unwrap().join("\n");
    assert!(
        events.contains("there is no user to confirm that"),
        "{events}"
    );
    assert!(events.contains(&format!("Some(\"{ISSUER}\")")), "{events}");
    // The browser has a page of the token endpoint's host.
    assert_eq!(
        record.grant.unwrap().kind,
        hallpass_core::record::GrantKind::AuthorizationCode
    );
}

#[tokio::test]
async fn user_who_does_not_confirm_the_device_page_ends_the_login() {
    let mut server = device_page(PAGE, None);
    server.confirms = Some(false);
    let server = Arc::new(server);
    let error = server.login(AuthScheme::Bearer, None).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Denied);
    assert!(server.heard(ASKED));
    assert!(!server.heard("OpenUrl") && !server.heard("DeviceCode("));
    assert!(server.sent("/token").is_empty());
}

#[tokio::test]
async fn device_page_of_a_named_issuer_is_not_asked_for() {
    let mut server = device_page(PAGE, None);
    server.settings = ServerSettings::default().with_issuer(ISSUER.parse().ok());
    let server = Arc::new(server);
    server.login(AuthScheme::Bearer, None).await.unwrap();
    assert!(!server.heard("asked"));
    assert!(server.heard("DeviceCode("));
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

#[tokio::test]
async fn issuer_of_named_endpoints_is_offered_where_the_callback_has_it() {
    let token = "https://api.example/token".parse().unwrap();
    let page = "https://as.example/authorize".parse().ok();
    let endpoints = ExplicitEndpoints::new(token).with_authorization(page);
    let mut settings = ServerSettings::default().with_endpoints(endpoints);
    settings.client.pre_registered = Some(PreRegisteredClient::new(ClientId::new("by-hand")));
    let mut server = ScriptedServer::new(&json!({}));
    server.settings = settings.clone();
    server.challenged_metadata =
        Some("https://mcp.example/.well-known/oauth-protected-resource/mcp");
    server.iss = Some(ISSUER);
    let server = Arc::new(server);
    let error = server.login(AuthScheme::Bearer, None).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Callback);
    assert_eq!(error.hints()[0], Hint::setting("issuer", Some(ISSUER)));
    let mut server = ScriptedServer::new(&json!({}));
    server.settings = settings.with_issuer(ISSUER.parse().ok());
    server.iss = Some(ISSUER);
    let server = Arc::new(server);
    server.login(AuthScheme::Bearer, None).await.unwrap();
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
