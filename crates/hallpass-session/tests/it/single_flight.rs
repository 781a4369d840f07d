//! One refresh, whoever and however many ask for it.

use std::{future::Future, sync::Arc, time::Duration};

use hallpass_core::{CredentialStore, State, store::LockKind};
use hallpass_session::{Session, SessionError, Token};
use tokio::task::JoinSet;

use crate::{
    double::TestStore,
    world::{CLOSE_TIMEOUT, World, bare, serial},
};

/// Runs `count` calls at once and gives the serials of their tokens.
async fn all<F>(count: usize, call: impl Fn() -> F) -> Vec<u32>
where
    F: Future<Output = Result<Token, SessionError>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        tasks.spawn(call());
    }
    tasks
        .join_all()
        .await
        .into_iter()
        .map(|token| serial(&token.unwrap()))
        .collect()
}

fn token(session: &Session) -> impl Future<Output = Result<Token, SessionError>> + use<> {
    let session = session.clone();
    async move { session.token().await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_at_expiry_refresh_once() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    let session = world.session();
    let serials = all(1_000, || token(&session)).await;
    assert_eq!(serials, vec![2; 1_000]);
    assert_eq!(world.server.posts(), 1);
    assert_eq!(session.counters().made, 1);
    assert_eq!(world.record().await.state, State::SignedIn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_refusals_of_one_token_refresh_once() {
    let world = World::signed_in().await;
    let session = world.session();
    let refused = session.token().await.unwrap();
    let serials = all(1_000, || {
        let (session, refused) = (session.clone(), refused.clone());
        async move { session.token_after_rejection(&refused, &bare()).await }
    })
    .await;
    assert_eq!(serials, vec![2; 1_000]);
    assert_eq!(world.server.posts(), 1);
    assert_eq!(session.counters().made, 1);
    assert!(
        session.counters().avoided >= 900,
        "{:?}",
        session.counters()
    );
}

#[tokio::test]
async fn a_winner_that_goes_away_loses_nothing() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    let session = world.session();
    world.server.gate.shut();
    let winner = tokio::spawn(token(&session));
    world.server.gate.arrived(1).await;
    winner.abort();
    assert!(winner.await.unwrap_err().is_cancelled());
    let other = tokio::spawn(token(&session));
    world.server.gate.open();
    assert_eq!(serial(&other.await.unwrap().unwrap()), 2);
    world.clock.hold();
    session.close(CLOSE_TIMEOUT).await.unwrap();
    assert_eq!(world.server.posts(), 1);
    let grant = world.record().await.grant.unwrap();
    assert_eq!(grant.access_token.expose(), "access-canary-2");
}

#[tokio::test]
async fn closing_waits_for_the_refresh_that_runs() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    world.clock.hold();
    let session = world.session();
    world.server.gate.shut();
    drop(tokio::spawn(token(&session)));
    world.server.gate.arrived(1).await;
    let closing = tokio::spawn({
        let session = session.clone();
        async move { session.close(CLOSE_TIMEOUT).await.unwrap() }
    });
    tokio::task::yield_now().await;
    assert!(!closing.is_finished());
    world.server.gate.open();
    closing.await.unwrap();
    let record = world.record().await;
    assert_eq!((record.state, record.fence), (State::SignedIn, None));
    // What is fresh is given still; new work is refused.
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    world.clock.advance(3_600);
    assert!(matches!(
        session.token().await,
        Err(SessionError::Closed(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_sessions_on_one_store_refresh_once() {
    let world = World::signed_in().await;
    world.clock.advance(3_600);
    let sessions: Vec<_> = (0..8).map(|_| world.session()).collect();
    let mut tasks = JoinSet::new();
    for session in &sessions {
        for _ in 0..50 {
            tasks.spawn(token(session));
        }
    }
    for token in tasks.join_all().await {
        assert_eq!(serial(&token.unwrap()), 2);
    }
    assert_eq!(world.server.posts(), 1);
    assert_eq!(
        sessions
            .iter()
            .map(|session| session.counters().made)
            .sum::<u64>(),
        1
    );
}

#[tokio::test]
async fn another_process_s_token_is_adopted_after_a_refusal() {
    let world = World::signed_in().await;
    let (one, two) = (world.session(), world.session());
    let refused = one.token().await.unwrap();
    assert!(two.token().await.unwrap().access_token() == refused.access_token());
    one.token_after_rejection(&refused, &bare()).await.unwrap();
    let adopted = two.token_after_rejection(&refused, &bare()).await.unwrap();
    assert_eq!(serial(&adopted), 2);
    assert_eq!(world.server.posts(), 1);
    assert_eq!(two.counters().adopted, 1);
}

#[tokio::test]
async fn the_steady_state_needs_neither_lock_nor_store() {
    let world = World::signed_in().await;
    let session = world.session();
    session.token().await.unwrap();
    let (loads, locks) = (
        TestStore::count(&world.store.loads),
        TestStore::count(&world.store.locks),
    );
    // The credential's lock is held by somebody else, and the store answers nobody.
    let _guard = world
        .store
        .lock(&world.key, LockKind::Credential, Duration::from_secs(1))
        .await
        .unwrap();
    world.store.loading.shut();
    assert_eq!(all(16, || token(&session)).await, vec![1; 16]);
    assert_eq!(TestStore::count(&world.store.loads), loads);
    assert_eq!(
        TestStore::count(&world.store.locks),
        locks + 1,
        "the test's own"
    );
    assert_eq!(session.counters(), hallpass_session::Counters::default());
}

#[test]
fn a_runtime_that_dies_during_a_post_leaves_the_fence() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let world = first.block_on(async {
        let world = World::signed_in().await;
        world.clock.advance(3_600);
        world.server.gate.shut();
        drop(tokio::spawn(token(&world.session())));
        world.server.gate.arrived(1).await;
        world
    });
    first.shutdown_timeout(Duration::from_secs(5));
    assert_eq!(
        Arc::strong_count(&world.store),
        1,
        "no task of the dead runtime is left"
    );

    let second = runtime();
    second.block_on(async {
        let record = world.record().await;
        assert_eq!(record.state, State::OutcomeUnknown);
        assert_eq!(record.fence.unwrap().posts, 1);
        world.server.gate.open();
        // The pause was written down before the post, so the next process keeps it.
        let error = world.session().token().await.unwrap_err();
        assert_eq!(error.remedy(), hallpass_core::Remedy::Retry, "{error:?}");
        assert_eq!(world.server.posts(), 0, "the first post never arrived");
        world.clock.advance(7);
        // The server never acted on the first post, so the second one heals it.
        assert_eq!(serial(&world.session().token().await.unwrap()), 2);
        assert_eq!(world.record().await.fence, None);
    });
}
