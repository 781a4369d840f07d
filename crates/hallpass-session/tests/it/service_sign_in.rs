//! Services, whose grants have no refresh token.

use std::sync::atomic::Ordering;

use hallpass_core::{SignInReason, record::SignInCause};
use hallpass_session::{Session, SessionError, SignInNeed, SignOut};

use crate::fixture::{Fixture, bare, need, serial};

async fn service() -> (Fixture, Session) {
    let fixture = Fixture::service().await;
    let session = fixture.session();
    (fixture, session)
}

#[tokio::test]
async fn expiring_service_token_is_replaced_without_a_challenge() {
    let (fixture, session) = service().await;
    fixture.clock.advance(3_539);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    assert_eq!(fixture.authorizer.calls(), 0);
    fixture.clock.advance(1);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    let asked = fixture.authorizer.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].0, asked[0].1.as_str()),
        (SignInReason::Ended, "a b")
    );
    assert_eq!(
        fixture.server.posts(),
        0,
        "there is nothing to refresh with"
    );
    assert_eq!(
        serial(&fixture.session().token().await.unwrap()),
        2,
        "it is saved"
    );
}

#[tokio::test]
async fn expired_service_token_is_replaced_without_a_challenge() {
    let (fixture, session) = service().await;
    fixture.clock.advance(10_000);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn concurrent_calls_share_one_service_sign_in() {
    let (fixture, session) = service().await;
    fixture.clock.advance(10_000);
    fixture.authorizer.gate.shut();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { serial(&session.token().await.unwrap()) })
        })
        .collect();
    fixture.authorizer.gate.arrived(1).await;
    fixture.authorizer.gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap(), 2);
    }
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn failed_service_sign_in_keeps_the_old_token_and_pauses() {
    let (fixture, session) = service().await;
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    fixture.clock.advance(3_550);
    for _ in 0..10 {
        assert_eq!(serial(&session.token().await.unwrap()), 1);
    }
    assert_eq!(fixture.authorizer.calls(), 1);
    fixture.clock.advance(30);
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    assert_eq!(fixture.authorizer.calls(), 2);
    fixture.authorizer.refuses.store(false, Ordering::SeqCst);
    fixture.clock.advance(15);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn failed_service_sign_in_after_expiry_returns_its_error() {
    let (fixture, session) = service().await;
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    fixture.clock.advance(10_000);
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert!(matches!(error, SessionError::SignIn(_)), "{error:?}");
    }
    assert_eq!(fixture.authorizer.calls(), 1, "the next try waits");
}

#[tokio::test]
async fn first_service_sign_in_waits_for_a_challenge() {
    let fixture = Fixture::empty();
    fixture.authorizer.is_service.store(true, Ordering::SeqCst);
    let session = fixture.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::First);
    let token = session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(serial(&token), 1);
    assert_eq!(fixture.authorizer.asked()[0].0, SignInReason::First);
}

#[tokio::test]
async fn signed_out_service_is_not_signed_in_again() {
    let (fixture, session) = service().await;
    session.sign_out(SignOut::default()).await.unwrap();
    fixture.clock.advance(10_000);
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::SignedOut));
    assert_eq!(fixture.authorizer.calls(), 0);
}

#[tokio::test]
async fn revoked_service_token_is_replaced_after_a_challenge() {
    let (fixture, session) = service().await;
    let token = session.token().await.unwrap();
    token.mark_accepted();
    let next = session
        .handle_challenge(Some(&token), &bare())
        .await
        .unwrap();
    assert_eq!(serial(&next), 2);
    // The second one is refused too: a third would not help.
    let error = session
        .handle_challenge(Some(&next), &bare())
        .await
        .unwrap_err();
    assert!(matches!(error, SessionError::Terminated(_)), "{error:?}");
    assert_eq!(fixture.authorizer.calls(), 1);
}
