//! Proactive refreshes.

use std::sync::Arc;

use hallpass_core::Entropy;
use hallpass_session::Session;

use crate::{
    fakes::Fault,
    fixture::{CLOSE_TIMEOUT, Fixture, serial},
};

/// Always the same byte.
#[derive(Debug)]
struct Dice(u8);

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// A session with proactive refreshes and tokens of an hour, and the time of its refresh in seconds.
async fn session(fixture: &Fixture, dice: u8) -> (Session, u64) {
    fixture.clock.hold();
    let session = fixture
        .builder()
        .proactive_refresh()
        .entropy(Arc::new(Dice(dice)));
    let session = session.build().unwrap();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    let planned = *fixture.clock.sleeps().last().unwrap() / 1_000;
    (session, u64::try_from(planned).unwrap())
}

/// Lets all ready tasks run.
async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn used_token_is_refreshed_before_it_expires() {
    let fixture = Fixture::signed_in().await;
    let (session, planned) = session(&fixture, 0).await;
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(planned - 1);
    settle().await;
    assert_eq!(fixture.server.posts(), 0);
    fixture.clock.advance(1);
    settle().await;
    assert_eq!(fixture.server.posts(), 1);
    // Every caller gets it without waiting.
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 1);

    // And so on, for as long as it is used.
    fixture.clock.advance(planned);
    settle().await;
    assert_eq!(serial(&session.token().await.unwrap()), 3);
    assert_eq!(fixture.server.reuses(), 0);
}

#[tokio::test]
async fn idle_session_is_not_refreshed_proactively() {
    let fixture = Fixture::signed_in().await;
    let (session, _) = session(&fixture, 0).await;
    fixture.clock.advance(3_500);
    settle().await;
    assert_eq!(fixture.server.posts(), 0);
    // The next call refreshes as usual.
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(100);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 1);

    // Without a call after the refresh there is no further one.
    session.token().await.unwrap();
    fixture.clock.advance(3_400);
    settle().await;
    assert_eq!(fixture.server.posts(), 2);
    for _ in 0..100 {
        fixture.clock.advance(3_400);
        settle().await;
    }
    assert_eq!(fixture.server.posts(), 2);
}

#[tokio::test]
async fn proactive_refreshes_are_spread_randomly() {
    // Five minutes before 3,540 s at most, and half of that at least.
    for (dice, expected) in [(0, 3_390), (255, 3_240), (128, 3_314)] {
        let fixture = Fixture::signed_in().await;
        assert_eq!(session(&fixture, dice).await.1, expected, "{dice}");
    }
}

#[tokio::test]
async fn failed_proactive_refresh_is_not_reported() {
    let fixture = Fixture::signed_in().await;
    let (session, planned) = session(&fixture, 0).await;
    session.token().await.unwrap();
    fixture.server.fault(Fault::Says(503, "{}"));
    fixture.clock.advance(planned);
    settle().await;
    assert_eq!(fixture.server.posts(), 1, "it is tried once");
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(3_540 - planned);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn proactive_refresh_adopts_another_session_s_token() {
    let fixture = Fixture::signed_in().await;
    let (first, planned) = session(&fixture, 255).await;
    let (second, later) = session(&fixture, 0).await;
    for session in [&first, &second] {
        session.token().await.unwrap();
    }
    fixture.clock.advance(planned);
    settle().await;
    assert_eq!(fixture.server.posts(), 1);
    fixture.clock.advance(later - planned);
    settle().await;
    assert_eq!(fixture.server.posts(), 1, "it is adopted");
    assert_eq!(second.counters().adopted, 1);
    assert_eq!(serial(&second.token().await.unwrap()), 2);
}

#[tokio::test]
async fn service_token_is_replaced_proactively() {
    let fixture = Fixture::service().await;
    let (session, planned) = session(&fixture, 0).await;
    session.token().await.unwrap();
    fixture.clock.advance(planned);
    settle().await;
    assert_eq!(fixture.authorizer.calls(), 1);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn proactive_refresh_is_off_by_default_and_needs_an_expiry() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.hold();
    let session = fixture.session();
    session.token().await.unwrap();
    assert!(fixture.clock.sleeps().is_empty());

    // A dropped or closed session refreshes nothing.
    for close in [true, false] {
        let fixture = Fixture::signed_in().await;
        let (session, planned) = self::session(&fixture, 0).await;
        session.token().await.unwrap();
        if close {
            session.close(CLOSE_TIMEOUT).await.unwrap();
        } else {
            drop(session);
        }
        fixture.clock.advance(planned);
        settle().await;
        assert_eq!(fixture.server.posts(), 0, "{close}");
    }
}
