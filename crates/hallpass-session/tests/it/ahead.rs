//! Refreshes ahead of their time.

use std::sync::{Arc, atomic::Ordering};

use hallpass_core::{Entropy, record::GrantKind};
use hallpass_session::Session;

use crate::{
    double::Fault,
    world::{CLOSE_TIMEOUT, World, serial},
};

/// Always the same byte.
#[derive(Debug)]
struct Dice(u8);

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// A session that refreshes ahead, whose tokens live an hour; and when it will, in seconds.
async fn session(world: &World, dice: u8) -> (Session, u64) {
    world.clock.hold();
    let session = world
        .builder()
        .proactive_refresh()
        .entropy(Arc::new(Dice(dice)));
    let session = session.build().unwrap();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    let planned = *world.clock.sleeps().last().unwrap() / 1_000;
    (session, u64::try_from(planned).unwrap())
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_in_use_is_replaced_before_anybody_waits_for_it() {
    let world = World::signed_in().await;
    let (session, planned) = session(&world, 0).await;
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    world.clock.advance(planned - 1);
    settle().await;
    assert_eq!(world.server.posts(), 0);
    world.clock.advance(1);
    settle().await;
    assert_eq!(world.server.posts(), 1);
    // It is fresh for everybody, and nobody had to wait.
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 1);

    // And so on, for as long as it is used.
    world.clock.advance(planned);
    settle().await;
    assert_eq!(serial(&session.token().await.unwrap()), 3);
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test]
async fn an_idle_session_refreshes_nothing() {
    let world = World::signed_in().await;
    let (session, _) = session(&world, 0).await;
    world.clock.advance(3_500);
    settle().await;
    assert_eq!(world.server.posts(), 0);
    // The next call is served as ever.
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    world.clock.advance(100);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 1);

    // A refresh that nobody has used since is the last one.
    session.token().await.unwrap();
    world.clock.advance(3_400);
    settle().await;
    assert_eq!(world.server.posts(), 2);
    for _ in 0..100 {
        world.clock.advance(3_400);
        settle().await;
    }
    assert_eq!(world.server.posts(), 2);
}

#[tokio::test]
async fn hosts_do_not_come_all_at_once() {
    // Five minutes before 3,540 s at most, and half of that at least.
    for (dice, expected) in [(0, 3_390), (255, 3_240), (128, 3_314)] {
        let world = World::signed_in().await;
        assert_eq!(session(&world, dice).await.1, expected, "{dice}");
    }
}

#[tokio::test]
async fn what_goes_wrong_ahead_of_time_is_nobodys_trouble() {
    let world = World::signed_in().await;
    let (session, planned) = session(&world, 0).await;
    session.token().await.unwrap();
    world.server.fault(Fault::Says(503, "{}"));
    world.clock.advance(planned);
    settle().await;
    assert_eq!(world.server.posts(), 1, "it is tried once");
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    world.clock.advance(3_540 - planned);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn another_session_may_have_been_quicker() {
    let world = World::signed_in().await;
    let (first, planned) = session(&world, 255).await;
    let (second, later) = session(&world, 0).await;
    for session in [&first, &second] {
        session.token().await.unwrap();
    }
    world.clock.advance(planned);
    settle().await;
    assert_eq!(world.server.posts(), 1);
    world.clock.advance(later - planned);
    settle().await;
    assert_eq!(world.server.posts(), 1, "it is adopted");
    assert_eq!(second.counters().adopted, 1);
    assert_eq!(serial(&second.token().await.unwrap()), 2);
}

#[tokio::test]
async fn a_machine_asks_anew_ahead_of_time() {
    let world = World::empty();
    world.person.unattended.store(true, Ordering::SeqCst);
    world
        .put(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.kind = GrantKind::ClientCredentials;
            grant.refresh_token = None;
        })
        .await;
    let (session, planned) = session(&world, 0).await;
    session.token().await.unwrap();
    world.clock.advance(planned);
    settle().await;
    assert_eq!(world.person.calls(), 1);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn it_is_not_done_unless_asked_for_nor_without_a_reason() {
    let world = World::signed_in().await;
    world.clock.hold();
    let session = world.session();
    session.token().await.unwrap();
    assert!(world.clock.sleeps().is_empty());

    // A session that is gone or closed does nothing more.
    for close in [true, false] {
        let world = World::signed_in().await;
        let (session, planned) = self::session(&world, 0).await;
        session.token().await.unwrap();
        if close {
            session.close(CLOSE_TIMEOUT).await.unwrap();
        } else {
            drop(session);
        }
        world.clock.advance(planned);
        settle().await;
        assert_eq!(world.server.posts(), 0, "{close}");
    }
}
