//! A wall clock that is set by hours, in both directions: no sign-in is lost, no token is used beyond its
//! lifetime for long, and no pause becomes longer.

use std::time::Duration;

use hallpass_core::{SignInReason, http::HttpErrorKind, record::SignInCause};
use hallpass_session::{RefusedRefresh, SignInNeed};

use crate::{
    fakes::Fault,
    fixture::{Fixture, bare, need, retry_after, serial},
};

const HOURS: i64 = 5 * 3_600;

#[tokio::test]
async fn wall_clock_jump_costs_one_refresh_at_most() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    session.token().await.unwrap();
    fixture.clock.jump(-1_000_000);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.jump(3_000_000);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 1);
}

/// The clock goes forward and is corrected: the token of the time between is not believed for six hours.
#[tokio::test]
async fn token_is_replaced_after_its_lifetime_when_the_clock_was_set_back() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    fixture.clock.jump(HOURS);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    fixture.clock.jump(-HOURS);
    fixture.clock.advance(3_539);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    fixture.clock.advance(1);
    assert_eq!(serial(&session.token().await.unwrap()), 3);
    assert_eq!((fixture.server.posts(), fixture.server.reuses()), (2, 0));
}

/// The token was obtained before the time that the clock is set back to.
#[tokio::test]
async fn token_of_ten_hours_is_replaced_after_its_lifetime_when_the_clock_was_set_back() {
    let fixture = Fixture::empty();
    fixture.server.lifetime(Some(36_000));
    fixture.put(|_| ()).await;
    let session = fixture.session();
    fixture.clock.advance(21_600);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.jump(-HOURS);
    fixture.clock.advance(14_339);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(1);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 1);
}

#[tokio::test]
async fn token_from_the_future_is_refreshed_once_by_the_next_process() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.jump(-HOURS);
    for _ in 0..3 {
        assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    }
    assert_eq!(fixture.server.posts(), 1);
    fixture.clock.advance(3_540);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 3);
}

#[tokio::test]
async fn token_from_the_next_minute_is_not_refreshed() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.jump(-60);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 1);
    assert_eq!(fixture.server.posts(), 0);
}

#[tokio::test]
async fn token_from_the_future_is_used_while_no_refresh_succeeds() {
    let fixture = Fixture::signed_in().await;
    for _ in 0..3 {
        fixture.server.fault(Fault::NotSent(HttpErrorKind::Connect));
    }
    fixture.clock.jump(-HOURS);
    let session = fixture.session();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    // A server that refuses it gets no second request with it.
    let token = session.token().await.unwrap();
    fixture.server.no_faults();
    fixture.clock.advance(60);
    let replaced = session.handle_challenge(Some(&token), &bare()).await;
    assert_eq!(serial(&replaced.unwrap()), 2);
    assert_eq!(fixture.authorizer.calls(), 0);
}

#[tokio::test]
async fn clock_set_during_a_refresh_leaves_the_lifetime() {
    for seconds in [HOURS, -HOURS] {
        let fixture = Fixture::expired(&[]).await;
        fixture.server.gate.shut();
        let session = fixture.session();
        let asked = {
            let session = session.clone();
            tokio::spawn(async move { session.token().await })
        };
        fixture.server.gate.arrived(1).await;
        fixture.clock.advance(2);
        fixture.clock.jump(seconds);
        fixture.server.gate.open();
        assert_eq!(serial(&asked.await.unwrap().unwrap()), 2);
        let grant = fixture.record().await.grant.unwrap();
        let end = grant.expires_at.unwrap().as_unix_seconds();
        assert_eq!(end - fixture.clock.wall(), 3_598, "{seconds}");
        for one in [session, fixture.session()] {
            assert_eq!(serial(&one.token().await.unwrap()), 2, "{seconds}");
        }
        assert_eq!(fixture.server.posts(), 1, "{seconds}");
        fixture.clock.advance(3_540);
        assert_eq!(serial(&fixture.session().token().await.unwrap()), 3);
    }
}

#[tokio::test]
async fn clock_jump_leaves_the_pause_of_a_session() {
    for seconds in [HOURS, -HOURS] {
        let down = Fault::NotSent(HttpErrorKind::Connect);
        let fixture = Fixture::expired(&[down; 3]).await;
        let session = fixture.session();
        let before = retry_after(&session.token().await.unwrap_err());
        assert!(before > 0);
        fixture.clock.jump(seconds);
        let requests = fixture.server.requests().len();
        let paused = session.token().await;
        let is_posted = fixture.server.requests().len() > requests;
        assert!(!is_posted || paused.is_ok(), "{seconds}: {paused:?}");
        fixture.clock.advance(before);
        assert_eq!(serial(&session.token().await.unwrap()), 2, "{seconds}");
    }
}

#[tokio::test]
async fn clock_set_back_does_not_prolong_the_pause_after_a_refusal() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_target"}"#);
    let fixture = Fixture::expired(&[refusal]).await;
    fixture.clock.advance(100_000);
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.pause().await, 901);
    fixture.clock.advance(60);
    fixture.clock.jump(-HOURS);
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.pause().await, 901);
    let refused = RefusedRefresh::from_record(&fixture.record().await).unwrap();
    assert_eq!(refused.since().as_unix_seconds(), fixture.clock.wall());
    fixture.clock.advance(900);
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.server.posts(), 1);
    fixture.clock.advance(1);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 2);
}

#[tokio::test]
async fn clock_set_forward_ends_the_pause_after_a_refusal_once() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_target"}"#);
    let fixture = Fixture::expired(&[refusal, refusal]).await;
    fixture.session().token().await.unwrap_err();
    fixture.clock.jump(HOURS);
    for _ in 0..3 {
        fixture.session().token().await.unwrap_err();
    }
    assert_eq!(fixture.server.posts(), 2);
    let refused = RefusedRefresh::from_record(&fixture.record().await).unwrap();
    let age = fixture.clock.wall() - refused.since().as_unix_seconds();
    assert_eq!(age, HOURS, "since the first refusal");
}

/// The refresh token may have been replaced: it is not posted again before its pause is over.
#[tokio::test]
async fn clock_set_back_after_a_lost_answer_starts_the_pause_again() {
    let fixture = Fixture::expired(&[Fault::LostBefore]).await;
    fixture.clock.advance(100_000);
    fixture.session().token().await.unwrap_err();
    fixture.clock.jump(-HOURS);
    assert_eq!(
        retry_after(&fixture.session().token().await.unwrap_err()),
        7
    );
    assert_eq!(fixture.server.posts(), 1);
    fixture.clock.advance(7);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn token_without_replacement_ends_after_its_lifetime_when_the_clock_was_set_back() {
    let fixture = Fixture::empty();
    fixture
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    fixture.clock.jump(-HOURS);
    let session = fixture.session();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(3_599);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(1);
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::NoRefreshToken));
}

#[tokio::test]
async fn service_token_from_the_future_is_replaced_once() {
    let fixture = Fixture::service().await;
    fixture.clock.jump(-HOURS);
    for _ in 0..3 {
        assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    }
    let reasons: Vec<_> = fixture.authorizer.asked().iter().map(|one| one.0).collect();
    assert_eq!(reasons, [SignInReason::Ended]);
}

#[tokio::test]
async fn proactive_refresh_keeps_its_time_when_the_clock_is_set() {
    for seconds in [HOURS, -HOURS] {
        let fixture = Fixture::signed_in().await;
        fixture.clock.hold();
        let session = fixture.builder().proactive_refresh().build().unwrap();
        session.token().await.unwrap();
        session.token().await.unwrap();
        let planned = *fixture.clock.sleeps().last().unwrap();
        let planned = Duration::from_millis(u64::try_from(planned).unwrap()).as_secs();
        assert!(planned > 3_000, "{planned}");
        fixture.clock.jump(seconds);
        fixture.clock.advance(planned + 1);
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fixture.server.posts(), 1, "{seconds}");
    }
}
