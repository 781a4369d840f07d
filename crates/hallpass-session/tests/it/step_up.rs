//! A 403 that says `insufficient_scope`.

use std::sync::atomic::Ordering;

use hallpass_core::SignInReason;
use hallpass_session::{SessionError, SignInRequest, TerminationReason};
use tokio::task::JoinSet;

use crate::world::{World, insufficient, serial};

fn ended(error: SessionError) -> TerminationReason {
    match error {
        SessionError::Terminated(ended) => ended.why().clone(),
        error => panic!("not a stated end: {error:?}"),
    }
}

#[tokio::test]
async fn a_step_up_asks_for_the_union_once_for_all() {
    let world = World::signed_in().await;
    world.person.gate.shut();
    let session = world.session();
    let refused = session.token().await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (session, refused) = (session.clone(), refused.clone());
        tasks.spawn(async move {
            session
                .handle_challenge(Some(&refused), &insufficient("w"))
                .await
        });
    }
    world.person.gate.arrived(1).await;
    world.person.gate.open();
    for token in tasks.join_all().await {
        let token = token.unwrap();
        assert_eq!(token.scopes().to_string(), "a b w");
        assert_eq!(serial(&token), 2);
    }
    assert_eq!(world.person.calls(), 1);
    let (reason, scopes, _) = world.person.asked().remove(0);
    assert_eq!((reason, scopes.as_str()), (SignInReason::StepUp, "a b w"));
    assert_eq!(world.server.posts(), 0, "a refresh would not help");
    // A request that was under way with the old token adopts it.
    let token = session
        .handle_challenge(Some(&refused), &insufficient("w"))
        .await
        .unwrap();
    assert_eq!((serial(&token), world.person.calls()), (2, 1));
    // So does another process.
    let other = world.session();
    let token = other
        .handle_challenge(Some(&refused), &insufficient("w"))
        .await
        .unwrap();
    assert_eq!((serial(&token), world.person.calls()), (2, 1));
}

#[tokio::test]
async fn scopes_that_were_asked_for_are_not_asked_for_again() {
    let world = World::signed_in().await;
    let session = world.session();
    let mut token = session.token().await.unwrap();
    let challenge = insufficient("w");
    token = session
        .handle_challenge(Some(&token), &challenge)
        .await
        .unwrap();
    for _ in 0..3 {
        let error = session
            .handle_challenge(Some(&token), &challenge)
            .await
            .unwrap_err();
        assert!(matches!(
            ended(error),
            TerminationReason::ScopesAskedBefore(_)
        ));
    }
    assert_eq!(world.person.calls(), 1);
}

#[tokio::test]
async fn two_step_ups_for_the_same_scopes_are_enough() {
    let world = World::signed_in().await;
    world.person.refuses.store(true, Ordering::SeqCst);
    let session = world.session();
    let token = session.token().await.unwrap();
    for _ in 0..2 {
        let error = session
            .handle_challenge(Some(&token), &insufficient("w"))
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::SignIn(_)), "{error:?}");
    }
    for _ in 0..3 {
        let error = session
            .handle_challenge(Some(&token), &insufficient("w"))
            .await
            .unwrap_err();
        assert!(matches!(ended(error), TerminationReason::TooManyStepUps(_)));
    }
    assert_eq!(world.person.calls(), 2);
    // Other scopes are another matter, and the grant there is still works.
    session
        .handle_challenge(Some(&token), &insufficient("z"))
        .await
        .unwrap_err();
    assert_eq!(world.person.calls(), 3);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn a_person_who_said_no_may_think_again() {
    let world = World::signed_in().await;
    world.person.refuses.store(true, Ordering::SeqCst);
    let session = world.session();
    let token = session.token().await.unwrap();
    let ask = async |scopes: &str| {
        let challenge = insufficient(scopes);
        let asked = session.handle_challenge(Some(&token), &challenge);
        asked.await.unwrap_err()
    };
    let wear_out = async || {
        for _ in 0..2 {
            assert!(matches!(ask("w").await, SessionError::SignIn(_)));
        }
        assert!(matches!(
            ended(ask("w").await),
            TerminationReason::TooManyStepUps(_)
        ));
    };
    wear_out().await;
    // An hour later.
    world.clock.wait(3_599);
    assert!(matches!(
        ended(ask("w").await),
        TerminationReason::TooManyStepUps(_)
    ));
    world.clock.wait(1);
    wear_out().await;
    // A sign-in for whatever reason.
    world.person.refuses.store(false, Ordering::SeqCst);
    session.sign_in(SignInRequest::default()).await.unwrap();
    world.person.refuses.store(true, Ordering::SeqCst);
    let token = session.token().await.unwrap();
    let challenge = insufficient("w");
    let asked = session.handle_challenge(Some(&token), &challenge);
    assert!(matches!(asked.await.unwrap_err(), SessionError::SignIn(_)));
}

#[tokio::test]
async fn a_challenge_that_names_no_scope_is_an_end() {
    let world = World::signed_in().await;
    let session = world.session();
    let token = session.token().await.unwrap();
    let error = session
        .handle_challenge(Some(&token), &insufficient(""))
        .await
        .unwrap_err();
    assert_eq!(ended(error), TerminationReason::NoScopesNamed);
    assert_eq!(world.person.calls(), 0);
}
