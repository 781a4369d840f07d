//! A store in trouble.

use hallpass_core::{Remedy, State};
use hallpass_session::{Need, SessionError};

use crate::world::{World, need, serial};

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
async fn what_is_not_saved_is_not_published_and_not_lost() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.fail_from_save(2);
    let session = world.session();
    for _ in 0..3 {
        assert!(matches!(session.token().await, Err(SessionError::Store(_))));
    }
    let record = world.record().await;
    assert_eq!(record.state, State::OutcomeUnknown);
    assert_eq!(
        record.grant.unwrap().access_token.expose(),
        "access-canary-1"
    );

    world.store.fail_from_save(0);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 1);
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
    assert_eq!(
        record.grant.unwrap().access_token.expose(),
        "access-canary-2"
    );
}

#[tokio::test]
async fn what_can_t_be_saved_for_a_moment_is_saved_before_the_lock_is_given_up() {
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
    assert_eq!(need(&session.token().await.unwrap_err()), Need::First);
    assert_eq!(world.server.posts(), 1);
    assert_eq!(session.record().await.unwrap(), None);
}

#[tokio::test]
async fn closing_saves_what_could_not_be_saved() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.store.fail_from_save(2);
    let session = world.session();
    session.token().await.unwrap_err();
    world.store.fail_from_save(0);
    session.close().await;
    let grant = world.record().await.grant.unwrap();
    assert_eq!(grant.access_token.expose(), "access-canary-2");
}
