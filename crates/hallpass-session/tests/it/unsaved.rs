//! A store in trouble.

use std::sync::atomic::Ordering;

use hallpass_core::{CredentialStore, Remedy, Scopes, State, record::SignInCause, store::LockKind};
use hallpass_session::{SessionError, SignInNeed, SignInRequest, SignOut};

use crate::world::{CLOSE_TIMEOUT, World, need, serial};

#[tokio::test]
async fn without_a_fence_nothing_is_posted() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.fail_from_save(1);
    let session = world.session();
    assert!(matches!(session.token().await, Err(SessionError::Store(_))));
    assert_eq!(world.server.posts(), 0);
    world.store.fail_from_save(0);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn without_room_for_the_answer_nothing_is_posted() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    let before = world.record().await;
    world.store.is_full.store(true, Ordering::SeqCst);
    let session = world.session();
    assert!(matches!(session.token().await, Err(SessionError::Store(_))));
    assert_eq!(world.server.posts(), 0);
    let after = world.record().await;
    assert_eq!((after.state, after.fence), (before.state, None));
    world.store.is_full.store(false, Ordering::SeqCst);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn grant_is_saved_when_the_store_works_again_and_callers_do_not_wait_for_it() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.clock.hold();
    world.store.fail_from_save(2);
    let session = world.session();
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    // Two pauses that callers wait through; after the third failure they get the store's error.
    for _ in 0..2 {
        world.clock.until_asleep().await;
        world.clock.advance(1);
    }
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error:?}");
    let again = session.token().await.unwrap_err();
    assert!(matches!(again, SessionError::Store(_)), "{again:?}");
    let record = world.record().await;
    assert_eq!(record.state, State::OutcomeUnknown);
    assert_eq!(
        record.grant.unwrap().access_token.expose(),
        "access-canary-1"
    );
    // No other process gets between the grant and its record, however long it takes.
    let wait = std::time::Duration::ZERO;
    assert!(
        world
            .store
            .lock(&world.key, LockKind::Credential, wait)
            .await
            .is_err()
    );

    world.store.fail_from_save(0);
    world.clock.until_asleep().await;
    world.clock.advance(1);
    world.clock.hold();
    session.close(CLOSE_TIMEOUT).await.unwrap();
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
    assert_eq!(
        record.grant.unwrap().access_token.expose(),
        "access-canary-2"
    );
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 1);
}

#[tokio::test]
async fn old_token_is_used_while_the_new_grant_can_not_be_saved() {
    let world = World::signed_in().await;
    world.clock.advance(3_545);
    world.clock.hold();
    world.store.fail_from_save(2);
    let session = world.session();
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    for _ in 0..2 {
        world.clock.until_asleep().await;
        world.clock.advance(1);
    }
    assert_eq!(serial(&asked.await.unwrap().unwrap()), 1);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn store_that_fails_for_a_moment_is_not_noticed() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    // The fence is saved, the new grant is not at first.
    world.store.fail_at_save(2);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
    assert_eq!(world.clock.sleeps(), [50]);
    assert_eq!(world.server.posts(), 1);
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
}

#[tokio::test]
async fn close_ends_at_its_limit_and_says_that_the_grant_is_not_saved() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.fail_from_save(2);
    let session = world.session();
    session.token().await.unwrap_err();
    let error = session.close(CLOSE_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error:?}");
}

#[tokio::test]
async fn sign_out_revokes_a_grant_that_could_not_be_saved() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.fail_from_save(2);
    let session = world.session();
    session.token().await.unwrap_err();
    // From now on the refresh sleeps until a sign-out wakes it.
    world.clock.hold();
    tokio::task::yield_now().await;
    world.store.fail_from_save(0);
    session.sign_out(SignOut::default()).await.unwrap();
    let bodies = world.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-2"), "{bodies}");
}

#[tokio::test]
async fn sign_out_that_can_not_be_saved_either_revokes_the_new_grant() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.fail_from_save(2);
    let session = world.session();
    session.token().await.unwrap_err();
    world.clock.hold();
    let error = session.sign_out(SignOut::default()).await.unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error:?}");
    let bodies = world.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-2"), "{bodies}");
}

#[tokio::test]
async fn sign_out_that_comes_before_the_save_fails_does_not_wait_for_the_lock() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.clock.hold();
    world.store.fail_from_save(2);
    world.server.gate.shut();
    let session = world.session();
    let asked = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    world.server.gate.arrived(1).await;
    let leaving = tokio::spawn({
        let session = session.clone();
        async move { session.sign_out(SignOut::default()).await }
    });
    tokio::task::yield_now().await;
    world.server.gate.open();
    for _ in 0..2 {
        world.clock.until_asleep().await;
        world.clock.advance(1);
    }
    assert!(leaving.await.unwrap().is_err(), "the store still fails");
    assert!(asked.await.unwrap().is_err());
    let bodies = world.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-2"), "{bodies}");
}

#[tokio::test]
async fn grant_of_a_sign_in_is_saved_again_when_the_store_fails_for_a_moment() {
    let world = World::empty();
    world.store.fail_at_save(1);
    let session = world.session();
    session.sign_in(SignInRequest::default()).await.unwrap();
    assert_eq!(world.clock.sleeps(), [50]);
    assert_eq!(world.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn save_whose_answer_was_lost_knows_itself_again() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    // Number one marks the record, number two saves the grant.
    world.store.lose_answer_of_save(2);
    let session = world.session();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
    assert_eq!(session.counters().made, 1);
    assert!(
        !world
            .server
            .requests()
            .iter()
            .any(|it| it.contains("/revoke"))
    );
}

#[tokio::test]
async fn lost_lock_is_taken_again_and_the_grant_is_saved() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.lose_lease_at_save(2);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
    assert_eq!(world.record().await.fence, None);
}

#[tokio::test]
async fn grant_takes_the_place_of_the_one_it_came_from_also_after_it_was_given_up() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.server.gate.shut();
    let session = world.session();
    let asked = tokio::spawn(async move { session.token().await });
    world.server.gate.arrived(1).await;
    // Another machine posted the replaced token, behind a lock that had ended.
    let mut record = world.record().await;
    record.state = State::SignInRequired(SignInCause::RefreshOutcomeUnknown);
    record.grant.as_mut().unwrap().refresh_token = None;
    world.store.replace_before_save(record);
    world.server.gate.open();
    assert_eq!(serial(&asked.await.unwrap().unwrap()), 2);
    assert_eq!(world.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn grant_that_finds_another_in_its_place_is_revoked() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.server.gate.shut();
    let session = world.session();
    let asked = tokio::spawn(async move { session.token().await });
    world.server.gate.arrived(1).await;
    // A user signed in on another machine, behind a lock that had ended.
    let mut record = world.record().await;
    record.grant = Some(world.server.grant(&Scopes::from_server("a b")));
    record.fence = None;
    record.state = State::SignedIn;
    world.store.replace_before_save(record);
    world.server.gate.open();
    let token = asked.await.unwrap().unwrap();
    assert_eq!(serial(&token), 2, "the other sign-in's");
    let bodies = world.server.bodies().join(" ");
    assert!(bodies.contains("token=refresh-canary-3"), "{bodies}");
    assert!(bodies.contains("token=access-canary-3"), "{bodies}");
}

#[tokio::test]
async fn while_the_lock_is_held_for_long_the_old_token_is_used() {
    let world = World::signed_in().await;
    world.clock.advance(3_545);
    world.store.fail_locks();
    assert_eq!(serial(&world.session().token().await.unwrap()), 1);
    world.clock.advance(60);
    let error = world.session().token().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry, "{error:?}");
}

#[tokio::test]
async fn a_record_that_is_gone_is_not_brought_back() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.vanish_before_save(2);
    let session = world.session();
    assert_eq!(need(&session.token().await.unwrap_err()), SignInNeed::First);
    assert_eq!(world.server.posts(), 1);
    assert_eq!(session.record().await.unwrap(), None);
    let bodies = world.server.bodies().join(" ");
    assert!(
        bodies.contains("token=refresh-canary-2"),
        "its grant is revoked: {bodies}"
    );
}
