//! Signing in through the host's authorizer.

use std::{sync::atomic::Ordering, time::Duration};

use hallpass_core::{
    CredentialStore, Diagnostic as _, Issuer, Remedy, ResourceSetting, Scopes, ServerSettings,
    SignInReason, State, record::SignInCause, store::LockKind,
};
use hallpass_session::{Session, SessionError, SignInNeed, SignInRequest, SignOut};
use tokio::task::JoinSet;

use crate::{
    fakes::{Fault, ISSUER, OTHER_ISSUER},
    fixture::{CLOSE_TIMEOUT, Fixture, bare, need, serial},
};

#[tokio::test]
async fn token_call_never_signs_in() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
    assert_eq!(fixture.authorizer.calls(), 0);
}

#[tokio::test]
async fn missing_authorizer_is_reported() {
    let fixture = Fixture::empty();
    let (store, http) = (fixture.store.clone(), fixture.server.clone());
    let session = Session::builder(fixture.key.clone(), ServerSettings::default(), store, http)
        .build()
        .unwrap();
    let error = session.handle_challenge(None, &bare()).await.unwrap_err();
    assert!(matches!(error, SessionError::SignIn(_)));
    assert_eq!(error.remedy(), Remedy::SignIn);
}

#[tokio::test]
async fn concurrent_challenges_share_one_sign_in() {
    let fixture = Fixture::empty();
    fixture.authorizer.gate.shut();
    let session = fixture.session();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let session = session.clone();
        tasks.spawn(async move { session.handle_challenge(None, &bare()).await });
    }
    fixture.authorizer.gate.arrived(1).await;
    // The credential's lock is free while the user signs in.
    let wait = std::time::Duration::from_secs(1);
    drop(
        fixture
            .store
            .lock(&fixture.key, LockKind::Credential, wait)
            .await
            .unwrap(),
    );
    fixture.authorizer.gate.open();
    for token in tasks.join_all().await {
        assert_eq!(serial(&token.unwrap()), 1);
    }
    assert_eq!(
        fixture.authorizer.asked(),
        [(SignInReason::First, String::new(), None)]
    );
    assert_eq!(session.counters().sign_ins, 1);
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
    // The next session needs no sign-in.
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 1);
}

#[tokio::test]
async fn sign_in_without_callers_is_cancelled_and_keeps_its_registration() {
    let fixture = Fixture::empty();
    fixture.authorizer.registers.store(true, Ordering::SeqCst);
    fixture.authorizer.gate.shut();
    let session = fixture.session();
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.sign_in(SignInRequest::default()).await.map(|_| ()) }
    });
    fixture.authorizer.gate.arrived(1).await;
    caller.abort();
    caller.await.unwrap_err();
    // The next call starts a new sign-in and does not wait for the old one.
    fixture.authorizer.gate.open();
    let token = session.sign_in(SignInRequest::default()).await.unwrap();
    assert_eq!(fixture.authorizer.calls(), 2);
    assert_eq!(serial(&token), 1);
    // It can reuse the registration that the first one saved.
    assert_eq!(fixture.authorizer.asked()[1].2.as_deref(), Some(ISSUER));
}

/// The user is done, so a caller that is dropped at that moment costs no grant.
#[tokio::test]
async fn sign_in_that_ends_as_its_caller_is_dropped_is_saved() {
    for _ in 0..32 {
        let fixture = Fixture::empty();
        let session = fixture.session();
        fixture.authorizer.gate.shut();
        {
            let caller = session.sign_in(SignInRequest::default());
            tokio::select! {
                ended = caller => panic!("{ended:?}"),
                () = fixture.authorizer.gate.arrived(1) => fixture.authorizer.gate.open(),
            }
        }
        // On one thread the task runs meanwhile.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let record = fixture.store.load(&fixture.key).await.unwrap();
        assert_eq!(record.unwrap().state, State::SignedIn);
    }
}

#[tokio::test]
async fn abandoned_sign_in_is_not_joined_before_it_is_cancelled() {
    let fixture = Fixture::empty();
    fixture.authorizer.gate.shut();
    let session = fixture.session();
    {
        let abandoned = session.sign_in(SignInRequest::default());
        tokio::select! {
            ended = abandoned => panic!("{ended:?}"),
            () = fixture.authorizer.gate.arrived(1) => {}
        }
    }
    // On one thread the task of the abandoned sign-in has not run since.
    let next = session.sign_in(SignInRequest::default());
    let asked_again = async {
        fixture.authorizer.gate.arrived(2).await;
        fixture.authorizer.gate.open();
        std::future::pending::<()>().await;
    };
    let next = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            token = next => token,
            () = asked_again => unreachable!(),
        }
    });
    let token = next
        .await
        .unwrap_or_else(|_| panic!("the user is not asked again"));
    let token = token.unwrap();
    assert_eq!(serial(&token), 1);
    assert_eq!(fixture.authorizer.calls(), 2);
}

#[tokio::test]
async fn registration_does_not_replace_a_valid_grant() {
    let fixture = Fixture::signed_in().await;
    fixture.authorizer.registers.store(true, Ordering::SeqCst);
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let session = fixture.session();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    let record = fixture.record().await;
    assert_eq!(record.registration.unwrap().client_id.as_str(), "client-1");
    assert_eq!(serial(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn cancelled_sign_in_with_other_settings_keeps_the_grant() {
    let fixture = Fixture::signed_in().await;
    let before = fixture.record().await;
    fixture.authorizer.registers.store(true, Ordering::SeqCst);
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let mut other = fixture.clone();
    other.settings.scopes = Some(Scopes::from_server("x"));
    let session = other.session();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    assert_eq!(fixture.record().await, before);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 1);

    // A registration with another authorization server would take its place as the active record.
    fixture.server.migrate();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    assert_eq!(fixture.record().await, before);
}

#[tokio::test]
async fn cancelled_sign_in_keeps_the_inactive_grant() {
    let fixture = Fixture::signed_in().await;
    let before = fixture.record().await;
    let other = Issuer::parse(OTHER_ISSUER).unwrap();
    fixture
        .put(|record| {
            record.grant = None;
            record.metadata.issuer = other.clone();
            record.issuer = other;
        })
        .await;
    fixture.authorizer.registers.store(true, Ordering::SeqCst);
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let session = fixture.session();
    session.sign_in(SignInRequest::default()).await.unwrap_err();
    let kept = fixture.store.load_issuer(&fixture.key, &before.issuer);
    assert_eq!(kept.await.unwrap(), Some(before));
}

#[tokio::test]
async fn close_cancels_a_running_sign_in() {
    let fixture = Fixture::empty();
    fixture.clock.hold();
    fixture.authorizer.gate.shut();
    let session = fixture.session();
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.sign_in(SignInRequest::default()).await }
    });
    fixture.authorizer.gate.arrived(1).await;
    session.close(CLOSE_TIMEOUT).await.unwrap();
    assert!(matches!(
        caller.await.unwrap(),
        Err(SessionError::Closed(_))
    ));
}

#[tokio::test]
async fn sign_in_of_another_process_is_adopted() {
    let fixture = Fixture::empty();
    let (one, two) = (fixture.session(), fixture.session());
    two.token().await.unwrap_err();
    one.sign_in(SignInRequest::default()).await.unwrap();
    let token = two.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!((serial(&token), fixture.authorizer.calls()), (1, 1));
}

#[tokio::test]
async fn changed_setting_requires_sign_in_and_is_named() {
    let mut fixture = Fixture::signed_in().await;
    fixture.settings.resource = ResourceSetting::Omitted;
    let session = fixture.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::SettingChanged("resource".to_owned())
    );
    assert!(error.to_string().contains("`resource`"), "{error}");
    assert_eq!(
        fixture.server.requests(),
        [""; 0],
        "nothing is sent anywhere"
    );

    let token = session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(serial(&token), 2);
    let expected = (SignInReason::Ended, String::new(), Some(ISSUER.to_owned()));
    assert_eq!(fixture.authorizer.asked(), [expected]);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn record_of_another_issuer_is_never_sent() {
    let mut fixture = Fixture::signed_in().await;
    fixture.settings.issuer = Some(Issuer::parse(OTHER_ISSUER).unwrap());
    fixture.clock.advance(3_600);
    let session = fixture.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::SettingChanged("issuer".to_owned())
    );
    assert_eq!(fixture.server.requests(), [""; 0]);
    // A sign-in must not reuse its registration either.
    fixture.server.migrate();
    session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(fixture.authorizer.asked()[0].2, None);
    assert_eq!(fixture.record().await.issuer.as_str(), OTHER_ISSUER);
}

#[tokio::test]
async fn migration_signs_in_at_the_new_server_without_the_old_registration() {
    let fixture = Fixture::empty();
    fixture
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    fixture.server.migrate();
    let token = session
        .handle_challenge(Some(&refused), &bare())
        .await
        .unwrap();
    assert_eq!(token.issuer().unwrap().as_str(), OTHER_ISSUER);
    assert_eq!(
        fixture.authorizer.asked(),
        [(SignInReason::Migration, String::new(), None)]
    );
    let record = fixture.record().await;
    assert_eq!(record.issuer.as_str(), OTHER_ISSUER);
    let old = Issuer::parse(ISSUER).unwrap();
    let old = fixture
        .store
        .load_issuer(&fixture.key, &old)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(old.state, State::SignInRequired(SignInCause::IssuerChanged));
}

#[tokio::test]
async fn refused_token_of_a_new_sign_in_terminates() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    let token = session.handle_challenge(None, &bare()).await.unwrap();
    for _ in 0..3 {
        let error = session
            .handle_challenge(Some(&token), &bare())
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Terminated(_)), "{error:?}");
    }
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn new_sign_in_replaces_an_ended_grant() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.server.fault(Fault::LostAfter);
    let session = fixture.session();
    session.token().await.unwrap_err();
    fixture.clock.advance(60);
    let token = session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(serial(&session.token().await.unwrap()), serial(&token));
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
    let (reason, scopes, _) = fixture.authorizer.asked().remove(0);
    assert_eq!(
        (reason, scopes.as_str()),
        (SignInReason::Ended, "a b"),
        "as it was"
    );
}

#[tokio::test]
async fn sign_in_after_sign_out_gives_the_new_token() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
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
