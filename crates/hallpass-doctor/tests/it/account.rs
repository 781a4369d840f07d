//! The client and the account.

use std::time::Duration;

use hallpass::{
    ClientId, Issuer, PreRegisteredClient, Remedy, Scopes, SignOut, State, Timestamp,
    record::SignInCause,
};
use hallpass_testkit::{AuthorizationServer, ChallengeStyle, Endpoint, RefreshTokens};

use crate::case::{Case, JSON, answer};

#[tokio::test]
async fn a_server_that_registers_nobody() {
    let case = Case::new().await;
    case.issuer.change(|it| it.registration = false);
    let report = case.report("no-registration").await;
    assert_eq!(report.remedy(), Some(Remedy::Configure));
}

#[tokio::test]
async fn a_configured_client() {
    let mut case = Case::new().await;
    let client = PreRegisteredClient {
        id: ClientId::new("by-hand"),
        secret: None,
        auth_method: None,
        issuer: None,
    };
    case.settings.client.pre_registered = Some(client.clone());
    case.report("configured-client").await;
    case.settings.client.pre_registered = Some(PreRegisteredClient {
        issuer: Some(Issuer::parse("https://other.example").unwrap()),
        ..client
    });
    case.report("client-unusable").await;
}

/// Somebody signed in and out, and the client is still registered.
async fn signed_out(change: impl FnOnce(&mut hallpass::Registration)) -> Case {
    let case = Case::signed_in().await;
    let hallpass = case.builder().build().unwrap();
    hallpass.logout(SignOut::default()).await.unwrap();
    case.change(|record| change(record.registration.as_mut().unwrap()))
        .await;
    case
}

#[tokio::test]
async fn a_client_that_serves_again() {
    signed_out(|_| {}).await.report("signed-out").await;
}

#[tokio::test]
async fn a_client_whose_secret_has_ended() {
    let case = signed_out(|registration| {
        registration.secret_expires_at = Some(Timestamp::from_unix_seconds(1));
    })
    .await;
    case.report("client-secret-expired").await;
}

#[tokio::test]
async fn a_client_with_another_callback() {
    let mut case = signed_out(|_| {}).await;
    case.settings.callback.path = "/other".to_owned();
    case.report("registration-outdated").await;
}

#[tokio::test]
async fn a_client_that_the_server_has_forgotten() {
    let case = signed_out(|_| {}).await;
    case.issuer.forget_clients();
    case.report("registration-forgotten").await;
}

#[tokio::test]
async fn a_setting_that_has_changed() {
    let mut case = Case::signed_in().await;
    case.settings.scopes = Some(Scopes::from_server("mcp:other"));
    case.report("settings-changed").await;
}

#[tokio::test]
async fn a_refresh_that_was_refused_earlier() {
    let case = Case::signed_in().await;
    case.change(|record| record.state = State::SignInRequired(SignInCause::RefreshRefused))
        .await;
    let report = case.report("sign-in-needed").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
}

#[tokio::test]
async fn another_authorization_server_protects_the_server_now() {
    let mut case = Case::signed_in().await;
    let other = AuthorizationServer::start(hallpass_testkit::AuthorizationServerOptions::default())
        .await
        .unwrap();
    let issuer = other.issuer().to_owned();
    case.server
        .change(|it| it.authorization_servers = vec![issuer]);
    case.names
        .push((other.origin().to_owned(), "https://new.example"));
    case.report("issuer-changed").await;
}

#[tokio::test]
async fn a_resource_that_has_changed() {
    let case = Case::signed_in().await;
    case.server
        .change(|it| it.resource = hallpass_testkit::PublishedResource::Origin);
    case.report("resource-changed").await;
}

#[tokio::test]
async fn a_refresh_whose_outcome_nobody_knows() {
    let case = Case::signed_in().await;
    case.change(|record| record.state = State::OutcomeUnknown)
        .await;
    case.report("refresh-outcome-unknown").await;
}

#[tokio::test]
async fn no_refresh_token_came() {
    let case = Case::new().await;
    case.issuer
        .change(|it| it.refresh_tokens = RefreshTokens::None);
    case.sign_in().await;
    case.report("no-refresh-token").await;
}

#[tokio::test]
async fn a_token_that_ended_and_can_t_be_renewed() {
    let case = Case::signed_in().await;
    case.change(|record| {
        let grant = record.grant.as_mut().unwrap();
        grant.refresh_token = None;
        grant.expires_at = Some(grant.obtained_at);
        grant.obtained_at = Timestamp::from_unix_seconds(1_700_000_000);
    })
    .await;
    case.report("sign-in-needed-without-refresh-token").await;
}

#[tokio::test]
async fn a_bearer_s_token_where_a_bound_one_is_wanted() {
    let case = Case::signed_in().await;
    let fields = vec!["DPoP algs=\"ES256\"".to_owned()];
    case.server
        .change(|it| it.challenge = ChallengeStyle::Exactly(fields));
    case.report("dpop-required").await;
}

#[tokio::test]
async fn a_refresh_that_is_not_answered_now() {
    let mut case = Case::signed_in().await;
    case.refreshes = true;
    case.change(|record| {
        let grant = record.grant.as_mut().unwrap();
        grant.expires_at = Some(grant.obtained_at);
    })
    .await;
    let unavailable = answer(503, &[("retry-after", "120")], "");
    case.issuer.once(Endpoint::Refresh, unavailable);
    let report = case.report("refresh-failed").await;
    assert_eq!(report.remedy(), Some(Remedy::Retry));
}

#[tokio::test]
async fn a_refresh_that_is_refused() {
    let entra = r#"{"error":"invalid_request","error_description":"AADSTS9010010: The resource does not match the scopes."}"#;
    for (status, body, name) in [
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            "sign-in-needed-after-a-refresh",
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
        let mut case = Case::signed_in().await;
        case.refreshes = true;
        case.change(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.expires_at = Some(grant.obtained_at);
        })
        .await;
        case.issuer
            .once(Endpoint::Refresh, answer(status, &[JSON], body));
        case.limit = Duration::from_secs(60);
        case.report(name).await;
    }
}
