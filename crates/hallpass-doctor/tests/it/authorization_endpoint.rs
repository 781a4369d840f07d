//! Where a login fails at the authorization endpoint, before its user sees a page.

use hallpass::{ClientId, Hint, Remedy, SignOut, settings::PreRegisteredClient};
use hallpass_doctor::{Code, Report, Severity};
use hallpass_testkit::{Endpoint, Fault, ParameterRule, StaticClient};

use crate::fixture::{Fixture, JSON, always, answer};

const ENTRA: (&str, &str) = (
    "invalid_request",
    "AADSTS901002: The 'resource' request parameter is not supported.",
);

fn found(report: &Report, code: Code) -> Option<Severity> {
    let mut findings = report.findings();
    Some(findings.find(|it| it.code == code)?.severity)
}

/// A user who signed in and out: a sign-in would use the registered client.
async fn registered() -> Fixture {
    let fixture = Fixture::signed_in().await;
    let hallpass = fixture.builder().build().unwrap();
    hallpass.logout(SignOut::default()).await.unwrap();
    fixture
}

/// A client that is registered by hand, and configured.
async fn configured() -> Fixture {
    let client = StaticClient {
        id: "by-hand".to_owned(),
        secret: None,
        auth_method: hallpass::settings::TokenEndpointAuthMethod::None,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
    };
    let mut fixture = Fixture::with(
        |issuer| {
            issuer.clients = vec![client];
            issuer.behaviour.any_loopback_port = true;
        },
        |_| {},
    )
    .await;
    let client = PreRegisteredClient::new(ClientId::new("by-hand"));
    fixture.settings.client.pre_registered = Some(client);
    fixture
}

fn refuse(
    fixture: &Fixture,
    name: &'static str,
    (error, description): (&'static str, &'static str),
) {
    let rule = ParameterRule {
        endpoint: Endpoint::Authorization,
        name,
        prefix: None,
        error,
        description,
    };
    fixture.issuer.change(|it| it.parameter_rules = vec![rule]);
}

#[tokio::test]
async fn error_in_the_redirect_is_a_fault_with_its_fix() {
    for (fixture, name) in [
        (registered().await, "authorization-refused"),
        (
            configured().await,
            "authorization-refused-to-a-configured-client",
        ),
    ] {
        refuse(&fixture, "resource", ENTRA);
        let report = fixture.report(name).await;
        let fault = report.first_fault().unwrap();
        assert_eq!(fault.code, Code::AuthorizationRefused, "{name}");
        assert_eq!(fault.remedy, Remedy::Configure, "{name}");
        assert_eq!(fault.hints[0], Hint::setting("resource", Some("none")));
        let mut hints = report.findings().flat_map(|it| &it.hints);
        assert!(!hints.any(|it| *it == Hint::SignIn), "{name}");
    }
}

#[tokio::test]
async fn refused_redirect_uri_of_a_registered_client_is_named() {
    let fixture = registered().await;
    let page = answer(400, &[JSON], r#"{"error":"invalid_redirect_uri"}"#);
    fixture
        .issuer
        .plan(vec![always(Endpoint::Authorization, page)]);
    let report = fixture.doctor().diagnose().await;
    let mut findings = report.findings();
    let found = findings.find(|it| it.code == Code::RegistrationForgotten);
    let message = &found.unwrap().message;
    assert!(
        message.contains("no longer accepts the redirect URI http://127.0.0.1:"),
        "{message}"
    );
}

/// The sign-in page is on another host than the token endpoint.
fn with_page_elsewhere(fixture: &Fixture) {
    let page = serde_json::json!("https://sign-in.example/authorize");
    fixture.issuer.change(|it| {
        let members = &mut it.metadata_overrides;
        members.insert("authorization_endpoint".to_owned(), page);
    });
}

#[tokio::test]
async fn sign_in_page_on_another_host_is_a_warning_until_it_is_confirmed() {
    let fixture = Fixture::new().await;
    with_page_elsewhere(&fixture);
    let report = fixture.report("confirmation-asked").await;
    let severity = found(&report, Code::ConfirmationAsked);
    assert_eq!(severity, Some(Severity::Warning));

    let mut named = Fixture::new().await;
    with_page_elsewhere(&named);
    named.settings.issuer = named.issuer.origin().parse().ok();
    let report = named.doctor().diagnose().await;
    assert_eq!(found(&report, Code::ConfirmationAsked), None);

    let confirmed = registered().await;
    with_page_elsewhere(&confirmed);
    let hosts = hallpass::record::SignInHosts {
        page: "sign-in.example".to_owned(),
        token: "127.0.0.1".to_owned(),
    };
    let change = |record: &mut hallpass::Record| {
        record.registration = None;
        record.confirm_hosts([hosts]);
    };
    confirmed.change(change).await;
    let report = confirmed.doctor().diagnose().await;
    assert_eq!(found(&report, Code::ConfirmationAsked), None);
}

#[tokio::test]
async fn error_in_the_redirect_is_a_warning_where_the_user_is_signed_in() {
    let fixture = Fixture::signed_in().await;
    refuse(&fixture, "resource", ENTRA);
    let report = fixture.doctor().diagnose().await;
    let severity = found(&report, Code::AuthorizationRefused);
    assert_eq!(severity, Some(Severity::Warning));
}

#[tokio::test]
async fn error_that_a_user_may_change_is_a_warning() {
    let fixture = registered().await;
    refuse(&fixture, "resource", ("login_required", "sign in first"));
    let report = fixture.doctor().diagnose().await;
    let severity = found(&report, Code::AuthorizationRefused);
    assert_eq!(severity, Some(Severity::Warning));
}

#[tokio::test]
async fn configured_client_that_is_accepted_is_no_finding() {
    let fixture = configured().await;
    let report = fixture.report("configured-client-that-is-accepted").await;
    assert_eq!(found(&report, Code::AuthorizationRefused), None);
}

#[tokio::test]
async fn configured_client_that_is_not_known_is_a_fault() {
    let mut fixture = configured().await;
    let client = PreRegisteredClient::new(ClientId::new("mistyped"));
    fixture.settings.client.pre_registered = Some(client);
    // A token endpoint may look at the code first.
    let refusal = answer(400, &[JSON], r#"{"error":"invalid_grant"}"#);
    fixture.issuer.plan(vec![always(Endpoint::Token, refusal)]);
    let report = fixture
        .report("authorization-refused-to-a-client-that-is-not-known")
        .await;
    let severity = found(&report, Code::AuthorizationRefused);
    assert_eq!(severity, Some(Severity::Fault));
}

#[tokio::test]
async fn redirect_uri_that_is_not_accepted_is_a_fault() {
    let mut fixture = configured().await;
    fixture.settings.callback.host = "localhost".to_owned();
    let report = fixture
        .report("authorization-refused-for-the-redirect-uri")
        .await;
    let severity = found(&report, Code::AuthorizationRefused);
    assert_eq!(severity, Some(Severity::Fault));
}

fn page(text: &str) -> Fault {
    answer(200, &[("content-type", "text/html")], text)
}

/// A user whose sign-in asks for consent again.
async fn consenting() -> Fixture {
    let mut fixture = registered().await;
    fixture.issuer.change(|it| {
        it.scopes_supported = Some(["a", "offline_access"].map(str::to_owned).into());
    });
    fixture
        .server
        .change(|it| it.scopes_supported = Some(vec!["a".to_owned()]));
    fixture.sign_in().await;
    let hallpass = fixture.builder().build().unwrap();
    hallpass.logout(SignOut::default()).await.unwrap();
    fixture.settings.authorize_parameters = Vec::new();
    fixture
}

#[tokio::test]
async fn consent_that_is_asked_for_again_is_a_note() {
    let fixture = consenting().await;
    let report = fixture.report("consent-asked").await;
    assert_eq!(found(&report, Code::ConsentAsked), Some(Severity::Note));
}

#[tokio::test]
async fn page_for_consent_without_a_way_on_is_a_fault_with_its_fix() {
    let fixture = consenting().await;
    let approval = page("<title>Approval required</title>");
    fixture
        .issuer
        .plan(vec![always(Endpoint::Authorization, approval)]);
    let report = fixture.report("consent-asked-without-a-way-on").await;
    let fault = report.first_fault().unwrap();
    assert_eq!(fault.code, Code::ConsentAsked);
    let hint = Hint::setting("authorize_parameters", Some("prompt="));
    assert_eq!(fault.hints[0], hint);
    assert_eq!(found(&report, Code::AuthorizationRefused), None);
}

#[tokio::test]
async fn page_without_a_way_on_is_a_warning() {
    let fixture = registered().await;
    let closed = page("<title>Closed for today</title>");
    fixture
        .issuer
        .plan(vec![always(Endpoint::Authorization, closed)]);
    let report = fixture.report("authorization-refused-by-a-page").await;
    let severity = found(&report, Code::AuthorizationRefused);
    assert_eq!(severity, Some(Severity::Warning));
    // A page to sign in at is what a user expects.
    let form = page("<title>Sign in</title><form><input name=user></form>");
    fixture
        .issuer
        .plan(vec![always(Endpoint::Authorization, form)]);
    let report = fixture.doctor().diagnose().await;
    assert_eq!(found(&report, Code::AuthorizationRefused), None);
}
