//! Machines, whose grants have no refresh token.

use std::sync::atomic::Ordering;

use hallpass_core::{
    SignInReason,
    record::{GrantKind, SignInCause},
};
use hallpass_session::{Session, SessionError, SignInNeed, SignOut};

use crate::world::{World, bare, need, serial};

/// A machine that signed in just now; its tokens live an hour.
async fn machine() -> (World, Session) {
    let world = World::empty();
    world.person.unattended.store(true, Ordering::SeqCst);
    world
        .put(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.kind = GrantKind::ClientCredentials;
            grant.refresh_token = None;
        })
        .await;
    let session = world.session();
    (world, session)
}

#[tokio::test]
async fn a_token_that_nears_its_end_is_asked_for_anew_without_anybody_asking() {
    let (world, session) = machine().await;
    world.clock.advance(3_539);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    assert_eq!(world.person.calls(), 0);
    world.clock.advance(1);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    let asked = world.person.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].0, asked[0].1.as_str()),
        (SignInReason::Ended, "a b")
    );
    assert_eq!(world.server.posts(), 0, "there is nothing to refresh with");
    assert_eq!(
        serial(&world.session().token().await.unwrap()),
        2,
        "it is saved"
    );
}

#[tokio::test]
async fn so_is_one_that_has_ended() {
    let (world, session) = machine().await;
    world.clock.advance(10_000);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn many_calls_ask_once() {
    let (world, session) = machine().await;
    world.clock.advance(10_000);
    world.person.gate.shut();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { serial(&session.token().await.unwrap()) })
        })
        .collect();
    world.person.gate.arrived(1).await;
    world.person.gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap(), 2);
    }
    assert_eq!(world.person.calls(), 1);
}

#[tokio::test]
async fn while_the_old_token_lives_a_failure_costs_nothing_and_the_next_try_waits() {
    let (world, session) = machine().await;
    world.person.refuses.store(true, Ordering::SeqCst);
    world.clock.advance(3_550);
    for _ in 0..10 {
        assert_eq!(serial(&session.token().await.unwrap()), 1);
    }
    assert_eq!(world.person.calls(), 1);
    world.clock.advance(30);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    assert_eq!(world.person.calls(), 2);
    world.person.refuses.store(false, Ordering::SeqCst);
    world.clock.advance(15);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn a_failure_after_the_end_is_the_machine_s_own_error() {
    let (world, session) = machine().await;
    world.person.refuses.store(true, Ordering::SeqCst);
    world.clock.advance(10_000);
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert!(matches!(error, SessionError::SignIn(_)), "{error:?}");
    }
    assert_eq!(world.person.calls(), 1, "the next try waits");
}

#[tokio::test]
async fn the_first_sign_in_waits_for_the_challenge() {
    let world = World::empty();
    world.person.unattended.store(true, Ordering::SeqCst);
    let session = world.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::First);
    let token = session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(serial(&token), 1);
    assert_eq!(world.person.asked()[0].0, SignInReason::First);
}

#[tokio::test]
async fn whoever_signed_out_stays_out() {
    let (world, session) = machine().await;
    session.sign_out(SignOut::default()).await.unwrap();
    world.clock.advance(10_000);
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::SignedOut));
    assert_eq!(world.person.calls(), 0);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_on_the_server_s_challenge() {
    let (world, session) = machine().await;
    let token = session.token().await.unwrap();
    token.mark_accepted();
    let next = session
        .handle_challenge(Some(&token), &bare())
        .await
        .unwrap();
    assert_eq!(serial(&next), 2);
    // That one is refused as well: asking for a third would not help.
    let error = session
        .handle_challenge(Some(&next), &bare())
        .await
        .unwrap_err();
    assert!(matches!(error, SessionError::Terminated(_)), "{error:?}");
    assert_eq!(world.person.calls(), 1);
}
