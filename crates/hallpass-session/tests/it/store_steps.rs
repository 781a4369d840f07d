//! How often a refresh asks its store, and what it does while another process holds the lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    Clock, CredentialKey, CredentialStore, Entropy, Generation, Issuer, Record, State, StoreFuture,
    record::RefreshAttempt,
    store::{Guard, Listing, LockKind, Locked, Saved},
};
use hallpass_session::{Session, SessionError};
use hallpass_store::MemoryStore;

use crate::{fakes::Fault, fixture::Fixture};

/// A store that notes attempts with the lock, and counts its steps.
#[derive(Debug, Default)]
struct Counted {
    inner: MemoryStore,
    loads: AtomicUsize,
    locks: AtomicUsize,
    saves: AtomicUsize,
    others: AtomicUsize,
}

impl Counted {
    /// Its steps since the last call: loads, locks, saves, and all others.
    fn steps(&self) -> [usize; 4] {
        [&self.loads, &self.locks, &self.saves, &self.others]
            .map(|count| count.swap(0, Ordering::SeqCst))
    }
}

fn count(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

impl CredentialStore for Counted {
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        count(&self.loads);
        self.inner.load(key)
    }

    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        count(&self.others);
        self.inner.load_issuer(key, issuer)
    }

    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        count(&self.others);
        self.inner.records(key)
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        self.inner.list()
    }

    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        count(&self.others);
        self.inner.lock(key, kind, wait)
    }

    fn lock_and_load<'a>(
        &'a self,
        key: &'a CredentialKey,
        wait: Duration,
        attempt: Option<&'a RefreshAttempt>,
    ) -> StoreFuture<'a, Locked> {
        count(&self.locks);
        self.inner.lock_and_load(key, wait, attempt)
    }

    fn await_newer<'a>(
        &'a self,
        key: &'a CredentialKey,
        than: Option<Generation>,
        wait: Duration,
        clock: &'a dyn Clock,
        entropy: &'a dyn Entropy,
    ) -> StoreFuture<'a, Option<Record>> {
        count(&self.others);
        self.inner.await_newer(key, than, wait, clock, entropy)
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        count(&self.others);
        self.inner.save(record, expected, guard)
    }

    fn save_and_release<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        count(&self.saves);
        self.inner.save_and_release(record, expected, guard)
    }

    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        count(&self.others);
        self.inner.remove(key, issuer, guard)
    }
}

/// A session on a store with the fixture's record, whose token ends.
async fn expired(faults: &[Fault]) -> (Fixture, Arc<Counted>, Session) {
    let fixture = Fixture::expired(faults).await;
    let store = Arc::new(Counted::default());
    let record = fixture.record().await;
    let wait = Duration::ZERO;
    let guard = store.inner.lock(&record.key, LockKind::Credential, wait);
    let mut guard = guard.await.unwrap();
    let saved = store.inner.save(&record, None, &mut guard).await;
    assert!(matches!(saved.unwrap(), Saved::Written(_)));
    drop(guard);
    let session = another(&fixture, &store);
    (fixture, store, session)
}

fn another(fixture: &Fixture, store: &Arc<Counted>) -> Session {
    let (key, settings) = (fixture.key.clone(), fixture.settings.clone());
    let builder = Session::builder(
        key,
        settings,
        Arc::clone(store) as _,
        Arc::clone(&fixture.server) as _,
    );
    builder
        .clock(Arc::clone(&fixture.clock) as _)
        .build()
        .unwrap()
}

#[tokio::test]
async fn refresh_takes_three_steps_of_a_store_that_notes_attempts() {
    let (fixture, store, session) = expired(&[]).await;
    let token = session.token().await.unwrap();
    assert_eq!(store.steps(), [1, 1, 1, 0]);
    let record = session.record().await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.pending_refresh),
        (State::SignedIn, None)
    );
    assert_eq!(fixture.server.posts(), 1);
    // The lock is free, and another session takes one step.
    store.steps();
    let other = another(&fixture, &store).token().await.unwrap();
    assert_eq!(other.access_token(), token.access_token());
    assert_eq!(store.steps(), [1, 0, 0, 0]);
}

#[tokio::test]
async fn failed_refresh_takes_three_steps_and_the_pause_one() {
    let (_fixture, store, session) = expired(&[Fault::LostBefore]).await;
    session.token().await.unwrap_err();
    assert_eq!(store.steps(), [1, 1, 1, 0]);
    let record = session.record().await.unwrap().unwrap();
    assert_eq!(record.pending_refresh.unwrap().posts, 1);
    store.steps();
    session.token().await.unwrap_err();
    assert_eq!(store.steps(), [1, 0, 0, 0]);
}

#[tokio::test]
async fn attempt_of_another_process_after_the_load_is_not_posted_twice() {
    let (fixture, store, session) = expired(&[]).await;
    let record = session.record().await.unwrap().unwrap();
    let now = fixture.clock.now();
    let attempt = RefreshAttempt {
        issuer: record.issuer.clone(),
        generation: record.generation,
        posts: 1,
        last: now,
        not_before: now.saturating_add(Duration::from_secs(7)),
    };
    let wait = Duration::ZERO;
    let locked = store
        .inner
        .lock_and_load(&record.key, wait, Some(&attempt))
        .await
        .unwrap();
    assert!(locked.is_marked);
    // Its process was killed.
    drop(locked);
    let error = session.token().await.unwrap_err();
    assert!(matches!(error, SessionError::Refresh(_)), "{error:?}");
    assert_eq!(fixture.server.posts(), 0);
}

#[tokio::test]
async fn caller_that_finds_the_lock_held_waits_for_the_record() {
    let (fixture, store, session) = expired(&[]).await;
    let record = session.record().await.unwrap().unwrap();
    let wait = Duration::ZERO;
    let locked = store.inner.lock_and_load(&record.key, wait, None).await;
    let mut guard = locked.unwrap().guard;
    let waiting = session.token();
    let saving = async {
        while store.others.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let mut renewed = record.clone();
        let grant = renewed.grant.as_mut().unwrap();
        grant.access_token = hallpass_core::AccessToken::new("by-the-holder");
        grant.obtained_at = fixture.clock.now();
        grant.expires_at = Some(grant.obtained_at.saturating_add(Duration::from_secs(3_600)));
        let expected = Some(record.generation);
        store.inner.save(&renewed, expected, &mut guard).await
    };
    let (token, saved) = tokio::join!(waiting, saving);
    assert!(matches!(saved.unwrap(), Saved::Written(_)));
    // The lock is still held.
    assert_eq!(token.unwrap().access_token().expose(), "by-the-holder");
    assert_eq!(fixture.server.posts(), 0);
    drop(guard);
}

#[tokio::test]
async fn caller_whose_old_token_is_valid_gets_it_while_the_lock_is_held() {
    let (fixture, store, session) = expired(&[]).await;
    let token = session.token().await.unwrap();
    // Not fresh any more, and valid for some seconds.
    fixture.clock.advance(3_590);
    let locked = store
        .inner
        .lock(session.key(), LockKind::Credential, Duration::ZERO)
        .await
        .unwrap();
    store.steps();
    let old = session.token().await.unwrap();
    assert_eq!(old.access_token(), token.access_token());
    assert_eq!(store.steps(), [1, 1, 0, 0]);
    drop(locked);
    let new = session.token().await.unwrap();
    assert_ne!(new.access_token(), token.access_token());
}
