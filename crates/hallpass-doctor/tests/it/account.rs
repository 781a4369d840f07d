//! The client and the account.

use std::time::Duration;

use hallpass::{
    ClientId, Issuer, Record, Remedy, Scopes, SignOut, Timestamp,
    record::{SignInCause, State},
    settings::PreRegisteredClient,
};
use hallpass_testkit::{AuthorizationServer, ChallengeStyle, Endpoint, RefreshTokens};

use crate::fixture::{Fixture, JSON, answer};

#[tokio::test]
async fn server_without_registration_is_a_fault() {
    let fixture = Fixture::new().await;
    fixture.issuer.change(|it| it.registration = false);
    let report = fixture.report("no-registration").await;
    assert_eq!(report.remedy(), Some(Remedy::Configure));
}

#[tokio::test]
async fn configured_client_of_another_issuer_is_a_fault() {
    let mut fixture = Fixture::new().await;
    let client = PreRegisteredClient::new(ClientId::new("by-hand"));
    fixture.settings.client.pre_registered = Some(client.clone());
    fixture.report("configured-client").await;
    fixture.settings.client.pre_registered =
        Some(client.with_issuer(Issuer::parse("https://other.example").unwrap()));
    fixture.report("client-unusable").await;
}

/// The user signed in and out, and the client is still registered.
async fn signed_out(change: impl FnOnce(&mut hallpass::record::Registration)) -> Fixture {
    let fixture = Fixture::signed_in().await;
    let hallpass = fixture.builder().build().unwrap();
    hallpass.logout(SignOut::default()).await.unwrap();
    fixture
        .change(|record| change(record.registration.as_mut().unwrap()))
        .await;
    fixture
}

#[tokio::test]
async fn reusable_registration_is_no_finding() {
    signed_out(|_| {}).await.report("signed-out").await;
}

#[tokio::test]
async fn expired_client_secret_is_a_warning() {
    let fixture = signed_out(|registration| {
        registration.secret_expires_at = Some(Timestamp::from_unix_seconds(1));
    })
    .await;
    fixture.report("client-secret-expired").await;
}

#[tokio::test]
async fn registration_with_another_callback_is_a_note() {
    let mut fixture = signed_out(|_| {}).await;
    fixture.settings.callback.path = Some("/other".to_owned());
    fixture.report("registration-outdated").await;
}

#[tokio::test]
async fn forgotten_registration_is_a_warning() {
    let fixture = signed_out(|_| {}).await;
    fixture.issuer.forget_clients();
    fixture.report("registration-forgotten").await;
}

#[tokio::test]
async fn changed_settings_are_a_fault() {
    let mut fixture = Fixture::signed_in().await;
    fixture.settings.scopes = Some(Scopes::from_server("mcp:other"));
    fixture.report("settings-changed").await;
}

#[tokio::test]
async fn refresh_refused_earlier_requires_a_sign_in() {
    let fixture = Fixture::signed_in().await;
    fixture
        .change(|record| record.state = State::SignInRequired(SignInCause::RefreshRefused))
        .await;
    let report = fixture.report("sign-in-required").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
}

#[tokio::test]
async fn changed_issuer_is_a_fault() {
    let mut fixture = Fixture::signed_in().await;
    let other = AuthorizationServer::start(hallpass_testkit::AuthorizationServerOptions::default())
        .await
        .unwrap();
    let issuer = other.issuer().to_owned();
    fixture
        .server
        .change(|it| it.authorization_servers = vec![issuer]);
    fixture
        .names
        .push((other.origin().to_owned(), "https://new.example"));
    fixture.report("issuer-changed").await;
}

#[tokio::test]
async fn changed_resource_is_a_warning() {
    let fixture = Fixture::signed_in().await;
    fixture
        .server
        .change(|it| it.resource = hallpass_testkit::PublishedResource::Origin);
    fixture.report("resource-changed").await;
}

#[tokio::test]
async fn refresh_outcome_unknown_is_a_warning() {
    let fixture = Fixture::signed_in().await;
    fixture
        .change(|record| record.state = State::OutcomeUnknown)
        .await;
    fixture.report("refresh-outcome-unknown").await;
}

#[tokio::test]
async fn missing_refresh_token_is_a_note() {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .change(|it| it.refresh_tokens = RefreshTokens::None);
    fixture.sign_in().await;
    fixture.report("no-refresh-token").await;
}

#[tokio::test]
async fn expired_token_without_refresh_token_requires_a_sign_in() {
    let fixture = Fixture::signed_in().await;
    fixture
        .change(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.refresh_token = None;
            grant.expires_at = Some(grant.obtained_at);
            grant.obtained_at = Timestamp::from_unix_seconds(1_700_000_000);
        })
        .await;
    fixture
        .report("sign-in-required-without-refresh-token")
        .await;
}

#[tokio::test]
async fn bearer_token_where_dpop_is_required_is_a_fault() {
    let fixture = Fixture::signed_in().await;
    let fields = vec!["DPoP algs=\"ES256\"".to_owned()];
    fixture
        .server
        .change(|it| it.challenge = ChallengeStyle::Exactly(fields));
    fixture.report("dpop-required").await;
}

#[tokio::test]
async fn unanswered_refresh_is_a_fault() {
    let mut fixture = Fixture::signed_in().await;
    fixture.refreshes = true;
    fixture
        .change(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.expires_at = Some(grant.obtained_at);
        })
        .await;
    let unavailable = answer(503, &[("retry-after", "120")], "");
    fixture.issuer.once(Endpoint::Refresh, unavailable);
    let report = fixture.report("refresh-failed").await;
    assert_eq!(report.remedy(), Some(Remedy::Retry));
}

#[tokio::test]
async fn refused_refresh_names_its_cause() {
    let entra = r#"{"error":"invalid_request","error_description":"AADSTS9010010: The resource does not match the scopes."}"#;
    for (status, body, name) in [
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            "sign-in-required-after-a-refresh",
        ),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            "refresh-failed-for-the-client",
        ),
        (
            400,
            r#"{"error":"invalid_target"}"#,
            "refresh-failed-for-the-resource",
        ),
        (400, entra, "refresh-failed-for-the-resource-at-entra"),
    ] {
        let mut fixture = Fixture::signed_in().await;
        fixture.refreshes = true;
        fixture
            .change(|record| {
                let grant = record.grant.as_mut().unwrap();
                grant.expires_at = Some(grant.obtained_at);
            })
            .await;
        fixture
            .issuer
            .once(Endpoint::Refresh, answer(status, &[JSON], body));
        fixture.limit = Duration::from_secs(60);
        fixture.report(name).await;
    }
}

#[tokio::test]
async fn refused_refresh_is_a_fault_once_the_access_token_has_ended() {
    let body = r#"{"error":"invalid_request","error_description":"refresh_token is invalid"}"#;
    let page = "<html>please sign in</html>";
    for (status, body, name) in [
        (400, body, "refresh-request-refused"),
        (200, page, "refresh-answered-with-a-page"),
    ] {
        let mut fixture = Fixture::signed_in().await;
        let obtained_at = Timestamp::from_unix_seconds(1_700_000_000);
        let ends = |at: Option<Timestamp>| {
            move |record: &mut Record| {
                let grant = record.grant.as_mut().unwrap();
                (grant.obtained_at, grant.expires_at) = (obtained_at, at);
            }
        };
        fixture.change(ends(Some(obtained_at))).await;
        fixture
            .issuer
            .once(Endpoint::Refresh, answer(status, &[JSON], body));
        fixture.limit = Duration::from_secs(60);
        fixture.refreshes = true;
        let report = fixture.report(&format!("{name}-now")).await;
        assert_eq!(report.remedy(), Some(Remedy::SignIn), "{name}");

        fixture.refreshes = false;
        let report = fixture.report(name).await;
        assert_eq!(report.remedy(), Some(Remedy::SignIn), "{name}");
        assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);

        fixture.change(ends(None)).await;
        let report = fixture.report(&format!("{name}-before-the-end")).await;
        assert_eq!(report.first_fault(), None, "{name}");
    }
}
