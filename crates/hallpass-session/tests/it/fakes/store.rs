use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Issuer, Record, StoreFuture,
    store::{Guard, Listing, LockKind, Saved, StoreDiagnostics, StoreError, StoreErrorKind},
};
use hallpass_store::MemoryStore;

use super::Gate;

/// A memory store that counts calls and fails on demand.
#[derive(Debug, Default)]
pub(crate) struct TestStore {
    inner: MemoryStore,
    pub(crate) loads: AtomicUsize,
    pub(crate) locks: AtomicUsize,
    pub(crate) saves: AtomicUsize,
    /// Save number `n` from now, and all after it, fail.
    fail_from: AtomicUsize,
    pub(crate) loading: Gate,
    /// The next load holds what it has read, here.
    pub(crate) hold_next: AtomicBool,
    pub(crate) loaded: Gate,
    pub(crate) locking: Gate,
    /// Every lock is held by another process for longer than a session waits.
    busy: AtomicBool,
    /// Nothing can be reserved.
    pub(crate) is_full: AtomicBool,
    /// Save number `n` from now fails, and no other.
    fail_at: AtomicUsize,
    /// Save number `n` from now is written, and its answer is lost.
    lose_answer_at: AtomicUsize,
    /// What another machine saves before the next save.
    replacement: Mutex<Option<Record>>,
    /// At save number `n` from now, the lock turns out to be lost.
    lose_lease_at: AtomicUsize,
    /// Before save number `n` from now, the record is removed without the lock.
    vanish_before: AtomicUsize,
}

impl TestStore {
    pub(crate) fn fail_from_save(&self, number: usize) {
        self.fail_from.store(number, Ordering::SeqCst);
    }

    pub(crate) fn fail_at_save(&self, number: usize) {
        self.fail_at.store(number, Ordering::SeqCst);
    }

    pub(crate) fn lose_answer_of_save(&self, number: usize) {
        self.lose_answer_at.store(number, Ordering::SeqCst);
    }

    pub(crate) fn lose_lease_at_save(&self, number: usize) {
        self.lose_lease_at.store(number, Ordering::SeqCst);
    }

    /// Has another machine save this before the next save, behind a lock that ended.
    pub(crate) fn replace_before_save(&self, record: Record) {
        *self.replacement.lock().unwrap() = Some(record);
    }

    pub(crate) fn vanish_before_save(&self, number: usize) {
        self.vanish_before.store(number, Ordering::SeqCst);
    }

    pub(crate) fn fail_locks(&self) {
        self.busy.store(true, Ordering::SeqCst);
    }

    pub(crate) fn count(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }
}

impl CredentialStore for TestStore {
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async move {
            self.loads.fetch_add(1, Ordering::SeqCst);
            self.loading.pass().await;
            let record = self.inner.load(key).await;
            if self.hold_next.swap(false, Ordering::SeqCst) {
                self.loaded.pass().await;
            }
            record
        })
    }

    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        self.inner.load_issuer(key, issuer)
    }

    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
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
        self.locks.fetch_add(1, Ordering::SeqCst);
        if self.busy.load(Ordering::SeqCst) {
            return Box::pin(async {
                Err(StoreError::new(
                    StoreErrorKind::Busy,
                    "locking a credential that is locked",
                ))
            });
        }
        Box::pin(async move {
            self.locking.pass().await;
            self.inner.lock(key, kind, wait).await
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            self.saves.fetch_add(1, Ordering::SeqCst);
            if countdown(&self.vanish_before) == 1 {
                self.inner
                    .remove(&record.key, &record.issuer, guard)
                    .await?;
            }
            let replacement = self.replacement.lock().unwrap().take();
            if let Some(other) = replacement {
                let found = self.inner.load_issuer(&other.key, &other.issuer).await?;
                let found = found.map(|found| found.generation);
                let _ = self.inner.save(&other, found, guard).await?;
            }
            if countdown(&self.lose_lease_at) == 1 {
                return Err(StoreError::new(
                    StoreErrorKind::LeaseLost,
                    "the lease ran out",
                ));
            }
            if countdown(&self.lose_answer_at) == 1 {
                let _ = self.inner.save(record, expected, guard).await?;
                return Err(StoreError::new(StoreErrorKind::Io, "the connection is cut"));
            }
            if countdown(&self.fail_at) == 1 {
                return Err(StoreError::new(StoreErrorKind::Io, "the file is in use"));
            }
            if countdown(&self.fail_from) == 1 {
                self.fail_from.store(1, Ordering::SeqCst);
                return Err(StoreError::new(StoreErrorKind::Io, "the disk is full"));
            }
            self.inner.save(record, expected, guard).await
        })
    }

    fn reserve<'a>(&'a self, _: &'a CredentialKey, _: &'a mut Guard) -> StoreFuture<'a, ()> {
        let is_full = self.is_full.load(Ordering::SeqCst);
        Box::pin(async move {
            if is_full {
                return Err(StoreError::new(StoreErrorKind::Io, "the disk is full"));
            }
            Ok(())
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        self.inner.remove(key, issuer, guard)
    }

    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        self.inner.diagnostics()
    }
}

/// Counts down to 0; the number before.
fn countdown(number: &AtomicUsize) -> usize {
    let before = number.load(Ordering::SeqCst);
    number.store(before.saturating_sub(1), Ordering::SeqCst);
    before
}
