//! When a token is replaced.

use hallpass_session::SignInNeed;

use crate::{
    fakes::Fault,
    fixture::{Fixture, bare, need, serial},
};
use hallpass_core::{
    Clock, Record,
    record::{GrantKind, SignInCause},
};

/// How long after its issue a token with this lifetime is replaced.
async fn check(lifetime: Option<u64>, used_until: u64, replaced: bool) {
    let fixture = Fixture::empty();
    fixture.server.lifetime(lifetime);
    fixture.put(|_| ()).await;
    let session = fixture.session();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(used_until);
    assert_eq!(
        serial(&session.token().await.unwrap()),
        1,
        "{lifetime:?} after {used_until} s"
    );
    fixture.clock.advance(1);
    let expected = if replaced { 2 } else { 1 };
    assert_eq!(
        serial(&session.token().await.unwrap()),
        expected,
        "{lifetime:?}"
    );
}

#[tokio::test]
async fn token_is_refreshed_at_its_early_margin() {
    check(Some(3_600), 3_539, true).await;
    check(Some(100), 74, true).await;
    check(Some(2), 1, true).await;
    // An unknown expiry is not "never", since a refusal ends the token, and not "now".
    check(None, 100_000_000, false).await;
}

/// A sign-in on another device gives a refresh token too.
#[tokio::test]
async fn device_code_grant_is_refreshed() {
    for kind in [GrantKind::AuthorizationCode, GrantKind::DeviceCode] {
        let fixture = Fixture::empty();
        fixture
            .put(|record| record.grant.as_mut().unwrap().kind = kind)
            .await;
        let session = fixture.session();
        fixture.clock.advance(3_600);
        assert_eq!(serial(&session.token().await.unwrap()), 2);
        let kept = fixture.record().await.grant.unwrap();
        assert_eq!((kept.kind, fixture.server.posts()), (kind, 1));
    }
}

#[tokio::test]
async fn two_second_tokens_cost_one_refresh_each() {
    let fixture = Fixture::empty();
    fixture.server.lifetime(Some(2));
    fixture.put(|_| ()).await;
    let session = fixture.session();
    for _ in 0..30 {
        for _ in 0..10 {
            session.token().await.unwrap();
        }
        fixture.clock.advance(1);
    }
    assert_eq!(fixture.server.posts(), 14);
    assert_eq!(fixture.server.reuses(), 0);
}

#[tokio::test]
async fn saved_expiry_is_absolute() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_000);
    // A new session does not start the hour again.
    let session = fixture.session();
    assert_eq!(serial(&session.token().await.unwrap()), 1);
    fixture.clock.advance(600);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn answer_without_refresh_token_and_scopes_keeps_both() {
    let fixture = Fixture::signed_in().await;
    fixture.server.fault(Fault::Terse);
    fixture.clock.advance(3_600);
    let session = fixture.session();
    let token = session.token().await.unwrap();
    assert_eq!(token.expires_at(), None);
    assert_eq!(token.scopes().to_string(), "a b");
    let grant = fixture.record().await.grant.unwrap();
    assert_eq!(grant.refresh_token.unwrap().expose(), "refresh-canary-1");
}

#[tokio::test]
async fn token_without_refresh_token_is_used_until_it_expires() {
    let fixture = Fixture::empty();
    fixture
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    let session = fixture.session();
    session.token().await.unwrap();
    fixture.clock.advance(3_599);
    session.token().await.unwrap();
    fixture.clock.advance(1);
    let error = session.token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::NoRefreshToken));
    assert_eq!(fixture.server.requests(), [""; 0]);
}

#[tokio::test]
async fn stored_token_is_returned_without_a_refresh() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(1_000_000);
    let session = fixture.session();
    let kept = session.stored_token().await.unwrap();
    assert_eq!(serial(&kept), 1);
    assert!(kept.expires_at().unwrap() < fixture.clock.now());
    assert_eq!(fixture.server.posts(), 0);

    let error = Fixture::empty().session().stored_token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::First);
}

#[tokio::test]
async fn record_that_lacks_what_a_refresh_needs_requires_sign_in() {
    let no_endpoint: fn(&mut Record) = |record| record.metadata.token_endpoint = None;
    let no_client: fn(&mut Record) = |record| record.registration = None;
    for (change, expected, words) in [
        (
            no_endpoint,
            SignInNeed::NoTokenEndpoint,
            "no token endpoint",
        ),
        (no_client, SignInNeed::NoClient, "client"),
    ] {
        let fixture = Fixture::expired(&[]).await;
        let mut record = fixture.record().await;
        change(&mut record);
        fixture.replace(record).await;
        let session = fixture.session();
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), expected);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(fixture.server.posts(), 0);
        session.handle_challenge(None, &bare()).await.unwrap();
        assert_eq!(fixture.authorizer.calls(), 1);
    }
}
