//! Refresh requests without a usable answer: the pauses between the posts, over all processes.

use std::num::NonZeroU32;

use hallpass_core::{
    Remedy, State,
    record::{PostEnd, SignInCause},
};
use hallpass_session::{SessionError, SignInNeed, Waiting};

use crate::{
    double::Fault,
    world::{World, need, retry_after, serial},
};

/// The faults whose post the server may have acted on, and how each is remembered.
const UNANSWERED: &[(Fault, PostEnd)] = &[
    (Fault::LostBefore, PostEnd::Lost),
    (Fault::Says(200, "<html>proxy</html>"), PostEnd::Lost),
    (Fault::Silent, PostEnd::Silent),
    (Fault::Says(500, ""), PostEnd::Doubtful),
    (Fault::Says(502, "<html>canary</html>"), PostEnd::Doubtful),
];

#[tokio::test]
async fn second_post_comes_six_seconds_after_the_first_in_every_process() {
    for (fault, ended) in UNANSWERED {
        let world = World::expired(&[*fault]).await;
        let first = world.session();
        let error = first.token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry, "{fault:?}");
        assert_eq!(
            retry_after(&error),
            7,
            "{fault:?}: whole seconds, so one more"
        );
        let record = world.record().await;
        assert_eq!(record.state, State::OutcomeUnknown);
        assert_eq!(record.fence.unwrap().ended, *ended);

        // Another process knows how the post ended and when the next one is due.
        let other = world.session().token().await.unwrap_err();
        let SessionError::Refresh(failed) = &other else {
            panic!("{other:?}")
        };
        assert_eq!(failed.waits(), Some(Waiting::AfterPost(*ended)));
        assert_eq!(retry_after(&other), 7, "{fault:?}");
        assert_eq!(retry_after(&first.token().await.unwrap_err()), 7);
        assert_eq!(world.server.posts(), 1, "{fault:?}");

        world.clock.advance(7);
        assert_eq!(
            serial(&world.session().token().await.unwrap()),
            2,
            "{fault:?}"
        );
        assert_eq!((world.server.posts(), world.server.reuses()), (2, 0));
        let record = world.record().await;
        assert_eq!((record.state, record.fence), (State::SignedIn, None));
    }
}

#[tokio::test]
async fn silence_is_paused_for_after_the_time_limit() {
    let world = World::expired(&[Fault::Silent]).await;
    // The request leaves, and thirty seconds later its time is over.
    world.server.gate.shut();
    let session = world.session();
    let asked = tokio::spawn(async move { session.token().await });
    world.server.gate.arrived(1).await;
    world.clock.advance(30);
    world.server.gate.open();
    assert_eq!(retry_after(&asked.await.unwrap().unwrap_err()), 7);
    world.clock.advance(6);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
    assert_eq!(world.clock.sleeps(), [1_000], "the seventh second");
}

#[tokio::test]
async fn connection_that_breaks_late_is_not_posted_again_at_once() {
    let world = World::expired(&[Fault::LostBefore]).await;
    world.server.gate.shut();
    let session = world.session();
    let asked = tokio::spawn(async move { session.token().await });
    world.server.gate.arrived(1).await;
    world.clock.advance(20);
    world.server.gate.open();
    assert_eq!(serial(&asked.await.unwrap().unwrap()), 2);
    assert_eq!(world.clock.sleeps(), [3_000]);
}

#[tokio::test]
async fn call_waits_for_a_post_that_is_due_soon() {
    let world = World::expired(&[Fault::LostBefore]).await;
    world.session().token().await.unwrap_err();
    world.clock.advance(3);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
    assert_eq!(world.clock.sleeps(), [4_000]);
}

#[tokio::test]
async fn later_pauses_grow_to_fifteen_minutes_and_no_number_of_posts_ends_the_grant() {
    let world = World::expired(&[Fault::LostBefore; 40]).await;
    let mut pauses = Vec::new();
    for _ in 0..40 {
        // Each post by a process of its own.
        let pause = retry_after(&world.session().token().await.unwrap_err());
        world.clock.advance(pause);
        pauses.push(pause);
    }
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 41);
    let expected = [60, 120, 240, 480, 900, 900];
    for (pause, expected) in pauses[1..].iter().zip(expected) {
        let varies = expected * 4 / 5..=expected * 6 / 5 + 1;
        assert!(varies.contains(pause), "{pause} beside {expected}");
    }
    let longest = pauses.iter().max().unwrap();
    assert!((900..=1_081).contains(longest), "{longest}");
}

#[tokio::test]
async fn retry_after_of_a_failing_server_makes_the_pause_longer() {
    let world = World::expired(&[Fault::RetryAfter(500, 90)]).await;
    assert_eq!(retry_after(&world.session().token().await.unwrap_err()), 91);
    let world = World::expired(&[Fault::RetryAfter(500, 1)]).await;
    assert_eq!(retry_after(&world.session().token().await.unwrap_err()), 7);
}

#[tokio::test]
async fn clock_that_was_wrong_does_not_keep_an_account_waiting() {
    let world = World::expired(&[Fault::LostBefore]).await;
    world.clock.jump(100_000_000);
    world.session().token().await.unwrap_err();
    world.clock.jump(-100_000_000);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn replaced_refresh_token_ends_in_a_stated_sign_in() {
    for fault in [
        Fault::LostAfter,
        Fault::ActsAndSays(200, "<html>proxy</html>"),
        Fault::ActsAndSays(502, ""),
    ] {
        let world = World::expired(&[fault]).await;
        world.session().token().await.unwrap_err();
        world.clock.advance(7);
        let error = world.session().token().await.unwrap_err();
        let expected = SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown);
        assert_eq!(need(&error), expected);
        // The next process says the same without a request.
        assert_eq!(need(&world.session().token().await.unwrap_err()), expected);
        assert_eq!(world.server.posts(), 2);
        let record = world.record().await;
        assert!(record.registration.is_some());
        assert_eq!(record.grant.unwrap().refresh_token, None);
    }
}

#[tokio::test]
async fn setting_bounds_the_posts_of_one_refresh_token() {
    let mut world = World::expired(&[Fault::LostAfter, Fault::LostBefore]).await;
    world.settings.max_refresh_posts = NonZeroU32::new(1);
    world.session().token().await.unwrap_err();
    world.clock.advance(10_000);
    assert_eq!(
        need(&world.session().token().await.unwrap_err()),
        SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown)
    );
    assert_eq!(world.server.posts(), 1);
}

#[tokio::test]
async fn refusal_after_a_lost_answer_keeps_the_doubt() {
    let refusal = Fault::Says(401, r#"{"error":"unauthorized_client"}"#);
    let world = World::expired(&[Fault::LostAfter, refusal]).await;
    world.session().token().await.unwrap_err();
    world.clock.advance(7);
    assert_eq!(
        retry_after(&world.session().token().await.unwrap_err()),
        901
    );
    let fence = world.record().await.fence.unwrap();
    assert_eq!((fence.posts, fence.ended), (1, PostEnd::Refused));
    world.clock.advance(901);
    let error = world.session().token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown)
    );
}

#[tokio::test]
async fn pause_ends_when_another_process_has_a_new_grant() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_target"}"#);
    let world = World::expired(&[refusal]).await;
    let first = world.session();
    assert_eq!(retry_after(&first.token().await.unwrap_err()), 901);
    let second = world.session();
    second.retry_refused_refresh();
    assert_eq!(serial(&second.token().await.unwrap()), 2);
    // The first process takes that token, and refreshes it when it ends.
    assert_eq!(serial(&first.token().await.unwrap()), 2);
    world.server.lifetime(Some(60));
    world.clock.advance(3_600);
    assert_eq!(serial(&first.token().await.unwrap()), 3);
}

#[tokio::test]
async fn retry_after_takes_the_place_of_a_refusal_that_is_over() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_target"}"#);
    let world = World::expired(&[refusal, Fault::RetryAfter(503, 20)]).await;
    world.session().token().await.unwrap_err();
    let session = world.session();
    session.retry_refused_refresh();
    assert_eq!(retry_after(&session.token().await.unwrap_err()), 21);
    world.clock.advance(21);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn clock_set_back_during_a_request_leaves_the_pause() {
    let world = World::expired(&[Fault::LostBefore]).await;
    world.server.gate.shut();
    let session = world.session();
    let asked = tokio::spawn(async move { session.token().await });
    world.server.gate.arrived(1).await;
    world.clock.jump(-7_000);
    world.server.gate.open();
    assert_eq!(retry_after(&asked.await.unwrap().unwrap_err()), 7);
    let fence = world.record().await.fence.unwrap();
    let pause = fence.not_before.as_unix_seconds() - world.clock.wall();
    assert_eq!(pause, 7);
}
