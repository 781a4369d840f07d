//! Refresh requests without a usable answer: the pauses between the posts, over all processes.

use std::num::NonZeroU32;

use hallpass_core::{
    Diagnostic as _, Remedy, State,
    record::{PostEnd, SignInCause},
};
use hallpass_session::{RefusedRefresh, SessionError, SignInNeed, Waiting};

use crate::{
    fakes::Fault,
    fixture::{Fixture, need, retry_after, serial},
};

/// The faults whose post the server may have processed, and how each is saved.
const UNANSWERED: &[(Fault, PostEnd)] = &[
    (Fault::LostBefore, PostEnd::Lost),
    (Fault::Silent, PostEnd::Silent),
    (Fault::Says(500, ""), PostEnd::Doubtful),
    (Fault::Says(502, "<html>canary</html>"), PostEnd::Doubtful),
];

#[tokio::test]
async fn second_post_is_six_seconds_after_the_first_in_every_process() {
    for (fault, ended) in UNANSWERED {
        let fixture = Fixture::expired(&[*fault]).await;
        let first = fixture.session();
        let error = first.token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry, "{fault:?}");
        assert_eq!(
            retry_after(&error),
            7,
            "{fault:?}: whole seconds, so one more"
        );
        let record = fixture.record().await;
        assert_eq!(record.state, State::OutcomeUnknown);
        assert_eq!(record.pending_refresh.unwrap().ended, *ended);

        // Another process knows how the post ended and when the next one is due.
        let other = fixture.session().token().await.unwrap_err();
        let SessionError::Refresh(failed) = &other else {
            panic!("{other:?}")
        };
        assert_eq!(failed.waits(), Some(Waiting::AfterPost(*ended)));
        assert_eq!(retry_after(&other), 7, "{fault:?}");
        assert_eq!(retry_after(&first.token().await.unwrap_err()), 7);
        assert_eq!(fixture.server.posts(), 1, "{fault:?}");

        fixture.clock.advance(7);
        assert_eq!(
            serial(&fixture.session().token().await.unwrap()),
            2,
            "{fault:?}"
        );
        assert_eq!((fixture.server.posts(), fixture.server.reuses()), (2, 0));
        let record = fixture.record().await;
        assert_eq!(
            (record.state, record.pending_refresh),
            (State::SignedIn, None)
        );
    }
}

#[tokio::test]
async fn timeout_is_followed_by_the_full_pause() {
    let fixture = Fixture::expired(&[Fault::Silent]).await;
    // The request is sent, and times out thirty seconds later.
    fixture.server.gate.shut();
    let session = fixture.session();
    let asked = tokio::spawn(async move { session.token().await });
    fixture.server.gate.arrived(1).await;
    fixture.clock.advance(30);
    fixture.server.gate.open();
    assert_eq!(retry_after(&asked.await.unwrap().unwrap_err()), 7);
    fixture.clock.advance(6);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.clock.sleeps(), [1_000], "the seventh second");
}

#[tokio::test]
async fn connection_lost_late_is_followed_by_a_pause() {
    let fixture = Fixture::expired(&[Fault::LostBefore]).await;
    fixture.server.gate.shut();
    let session = fixture.session();
    let asked = tokio::spawn(async move { session.token().await });
    fixture.server.gate.arrived(1).await;
    fixture.clock.advance(20);
    fixture.server.gate.open();
    assert_eq!(serial(&asked.await.unwrap().unwrap()), 2);
    assert_eq!(fixture.clock.sleeps(), [3_000]);
}

#[tokio::test]
async fn call_waits_for_a_post_that_is_due_soon() {
    let fixture = Fixture::expired(&[Fault::LostBefore]).await;
    fixture.session().token().await.unwrap_err();
    fixture.clock.advance(3);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.clock.sleeps(), [4_000]);
}

#[tokio::test]
async fn pauses_grow_to_fifteen_minutes_without_ending_the_grant() {
    let fixture = Fixture::expired(&[Fault::LostBefore; 40]).await;
    let mut pauses = Vec::new();
    for _ in 0..40 {
        // Each post is by another process.
        let pause = retry_after(&fixture.session().token().await.unwrap_err());
        fixture.clock.advance(pause);
        pauses.push(pause);
    }
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.server.posts(), 41);
    let expected = [60, 120, 240, 480, 900, 900];
    for (pause, expected) in pauses[1..].iter().zip(expected) {
        let varies = expected * 4 / 5..=expected * 6 / 5 + 1;
        assert!(varies.contains(pause), "{pause} beside {expected}");
    }
    let longest = pauses.iter().max().unwrap();
    assert!((900..=1_081).contains(longest), "{longest}");
}

#[tokio::test]
async fn retry_after_of_a_5xx_extends_the_pause() {
    let fixture = Fixture::expired(&[Fault::RetryAfter(500, 90)]).await;
    assert_eq!(
        retry_after(&fixture.session().token().await.unwrap_err()),
        91
    );
    let fixture = Fixture::expired(&[Fault::RetryAfter(500, 1)]).await;
    assert_eq!(
        retry_after(&fixture.session().token().await.unwrap_err()),
        7
    );
}

#[tokio::test]
async fn pause_from_a_wrong_clock_starts_again() {
    let fixture = Fixture::expired(&[Fault::LostBefore]).await;
    fixture.clock.jump(100_000_000);
    fixture.session().token().await.unwrap_err();
    fixture.clock.jump(-100_000_000);
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.pause().await, 7);
    fixture.clock.advance(7);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn invalid_grant_after_a_lost_answer_requires_sign_in() {
    for fault in [
        Fault::LostAfter,
        Fault::ActsAndSays(200, "<html>proxy</html>"),
        Fault::ActsAndSays(502, ""),
    ] {
        let fixture = Fixture::expired(&[fault]).await;
        fixture.session().token().await.unwrap_err();
        fixture.clock.advance(7);
        let error = fixture.session().token().await.unwrap_err();
        let expected = SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown);
        assert_eq!(need(&error), expected);
        // The next process says the same without a request.
        assert_eq!(
            need(&fixture.session().token().await.unwrap_err()),
            expected
        );
        assert_eq!(fixture.server.posts(), 2);
        let record = fixture.record().await;
        assert!(record.registration.is_some());
        assert_eq!(record.grant.unwrap().refresh_token, None);
    }
}

#[tokio::test]
async fn max_refresh_attempts_ends_the_grant() {
    let mut fixture = Fixture::expired(&[Fault::LostAfter, Fault::LostBefore]).await;
    fixture.settings.max_refresh_attempts = NonZeroU32::new(1);
    fixture.session().token().await.unwrap_err();
    fixture.clock.advance(10_000);
    assert_eq!(
        need(&fixture.session().token().await.unwrap_err()),
        SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown)
    );
    assert_eq!(fixture.server.posts(), 1);
}

#[tokio::test]
async fn refusal_after_a_lost_answer_keeps_the_pending_refresh() {
    let refusal = Fault::Says(401, r#"{"error":"unauthorized_client"}"#);
    let fixture = Fixture::expired(&[Fault::LostAfter, refusal]).await;
    fixture.session().token().await.unwrap_err();
    fixture.clock.advance(7);
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.pause().await, 901);
    let pending_refresh = fixture.record().await.pending_refresh.unwrap();
    assert_eq!(
        (pending_refresh.posts, pending_refresh.ended),
        (1, PostEnd::Refused)
    );
    fixture.clock.advance(901);
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown)
    );
}

#[tokio::test]
async fn first_refusal_after_many_web_pages_is_followed_by_its_shortest_pause() {
    let fixture = Fixture::expired(&[Fault::Says(200, "<html>sign in</html>"); 9]).await;
    let start = fixture.clock.wall();
    for _ in 0..9 {
        fixture.session().token().await.unwrap_err();
        fixture.clock.advance(fixture.pause().await.unsigned_abs());
    }
    let refusal = Fault::Says(400, r#"{"error":"invalid_request"}"#);
    fixture.server.fault(refusal);
    fixture.server.fault(refusal);
    fixture.session().token().await.unwrap_err();
    assert_eq!((fixture.server.posts(), fixture.pause().await), (10, 901));
    let refused = RefusedRefresh::from_record(&fixture.record().await).unwrap();
    assert_eq!(refused.since().as_unix_seconds(), start, "the first page");
    fixture.clock.advance(901);
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.pause().await, 1_801);
}

#[tokio::test]
async fn pause_ends_when_another_process_has_a_new_grant() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_target"}"#);
    let fixture = Fixture::expired(&[refusal]).await;
    let first = fixture.session();
    first.token().await.unwrap_err();
    assert_eq!(fixture.pause().await, 901);
    let second = fixture.session();
    second.retry_refused_refresh();
    assert_eq!(serial(&second.token().await.unwrap()), 2);
    // The first process takes that token, and refreshes it when it ends.
    assert_eq!(serial(&first.token().await.unwrap()), 2);
    fixture.server.lifetime(Some(60));
    fixture.clock.advance(3_600);
    assert_eq!(serial(&first.token().await.unwrap()), 3);
}

#[tokio::test]
async fn retry_after_replaces_an_expired_refusal() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_target"}"#);
    let fixture = Fixture::expired(&[refusal, Fault::RetryAfter(503, 20)]).await;
    fixture.session().token().await.unwrap_err();
    let session = fixture.session();
    session.retry_refused_refresh();
    assert_eq!(retry_after(&session.token().await.unwrap_err()), 21);
    fixture.clock.advance(21);
    fixture.server.fault(refusal);
    let session = fixture.session();
    session.token().await.unwrap_err();
    let refused = RefusedRefresh::from_record(&fixture.record().await).unwrap();
    let age = fixture.clock.wall() - refused.since().as_unix_seconds();
    assert_eq!(age, 21, "since the first refusal");
    session.retry_refused_refresh();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn clock_set_back_during_a_request_leaves_the_pause() {
    let fixture = Fixture::expired(&[Fault::LostBefore]).await;
    fixture.server.gate.shut();
    let session = fixture.session();
    let asked = tokio::spawn(async move { session.token().await });
    fixture.server.gate.arrived(1).await;
    fixture.clock.jump(-7_000);
    fixture.server.gate.open();
    assert_eq!(retry_after(&asked.await.unwrap().unwrap_err()), 7);
    let pending_refresh = fixture.record().await.pending_refresh.unwrap();
    let pause = pending_refresh.not_before.as_unix_seconds() - fixture.clock.wall();
    assert_eq!(pause, 7);
}
