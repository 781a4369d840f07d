//! The pause between sign-ins that no person asked for.

use std::sync::atomic::Ordering;

use hallpass_core::Remedy;
use hallpass_session::{Session, SessionError, SignInRequest, SignOut};

use crate::world::{World, bare, insufficient};

/// Makes a call whose grant has ended.
async fn call(world: &World, session: &Session) -> Result<(), SessionError> {
    let no_refresh = |record: &mut hallpass_core::Record| {
        record.grant.as_mut().unwrap().refresh_token = None;
    };
    world.put(no_refresh).await;
    world.clock.jump(4_000);
    session.handle_challenge(None, &bare()).await.map(drop)
}

/// Makes a few calls, and expects that this many windows were opened so far.
async fn calls(world: &World, session: &Session, expected: usize) {
    for _ in 0..5 {
        if let Err(error) = call(world, session).await {
            assert!(matches!(error, SessionError::SignIn(_)), "{error:?}");
            assert_eq!(error.remedy(), Remedy::SignIn);
        }
    }
    assert_eq!(world.person.calls(), expected);
}

#[tokio::test]
async fn sign_ins_that_end_in_a_grant_are_paused_more_and_more() {
    let world = World::empty();
    let session = world.session();
    calls(&world, &session, 3).await;
    for (count, minutes) in [2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        world.clock.wait(60 * minutes - 1);
        calls(&world, &session, 3 + count).await;
        world.clock.wait(1);
        calls(&world, &session, 4 + count).await;
    }
}

#[tokio::test]
async fn pause_after_a_grant_says_what_is_wrong_and_what_to_do() {
    let world = World::empty();
    let session = world.session();
    calls(&world, &session, 3).await;
    let error = call(&world, &session).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the server asks for one sign-in after another");
    let hint = error.hint().unwrap();
    assert!(hint.contains("another 120 s"), "{hint}");
}

#[tokio::test]
async fn refusal_is_repeated_and_paused_more_and_more() {
    let world = World::empty();
    world.person.refuses.store(true, Ordering::SeqCst);
    let session = world.session();
    for (count, minutes) in [2, 4, 8].into_iter().enumerate() {
        calls(&world, &session, 1 + count).await;
        let error = call(&world, &session).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "the person said no");
        world.clock.wait(60 * minutes - 1);
        calls(&world, &session, 1 + count).await;
        world.clock.wait(1);
    }
}

#[tokio::test]
async fn step_ups_for_ever_other_scopes_are_paused() {
    for refuses in [false, true] {
        let world = World::signed_in().await;
        world.person.refuses.store(refuses, Ordering::SeqCst);
        let session = world.session();
        for number in 0..100 {
            let token = session.token().await.unwrap();
            let challenge = insufficient(&format!("w{number}"));
            let _ = session.handle_challenge(Some(&token), &challenge).await;
        }
        assert_eq!(world.person.calls(), 3);
    }
}

#[tokio::test]
async fn sign_ins_that_the_callers_give_up_are_paused() {
    let world = World::empty();
    world.person.gate.shut();
    let session = world.session();
    for count in 1..=3 {
        let caller = tokio::spawn({
            let session = session.clone();
            async move { session.handle_challenge(None, &bare()).await.map(drop) }
        });
        world.person.gate.arrived(count).await;
        caller.abort();
        caller.await.unwrap_err();
    }
    // The last one is broken off in a task of its own, on the same thread.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let error = session.handle_challenge(None, &bare()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::SignIn);
    assert_eq!(world.person.calls(), 3);
}

#[tokio::test]
async fn sign_in_that_a_person_asked_for_is_never_paused() {
    let world = World::empty();
    let session = world.session();
    for refuses in [true, false] {
        world.person.refuses.store(refuses, Ordering::SeqCst);
        for _ in 0..10 {
            let _ = session.sign_in(SignInRequest::default()).await;
        }
    }
    assert_eq!(world.person.calls(), 20);
    // It ends the pause if it ends in a grant, and so does signing out.
    calls(&world, &session, 23).await;
    session.sign_in(SignInRequest::default()).await.unwrap();
    calls(&world, &session, 27).await;
    session.sign_out(SignOut::default()).await.unwrap();
    calls(&world, &session, 30).await;
}

#[tokio::test]
async fn sign_ins_far_apart_are_not_paused() {
    let world = World::empty();
    let session = world.session();
    for number in 1..20 {
        call(&world, &session).await.unwrap();
        assert_eq!(world.person.calls(), number);
        world.clock.wait(10 * 60);
    }
}
