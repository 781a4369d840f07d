//! Signing out.

use std::sync::atomic::Ordering;

use hallpass_core::{
    ClientId, ClientSecret, CredentialStore, PreRegisteredClient, RegistrationAccessToken, State,
    TokenEndpointAuthMethod,
    record::{RegistrationManagement, RegistrationOrigin, SignInCause},
};
use hallpass_session::{Revocation, SignInNeed, SignInRequest, SignOut};
use url::Url;

use crate::{
    double::{ISSUER, OTHER_ISSUER},
    world::{World, need},
};

const FORGET: SignOut = SignOut {
    forget_client: true,
    local_only: false,
};

#[tokio::test]
async fn both_tokens_are_revoked_and_the_client_stays() {
    let world = World::signed_in().await;
    let session = world.session();
    session.token().await.unwrap();
    let done = session.sign_out(SignOut::default()).await.unwrap();
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
    assert_eq!(record.state, State::SignInRequired(SignInCause::SignedOut));
    assert!(record.grant.is_none() && record.registration.is_some());
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::SignedOut));
}

#[tokio::test]
async fn what_the_server_says_changes_nothing_here() {
    let world = World::signed_in().await;
    world.server.revocation_answers(503);
    let session = world.session();
    let done = session.sign_out(SignOut::default()).await.unwrap();
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
    let done = world.session().sign_out(SignOut::default()).await.unwrap();
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
    let done = session.sign_out(FORGET).await.unwrap();
    assert!(done.had_grant && done.forgot_client);
    assert!(matches!(done.registration, Revocation::Revoked));
    let last = world.server.requests().pop();
    assert_eq!(
        last.as_deref(),
        Some("DELETE https://as.example.com/revoke")
    );
    assert_eq!(session.record().await.unwrap(), None);
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
    let again = session.sign_out(FORGET).await.unwrap();
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
        async move { session.sign_out(SignOut::default()).await }
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

#[tokio::test]
async fn whoever_read_the_record_before_it_was_removed_does_not_publish_it() {
    let world = World::signed_in().await;
    let session = world.session();
    world.store.loaded.shut();
    world.store.hold_next.store(true, Ordering::SeqCst);
    let reading = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    world.store.loaded.arrived(1).await;
    session.sign_out(FORGET).await.unwrap();
    world.store.loaded.open();
    assert_eq!(
        need(&reading.await.unwrap().unwrap_err()),
        SignInNeed::First
    );
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
}

#[tokio::test]
async fn whoever_found_nothing_does_not_take_back_what_was_published_since() {
    let world = World::empty();
    let session = world.session();
    world.store.loaded.shut();
    world.store.hold_next.store(true, Ordering::SeqCst);
    let reading = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    world.store.loaded.arrived(1).await;
    session.sign_in(SignInRequest::default()).await.unwrap();
    world.store.loaded.open();
    reading.await.unwrap().unwrap();
    let loads = world.store.loads.load(Ordering::SeqCst);
    session.token().await.unwrap();
    assert_eq!(
        world.store.loads.load(Ordering::SeqCst),
        loads,
        "it is there"
    );
}

/// A world whose server moved to another authorization server, with a grant of each.
async fn moved() -> World {
    let mut world = World::empty();
    // A client that is registered by hand with the second one, under the name it has at both.
    world.settings.client.pre_registered = Some(
        PreRegisteredClient::new(ClientId::new("client-1"))
            .with_secret(ClientSecret::new("secret-of-the-second")),
    );
    for (issuer, secret) in [
        (ISSUER, "secret-of-the-first"),
        (OTHER_ISSUER, "old-secret"),
    ] {
        let management = RegistrationManagement {
            uri: Url::parse(&format!("{issuer}/revoke")).unwrap(),
            token: RegistrationAccessToken::new("manage-canary"),
        };
        world
            .put(|record| {
                let registration = record.registration.as_mut().unwrap();
                registration.client_secret = Some(ClientSecret::new(secret));
                registration.auth_method = TokenEndpointAuthMethod::ClientSecretPost;
                registration.management = Some(management);
                registration.origin = match issuer {
                    ISSUER => RegistrationOrigin::PreRegistered,
                    _ => RegistrationOrigin::Dynamic,
                };
            })
            .await;
        world.server.migrate();
    }
    world
}

#[tokio::test]
async fn every_authorization_server_of_the_slot_is_told_of_its_own_grant_alone() {
    let world = moved().await;
    let session = world.session();
    let done = session.sign_out(SignOut::default()).await.unwrap();
    assert!(done.had_grant && !done.forgot_client);
    assert!(matches!(done.refresh_token, Revocation::Revoked));
    assert!(matches!(done.registration, Revocation::NothingToRevoke));
    let seen: Vec<_> = world
        .server
        .requests()
        .into_iter()
        .zip(world.server.bodies())
        .collect();
    assert_eq!(seen.len(), 4);
    for (number, (issuer, token, secret)) in [
        (OTHER_ISSUER, "refresh-canary-2", "old-secret"),
        (OTHER_ISSUER, "access-canary-2", "old-secret"),
        (ISSUER, "refresh-canary-1", "secret-of-the-first"),
        (ISSUER, "access-canary-1", "secret-of-the-first"),
    ]
    .into_iter()
    .enumerate()
    {
        let (request, body) = &seen[number];
        assert_eq!(*request, format!("POST {issuer}/revoke"));
        assert!(body.contains(token) && body.contains(secret), "{body}");
    }
    // Nothing is left of either grant; the clients stay, and the active one is active still.
    let records = world.store.records(&world.key).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].issuer.as_str(), OTHER_ISSUER);
    assert_eq!(world.record().await.issuer.as_str(), OTHER_ISSUER);
    for record in records {
        assert_eq!(record.state, State::SignInRequired(SignInCause::SignedOut));
        assert!(record.grant.is_none() && record.registration.is_some());
    }
    let again = session.sign_out(SignOut::default()).await.unwrap();
    assert!(!again.had_grant);
}

#[tokio::test]
async fn every_client_of_the_slot_is_forgotten() {
    let world = moved().await;
    let session = world.session();
    let done = session.sign_out(FORGET).await.unwrap();
    assert!(done.had_grant && done.forgot_client);
    let requests = world.server.requests();
    let deleted: Vec<_> = requests
        .iter()
        .filter(|r| r.starts_with("DELETE"))
        .collect();
    assert_eq!(
        deleted,
        [&format!("DELETE {OTHER_ISSUER}/revoke")],
        "the one it made itself"
    );
    assert_eq!(world.store.records(&world.key).await.unwrap(), []);
}

#[tokio::test]
async fn signing_out_here_alone_tells_nobody() {
    for forget_client in [false, true] {
        let world = moved().await;
        let how = SignOut {
            forget_client,
            local_only: true,
        };
        let done = world.session().sign_out(how).await.unwrap();
        assert_eq!(world.server.requests(), [""; 0]);
        assert!(done.had_grant);
        assert!(matches!(done.refresh_token, Revocation::Skipped));
        assert!(matches!(done.access_token, Revocation::Skipped));
        assert_eq!(
            matches!(done.registration, Revocation::Skipped),
            forget_client
        );
        let records = world.store.records(&world.key).await.unwrap();
        assert!(records.iter().all(|record| record.grant.is_none()));
        assert_eq!(records.is_empty(), forget_client);
    }
}

#[tokio::test]
async fn the_worst_answer_of_several_servers_is_told() {
    let world = moved().await;
    world.server.revocation_answers(503);
    let mut first = world.store.records(&world.key).await.unwrap().remove(1);
    first.metadata.revocation_endpoint = None;
    world.replace(first).await;
    let done = world.session().sign_out(SignOut::default()).await.unwrap();
    assert!(
        matches!(done.refresh_token, Revocation::Failed(_)),
        "{done:?}"
    );
}
