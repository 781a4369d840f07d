//! Locks of replicas that die, pause, stop and are cut off.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    CredentialStore, Remedy, StoreError,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};
use hallpass_postgres::PostgresStore;

use crate::fixture::{Database, data_keys, key, options, record, save};
use crate::server::Server;

const LONG: Duration = Duration::from_secs(60);

async fn lock(store: &PostgresStore, wait: Duration) -> Result<Guard, StoreError> {
    store
        .lock(&key("acme", "user"), LockKind::Credential, wait)
        .await
}

async fn is_busy(store: &PostgresStore) -> bool {
    let locked = lock(store, Duration::ZERO).await;
    locked.is_err_and(|error| error.kind() == StoreErrorKind::Busy)
}

#[tokio::test]
async fn lock_of_a_dead_replica_goes_to_one_that_is_alive_for_a_whole_lease() {
    let Some(database) = Database::new("dead_replica").await else {
        return;
    };
    // A process that is killed: its tasks end, and nothing is released.
    let options = database.options("hallpass");
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async move {
            let first = PostgresStore::open(&options, data_keys(1)).await.unwrap();
            std::mem::forget(lock(&first, LONG).await.unwrap());
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
    let second = database.open().await;
    database.sql(
        "UPDATE hallpass.replica SET alive_until = clock_timestamp() - interval '1 s'
         WHERE id = (SELECT holder FROM hallpass.lease);
         UPDATE hallpass.replica SET alive_since = clock_timestamp() + interval '1 h'",
    );
    assert!(
        is_busy(&second).await,
        "a replica that has just started takes the lock over"
    );
    database.sql("UPDATE hallpass.replica SET alive_since = clock_timestamp() - interval '6 s'");
    drop(lock(&second, Duration::ZERO).await.unwrap());
}

#[tokio::test]
async fn no_lock_is_taken_over_after_all_heartbeats_were_late() {
    let Some(database) = Database::new("all_late").await else {
        return;
    };
    let (first, second) = (database.open().await, database.open().await);
    let guard = lock(&first, LONG).await.unwrap();
    // As after the database was down for a minute.
    database.sql("UPDATE hallpass.replica SET alive_since = alive_since - interval '1 h', alive_until = clock_timestamp() - interval '1 m'");
    assert!(is_busy(&second).await);
    drop(guard);
}

#[tokio::test]
async fn lock_that_a_living_replica_holds_too_long_is_taken_over() {
    let Some(database) = Database::new("too_long").await else {
        return;
    };
    let (first, second) = (database.open().await, database.open().await);
    let key = key("acme", "user");
    let guard = lock(&first, LONG).await.unwrap();
    let sign_in = first.lock(&key, LockKind::SignIn, LONG).await.unwrap();
    database.sql("UPDATE hallpass.replica SET alive_since = alive_since - interval '6 s'");
    assert!(is_busy(&second).await);
    database.sql("UPDATE hallpass.lease SET acquired_at = acquired_at - interval '76 s'");
    drop(lock(&second, Duration::ZERO).await.unwrap());
    // A user may take longer to sign in.
    let busy = second.lock(&key, LockKind::SignIn, Duration::ZERO).await;
    assert_eq!(busy.unwrap_err().kind(), StoreErrorKind::Busy);
    drop((guard, sign_in));
}

#[tokio::test]
async fn caller_that_is_dropped_leaves_no_lock() {
    let Some(database) = Database::new("dropped_caller").await else {
        return;
    };
    let (first, second) = (database.open().await, database.open().await);
    for steps in 0..8 {
        let mut locking = Box::pin(lock(&first, LONG));
        for _ in 0..steps {
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(locking.as_mut().poll(context).is_ready())
            });
            if polled.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(locking);
        drop(lock(&second, LONG).await.unwrap());
    }
}

#[tokio::test]
async fn closed_replica_leaves_no_lock_and_no_row() {
    let Some(database) = Database::new("closed").await else {
        return;
    };
    let (first, second) = (database.open().await, database.open().await);
    let guard = lock(&first, LONG).await.unwrap();
    first.close().await.unwrap();
    drop(lock(&second, Duration::ZERO).await.unwrap());
    assert_eq!(database.sql("SELECT count(*) FROM hallpass.replica"), "1");
    drop(guard);
    let error = first.load(&key("acme", "user")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn record_under_the_lock_is_never_an_older_one() {
    let Some(database) = Database::new("consistent").await else {
        return;
    };
    let first = database.open().await;
    save(&first, &record(&key("acme", "user"))).await;
    let stores = [first, database.open().await];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = stores[number % 2].clone();
        tasks.spawn(async move {
            for _ in 0..10 {
                let locked = store
                    .lock_and_load(&key("acme", "user"), LONG, None)
                    .await
                    .unwrap();
                let (mut guard, mut record) = (locked.guard, locked.record.unwrap());
                record.sign_ins += 1;
                let expected = Some(record.generation);
                let saved = store
                    .save_and_release(&record, expected, &mut guard)
                    .await
                    .unwrap();
                assert!(matches!(saved, Saved::Written(_)), "{saved:?}");
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let record = stores[0].load(&key("acme", "user")).await.unwrap().unwrap();
    assert_eq!(record.sign_ins, 80);
}

#[tokio::test]
async fn database_that_is_away_is_an_error_to_retry_until_it_is_back() {
    let Some(server) = Server::start("fsync = off") else {
        return;
    };
    server.create_database("away");
    let owner = options(&server.url("hallpass_migrate", "away"));
    hallpass_postgres::migrate(&owner, "hallpass")
        .await
        .unwrap();
    let replica = options(&server.url("hallpass", "away"));
    let store = PostgresStore::open(&replica, data_keys(1)).await.unwrap();
    let key = key("acme", "user");
    save(&store, &record(&key)).await;
    let mut guard = lock(&store, LONG).await.unwrap();
    server.control(&["stop", "--mode=immediate"]);
    let (shared, record) = (Arc::new(store.clone()), record(&key));
    for error in [
        shared.load(&key).await.err(),
        lock(&store, LONG).await.err(),
        store.save(&record, None, &mut guard).await.err(),
        store.list().await.err(),
        store.erase(&key, LONG).await.err(),
    ] {
        assert_eq!(error.unwrap().remedy(), Remedy::Retry);
    }
    server.control(&["start"]);
    let found = store.load(&key).await.unwrap().unwrap();
    // The lock that was held is still held, and saves.
    assert!(is_busy(&store).await);
    let mut renewed = found.clone();
    renewed.sign_ins += 1;
    let saved = store
        .save(&renewed, Some(found.generation), &mut guard)
        .await
        .unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    guard.release().await.unwrap();
    drop(lock(&store, LONG).await.unwrap());
}
