//! The table of what may come of a refresh, one test a row.

use hallpass_core::{
    ClientId, ClientSecret, PreRegisteredClient, Remedy, State,
    http::HttpErrorKind,
    record::{RegistrationOrigin, SignInCause},
};
use hallpass_session::{SessionError, SignInNeed};

use crate::{
    double::Fault,
    world::{World, bare, need, retry_after, serial},
};

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
        let world = World::expired(&[Fault::NotSent(kind), Fault::NotSent(kind)]).await;
        let token = world.session().token().await.unwrap();
        check_healed(&world, &token, &[500, 1_000], 1);
    }
}

#[tokio::test]
async fn not_sent_leaves_no_fence() {
    let world = World::expired(&[Fault::NotSent(HttpErrorKind::Tls)]).await;
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
        let world = World::expired(&[Fault::RetryAfter(status, 3)]).await;
        let token = world.session().token().await.unwrap();
        check_healed(&world, &token, &[4_000], 2);
    }
}

#[tokio::test]
async fn a_long_retry_after_is_told_and_honoured() {
    let world = World::expired(&[Fault::RetryAfter(503, 120)]).await;
    let session = world.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry);
        let SessionError::Refresh(failed) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failed.retry_after().unwrap().as_secs(), 121);
    }
    assert_eq!(world.server.posts(), 1, "the server is left alone");
    assert_eq!(world.record().await.state, State::SignedIn);
    world.clock.advance(121);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn retry_after_holds_for_all_processes() {
    let world = World::expired(&[Fault::RetryAfter(503, 120)]).await;
    for _ in 0..3 {
        let pause = retry_after(&world.session().token().await.unwrap_err());
        assert!((120..=121).contains(&pause), "{pause}");
    }
    assert_eq!(world.server.posts(), 1);
    let record = world.record().await;
    assert_eq!(
        (record.state, record.fence.unwrap().posts),
        (State::SignedIn, 0)
    );
    world.clock.advance(121);
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
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
        let world = World::expired(&[Fault::Says(status, r#"{"error":"invalid_grant"}"#)]).await;
        let session = world.session();
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::Ended(SignInCause::RefreshRefused));
        assert_eq!(error.remedy(), Remedy::SignIn);
        let record = world.record().await;
        assert_eq!(
            record.state,
            State::SignInRequired(SignInCause::RefreshRefused)
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
async fn refusal_keeps_everything_and_is_remembered_by_all_processes() {
    for (status, body) in [
        (400, r#"{"error":"unauthorized_client"}"#),
        (400, r#"{"error":"invalid_target"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
        (401, ""),
        (404, "not here"),
        (418, r#"{"error":"teapot"}"#),
        (302, ""),
    ] {
        let case = format!("{status} {body}");
        let world = World::expired(&[Fault::Says(status, body); 2]).await;
        let before = world.record().await;
        for session in [world.session(), world.session()] {
            let error = session.token().await.unwrap_err();
            let SessionError::Refresh(failed) = &error else {
                panic!("{case}: {error:?}")
            };
            assert_eq!(failed.token_error().unwrap().status().as_u16(), status);
            assert_eq!(error.remedy(), Remedy::Configure, "{case}");
            assert_eq!(retry_after(&error).div_ceil(60), 16, "{case}");
            session.token().await.unwrap_err();
        }
        assert_eq!(world.server.posts(), 1, "{case}");
        let after = world.record().await;
        assert_eq!(after.state, State::SignedIn, "{case}");
        assert_eq!(after.grant, before.grant, "{case}");
        // Later it is posted again, since its reason may be gone; then the pause is twice as long.
        world.clock.advance(901);
        let pause = retry_after(&world.session().token().await.unwrap_err());
        assert_eq!((pause, world.server.posts()), (1_801, 2), "{case}");
        world.clock.advance(1_801);
        assert_eq!(serial(&world.session().token().await.unwrap()), 2, "{case}");
        assert_eq!(world.record().await.fence, None, "{case}");
    }
}

#[tokio::test]
async fn refused_refresh_is_posted_again_with_other_settings() {
    let mut world = World::empty();
    let client = |secret: &str| {
        PreRegisteredClient::new(ClientId::new("client-1")).with_secret(ClientSecret::new(secret))
    };
    world.settings.client.pre_registered = Some(client("secret-canary-1"));
    world.put(|_| ()).await;
    world.clock.advance(3_600);
    let refusal = r#"{"error":"invalid_client"}"#;
    world.server.fault(Fault::Says(401, refusal));
    for _ in 0..2 {
        world.session().token().await.unwrap_err();
    }
    assert_eq!(world.server.posts(), 1);
    world.settings.client.pre_registered = Some(client("secret-canary-2"));
    assert_eq!(serial(&world.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn refused_refresh_is_posted_again_when_the_user_says_so() {
    let world = World::expired(&[Fault::Says(400, r#"{"error":"invalid_request"}"#); 2]).await;
    world.session().token().await.unwrap_err();
    let session = world.session();
    session.retry_refused_refresh();
    session.token().await.unwrap_err();
    assert_eq!(world.server.posts(), 2);
    // Once, and no more.
    session.token().await.unwrap_err();
    assert_eq!(world.server.posts(), 2);
    session.retry_refused_refresh();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn a_client_that_the_server_has_forgotten_is_a_matter_of_signing_in() {
    let world = World::expired(&[Fault::Says(401, r#"{"error":"invalid_client"}"#); 2]).await;
    let before = world.record().await;
    let session = world.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::ClientForgotten);
        assert_eq!(error.hint(), None);
    }
    assert_eq!(world.server.posts(), 1, "a hot loop does not hammer it");
    // Nothing is lost by that; the next login asks whether the client is known.
    let after = world.record().await;
    assert_eq!(after.state, State::SignedIn);
    assert_eq!(after.grant, before.grant);
    assert_eq!(after.registration.unwrap().proven_at, None);
    let other = world.session().token().await.unwrap_err();
    assert_eq!(
        need(&other),
        SignInNeed::ClientForgotten,
        "other processes say so too"
    );
    assert_eq!(world.server.posts(), 1);
    session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(world.person.calls(), 1);
    assert_eq!(world.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn another_client_is_for_a_person_to_mend() {
    for origin in [
        RegistrationOrigin::PreRegistered,
        RegistrationOrigin::MetadataDocument,
    ] {
        let world = World::expired(&[Fault::Says(401, r#"{"error":"invalid_client"}"#)]).await;
        let mut record = world.record().await;
        record.registration.as_mut().unwrap().origin = origin;
        world.replace(record).await;
        let error = world.session().token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Configure);
    }
}
