//! A fresh token costs nothing: no lock, no store, no allocation.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Issuer, Record, StoreFuture,
    store::{Guard, Listing, LockKind, Saved},
};
use hallpass_session::Session;
use hallpass_store::{FileStore, KeyFile};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{fakes::Gate, fixture::Fixture};

const WAIT: Duration = Duration::from_secs(5);
const TASKS: usize = 16;

/// Sealed files behind a gate for every operation.
#[derive(Debug)]
struct Gated {
    store: FileStore,
    gate: Gate,
    asked: AtomicUsize,
}

impl Gated {
    async fn pass(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.pass().await;
    }
}

impl CredentialStore for Gated {
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async {
            self.pass().await;
            self.store.load(key).await
        })
    }

    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async {
            self.pass().await;
            self.store.load_issuer(key, issuer).await
        })
    }

    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        self.store.records(key)
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        Box::pin(async {
            self.pass().await;
            self.store.list().await
        })
    }

    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        Box::pin(async move {
            self.pass().await;
            self.store.lock(key, kind, wait).await
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            self.pass().await;
            self.store.save(record, expected, guard).await
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.pass().await;
            self.store.remove(key, issuer, guard).await
        })
    }
}

/// A session over sealed files that has a fresh token.
async fn signed_in() -> (Fixture, Session, Arc<Gated>, TempDir) {
    let fixture = Fixture::signed_in().await;
    let record = fixture.record().await;
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("store");
    let store = FileStore::open(&place, KeyFile::in_folder(&place))
        .await
        .unwrap();
    let mut guard = store
        .lock(&fixture.key, LockKind::Credential, WAIT)
        .await
        .unwrap();
    let saved = store.save(&record, None, &mut guard).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    drop(guard);
    let store = Arc::new(Gated {
        store,
        gate: Gate::default(),
        asked: AtomicUsize::default(),
    });
    let (key, settings) = (fixture.key.clone(), fixture.settings.clone());
    let (kept, http) = (Arc::clone(&store), Arc::clone(&fixture.server));
    let session = Session::builder(key, settings, kept, http)
        .clock(Arc::clone(&fixture.clock) as _)
        .build()
        .unwrap();
    session.token().await.unwrap();
    (fixture, session, store, folder)
}

/// Polls a future once, without a runtime.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fresh_token_needs_no_lock_and_no_store() {
    let (fixture, session, store, _folder) = signed_in().await;
    // The credential's mutex and its file lock, then the store itself.
    let guard = store
        .store
        .lock(&fixture.key, LockKind::Credential, WAIT)
        .await
        .unwrap();
    store.gate.shut();
    let asked = store.asked.load(Ordering::SeqCst);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let session = session.clone();
        tasks.spawn(async move {
            for _ in 0..1_000 {
                let token = session.token();
                assert!(
                    matches!(poll_once(token), Poll::Ready(Ok(_))),
                    "it waits for nothing"
                );
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(
        store.asked.load(Ordering::SeqCst),
        asked,
        "and reads no store"
    );

    // A refresh needs what is held.
    fixture.clock.advance(3_600);
    let late = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    while store.asked.load(Ordering::SeqCst) == asked {
        tokio::task::yield_now().await;
    }
    assert!(!late.is_finished());
    drop(guard);
    store.gate.open();
    late.await.unwrap().unwrap();
    assert_eq!(fixture.server.posts(), 1);
}

#[tokio::test]
async fn fresh_token_allocates_nothing() {
    let (_world, session, store, _folder) = signed_in().await;
    let asked = store.asked.load(Ordering::SeqCst);
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            assert!(matches!(poll_once(session.token()), Poll::Ready(Ok(_))));
        }
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(store.asked.load(Ordering::SeqCst), asked);
    // The allocation counter works.
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}

/// The bytes that a session keeps once it has its token, beside the store and the HTTP client.
const MAX_SESSION_BYTES: i64 = 4 * 1024;

#[test]
fn warm_session_takes_at_most_4_kib() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let fixture = runtime.block_on(Fixture::signed_in());
    let start = || {
        let session = fixture.session();
        runtime.block_on(session.token()).unwrap();
        session
    };
    // What the runtime, the store and this thread allocate once is not counted.
    let first = start();
    let mut second = None;
    let counted = allocation_counter::measure(|| second = Some(start()));
    assert!(second.is_some());
    drop(first);
    assert!(
        counted.bytes_current <= MAX_SESSION_BYTES,
        "{} bytes",
        counted.bytes_current
    );
}
