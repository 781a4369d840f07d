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
    fakes::{FakeAuthorizer, ISSUER, OTHER_ISSUER},
    fixture::{Fixture, need},
};

const FORGET: SignOut = SignOut {
    forget_client: true,
    local_only: false,
};

#[tokio::test]
async fn sign_out_revokes_both_tokens_and_keeps_the_client() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    session.token().await.unwrap();
    let done = session.sign_out(SignOut::default()).await.unwrap();
    assert!(done.had_grant && !done.forgot_client);
    assert!(matches!(done.refresh_token, Revocation::Revoked));
    assert!(matches!(done.access_token, Revocation::Revoked));
    assert_eq!(
        fixture.server.requests(),
        [
            format!("POST {ISSUER}/revoke"),
            format!("POST {ISSUER}/revoke")
        ]
    );
    let bodies = fixture.server.bodies();
    assert!(
        bodies[0].contains("token=refresh-canary-1"),
        "the refresh token comes first"
    );
    assert!(bodies[1].contains("token=access-canary-1"));

    let record = fixture.record().await;
    assert_eq!(record.state, State::SignInRequired(SignInCause::SignedOut));
    assert!(record.grant.is_none() && record.registration.is_some());
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::SignedOut));
}

#[tokio::test]
async fn failed_revocation_still_signs_out_locally() {
    let fixture = Fixture::signed_in().await;
    fixture.server.revocation_answers(503);
    let session = fixture.session();
    let done = session.sign_out(SignOut::default()).await.unwrap();
    let Revocation::Failed(error) = done.refresh_token else {
        panic!("{done:?}")
    };
    assert_eq!(error.status().unwrap().as_u16(), 503);
    assert_eq!(error.remedy(), hallpass_core::Remedy::Retry);
    assert!(fixture.record().await.grant.is_none());
}

#[tokio::test]
async fn missing_revocation_endpoint_is_reported() {
    let fixture = Fixture::empty();
    fixture
        .put(|record| record.metadata.revocation_endpoint = None)
        .await;
    let done = fixture
        .session()
        .sign_out(SignOut::default())
        .await
        .unwrap();
    assert!(matches!(done.refresh_token, Revocation::Unsupported));
    assert!(matches!(done.access_token, Revocation::Unsupported));
    assert!(fixture.record().await.grant.is_none());
}

#[tokio::test]
async fn forget_client_deletes_the_registration() {
    let fixture = Fixture::empty();
    let management = RegistrationManagement {
        uri: Url::parse("https://as.example.com/revoke").unwrap(),
        token: RegistrationAccessToken::new("manage-canary"),
    };
    fixture
        .put(|record| record.registration.as_mut().unwrap().management = Some(management))
        .await;
    let session = fixture.session();
    let done = session.sign_out(FORGET).await.unwrap();
    assert!(done.had_grant && done.forgot_client);
    assert!(matches!(done.registration, Revocation::Revoked));
    let last = fixture.server.requests().pop();
    assert_eq!(
        last.as_deref(),
        Some("DELETE https://as.example.com/revoke")
    );
    assert_eq!(session.record().await.unwrap(), None);
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
    let again = session.sign_out(FORGET).await.unwrap();
    assert!(!again.had_grant && !again.forgot_client);
}

/// A sign-out changes nothing about who operates two hosts.
#[tokio::test]
async fn confirmed_hosts_survive_a_sign_out_until_the_client_is_forgotten() {
    let fixture = Fixture::signed_in().await;
    assert_eq!(fixture.record().await.confirmed_hosts, []);
    let session = fixture.session();
    session.sign_in(SignInRequest::default()).await.unwrap();
    let confirmed = [FakeAuthorizer::confirmed_hosts()];
    assert_eq!(fixture.record().await.confirmed_hosts, confirmed);
    session.sign_out(SignOut::default()).await.unwrap();
    assert_eq!(fixture.record().await.confirmed_hosts, confirmed);
    session.sign_out(FORGET).await.unwrap();
    assert_eq!(session.record().await.unwrap(), None);
}

/// The user is not asked again after a sign-in that is broken off.
#[tokio::test]
async fn confirmed_hosts_are_saved_with_the_registration() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    session.sign_out(SignOut::default()).await.unwrap();
    fixture.authorizer.registers.store(true, Ordering::SeqCst);
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let request = SignInRequest::default();
    session.sign_in(request).await.unwrap_err();
    let confirmed = [FakeAuthorizer::confirmed_hosts()];
    assert_eq!(fixture.record().await.confirmed_hosts, confirmed);
}

#[tokio::test]
async fn sign_out_waits_for_a_running_refresh() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.server.gate.shut();
    let session = fixture.session();
    let refreshing = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    fixture.server.gate.arrived(1).await;
    let leaving = tokio::spawn({
        let session = session.clone();
        async move { session.sign_out(SignOut::default()).await }
    });
    fixture.server.gate.open();
    let done = leaving.await.unwrap().unwrap();
    assert!(done.had_grant);
    refreshing.await.unwrap().unwrap();
    // The new tokens of the refresh are revoked, and no token is published.
    assert!(
        fixture
            .server
            .bodies()
            .iter()
            .any(|body| body.contains("token=refresh-canary-2"))
    );
    session.token().await.unwrap_err();
    assert!(fixture.record().await.grant.is_none());
}

#[tokio::test]
async fn record_removed_after_a_read_is_not_published() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    fixture.store.loaded.shut();
    fixture.store.hold_next.store(true, Ordering::SeqCst);
    let reading = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    fixture.store.loaded.arrived(1).await;
    session.sign_out(FORGET).await.unwrap();
    fixture.store.loaded.open();
    assert_eq!(
        need(&reading.await.unwrap().unwrap_err()),
        SignInNeed::First
    );
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
}

#[tokio::test]
async fn missing_record_does_not_clear_a_newer_token() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    fixture.store.loaded.shut();
    fixture.store.hold_next.store(true, Ordering::SeqCst);
    let reading = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    fixture.store.loaded.arrived(1).await;
    session.sign_in(SignInRequest::default()).await.unwrap();
    fixture.store.loaded.open();
    reading.await.unwrap().unwrap();
    let loads = fixture.store.loads.load(Ordering::SeqCst);
    session.token().await.unwrap();
    assert_eq!(
        fixture.store.loads.load(Ordering::SeqCst),
        loads,
        "it is there"
    );
}

/// A fixture whose server moved to another authorization server, with a grant of each.
async fn moved() -> Fixture {
    let mut fixture = Fixture::empty();
    // A client that is pre-registered with the second one and has the same identifier at both.
    fixture.settings.client.pre_registered = Some(
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
        fixture
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
        fixture.server.migrate();
    }
    fixture
}

#[tokio::test]
async fn each_authorization_server_gets_only_its_own_grant() {
    let fixture = moved().await;
    let session = fixture.session();
    let done = session.sign_out(SignOut::default()).await.unwrap();
    assert!(done.had_grant && !done.forgot_client);
    assert!(matches!(done.refresh_token, Revocation::Revoked));
    assert!(matches!(done.registration, Revocation::NothingToRevoke));
    let seen: Vec<_> = fixture
        .server
        .requests()
        .into_iter()
        .zip(fixture.server.bodies())
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
    // Both grants are gone, the clients are kept, and the active record is still active.
    let records = fixture.store.records(&fixture.key).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].issuer.as_str(), OTHER_ISSUER);
    assert_eq!(fixture.record().await.issuer.as_str(), OTHER_ISSUER);
    for record in records {
        assert_eq!(record.state, State::SignInRequired(SignInCause::SignedOut));
        assert!(record.grant.is_none() && record.registration.is_some());
    }
    let again = session.sign_out(SignOut::default()).await.unwrap();
    assert!(!again.had_grant);
}

#[tokio::test]
async fn forget_client_deletes_all_registrations() {
    let fixture = moved().await;
    let session = fixture.session();
    let done = session.sign_out(FORGET).await.unwrap();
    assert!(done.had_grant && done.forgot_client);
    let requests = fixture.server.requests();
    let deleted: Vec<_> = requests
        .iter()
        .filter(|r| r.starts_with("DELETE"))
        .collect();
    assert_eq!(
        deleted,
        [&format!("DELETE {OTHER_ISSUER}/revoke")],
        "the one it made itself"
    );
    assert_eq!(fixture.store.records(&fixture.key).await.unwrap(), []);
}

#[tokio::test]
async fn local_sign_out_sends_no_request() {
    for forget_client in [false, true] {
        let fixture = moved().await;
        let how = SignOut {
            forget_client,
            local_only: true,
        };
        let done = fixture.session().sign_out(how).await.unwrap();
        assert_eq!(fixture.server.requests(), [""; 0]);
        assert!(done.had_grant);
        assert!(matches!(done.refresh_token, Revocation::Skipped));
        assert!(matches!(done.access_token, Revocation::Skipped));
        assert_eq!(
            matches!(done.registration, Revocation::Skipped),
            forget_client
        );
        let records = fixture.store.records(&fixture.key).await.unwrap();
        assert!(records.iter().all(|record| record.grant.is_none()));
        assert_eq!(records.is_empty(), forget_client);
    }
}

#[tokio::test]
async fn worst_revocation_of_several_servers_is_reported() {
    let fixture = moved().await;
    fixture.server.revocation_answers(503);
    let mut first = fixture.store.records(&fixture.key).await.unwrap().remove(1);
    first.metadata.revocation_endpoint = None;
    fixture.replace(first).await;
    let done = fixture
        .session()
        .sign_out(SignOut::default())
        .await
        .unwrap();
    assert!(
        matches!(done.refresh_token, Revocation::Failed(_)),
        "{done:?}"
    );
}
