//! When a token is replaced.

use hallpass_session::SignInNeed;

use crate::{
    double::Fault,
    world::{World, need, serial},
};
use hallpass_core::{
    Clock,
    record::{GrantKind, SignInCause},
};

/// How long after its issue a token that lives `lifetime` is replaced.
async fn check(lifetime: Option<u64>, used_until: u64, replaced: bool) {
    let world = World::empty();
    world.server.lifetime(lifetime);
    world.put(|_| ()).await;
    let session = world.session();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    world.clock.advance(used_until);
    assert_eq!(
        serial(&session.token().await.unwrap()),
        1,
        "{lifetime:?} after {used_until} s"
    );
    world.clock.advance(1);
    let expected = if replaced { 2 } else { 1 };
    assert_eq!(
        serial(&session.token().await.unwrap()),
        expected,
        "{lifetime:?}"
    );
}

#[tokio::test]
async fn a_token_is_replaced_early_and_not_before() {
    check(Some(3_600), 3_539, true).await;
    check(Some(100), 74, true).await;
    check(Some(2), 1, true).await;
    // "Not said" is neither "never", since a refusal ends it, nor "now".
    check(None, 100_000_000, false).await;
}

/// Whoever signed in on another device has a refresh token like anybody else.
#[tokio::test]
async fn a_grant_by_device_code_is_refreshed_as_any_other() {
    for kind in [GrantKind::AuthorizationCode, GrantKind::DeviceCode] {
        let world = World::empty();
        world
            .put(|record| record.grant.as_mut().unwrap().kind = kind)
            .await;
        let session = world.session();
        world.clock.advance(3_600);
        assert_eq!(serial(&session.token().await.unwrap()), 2);
        let kept = world.record().await.grant.unwrap();
        assert_eq!((kept.kind, world.server.posts()), (kind, 1));
    }
}

#[tokio::test]
async fn tokens_of_two_seconds_cost_one_refresh_each() {
    let world = World::empty();
    world.server.lifetime(Some(2));
    world.put(|_| ()).await;
    let session = world.session();
    for _ in 0..30 {
        for _ in 0..10 {
            session.token().await.unwrap();
        }
        world.clock.advance(1);
    }
    assert_eq!(world.server.posts(), 14);
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_costs_a_refresh_at_most() {
    let world = World::signed_in().await;
    let session = world.session();
    session.token().await.unwrap();
    world.clock.jump(-1_000_000);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    world.clock.jump(3_000_000);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.posts(), 1);
}

#[tokio::test]
async fn a_saved_expiry_is_absolute() {
    let world = World::signed_in().await;
    world.clock.advance(3_000);
    // A start from what was saved does not begin the hour anew.
    let session = world.session();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    world.clock.advance(600);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn a_silent_answer_keeps_refresh_token_and_scopes() {
    let world = World::signed_in().await;
    world.server.fault(Fault::Terse);
    world.clock.advance(3_600);
    let session = world.session();
    let token = session.token().await.unwrap();
    assert_eq!(token.expires_at(), None);
    assert_eq!(token.scopes().to_string(), "a b");
    let grant = world.record().await.grant.unwrap();
    assert_eq!(grant.refresh_token.unwrap().expose(), "refresh-canary-1");
}

#[tokio::test]
async fn a_token_without_refresh_token_is_used_to_its_end() {
    let world = World::empty();
    world
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    let session = world.session();
    session.token().await.unwrap();
    world.clock.advance(3_599);
    session.token().await.unwrap();
    world.clock.advance(1);
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::NoRefreshToken));
    assert_eq!(world.server.requests(), [""; 0]);
}

#[tokio::test]
async fn the_kept_token_is_shown_without_a_refresh_also_when_it_has_ended() {
    let world = World::signed_in().await;
    world.clock.advance(1_000_000);
    let session = world.session();
    let kept = session.stored_token().await.unwrap();
    assert_eq!(serial(&kept), 1);
    assert!(kept.expires_at().unwrap() < world.clock.now());
    assert_eq!(world.server.posts(), 0);

    let nobody = World::empty().session().stored_token().await.unwrap_err();
    assert_eq!(need(&nobody), SignInNeed::First);
}
