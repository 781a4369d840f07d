//! Signing in through the host's authorizer.

use std::sync::atomic::Ordering;

use hallpass_core::{
    CredentialStore, Issuer, Remedy, ResourceSetting, Scopes, ServerSettings, SignInReason, State,
    record::SignInCause, store::LockKind,
};
use hallpass_session::{Session, SessionError, SignInNeed, SignInRequest, SignOut};
use tokio::task::JoinSet;

use crate::{
    double::{Fault, ISSUER, OTHER_ISSUER},
    world::{CLOSE_TIMEOUT, World, bare, need, serial},
};

#[tokio::test]
async fn a_token_alone_never_bothers_anybody() {
    let world = World::empty();
    let session = world.session();
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
    assert_eq!(world.person.calls(), 0);
}

#[tokio::test]
async fn a_host_without_authorizer_is_told() {
    let world = World::empty();
    let (store, http) = (world.store.clone(), world.server.clone());
    let session = Session::builder(world.key.clone(), ServerSettings::default(), store, http)
        .build()
        .unwrap();
    let error = session.handle_challenge(None, &bare()).await.unwrap_err();
    assert!(matches!(error, SessionError::SignIn(_)));
    assert_eq!(error.remedy(), Remedy::SignIn);
}

#[tokio::test]
async fn a_challenge_signs_in_once_for_all() {
    let world = World::empty();
    world.person.gate.shut();
    let session = world.session();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let session = session.clone();
        tasks.spawn(async move { session.handle_challenge(None, &bare()).await });
    }
    world.person.gate.arrived(1).await;
    // Nobody holds the credential's lock while a person thinks.
    let wait = std::time::Duration::from_secs(1);
    drop(
        world
            .store
            .lock(&world.key, LockKind::Credential, wait)
            .await
            .unwrap(),
    );
    world.person.gate.open();
    for token in tasks.join_all().await {
        assert_eq!(serial(&token.unwrap()), 1);
    }
    assert_eq!(
        world.person.asked(),
        [(SignInReason::First, String::new(), None)]
    );
    assert_eq!(session.counters().sign_ins, 1);
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
    // The next start needs nobody.
    assert_eq!(serial(&world.session().token().await.unwrap()), 1);
}

#[tokio::test]
async fn a_sign_in_that_nobody_waits_for_is_broken_off_and_keeps_its_registration() {
    let world = World::empty();
    world.person.registers.store(true, Ordering::SeqCst);
    world.person.gate.shut();
    let session = world.session();
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.sign_in(SignInRequest::default()).await.map(|_| ()) }
    });
    world.person.gate.arrived(1).await;
    caller.abort();
    caller.await.unwrap_err();
    // The next one is a sign-in of its own, not a wait for the old window.
    world.person.gate.open();
    let token = session.sign_in(SignInRequest::default()).await.unwrap();
    assert_eq!(world.person.calls(), 2);
    assert_eq!(serial(&token), 1);
    // It could build on the registration that the first one kept.
    assert_eq!(world.person.asked()[1].2.as_deref(), Some(ISSUER));
}

#[tokio::test]
async fn a_registration_does_not_displace_a_grant_that_works() {
    let world = World::signed_in().await;
    world.person.registers.store(true, Ordering::SeqCst);
    world.person.refuses.store(true, Ordering::SeqCst);
    let session = world.session();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    let record = world.record().await;
    assert_eq!(record.registration.unwrap().client_id.as_str(), "client-1");
    assert_eq!(serial(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn a_sign_in_of_other_settings_that_is_broken_off_costs_no_grant() {
    let world = World::signed_in().await;
    let before = world.record().await;
    world.person.registers.store(true, Ordering::SeqCst);
    world.person.refuses.store(true, Ordering::SeqCst);
    let mut other = world.clone();
    other.settings.scopes = Some(Scopes::from_server("x"));
    let session = other.session();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    assert_eq!(world.record().await, before);
    assert_eq!(serial(&world.session().token().await.unwrap()), 1);

    // A registration with another authorization server would take its place as the active record.
    world.server.migrate();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    assert_eq!(world.record().await, before);
}

#[tokio::test]
async fn a_sign_in_that_is_broken_off_costs_no_grant_that_is_not_active() {
    let world = World::signed_in().await;
    let before = world.record().await;
    let other = Issuer::parse(OTHER_ISSUER).unwrap();
    world
        .put(|record| {
            record.grant = None;
            record.metadata.issuer = other.clone();
            record.issuer = other;
        })
        .await;
    world.person.registers.store(true, Ordering::SeqCst);
    world.person.refuses.store(true, Ordering::SeqCst);
    let session = world.session();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    let kept = world.store.load_issuer(&world.key, &before.issuer);
    assert_eq!(kept.await.unwrap(), Some(before));
}

#[tokio::test]
async fn closing_breaks_a_sign_in_off() {
    let world = World::empty();
    world.clock.hold();
    world.person.gate.shut();
    let session = world.session();
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.sign_in(SignInRequest::default()).await }
    });
    world.person.gate.arrived(1).await;
    session.close(CLOSE_TIMEOUT).await.unwrap();
    assert!(matches!(
        caller.await.unwrap(),
        Err(SessionError::Closed(_))
    ));
}

#[tokio::test]
async fn another_process_that_signed_in_meanwhile_is_adopted() {
    let world = World::empty();
    let (one, two) = (world.session(), world.session());
    two.token().await.unwrap_err();
    one.sign_in(SignInRequest::default()).await.unwrap();
    let token = two.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!((serial(&token), world.person.calls()), (1, 1));
}

#[tokio::test]
async fn a_changed_setting_needs_a_sign_in_and_is_named() {
    let mut world = World::signed_in().await;
    world.settings.resource = ResourceSetting::Omitted;
    let session = world.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::SettingChanged("resource".to_owned())
    );
    assert!(error.to_string().contains("`resource`"), "{error}");
    assert_eq!(world.server.requests(), [""; 0], "nothing is sent anywhere");

    let token = session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(serial(&token), 2);
    let expected = (SignInReason::Ended, String::new(), Some(ISSUER.to_owned()));
    assert_eq!(world.person.asked(), [expected]);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn another_issuer_s_record_is_sent_nowhere() {
    let mut world = World::signed_in().await;
    world.settings.issuer = Some(Issuer::parse(OTHER_ISSUER).unwrap());
    world.clock.advance(3_600);
    let session = world.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::SettingChanged("issuer".to_owned())
    );
    assert_eq!(world.server.requests(), [""; 0]);
    // A sign-in may not build on its registration either.
    world.server.migrate();
    session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(world.person.asked()[0].2, None);
    assert_eq!(world.record().await.issuer.as_str(), OTHER_ISSUER);
}

#[tokio::test]
async fn a_migration_signs_in_at_the_new_server_with_nothing_of_the_old() {
    let world = World::empty();
    world
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    let session = world.session();
    let refused = session.token().await.unwrap();
    world.server.migrate();
    let token = session
        .handle_challenge(Some(&refused), &bare())
        .await
        .unwrap();
    assert_eq!(token.issuer().unwrap().as_str(), OTHER_ISSUER);
    assert_eq!(
        world.person.asked(),
        [(SignInReason::Migration, String::new(), None)]
    );
    let record = world.record().await;
    assert_eq!(record.issuer.as_str(), OTHER_ISSUER);
    let old = Issuer::parse(ISSUER).unwrap();
    let old = world
        .store
        .load_issuer(&world.key, &old)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(old.state, State::SignInRequired(SignInCause::IssuerChanged));
}

#[tokio::test]
async fn a_token_of_a_new_sign_in_that_is_refused_ends() {
    let world = World::empty();
    let session = world.session();
    let token = session.handle_challenge(None, &bare()).await.unwrap();
    for _ in 0..3 {
        let error = session
            .handle_challenge(Some(&token), &bare())
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Terminated(_)), "{error:?}");
    }
    assert_eq!(world.person.calls(), 1);
}

#[tokio::test]
async fn a_new_sign_in_heals_an_ended_grant() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.server.fault(Fault::LostAfter);
    let session = world.session();
    session.token().await.unwrap_err();
    world.clock.advance(60);
    let token = session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(serial(&session.token().await.unwrap()), serial(&token));
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
    let (reason, scopes, _) = world.person.asked().remove(0);
    assert_eq!(
        (reason, scopes.as_str()),
        (SignInReason::Ended, "a b"),
        "as it was"
    );
}

#[tokio::test]
async fn signing_out_and_in_again_gives_the_new_token() {
    let world = World::signed_in().await;
    let session = world.session();
    session.token().await.unwrap();
    session.sign_out(SignOut::default()).await.unwrap();
    assert_eq!(
        need(&session.token().await.unwrap_err()),
        SignInNeed::Ended(SignInCause::SignedOut)
    );
    let request = SignInRequest {
        scopes: Scopes::from_server("x"),
        ..SignInRequest::default()
    };
    let token = session.sign_in(request).await.unwrap();
    assert_eq!(token.scopes().to_string(), "x");
    assert_eq!(serial(&session.token().await.unwrap()), serial(&token));
}
