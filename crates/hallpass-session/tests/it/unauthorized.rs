//! After a 401.

use std::sync::Arc;

use hallpass_core::{
    Account, Diagnostic as _, Hint, State, http::HttpErrorKind, record::SignInCause,
};
use hallpass_discovery::MetadataCache;
use hallpass_session::{Session, SessionError, SignInNeed, TerminationReason};

use crate::{
    fakes::{Fault, ISSUER, OTHER_ISSUER},
    fixture::{Fixture, bare, need, serial},
};

const METADATA: &str = "GET https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

fn ended(error: &SessionError) -> TerminationReason {
    match error {
        SessionError::Terminated(ended) => ended.reason().clone(),
        error => panic!("not a stated end: {error:?}"),
    }
}

#[tokio::test]
async fn refused_token_is_refreshed_without_discovery() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    let token = session
        .token_after_rejection(&refused, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(fixture.server.requests(), [format!("POST {ISSUER}/token")]);
    // A request that was sent before is refused with the first token.
    let token = session
        .token_after_rejection(&refused, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
    assert_eq!(fixture.server.posts(), 1);
}

#[tokio::test]
async fn accepted_token_refused_later_is_refreshed() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let first = session.token().await.unwrap();
    let second = session
        .token_after_rejection(&first, &bare())
        .await
        .unwrap();
    second.mark_accepted();
    let third = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&third), 3);
    assert_eq!(fixture.server.posts(), 2);
}

#[tokio::test]
async fn refused_new_token_terminates_without_a_loop() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let first = session.token().await.unwrap();
    let second = session
        .token_after_rejection(&first, &bare())
        .await
        .unwrap();
    for _ in 0..5 {
        let error = session
            .token_after_rejection(&second, &bare())
            .await
            .unwrap_err();
        assert_eq!(ended(&error), TerminationReason::FreshTokenRefused);
        let error = session
            .handle_challenge(Some(&second), &bare())
            .await
            .unwrap_err();
        assert_eq!(
            ended(&error),
            TerminationReason::FreshTokenRefused,
            "no sign-in is started"
        );
    }
    assert_eq!(fixture.server.posts(), 1);
    assert_eq!(fixture.authorizer.calls(), 0);
    let asked = fixture.server.requests();
    assert_eq!(
        asked
            .iter()
            .filter(|line| line.as_str() == METADATA)
            .count(),
        1,
        "{asked:?}"
    );
    // A temporary failure of the resource server has cost nothing.
    assert_eq!(fixture.record().await.state, State::SignedIn);
    fixture.clock.advance(60);
    let third = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&third), 3);
}

/// Some servers issue a token of other scopes where a refresh names none.
#[tokio::test]
async fn refused_token_of_a_refresh_names_the_setting_that_sends_scope() {
    for refresh_scope in [false, true] {
        let mut fixture = Fixture::expired(&[]).await;
        fixture.settings.refresh_scope = refresh_scope;
        let session = fixture.session();
        let token = session.token().await.unwrap();
        let bodies = fixture.server.bodies();
        let refresh = bodies.iter().find(|body| body.contains("refresh_token="));
        assert_eq!(refresh.unwrap().contains("scope=a+b"), refresh_scope);
        let second = session.token_after_rejection(&token, &bare()).await;
        let refused = session
            .token_after_rejection(&second.unwrap(), &bare())
            .await;
        let error = refused.unwrap_err();
        assert_eq!(ended(&error), TerminationReason::FreshTokenRefused);
        let setting = Hint::setting("refresh_scope", Some("true"));
        assert_eq!(error.hints().contains(&setting), !refresh_scope);
    }
}

#[tokio::test]
async fn refresh_that_returns_the_refused_token_terminates_after_one_post() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    for again in [
        r#"{"access_token":"access-canary-1","refresh_token":"refresh-canary-2"}"#,
        r#"{"access_token":"access-canary-1","refresh_token":"refresh-canary-3"}"#,
        r#"{"access_token":"access-canary-1","refresh_token":"refresh-canary-4"}"#,
    ] {
        fixture.server.fault(Fault::ActsAndSays(200, again));
    }
    for _ in 0..3 {
        let error = session
            .token_after_rejection(&refused, &bare())
            .await
            .unwrap_err();
        assert_eq!(ended(&error), TerminationReason::FreshTokenRefused);
    }
    assert_eq!(fixture.server.posts(), 1);
    // The new refresh token is kept.
    let grant = fixture.record().await.grant.unwrap();
    assert_eq!(grant.refresh_token.unwrap().expose(), "refresh-canary-2");
}

#[tokio::test]
async fn expired_short_token_is_refreshed_after_a_refusal() {
    let fixture = Fixture::empty();
    fixture.server.lifetime(Some(2));
    fixture.put(|_| ()).await;
    let session = fixture.session();
    let mut token = session.token().await.unwrap();
    for expected in 2..6 {
        fixture.clock.advance(2);
        token = session
            .token_after_rejection(&token, &bare())
            .await
            .unwrap();
        assert_eq!(serial(&token), expected);
    }
}

#[tokio::test]
async fn changed_issuer_is_a_migration() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let first = session.token().await.unwrap();
    let second = session
        .token_after_rejection(&first, &bare())
        .await
        .unwrap();
    fixture.server.migrate();
    let error = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap_err();
    let SignInNeed::Migrated(issuer) = need(&error) else {
        panic!("{error:?}")
    };
    assert_eq!(issuer.as_str(), OTHER_ISSUER);
    let record = fixture.record().await;
    assert_eq!(
        record.state,
        State::SignInRequired(SignInCause::IssuerChanged)
    );

    // No later session sends the old credentials.
    let before = fixture.server.requests().len();
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::IssuerChanged));
    assert_eq!(fixture.server.requests().len(), before);
    let sent: Vec<_> = fixture.server.requests();
    assert!(
        !sent
            .iter()
            .any(|line| line.starts_with(&format!("POST {OTHER_ISSUER}"))),
        "{sent:?}"
    );
}

#[tokio::test]
async fn outage_of_the_first_authorization_server_is_no_migration() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let first = session.token().await.unwrap();
    let second = session
        .token_after_rejection(&first, &bare())
        .await
        .unwrap();
    fixture.server.fall_back_to_a_spare();
    let error = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap_err();
    assert_eq!(ended(&error), TerminationReason::FreshTokenRefused);
    assert_eq!(fixture.record().await.state, State::SignedIn);
    assert!(
        fixture
            .server
            .requests()
            .iter()
            .any(|line| line.contains(OTHER_ISSUER)),
        "the second one was read"
    );
}

#[tokio::test]
async fn migration_is_found_when_the_old_server_is_gone() {
    for fault in [
        Fault::NotSent(HttpErrorKind::Resolve),
        Fault::Says(404, ""),
        Fault::Says(400, r#"{"error":"invalid_grant"}"#),
    ] {
        let fixture = Fixture::signed_in().await;
        let session = fixture.session();
        let refused = session.token().await.unwrap();
        fixture.server.migrate();
        (0..3).for_each(|_| fixture.server.fault(fault));
        let error = session
            .token_after_rejection(&refused, &bare())
            .await
            .unwrap_err();
        assert!(
            matches!(need(&error), SignInNeed::Migrated(_)),
            "{fault:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn refused_token_without_refresh_token_rereads_metadata_and_requires_sign_in() {
    let fixture = Fixture::empty();
    fixture
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    let error = session
        .token_after_rejection(&refused, &bare())
        .await
        .unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::NoRefreshToken));
    assert!(fixture.server.requests().contains(&METADATA.to_owned()));
    let token = session
        .handle_challenge(Some(&refused), &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn failed_refresh_after_a_refusal_returns_its_error() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    fixture.server.fault(Fault::RetryAfter(503, 100));
    for _ in 0..3 {
        let error = session
            .handle_challenge(Some(&refused), &bare())
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Refresh(_)), "{error:?}");
    }
    assert_eq!((fixture.server.posts(), fixture.authorizer.calls()), (1, 0));
    fixture.clock.advance(100);
    let token = session
        .handle_challenge(Some(&refused), &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
}

#[tokio::test]
async fn refusal_joined_to_another_refresh_finds_the_migration() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    fixture.clock.advance(3_600);
    fixture.server.gate.shut();
    fixture
        .server
        .fault(Fault::Says(400, r#"{"error":"invalid_grant"}"#));
    let expired = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    fixture.server.gate.arrived(1).await;
    let rejected = tokio::spawn({
        let session = session.clone();
        async move { session.token_after_rejection(&refused, &bare()).await }
    });
    while session.counters().avoided == 0 {
        tokio::task::yield_now().await;
    }
    fixture.server.migrate();
    fixture.server.gate.open();
    let error = expired.await.unwrap().unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::RefreshRefused));
    let error = rejected.await.unwrap().unwrap_err();
    assert!(matches!(need(&error), SignInNeed::Migrated(_)), "{error:?}");
    assert_eq!(fixture.server.posts(), 1);
}

/// The sessions of many users on one server, whose grants can't be refreshed, and which share a
/// cache or have one each.
async fn of_many_users(shared: Option<Arc<MetadataCache>>) -> (Fixture, Vec<Session>) {
    let fixture = Fixture::empty();
    let mut sessions = Vec::new();
    for number in 0..50 {
        let mut user = fixture.clone();
        let account = Account::parse(&format!("user-{number}")).unwrap();
        user.key = user.key.with_account(account);
        user.put(|record| record.grant.as_mut().unwrap().refresh_token = None)
            .await;
        let cache = shared.clone().unwrap_or_default();
        sessions.push(user.builder().metadata_cache(cache).build().unwrap());
    }
    (fixture, sessions)
}

/// The result of each session when the tokens of all are refused at once.
async fn refused_at_once(sessions: &[Session]) -> Vec<SignInNeed> {
    let mut calls = Vec::new();
    for session in sessions {
        let session = session.clone();
        let refused = session.token().await.unwrap();
        calls.push(tokio::spawn(async move {
            session.token_after_rejection(&refused, &bare()).await
        }));
    }
    let mut needs = Vec::new();
    for call in calls {
        needs.push(need(&call.await.unwrap().unwrap_err()));
    }
    needs
}

fn discoveries(fixture: &Fixture) -> usize {
    let asked = fixture.server.requests();
    asked.iter().filter(|line| *line == METADATA).count()
}

#[tokio::test]
async fn sessions_refused_at_once_share_one_discovery() {
    let (fixture, sessions) = of_many_users(Some(Arc::default())).await;
    for need in refused_at_once(&sessions).await {
        assert_eq!(need, SignInNeed::Ended(SignInCause::NoRefreshToken));
    }
    assert_eq!(fixture.server.requests().len(), 2, "one for each document");
    assert_eq!(discoveries(&fixture), 1);

    let (fixture, sessions) = of_many_users(None).await;
    refused_at_once(&sessions).await;
    assert_eq!(discoveries(&fixture), sessions.len(), "nothing is shared");
}

#[tokio::test]
async fn changed_issuer_is_seen_by_all_sessions_that_share_a_discovery() {
    let (fixture, sessions) = of_many_users(Some(Arc::default())).await;
    fixture.server.migrate();
    for need in refused_at_once(&sessions).await {
        let SignInNeed::Migrated(issuer) = need else {
            panic!("{need:?}")
        };
        assert_eq!(issuer.as_str(), OTHER_ISSUER);
    }
    assert_eq!(discoveries(&fixture), 1);
}
