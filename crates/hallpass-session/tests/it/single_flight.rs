//! Concurrent callers share one refresh.

use std::{future::Future, sync::Arc, time::Duration};

use hallpass_core::{CredentialStore, Diagnostic as _, State, store::LockKind};
use hallpass_session::{Session, SessionError, Token};
use tokio::task::JoinSet;

use crate::{
    fakes::TestStore,
    fixture::{CLOSE_TIMEOUT, Fixture, bare, serial},
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
async fn thousand_tasks_at_expiry_share_one_refresh() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    let session = fixture.session();
    let serials = all(1_000, || token(&session)).await;
    assert_eq!(serials, vec![2; 1_000]);
    assert_eq!(fixture.server.posts(), 1);
    assert_eq!(session.counters().made, 1);
    assert_eq!(fixture.record().await.state, State::SignedIn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousand_refusals_of_one_token_share_one_refresh() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let refused = session.token().await.unwrap();
    let serials = all(1_000, || {
        let (session, refused) = (session.clone(), refused.clone());
        async move { session.token_after_rejection(&refused, &bare()).await }
    })
    .await;
    assert_eq!(serials, vec![2; 1_000]);
    assert_eq!(fixture.server.posts(), 1);
    assert_eq!(session.counters().made, 1);
    assert!(
        session.counters().avoided >= 900,
        "{:?}",
        session.counters()
    );
}

#[tokio::test]
async fn dropped_caller_does_not_cancel_the_refresh() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    let session = fixture.session();
    fixture.server.gate.shut();
    let winner = tokio::spawn(token(&session));
    fixture.server.gate.arrived(1).await;
    winner.abort();
    assert!(winner.await.unwrap_err().is_cancelled());
    let other = tokio::spawn(token(&session));
    fixture.server.gate.open();
    assert_eq!(serial(&other.await.unwrap().unwrap()), 2);
    fixture.clock.hold();
    session.close(CLOSE_TIMEOUT).await.unwrap();
    assert_eq!(fixture.server.posts(), 1);
    let grant = fixture.record().await.grant.unwrap();
    assert_eq!(grant.access_token.expose(), "access-canary-2");
}

#[tokio::test]
async fn close_waits_for_a_running_refresh() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    fixture.clock.hold();
    let session = fixture.session();
    fixture.server.gate.shut();
    drop(tokio::spawn(token(&session)));
    fixture.server.gate.arrived(1).await;
    let closing = tokio::spawn({
        let session = session.clone();
        async move { session.close(CLOSE_TIMEOUT).await.unwrap() }
    });
    tokio::task::yield_now().await;
    assert!(!closing.is_finished());
    fixture.server.gate.open();
    closing.await.unwrap();
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
    // A fresh token is still given; new work is refused.
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    fixture.clock.advance(3_600);
    assert!(matches!(
        session.token().await,
        Err(SessionError::Closed(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_sessions_on_one_store_share_one_refresh() {
    let fixture = Fixture::signed_in().await;
    fixture.clock.advance(3_600);
    let sessions: Vec<_> = (0..8).map(|_| fixture.session()).collect();
    let mut tasks = JoinSet::new();
    for session in &sessions {
        for _ in 0..50 {
            tasks.spawn(token(session));
        }
    }
    for token in tasks.join_all().await {
        assert_eq!(serial(&token.unwrap()), 2);
    }
    assert_eq!(fixture.server.posts(), 1);
    assert_eq!(
        sessions
            .iter()
            .map(|session| session.counters().made)
            .sum::<u64>(),
        1
    );
}

#[tokio::test]
async fn token_of_another_process_is_adopted_after_a_refusal() {
    let fixture = Fixture::signed_in().await;
    let (one, two) = (fixture.session(), fixture.session());
    let refused = one.token().await.unwrap();
    assert!(two.token().await.unwrap().access_token() == refused.access_token());
    one.token_after_rejection(&refused, &bare()).await.unwrap();
    let adopted = two.token_after_rejection(&refused, &bare()).await.unwrap();
    assert_eq!(serial(&adopted), 2);
    assert_eq!(fixture.server.posts(), 1);
    assert_eq!(two.counters().adopted, 1);
}

#[tokio::test]
async fn fresh_token_calls_read_the_store_once() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    session.token().await.unwrap();
    let (loads, locks) = (
        TestStore::count(&fixture.store.loads),
        TestStore::count(&fixture.store.locks),
    );
    // Another process holds the credential's lock, and the store does not answer.
    let _guard = fixture
        .store
        .lock(&fixture.key, LockKind::Credential, Duration::from_secs(1))
        .await
        .unwrap();
    fixture.store.loading.shut();
    assert_eq!(all(16, || token(&session)).await, vec![1; 16]);
    assert_eq!(TestStore::count(&fixture.store.loads), loads);
    assert_eq!(
        TestStore::count(&fixture.store.locks),
        locks + 1,
        "the test's own"
    );
    assert_eq!(session.counters(), hallpass_session::Counters::default());
}

#[test]
fn runtime_dropped_during_a_post_leaves_the_pending_refresh() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let fixture = first.block_on(async {
        let fixture = Fixture::signed_in().await;
        fixture.clock.advance(3_600);
        fixture.server.gate.shut();
        drop(tokio::spawn(token(&fixture.session())));
        fixture.server.gate.arrived(1).await;
        fixture
    });
    first.shutdown_timeout(Duration::from_secs(5));
    assert_eq!(
        Arc::strong_count(&fixture.store),
        1,
        "no task of the dead runtime is left"
    );

    let second = runtime();
    second.block_on(async {
        let record = fixture.record().await;
        assert_eq!(record.state, State::OutcomeUnknown);
        assert_eq!(record.pending_refresh.unwrap().posts, 1);
        fixture.server.gate.open();
        // The pause was saved before the post, so the next process keeps it.
        let error = fixture.session().token().await.unwrap_err();
        assert_eq!(error.remedy(), hallpass_core::Remedy::Retry, "{error:?}");
        assert_eq!(fixture.server.posts(), 0, "the first post never arrived");
        fixture.clock.advance(7);
        // The server has not processed the first post, so the second one succeeds.
        assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
        assert_eq!(fixture.record().await.pending_refresh, None);
    });
}
