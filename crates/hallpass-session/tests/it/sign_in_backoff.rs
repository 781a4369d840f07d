//! The pause between sign-ins that no user asked for.

use std::sync::atomic::Ordering;

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_session::{Session, SessionError, SignInRequest, SignOut};

use crate::fixture::{Fixture, bare, insufficient};

/// Makes a call whose grant has ended.
async fn call(fixture: &Fixture, session: &Session) -> Result<(), SessionError> {
    let no_refresh = |record: &mut hallpass_core::Record| {
        record.grant.as_mut().unwrap().refresh_token = None;
    };
    fixture.put(no_refresh).await;
    fixture.clock.jump(4_000);
    session.handle_challenge(None, &bare()).await.map(drop)
}

/// Makes a few calls, and expects this number of sign-ins so far.
async fn calls(fixture: &Fixture, session: &Session, expected: usize) {
    for _ in 0..5 {
        if let Err(error) = call(fixture, session).await {
            assert!(matches!(error, SessionError::SignIn(_)), "{error:?}");
            assert_eq!(error.remedy(), Remedy::SignIn);
        }
    }
    assert_eq!(fixture.authorizer.calls(), expected);
}

#[tokio::test]
async fn granted_sign_ins_pause_longer_each_time() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    calls(&fixture, &session, 3).await;
    for (count, minutes) in [2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        fixture.clock.wait(60 * minutes - 1);
        calls(&fixture, &session, 3 + count).await;
        fixture.clock.wait(1);
        calls(&fixture, &session, 4 + count).await;
    }
}

#[tokio::test]
async fn pause_after_a_grant_explains_itself() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    calls(&fixture, &session, 3).await;
    let error = call(&fixture, &session).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the server keeps asking for sign-ins");
    let hint = error.hints()[0].to_string();
    assert!(hint.contains("another 120 s"), "{hint}");
}

#[tokio::test]
async fn denied_sign_ins_pause_longer_each_time() {
    let fixture = Fixture::empty();
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let session = fixture.session();
    for (count, minutes) in [2, 4, 8].into_iter().enumerate() {
        calls(&fixture, &session, 1 + count).await;
        let error = call(&fixture, &session).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "the user denied it");
        fixture.clock.wait(60 * minutes - 1);
        calls(&fixture, &session, 1 + count).await;
        fixture.clock.wait(1);
    }
}

#[tokio::test]
async fn step_ups_for_changing_scopes_are_paused() {
    for refuses in [false, true] {
        let fixture = Fixture::signed_in().await;
        fixture.authorizer.refuses.store(refuses, Ordering::SeqCst);
        let session = fixture.session();
        for number in 0..100 {
            let token = session.token().await.unwrap();
            let challenge = insufficient(&format!("w{number}"));
            let _ = session.handle_challenge(Some(&token), &challenge).await;
        }
        assert_eq!(fixture.authorizer.calls(), 3);
    }
}

#[tokio::test]
async fn abandoned_sign_ins_are_paused() {
    let fixture = Fixture::empty();
    fixture.authorizer.gate.shut();
    let session = fixture.session();
    for count in 1..=3 {
        let caller = tokio::spawn({
            let session = session.clone();
            async move { session.handle_challenge(None, &bare()).await.map(drop) }
        });
        fixture.authorizer.gate.arrived(count).await;
        caller.abort();
        caller.await.unwrap_err();
    }
    // The last one is cancelled in its own task, on the same thread.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let error = session.handle_challenge(None, &bare()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::SignIn);
    assert_eq!(fixture.authorizer.calls(), 3);
}

#[tokio::test]
async fn requested_sign_in_is_never_paused() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    for refuses in [true, false] {
        fixture.authorizer.refuses.store(refuses, Ordering::SeqCst);
        for _ in 0..10 {
            let _ = session.sign_in(SignInRequest::default()).await;
        }
    }
    assert_eq!(fixture.authorizer.calls(), 20);
    // It ends the pause if it ends in a grant, and so does signing out.
    calls(&fixture, &session, 23).await;
    session.sign_in(SignInRequest::default()).await.unwrap();
    calls(&fixture, &session, 27).await;
    session.sign_out(SignOut::default()).await.unwrap();
    calls(&fixture, &session, 30).await;
}

#[tokio::test]
async fn sign_ins_far_apart_are_not_paused() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    for number in 1..20 {
        call(&fixture, &session).await.unwrap();
        assert_eq!(fixture.authorizer.calls(), number);
        fixture.clock.wait(10 * 60);
    }
}
