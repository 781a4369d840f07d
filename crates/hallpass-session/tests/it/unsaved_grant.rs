//! A store that fails.

use std::sync::atomic::Ordering;

use hallpass_core::{
    CredentialStore, Diagnostic as _, Remedy, Scopes, State, record::SignInCause, store::LockKind,
};
use hallpass_session::{SessionError, SignInNeed, SignInRequest, SignOut};

use crate::fixture::{CLOSE_TIMEOUT, Fixture, need, serial};

#[tokio::test]
async fn refresh_without_a_saved_mark_is_not_posted() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.store.fail_from_save(1);
    let session = fixture.session();
    assert!(matches!(session.token().await, Err(SessionError::Store(_))));
    assert_eq!(fixture.server.posts(), 0);
    fixture.store.fail_from_save(0);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn refresh_without_reserved_space_is_not_posted() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    let before = fixture.record().await;
    fixture.store.is_full.store(true, Ordering::SeqCst);
    let session = fixture.session();
    assert!(matches!(session.token().await, Err(SessionError::Store(_))));
    assert_eq!(fixture.server.posts(), 0);
    let after = fixture.record().await;
    assert_eq!((after.state, after.pending_refresh), (before.state, None));
    fixture.store.is_full.store(false, Ordering::SeqCst);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn grant_is_saved_when_the_store_works_again_and_callers_do_not_wait_for_it() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.clock.hold();
    fixture.store.fail_from_save(2);
    let session = fixture.session();
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    // Two pauses that callers wait through; after the third failure they get the store's error.
    for _ in 0..2 {
        fixture.clock.until_asleep().await;
        fixture.clock.advance(1);
    }
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error:?}");
    let again = session.token().await.unwrap_err();
    assert!(matches!(again, SessionError::Store(_)), "{again:?}");
    let record = fixture.record().await;
    assert_eq!(record.state, State::OutcomeUnknown);
    assert_eq!(
        record.grant.unwrap().access_token.expose(),
        "access-canary-1"
    );
    // No other process gets the lock before the grant is saved, however long that takes.
    let wait = std::time::Duration::ZERO;
    assert!(
        fixture
            .store
            .lock(&fixture.key, LockKind::Credential, wait)
            .await
            .is_err()
    );

    fixture.store.fail_from_save(0);
    fixture.clock.until_asleep().await;
    fixture.clock.advance(1);
    fixture.clock.hold();
    session.close(CLOSE_TIMEOUT).await.unwrap();
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
    assert_eq!(
        record.grant.unwrap().access_token.expose(),
        "access-canary-2"
    );
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 1);
}

#[tokio::test]
async fn old_token_is_used_while_the_new_grant_can_not_be_saved() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_545);
    fixture.clock.hold();
    fixture.store.fail_from_save(2);
    let session = fixture.session();
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    for _ in 0..2 {
        fixture.clock.until_asleep().await;
        fixture.clock.advance(1);
    }
    assert_eq!(serial(&asked.await.unwrap().unwrap()), 1);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn short_store_failure_is_not_reported() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    // The mark is saved, the new grant is not at first.
    fixture.store.fail_at_save(2);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.clock.sleeps(), [50]);
    assert_eq!(fixture.server.posts(), 1);
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
}

#[tokio::test]
async fn close_reports_an_unsaved_grant_at_its_limit() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.store.fail_from_save(2);
    let session = fixture.session();
    session.token().await.unwrap_err();
    let error = session.close(CLOSE_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error:?}");
}

#[tokio::test]
async fn sign_out_revokes_a_grant_that_could_not_be_saved() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.store.fail_from_save(2);
    let session = fixture.session();
    session.token().await.unwrap_err();
    // From now on the refresh sleeps until a sign-out wakes it.
    fixture.clock.hold();
    tokio::task::yield_now().await;
    fixture.store.fail_from_save(0);
    session.sign_out(SignOut::default()).await.unwrap();
    let bodies = fixture.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-2"), "{bodies}");
}

#[tokio::test]
async fn unsaved_sign_out_revokes_the_unsaved_grant() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.store.fail_from_save(2);
    let session = fixture.session();
    session.token().await.unwrap_err();
    fixture.clock.hold();
    let error = session.sign_out(SignOut::default()).await.unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error:?}");
    let bodies = fixture.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-2"), "{bodies}");
}

#[tokio::test]
async fn sign_out_before_the_save_fails_does_not_wait_for_the_lock() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.clock.hold();
    fixture.store.fail_from_save(2);
    fixture.server.gate.shut();
    let session = fixture.session();
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    fixture.server.gate.arrived(1).await;
    let leaving = tokio::spawn({
        let session = session.clone();
        async move { session.sign_out(SignOut::default()).await }
    });
    tokio::task::yield_now().await;
    fixture.server.gate.open();
    for _ in 0..2 {
        fixture.clock.until_asleep().await;
        fixture.clock.advance(1);
    }
    assert!(leaving.await.unwrap().is_err(), "the store still fails");
    assert!(asked.await.unwrap().is_err());
    let bodies = fixture.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-2"), "{bodies}");
}

#[tokio::test]
async fn grant_of_a_sign_in_is_saved_again_when_the_store_fails_for_a_moment() {
    let fixture = Fixture::empty();
    fixture.store.fail_at_save(1);
    let session = fixture.session();
    session.sign_in(SignInRequest::default()).await.unwrap();
    assert_eq!(fixture.clock.sleeps(), [50]);
    assert_eq!(fixture.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn repeated_save_recognizes_its_own_grant() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    // Number one marks the record, number two saves the grant.
    fixture.store.lose_answer_of_save(2);
    let session = fixture.session();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
    assert_eq!(session.counters().made, 1);
    assert!(
        !fixture
            .server
            .requests()
            .iter()
            .any(|it| it.contains("/revoke"))
    );
}

#[tokio::test]
async fn lost_lock_is_taken_again_and_the_grant_is_saved() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.store.lose_lease_at_save(2);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.record().await.pending_refresh, None);
}

#[tokio::test]
async fn new_grant_replaces_its_predecessor_after_that_was_given_up() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.server.gate.shut();
    let session = fixture.session();
    let asked = tokio::spawn(async move { session.token().await });
    fixture.server.gate.arrived(1).await;
    // Another machine posted the replaced token, behind a lock that had ended.
    let mut record = fixture.record().await;
    record.state = State::SignInRequired(SignInCause::RefreshOutcomeUnknown);
    record.grant.as_mut().unwrap().refresh_token = None;
    fixture.store.replace_before_save(record);
    fixture.server.gate.open();
    assert_eq!(serial(&asked.await.unwrap().unwrap()), 2);
    assert_eq!(fixture.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn new_grant_that_conflicts_with_another_is_revoked() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.server.gate.shut();
    let session = fixture.session();
    let asked = tokio::spawn(async move { session.token().await });
    fixture.server.gate.arrived(1).await;
    // A user signed in on another machine, behind a lock that had ended.
    let mut record = fixture.record().await;
    record.grant = Some(fixture.server.grant(&Scopes::from_server("a b")));
    record.pending_refresh = None;
    record.state = State::SignedIn;
    fixture.store.replace_before_save(record);
    fixture.server.gate.open();
    let token = asked.await.unwrap().unwrap();
    assert_eq!(serial(&token), 2, "the other sign-in's");
    let bodies = fixture.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-3"), "{bodies}");
    assert!(bodies.contains("token=access-canary-3"), "{bodies}");
}

#[tokio::test]
async fn old_token_is_used_while_the_lock_is_held() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_545);
    fixture.store.fail_locks();
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 1);
    fixture.clock.advance(60);
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry, "{error:?}");
}

#[tokio::test]
async fn removed_record_is_not_restored() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.store.vanish_before_save(2);
    let session = fixture.session();
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
    assert_eq!(fixture.server.posts(), 1);
    assert_eq!(session.record().await.unwrap(), None);
    let bodies = fixture.server.bodies().join(" ");
    assert!(
        bodies.contains("token=refresh-canary-2"),
        "its grant is revoked: {bodies}"
    );
}
