//! Signing out.

use hallpass_core::{
    RegistrationAccessToken, State,
    record::{RegistrationManagement, SignInCause},
};
use hallpass_session::{Need, Revocation, SignOut};
use url::Url;

use crate::{
    double::ISSUER,
    world::{World, need},
};

#[tokio::test]
async fn both_tokens_are_revoked_and_the_client_stays() {
    let world = World::signed_in().await;
    let session = world.session();
    session.token().await.unwrap();
    let done = session.sign_out(SignOut::Grant).await.unwrap();
    assert!(done.had_grant && !done.forgot_client);
    assert!(matches!(done.refresh_token, Revocation::Revoked));
    assert!(matches!(done.access_token, Revocation::Revoked));
    assert_eq!(
        world.server.requests(),
        [
            format!("POST {ISSUER}/revoke"),
            format!("POST {ISSUER}/revoke")
        ]
    );
    let bodies = world.server.bodies();
    assert!(
        bodies[0].contains("token=refresh-canary-1"),
        "the refresh token comes first"
    );
    assert!(bodies[1].contains("token=access-canary-1"));

    let record = world.record().await;
    assert_eq!(record.state, State::SignInNeeded(SignInCause::SignedOut));
    assert!(record.grant.is_none() && record.registration.is_some());
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), Need::Ended(SignInCause::SignedOut));
}

#[tokio::test]
async fn what_the_server_says_changes_nothing_here() {
    let world = World::signed_in().await;
    world.server.revocation_answers(503);
    let session = world.session();
    let done = session.sign_out(SignOut::Grant).await.unwrap();
    let Revocation::Failed(error) = done.refresh_token else {
        panic!("{done:?}")
    };
    assert_eq!(error.status().unwrap().as_u16(), 503);
    assert_eq!(error.remedy(), hallpass_core::Remedy::Retry);
    assert!(world.record().await.grant.is_none());
}

#[tokio::test]
async fn a_server_without_revocation_is_reported() {
    let world = World::empty();
    world
        .put(|record| record.metadata.revocation_endpoint = None)
        .await;
    let done = world.session().sign_out(SignOut::Grant).await.unwrap();
    assert!(matches!(done.refresh_token, Revocation::Unsupported));
    assert!(matches!(done.access_token, Revocation::Unsupported));
    assert!(world.record().await.grant.is_none());
}

#[tokio::test]
async fn the_client_is_forgotten_on_demand() {
    let world = World::empty();
    let management = RegistrationManagement {
        uri: Url::parse("https://as.example.com/revoke").unwrap(),
        token: RegistrationAccessToken::new("manage-canary"),
    };
    world
        .put(|record| record.registration.as_mut().unwrap().management = Some(management))
        .await;
    let session = world.session();
    let done = session.sign_out(SignOut::ForgetClient).await.unwrap();
    assert!(done.had_grant && done.forgot_client);
    assert!(matches!(done.registration, Revocation::Revoked));
    let last = world.server.requests().pop();
    assert_eq!(
        last.as_deref(),
        Some("DELETE https://as.example.com/revoke")
    );
    assert_eq!(session.record().await.unwrap(), None);
    assert_eq!(need(&session.token().await.unwrap_err()), Need::First);
    let again = session.sign_out(SignOut::ForgetClient).await.unwrap();
    assert!(!again.had_grant && !again.forgot_client);
}

#[tokio::test]
async fn signing_out_waits_for_the_refresh_that_runs() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.server.gate.shut();
    let session = world.session();
    let refreshing = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    world.server.gate.arrived(1).await;
    let leaving = tokio::spawn({
        let session = session.clone();
        async move { session.sign_out(SignOut::Grant).await }
    });
    world.server.gate.open();
    let done = leaving.await.unwrap().unwrap();
    assert!(done.had_grant);
    refreshing.await.unwrap().unwrap();
    // What was revoked is what the refresh brought, and nothing is published any more.
    assert!(
        world
            .server
            .bodies()
            .iter()
            .any(|body| body.contains("token=refresh-canary-2"))
    );
    session.token().await.unwrap_err();
    assert!(world.record().await.grant.is_none());
}
