//! The table of what may come of a refresh, one test a row.

use hallpass_core::{
    Remedy, State,
    http::HttpErrorKind,
    record::{RegistrationOrigin, SignInCause},
};
use hallpass_session::{Need, SessionError};

use crate::{
    double::Fault,
    world::{World, bare, need, serial},
};

/// A world whose access token has ended, with these faults ahead.
async fn expired(faults: &[Fault]) -> World {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    for fault in faults {
        world.server.fault(*fault);
    }
    world
}

/// The call heals by itself after these faults, and paused for so long in between.
#[track_caller]
fn check_healed(world: &World, token: &hallpass_session::Token, pauses: &[u128], posts: usize) {
    assert_eq!(serial(token), 2);
    assert_eq!(world.clock.sleeps(), pauses);
    assert_eq!(world.server.posts(), posts);
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test]
async fn not_sent_is_repeated() {
    for kind in [
        HttpErrorKind::Connect,
        HttpErrorKind::Resolve,
        HttpErrorKind::ConnectTimeout,
    ] {
        let world = expired(&[Fault::NotSent(kind), Fault::NotSent(kind)]).await;
        let token = world.session().token().await.unwrap();
        check_healed(&world, &token, &[500, 1_000], 1);
    }
}

#[tokio::test]
async fn not_sent_leaves_no_fence() {
    let world = expired(&[Fault::NotSent(HttpErrorKind::Tls)]).await;
    let before = world.record().await;
    let error = world.session().token().await.unwrap_err();
    assert_eq!(
        error.remedy(),
        Remedy::Configure,
        "a handshake does not mend itself"
    );
    let after = world.record().await;
    assert_eq!(
        (after.state, after.fence, after.grant),
        (before.state, None, before.grant)
    );
}

#[tokio::test]
async fn not_processed_is_repeated_when_the_server_asks() {
    for status in [408, 425, 429, 503] {
        let world = expired(&[Fault::RetryAfter(status, 3)]).await;
        let token = world.session().token().await.unwrap();
        check_healed(&world, &token, &[3_000], 2);
    }
}

#[tokio::test]
async fn a_long_retry_after_is_told_and_honoured() {
    let world = expired(&[Fault::RetryAfter(503, 120)]).await;
    let session = world.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry);
        let SessionError::Refresh(failed) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failed.retry_after().unwrap().as_secs(), 120);
    }
    assert_eq!(world.server.posts(), 1, "the server is left alone");
    assert_eq!(world.record().await.state, State::SignedIn);
    world.clock.advance(120);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn an_outage_of_days_costs_no_sign_in() {
    let world = expired(&[Fault::Says(500, "<html>canary</html>"); 60]).await;
    let session = world.session();
    for _ in 0..60 {
        if session.token().await.is_ok() {
            break;
        }
        world.clock.advance(3_600);
    }
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 61);
    assert!(world.clock.sleeps().iter().all(|pause| *pause <= 5_000));
}

#[tokio::test]
async fn the_pause_has_a_ceiling() {
    let world = expired(&[Fault::Says(502, ""); 20]).await;
    let session = world.session();
    let mut longest = 0;
    for _ in 0..12 {
        if let Err(SessionError::Refresh(failed)) = session.token().await {
            longest = longest.max(failed.retry_after().unwrap().as_secs());
        }
        world.clock.advance(60);
    }
    assert_eq!(longest, 60);
}

#[tokio::test]
async fn lost_before_the_server_acted_heals() {
    for fault in [Fault::LostBefore, Fault::Says(200, "<html>proxy</html>")] {
        let world = expired(&[fault]).await;
        let token = world.session().token().await.unwrap();
        check_healed(&world, &token, &[2_000], 2);
        let record = world.record().await;
        assert_eq!((record.state, record.fence), (State::SignedIn, None));
    }
}

#[tokio::test]
async fn the_second_post_does_not_meet_the_same_silence() {
    let world = expired(&[Fault::Silent]).await;
    let session = world.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        let SessionError::Refresh(failed) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failed.retry_after().unwrap().as_secs(), 60);
    }
    assert_eq!(world.server.posts(), 1);
    world.clock.advance(60);
    let token = session.token().await.unwrap();
    check_healed(&world, &token, &[], 2);
}

/// What a session says once it has waited for as long as it said that it would.
async fn in_the_end(world: &World) -> SessionError {
    let session = world.session();
    let error = session.token().await.unwrap_err();
    let SessionError::Refresh(failed) = &error else {
        return error;
    };
    world.clock.advance(failed.retry_after().unwrap().as_secs());
    session.token().await.unwrap_err()
}

#[tokio::test]
async fn lost_after_the_server_acted_ends_in_a_stated_sign_in() {
    for fault in [
        Fault::LostAfter,
        Fault::ActsAndSays(200, "<html>proxy</html>"),
        Fault::ActsAndSays(502, ""),
    ] {
        let world = expired(&[fault]).await;
        let error = in_the_end(&world).await;
        let expected = Need::Ended(SignInCause::RefreshOutcomeUnknown);
        assert_eq!(need(&error), expected);
        assert_eq!(world.server.posts(), 2, "once more, and no more");
        // The next process says the same without asking anybody.
        assert_eq!(need(&world.session().token().await.unwrap_err()), expected);
        assert_eq!(world.server.posts(), 2);
        let record = world.record().await;
        assert!(record.registration.is_some());
        assert_eq!(record.grant.unwrap().refresh_token, None);
    }
}

#[tokio::test]
async fn a_token_lost_twice_is_not_posted_a_third_time() {
    let world = expired(&[Fault::LostAfter, Fault::LostBefore]).await;
    for _ in 0..5 {
        let error = in_the_end(&world).await;
        assert_eq!(
            need(&error),
            Need::Ended(SignInCause::RefreshOutcomeUnknown)
        );
    }
    assert_eq!(world.server.posted(), ["refresh-canary-1"; 2]);
}

#[tokio::test]
async fn the_old_token_is_used_while_it_lives() {
    for faults in [
        [Fault::Says(500, ""); 2],
        [Fault::LostAfter, Fault::LostBefore],
        [Fault::RetryAfter(429, 30); 2],
        [Fault::Says(400, r#"{"error":"invalid_client"}"#); 2],
        [Fault::NotSent(HttpErrorKind::Connect); 2],
    ] {
        let world = World::signed_in().await;
        let session = world.session();
        world.clock.advance(3_545);
        for fault in faults {
            world.server.fault(fault);
        }
        for _ in 0..3 {
            assert_eq!(serial(&session.token().await.unwrap()), 1, "{faults:?}");
        }
        assert_eq!(
            world.clock.sleeps(),
            [0_u128; 0],
            "{faults:?}: nobody waits"
        );
        assert!(world.server.posts() <= 1, "{faults:?}: the pause holds");
        // Another process starts inside the margin, and uses it too.
        assert_eq!(
            serial(&world.session().token().await.unwrap()),
            1,
            "{faults:?}"
        );
    }
}

#[tokio::test]
async fn definitive_drops_the_refresh_token_and_keeps_the_client() {
    for status in [400, 401, 403] {
        let world = expired(&[Fault::Says(status, r#"{"error":"invalid_grant"}"#)]).await;
        let session = world.session();
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), Need::Ended(SignInCause::RefreshRefused));
        assert_eq!(error.remedy(), Remedy::SignIn);
        let record = world.record().await;
        assert_eq!(
            record.state,
            State::SignInNeeded(SignInCause::RefreshRefused)
        );
        assert_eq!(record.fence, None);
        assert!(record.registration.is_some());
        assert_eq!(record.grant.unwrap().refresh_token, None);
        for _ in 0..3 {
            session.token().await.unwrap_err();
        }
        assert_eq!(world.server.posts(), 1, "a dead token is not retried");
    }
}

#[tokio::test]
async fn refused_keeps_everything_and_names_what_to_mend() {
    for (status, body) in [
        (400, r#"{"error":"unauthorized_client"}"#),
        (400, r#"{"error":"invalid_target"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
        (401, ""),
        (404, "not here"),
        (418, r#"{"error":"teapot"}"#),
        (302, ""),
    ] {
        let world = expired(&[Fault::Says(status, body)]).await;
        let before = world.record().await;
        let session = world.session();
        let error = session.token().await.unwrap_err();
        let SessionError::Refresh(failed) = &error else {
            panic!("{status} {body}: {error:?}")
        };
        assert_eq!(failed.token_error().unwrap().status().as_u16(), status);
        assert_eq!(error.remedy(), Remedy::Configure, "{status} {body}");
        let after = world.record().await;
        assert_eq!(
            (after.state, after.fence),
            (State::SignedIn, None),
            "{status} {body}"
        );
        assert_eq!(after.grant, before.grant);
        // A hot loop does not hammer the server; later it is asked again, and may have been mended.
        session.token().await.unwrap_err();
        assert_eq!(world.server.posts(), 1, "{status} {body}");
        world.clock.advance(1);
        assert_eq!(
            serial(&session.token().await.unwrap()),
            2,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_client_that_the_server_has_forgotten_is_a_matter_of_signing_in() {
    let world = expired(&[Fault::Says(401, r#"{"error":"invalid_client"}"#); 2]).await;
    let before = world.record().await;
    let session = world.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), Need::ClientForgotten);
        assert_eq!(error.hint(), None);
    }
    assert_eq!(world.server.posts(), 1, "a hot loop does not hammer it");
    // Nothing is lost by that; the next login asks whether the client is known.
    let after = world.record().await;
    assert_eq!((after.state, after.fence), (State::SignedIn, None));
    assert_eq!(after.grant, before.grant);
    assert_eq!(after.registration.unwrap().proven_at, None);
    world.clock.advance(60);
    session.answer_challenge(None, &bare()).await.unwrap();
    assert_eq!(world.person.calls(), 1);
    assert_eq!(world.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn another_client_is_for_a_person_to_mend() {
    for origin in [
        RegistrationOrigin::PreRegistered,
        RegistrationOrigin::MetadataDocument,
    ] {
        let world = expired(&[Fault::Says(401, r#"{"error":"invalid_client"}"#)]).await;
        let mut record = world.record().await;
        record.registration.as_mut().unwrap().origin = origin;
        world.replace(record).await;
        let error = world.session().token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Configure);
    }
}
