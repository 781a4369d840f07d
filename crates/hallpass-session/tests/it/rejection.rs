//! After a 401.

use std::sync::Arc;

use hallpass_core::{Account, State, http::HttpErrorKind, record::SignInCause};
use hallpass_discovery::MetadataCache;
use hallpass_session::{Session, SessionError, SignInNeed, TerminationReason};

use crate::{
    double::{Fault, ISSUER, OTHER_ISSUER},
    world::{World, bare, need, serial},
};

const METADATA: &str = "GET https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

fn ended(error: &SessionError) -> TerminationReason {
    match error {
        SessionError::Terminated(ended) => ended.why().clone(),
        error => panic!("not a stated end: {error:?}"),
    }
}

#[tokio::test]
async fn a_refusal_before_the_end_refreshes_without_discovery() {
    let world = World::signed_in().await;
    let session = world.session();
    let refused = session.token().await.unwrap();
    let token = session
        .token_after_rejection(&refused, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    assert_eq!(world.server.requests(), [format!("POST {ISSUER}/token")]);
    // The one that was refused first is refused again, by a request that was under way.
    let token = session
        .token_after_rejection(&refused, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
    assert_eq!(world.server.posts(), 1);
}

#[tokio::test]
async fn a_fresh_token_that_worked_before_it_was_refused_is_refreshed() {
    let world = World::signed_in().await;
    let session = world.session();
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
    assert_eq!(world.server.posts(), 2);
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_ends_and_does_not_loop() {
    let world = World::signed_in().await;
    let session = world.session();
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
            "nobody is bothered"
        );
    }
    assert_eq!(world.server.posts(), 1);
    assert_eq!(world.person.calls(), 0);
    let asked = world.server.requests();
    assert_eq!(
        asked
            .iter()
            .filter(|line| line.as_str() == METADATA)
            .count(),
        1,
        "{asked:?}"
    );
    // A passing fault of the resource server has cost nothing.
    assert_eq!(world.record().await.state, State::SignedIn);
    world.clock.advance(60);
    let third = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap();
    assert_eq!(serial(&third), 3);
}

#[tokio::test]
async fn a_short_token_that_ended_was_not_refused() {
    let world = World::empty();
    world.server.lifetime(Some(2));
    world.put(|_| ()).await;
    let session = world.session();
    let mut token = session.token().await.unwrap();
    for expected in 2..6 {
        world.clock.advance(2);
        token = session
            .token_after_rejection(&token, &bare())
            .await
            .unwrap();
        assert_eq!(serial(&token), expected);
    }
}

#[tokio::test]
async fn a_changed_issuer_is_a_migration() {
    let world = World::signed_in().await;
    let session = world.session();
    let first = session.token().await.unwrap();
    let second = session
        .token_after_rejection(&first, &bare())
        .await
        .unwrap();
    world.server.migrate();
    let error = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap_err();
    let SignInNeed::Migrated(issuer) = need(&error) else {
        panic!("{error:?}")
    };
    assert_eq!(issuer.as_str(), OTHER_ISSUER);
    let record = world.record().await;
    assert_eq!(
        record.state,
        State::SignInRequired(SignInCause::IssuerChanged)
    );

    // No later start sends anything of the old one, to anybody.
    let before = world.server.requests().len();
    let error = world.session().token().await.unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::IssuerChanged));
    assert_eq!(world.server.requests().len(), before);
    let sent: Vec<_> = world.server.requests();
    assert!(
        !sent
            .iter()
            .any(|line| line.starts_with(&format!("POST {OTHER_ISSUER}"))),
        "{sent:?}"
    );
}

#[tokio::test]
async fn an_outage_of_the_first_authorization_server_is_no_migration_to_the_second() {
    let world = World::signed_in().await;
    let session = world.session();
    let first = session.token().await.unwrap();
    let second = session
        .token_after_rejection(&first, &bare())
        .await
        .unwrap();
    world.server.fall_back_to_a_spare();
    let error = session
        .token_after_rejection(&second, &bare())
        .await
        .unwrap_err();
    assert_eq!(ended(&error), TerminationReason::FreshTokenRefused);
    assert_eq!(world.record().await.state, State::SignedIn);
    assert!(
        world
            .server
            .requests()
            .iter()
            .any(|line| line.contains(OTHER_ISSUER)),
        "the second one was read"
    );
}

#[tokio::test]
async fn a_migration_is_found_when_the_old_server_is_gone() {
    for fault in [
        Fault::NotSent(HttpErrorKind::Resolve),
        Fault::Says(404, ""),
        Fault::Says(400, r#"{"error":"invalid_grant"}"#),
    ] {
        let world = World::signed_in().await;
        let session = world.session();
        let refused = session.token().await.unwrap();
        world.server.migrate();
        (0..3).for_each(|_| world.server.fault(fault));
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
async fn without_a_refresh_token_the_metadata_is_read_and_then_somebody_signs_in() {
    let world = World::empty();
    world
        .put(|record| record.grant.as_mut().unwrap().refresh_token = None)
        .await;
    let session = world.session();
    let refused = session.token().await.unwrap();
    let error = session
        .token_after_rejection(&refused, &bare())
        .await
        .unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::NoRefreshToken));
    assert!(world.server.requests().contains(&METADATA.to_owned()));
    let token = session
        .handle_challenge(Some(&refused), &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
    assert_eq!(world.person.calls(), 1);
}

#[tokio::test]
async fn a_fault_during_the_refresh_is_told_as_it_is() {
    let world = World::signed_in().await;
    let session = world.session();
    let refused = session.token().await.unwrap();
    world.server.fault(Fault::RetryAfter(503, 100));
    for _ in 0..3 {
        let error = session
            .handle_challenge(Some(&refused), &bare())
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Refresh(_)), "{error:?}");
    }
    assert_eq!((world.server.posts(), world.person.calls()), (1, 0));
    world.clock.advance(100);
    let token = session
        .handle_challenge(Some(&refused), &bare())
        .await
        .unwrap();
    assert_eq!(serial(&token), 2);
}

#[tokio::test]
async fn a_refusal_that_met_another_call_s_refresh_still_finds_a_migration() {
    let world = World::signed_in().await;
    let session = world.session();
    let refused = session.token().await.unwrap();
    world.clock.advance(3_600);
    world.server.gate.shut();
    world
        .server
        .fault(Fault::Says(400, r#"{"error":"invalid_grant"}"#));
    let expired = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    world.server.gate.arrived(1).await;
    let rejected = tokio::spawn({
        let session = session.clone();
        async move { session.token_after_rejection(&refused, &bare()).await }
    });
    while session.counters().avoided == 0 {
        tokio::task::yield_now().await;
    }
    world.server.migrate();
    world.server.gate.open();
    let error = expired.await.unwrap().unwrap_err();
    assert_eq!(need(&error), SignInNeed::Ended(SignInCause::RefreshRefused));
    let error = rejected.await.unwrap().unwrap_err();
    assert!(matches!(need(&error), SignInNeed::Migrated(_)), "{error:?}");
    assert_eq!(world.server.posts(), 1);
}

/// The sessions of many users on one server, whose grants can't be refreshed, and which share a
/// cache or have one each.
async fn of_many_users(shared: Option<Arc<MetadataCache>>) -> (World, Vec<Session>) {
    let world = World::empty();
    let mut sessions = Vec::new();
    for number in 0..50 {
        let mut user = world.clone();
        let account = Account::parse(&format!("user-{number}")).unwrap();
        user.key = user.key.with_account(account);
        user.put(|record| record.grant.as_mut().unwrap().refresh_token = None)
            .await;
        let cache = shared.clone().unwrap_or_default();
        sessions.push(user.builder().metadata_cache(cache).build().unwrap());
    }
    (world, sessions)
}

/// What each session says when the tokens of all are refused at once.
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

fn discoveries(world: &World) -> usize {
    let asked = world.server.requests();
    asked.iter().filter(|line| *line == METADATA).count()
}

#[tokio::test]
async fn sessions_that_are_refused_at_once_make_one_discovery() {
    let (world, sessions) = of_many_users(Some(Arc::default())).await;
    for need in refused_at_once(&sessions).await {
        assert_eq!(need, SignInNeed::Ended(SignInCause::NoRefreshToken));
    }
    assert_eq!(world.server.requests().len(), 2, "one for each document");
    assert_eq!(discoveries(&world), 1);

    let (world, sessions) = of_many_users(None).await;
    refused_at_once(&sessions).await;
    assert_eq!(discoveries(&world), sessions.len(), "nothing is shared");
}

#[tokio::test]
async fn changed_issuer_is_seen_by_all_sessions_that_share_a_discovery() {
    let (world, sessions) = of_many_users(Some(Arc::default())).await;
    world.server.migrate();
    for need in refused_at_once(&sessions).await {
        let SignInNeed::Migrated(issuer) = need else {
            panic!("{need:?}")
        };
        assert_eq!(issuer.as_str(), OTHER_ISSUER);
    }
    assert_eq!(discoveries(&world), 1);
}
