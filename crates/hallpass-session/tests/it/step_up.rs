//! A 403 that says `insufficient_scope`.

use std::sync::atomic::Ordering;

use hallpass_core::{Diagnostic as _, Remedy, Scopes, SignInReason};
use hallpass_session::{Session, SessionError, SignInRequest, TerminationReason};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, insufficient, serial};

fn ended(error: SessionError) -> TerminationReason {
    match error {
        SessionError::Terminated(ended) => ended.reason().clone(),
        error => panic!("not a stated end: {error:?}"),
    }
}

#[tokio::test]
async fn concurrent_step_ups_ask_once_for_the_union() {
    let fixture = Fixture::signed_in().await;
    fixture.authorizer.gate.shut();
    let session = fixture.session();
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
    fixture.authorizer.gate.arrived(1).await;
    fixture.authorizer.gate.open();
    for token in tasks.join_all().await {
        let token = token.unwrap();
        assert_eq!(token.scopes().to_string(), "a b w");
        assert_eq!(serial(&token), 2);
    }
    assert_eq!(fixture.authorizer.calls(), 1);
    let (reason, scopes, _) = fixture.authorizer.asked().remove(0);
    assert_eq!((reason, scopes.as_str()), (SignInReason::StepUp, "a b w"));
    assert_eq!(fixture.server.posts(), 0, "a refresh would not help");
    // A request that was under way with the old token adopts it.
    let token = session
        .handle_challenge(Some(&refused), &insufficient("w"))
        .await
        .unwrap();
    assert_eq!((serial(&token), fixture.authorizer.calls()), (2, 1));
    // So does another process.
    let other = fixture.session();
    let token = other
        .handle_challenge(Some(&refused), &insufficient("w"))
        .await
        .unwrap();
    assert_eq!((serial(&token), fixture.authorizer.calls()), (2, 1));
}

#[tokio::test]
async fn step_up_for_requested_scopes_terminates() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
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
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn third_step_up_for_the_same_scopes_terminates() {
    let fixture = Fixture::signed_in().await;
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let session = fixture.session();
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
    assert_eq!(fixture.authorizer.calls(), 2);
    // Other scopes can still be requested, and the present grant is still usable.
    session
        .handle_challenge(Some(&token), &insufficient("z"))
        .await
        .unwrap_err();
    assert_eq!(fixture.authorizer.calls(), 3);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn step_up_limit_is_reset_after_an_hour() {
    let fixture = Fixture::signed_in().await;
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let session = fixture.session();
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
    fixture.clock.wait(3_599);
    assert!(matches!(
        ended(ask("w").await),
        TerminationReason::TooManyStepUps(_)
    ));
    fixture.clock.wait(1);
    wear_out().await;
    // A sign-in for any reason.
    fixture.authorizer.refuses.store(false, Ordering::SeqCst);
    session.sign_in(SignInRequest::default()).await.unwrap();
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let token = session.token().await.unwrap();
    let challenge = insufficient("w");
    let asked = session.handle_challenge(Some(&token), &challenge);
    assert!(matches!(asked.await.unwrap_err(), SessionError::SignIn(_)));
}

#[tokio::test]
async fn step_up_without_scopes_terminates() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let token = session.token().await.unwrap();
    let error = session
        .handle_challenge(Some(&token), &insufficient(""))
        .await
        .unwrap_err();
    assert_eq!(ended(error), TerminationReason::NoScopesNamed);
    assert_eq!(fixture.authorizer.calls(), 0);
}

/// A session of a process that can't ask a user, whose calls are refused for want of the scope `w`.
async fn refuse_without_user(fixture: &Fixture) {
    let (store, http) = (fixture.store.clone(), fixture.server.clone());
    let session = Session::builder(fixture.key.clone(), fixture.settings.clone(), store, http)
        .clock(fixture.clock.clone() as _)
        .build()
        .unwrap();
    for _ in 0..4 {
        let refused = session.token().await.unwrap();
        let challenge = insufficient("w");
        let ended = session.handle_challenge(Some(&refused), &challenge).await;
        let error = ended.unwrap_err();
        assert!(matches!(error, SessionError::SignIn(_)), "{error:?}");
        assert_eq!(error.remedy(), Remedy::SignIn);
    }
}

#[tokio::test]
async fn scopes_of_a_refused_call_are_requested_by_the_next_login() {
    let fixture = Fixture::signed_in().await;
    refuse_without_user(&fixture).await;
    let refused = fixture.record().await.grant.unwrap().refused_scopes;
    assert_eq!(refused, Scopes::from_server("w"));
    // They survive a refresh.
    fixture.clock.advance(3_600);
    fixture.session().token().await.unwrap();

    let login = fixture.session();
    let token = login.sign_in(SignInRequest::default()).await.unwrap();
    assert_eq!(token.scopes().to_string(), "a b w");
    login.sign_in(SignInRequest::default()).await.unwrap();
    let asked = fixture.authorizer.asked();
    let scopes: Vec<&str> = asked.iter().map(|(_, scopes, _)| scopes.as_str()).collect();
    assert_eq!(scopes, ["a b w", ""]);
}

#[tokio::test]
async fn login_that_fails_forgets_the_scopes_of_the_refused_call() {
    let fixture = Fixture::signed_in().await;
    refuse_without_user(&fixture).await;
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let login = fixture.session();
    login.sign_in(SignInRequest::default()).await.unwrap_err();
    login.sign_in(SignInRequest::default()).await.unwrap_err();
    let asked = fixture.authorizer.asked();
    let scopes: Vec<&str> = asked.iter().map(|(_, scopes, _)| scopes.as_str()).collect();
    assert_eq!(scopes, ["a b w", ""]);
}

/// The scopes that are remembered after calls that are refused for want of these, one call after the other.
async fn remembered(calls: &[String]) -> Scopes {
    let fixture = Fixture::signed_in().await;
    let (store, http) = (fixture.store.clone(), fixture.server.clone());
    let session = Session::builder(fixture.key.clone(), fixture.settings.clone(), store, http)
        .clock(fixture.clock.clone() as _)
        .build()
        .unwrap();
    let refused = session.token().await.unwrap();
    for scopes in calls {
        let challenge = insufficient(scopes);
        let ended = session.handle_challenge(Some(&refused), &challenge).await;
        ended.unwrap_err();
    }
    fixture.record().await.grant.unwrap().refused_scopes
}

#[tokio::test]
async fn remembered_scopes_have_a_limit() {
    let many = |call| {
        let scopes = (0..20).map(|n| format!("{call}.{n}"));
        scopes.collect::<Vec<_>>().join(" ")
    };
    let mut calls = vec!["first".to_owned(), "x".repeat(5_000)];
    calls.extend((0..20).map(many));
    let kept = remembered(&calls).await;
    assert_eq!(kept.iter().count(), 64, "{kept}");
    assert!(kept.contains("first") && kept.contains("0.0"), "{kept}");

    let long = |n| format!("{n}{}", "y".repeat(999));
    let kept = remembered(&(0..9).map(long).collect::<Vec<_>>()).await;
    assert_eq!(kept.iter().count(), 4, "{kept}");
}
