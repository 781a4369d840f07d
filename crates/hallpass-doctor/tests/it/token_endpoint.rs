//! Where a login fails at the token endpoint.

use hallpass_core::{
    ClientId, ClientSecret, DpopSetting, Hint, PreRegisteredClient, TokenEndpointAuthMethod,
};
use hallpass_doctor::{Code, RefusedClient, Report, Severity};
use hallpass_testkit::{Endpoint, Fault, StaticClient};
use http::StatusCode;
use serde_json::json;

use crate::fixture::{Fixture, JSON, always, answer};

fn found(report: &Report, code: Code) -> Option<Severity> {
    let mut findings = report.findings();
    Some(findings.find(|it| it.code == code)?.severity)
}

/// What the doctor says of a token endpoint with this answer.
async fn answering(name: &str, fault: Fault) -> Report {
    let fixture = Fixture::new().await;
    fixture.issuer.plan(vec![always(Endpoint::Token, fault)]);
    fixture.report(name).await
}

#[tokio::test]
async fn token_endpoint_that_is_none_is_a_fault() {
    let page = [("content-type", "text/html")];
    let elsewhere = [(
        "location",
        "https://user:password@as.example.com/token?key=s3cret",
    )];
    for (name, fault) in [
        ("token-endpoint-not-found", answer(404, &[], "")),
        ("token-endpoint-without-post", answer(405, &[], "")),
        ("token-endpoint-redirects", answer(307, &elsewhere, "")),
        ("token-endpoint-is-a-page", answer(200, &page, "<html>")),
    ] {
        let report = answering(name, fault).await;
        let severity = found(&report, Code::TokenEndpointFails);
        assert_eq!(severity, Some(Severity::Fault), "{name}");
        let mut hints = report.findings().flat_map(|it| &it.hints);
        assert!(
            !hints.any(|it| *it == Hint::SignIn),
            "{name}: it would fail"
        );
    }
}

#[tokio::test]
async fn token_endpoint_that_leads_to_another_server_is_said_to() {
    let elsewhere = [("location", "https://other.example.com/token?key=s3cret")];
    let report = answering(
        "token-endpoint-redirects-to-another-server",
        answer(307, &elsewhere, ""),
    )
    .await;
    let words = "https://other.example.com is another server than http";
    let hints = report.findings().flat_map(|it| &it.hints);
    let said = hints.filter(|it| it.to_string().starts_with(words));
    assert_eq!(said.count(), 1);
}

#[tokio::test]
async fn token_endpoint_that_may_recover_is_a_warning() {
    let page = [("content-type", "text/html")];
    for (name, fault) in [
        ("token-endpoint-unavailable", answer(503, &[], "")),
        ("token-endpoint-behind-a-page", answer(403, &page, "<html>")),
    ] {
        let report = answering(name, fault).await;
        let severity = found(&report, Code::TokenEndpointFails);
        assert_eq!(severity, Some(Severity::Warning), "{name}");
    }
}

/// Servers refuse in many ways, and get through to the login all the same.
#[tokio::test]
async fn token_endpoint_that_refuses_the_code_is_no_finding() {
    let kept = Fixture::new().await.report("not-signed-in").await;
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (200, r#"{"error":"bad_verification_code"}"#),
        (500, r#"{"error":"server_error"}"#),
    ] {
        let fixture = Fixture::new().await;
        let refusal = answer(status, &[JSON], body);
        fixture.issuer.plan(vec![always(Endpoint::Token, refusal)]);
        let report = fixture.doctor().diagnose().await;
        let codes = |report: &Report| report.findings().map(|it| it.code).collect::<Vec<_>>();
        assert_eq!(codes(&report), codes(&kept), "{status} {body}");
    }
}

#[tokio::test]
async fn demanded_proof_is_a_note_with_the_setting() {
    let nonce = [JSON, ("dpop-nonce", "n")];
    let demand = answer(400, &nonce, r#"{"error":"use_dpop_nonce"}"#);
    let report = answering("dpop-demanded", demand).await;
    assert_eq!(found(&report, Code::DpopDemanded), Some(Severity::Note));

    // A login that sends one anyway has nothing to hear.
    let mut fixture = Fixture::new().await;
    fixture.settings.dpop = DpopSetting::Always;
    let demand = answer(400, &[JSON], r#"{"error":"invalid_dpop_proof"}"#);
    fixture.issuer.plan(vec![always(Endpoint::Token, demand)]);
    let report = fixture.doctor().diagnose().await;
    assert_eq!(found(&report, Code::DpopDemanded), None);
}

#[tokio::test]
async fn proofs_of_other_algorithms_alone_are_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.settings.dpop = DpopSetting::Always;
    fixture.issuer.change(|it| {
        let listed = ("dpop_signing_alg_values_supported", json!(["RS256"]));
        it.metadata_overrides = [(listed.0.to_owned(), listed.1)].into();
    });
    let report = fixture.report("dpop-impossible").await;
    assert_eq!(found(&report, Code::DpopImpossible), Some(Severity::Fault));
}

/// A diagnosis sends no secret, so the host says what the last sign-in met.
#[tokio::test]
async fn refused_client_secret_is_a_fault_with_what_changes_something() {
    let mut fixture = Fixture::with(
        |it| {
            it.clients = vec![StaticClient {
                id: "by-hand".to_owned(),
                secret: Some("right".to_owned()),
                auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
                redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
            }];
            it.behaviour.any_loopback_port = true;
        },
        |_| {},
    )
    .await;
    let mut client = by_hand();
    client.secret = Some(ClientSecret::new("mistyped"));
    fixture.settings.client.pre_registered = Some(client);
    let mut refused = RefusedClient::new(StatusCode::UNAUTHORIZED);
    refused.code = Some("invalid_client".to_owned());
    let report = |fixture: &Fixture, refused: &RefusedClient| {
        fixture.doctor().with_refused_client(refused.clone())
    };
    let doctor = report(&fixture, &refused);
    let told = fixture.report_of("client-secret-refused", doctor).await;
    assert_eq!(told.first_fault().unwrap().code, Code::ClientSecretRefused);
    let first = |told: &Report| told.first_fault().unwrap().hints[0].clone();
    let post = Hint::setting("client.auth_method", Some("client_secret_post"));
    assert_eq!(first(&told), post);
    let mut hints = told.findings().flat_map(|it| &it.hints);
    assert!(!hints.any(|it| *it == Hint::SignIn), "it would fail again");

    // What was refused is not named again, nor is what the server does not list the first thing to try.
    refused.auth_methods = vec![TokenEndpointAuthMethod::ClientSecretPost];
    let doctor = report(&fixture, &refused);
    let told = doctor.diagnose().await;
    let secret = Hint::setting("client.secret", None);
    assert_eq!(first(&told), secret);
    assert!(!told.first_fault().unwrap().hints.contains(&post));
    refused.auth_methods.clear();
    fixture
        .issuer
        .change(|it| it.auth_methods = vec![TokenEndpointAuthMethod::ClientSecretBasic]);
    let told = report(&fixture, &refused).diagnose().await;
    assert_eq!(first(&told), secret);

    // The secret is no part of a client that has none.
    fixture.settings.client.pre_registered = Some(by_hand());
    let told = report(&fixture, &refused).diagnose().await;
    assert_eq!(found(&told, Code::ClientSecretRefused), None);
}

fn by_hand() -> PreRegisteredClient {
    PreRegisteredClient::new(ClientId::new("by-hand"))
}

#[tokio::test]
async fn unlisted_client_authentication_is_named() {
    let secret = [
        TokenEndpointAuthMethod::ClientSecretBasic,
        TokenEndpointAuthMethod::ClientSecretPost,
    ];
    let mut fixture = Fixture::new().await;
    fixture
        .issuer
        .change(|it| it.auth_methods = secret.to_vec());
    fixture.settings.client.pre_registered = Some(by_hand());
    // The endpoint may take a public client all the same.
    let refusal = answer(400, &[JSON], r#"{"error":"invalid_grant"}"#);
    let page = answer(200, &[("content-type", "text/html")], "<form>");
    fixture.issuer.plan(vec![
        always(Endpoint::Token, refusal),
        always(Endpoint::Authorization, page),
    ]);
    let report = fixture.report("client-authentication-not-listed").await;
    let severity = found(&report, Code::ClientAuthNotListed);
    assert_eq!(severity, Some(Severity::Note));
    assert_eq!(found(&report, Code::ClientNotAccepted), None);

    // A method that the client would use is used, and is not there.
    fixture
        .issuer
        .change(|it| it.auth_methods = vec![TokenEndpointAuthMethod::PrivateKeyJwt]);
    let client = by_hand().with_secret(ClientSecret::new("of the test"));
    fixture.settings.client.pre_registered = Some(client);
    let report = fixture
        .report("client-authentication-not-listed-with-a-secret")
        .await;
    let severity = found(&report, Code::ClientAuthNotListed);
    assert_eq!(severity, Some(Severity::Warning));
}

#[tokio::test]
async fn client_that_has_signed_in_is_taken_as_it_is() {
    let fixture = Fixture::signed_in().await;
    let secret = vec![TokenEndpointAuthMethod::ClientSecretPost];
    fixture.issuer.change(|it| it.auth_methods = secret);
    let report = fixture.doctor().diagnose().await;
    assert_eq!(found(&report, Code::ClientAuthNotListed), None);
}

#[tokio::test]
async fn public_client_that_the_endpoint_refuses_is_a_fault() {
    let mut fixture = Fixture::new().await;
    fixture.settings.client.pre_registered = Some(by_hand());
    let refusal = answer(401, &[JSON], r#"{"error":"invalid_client"}"#);
    fixture.issuer.plan(vec![always(Endpoint::Token, refusal)]);
    let report = fixture.report("client-not-accepted").await;
    let severity = found(&report, Code::ClientNotAccepted);
    assert_eq!(severity, Some(Severity::Fault));
}
