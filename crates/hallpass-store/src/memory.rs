//! Records that end with the process.

use std::{
    collections::BTreeMap,
    future::ready,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_core::{
    Clock, CredentialKey, CredentialStore, Entropy, Generation, Issuer, Record, StoreFuture,
    record::{RefreshAttempt, document::CredentialDocument},
    store::{
        Guard, Lease, Listing, LockKind, Locked, Saved, StoreDiagnostics, StoreError,
        StoreErrorKind,
    },
};
use tokio::{
    sync::{Notify, OwnedMutexGuard},
    time::{self, Instant},
};

use crate::local_locks::LocalLocks;

/// Credentials in memory, gone when the last clone is dropped.
///
/// For a container or a test. Clones share everything; other processes see nothing of it, so each
/// process signs in on its own.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    documents: Mutex<Documents>,
    saved: Notify,
    locks: LocalLocks<(CredentialKey, LockKind)>,
}

#[derive(Debug, Default)]
struct Documents {
    documents: BTreeMap<CredentialKey, CredentialDocument>,
    /// The last generation of all credentials, so that an erased one leaves nothing.
    last_generation: Generation,
}

/// A memory store's part of a guard.
#[derive(Debug)]
struct MemoryLease {
    store: MemoryStore,
    _lock: OwnedMutexGuard<()>,
}

impl Lease for MemoryLease {}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T: Default>(
        &self,
        credential: &CredentialKey,
        read: impl FnOnce(&CredentialDocument) -> T,
    ) -> T {
        let documents = self.documents();
        let document = documents.documents.get(credential);
        document.map(read).unwrap_or_default()
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        let documents = self.inner.documents.lock();
        documents.unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the guard is of this store.
    fn check(&self, credential: &CredentialKey, guard: &mut Guard) -> Result<(), StoreError> {
        let lease = guard.lease_for::<MemoryLease>(credential)?;
        if Arc::ptr_eq(&lease.store.inner, &self.inner) {
            Ok(())
        } else {
            Err(StoreError::foreign_guard())
        }
    }
}

impl CredentialStore for MemoryStore {
    fn load(&self, credential: &CredentialKey) -> StoreFuture<'_, Option<Record>> {
        answer(self.read(credential, |document| document.active().cloned()))
    }

    fn load_issuer(
        &self,
        credential: &CredentialKey,
        issuer: &Issuer,
    ) -> StoreFuture<'_, Option<Record>> {
        answer(self.read(credential, |document| document.record(issuer).cloned()))
    }

    fn records(&self, credential: &CredentialKey) -> StoreFuture<'_, Vec<Record>> {
        answer(self.read(credential, CredentialDocument::to_records))
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        let credentials = self.documents().documents.keys().cloned().collect();
        answer(Listing::new(credentials, Vec::new()))
    }

    fn lock(
        &self,
        credential: &CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'_, Guard> {
        let credential = credential.clone();
        let queue = self.inner.locks.get((credential.clone(), kind));
        Box::pin(async move {
            let queue = queue.lock_owned();
            let lock = match Instant::now().checked_add(wait) {
                Some(deadline) => time::timeout_at(deadline, queue).await.map_err(|_| {
                    StoreError::new(
                        StoreErrorKind::Busy,
                        "another task of this process still holds the account's records",
                    )
                })?,
                None => queue.await,
            };
            let store = self.clone();
            let lease = MemoryLease { store, _lock: lock };
            Ok(Guard::new(credential, kind, lease))
        })
    }

    fn lock_and_load<'a>(
        &'a self,
        credential: &'a CredentialKey,
        wait: Duration,
        attempt: Option<&'a RefreshAttempt>,
    ) -> StoreFuture<'a, Locked> {
        Box::pin(async move {
            let guard = self.lock(credential, LockKind::Credential, wait).await?;
            let mut documents = self.documents();
            let document = documents.documents.get_mut(credential);
            let (record, is_marked) = document.map_or((None, false), |document| {
                let is_marked = attempt.is_some_and(|attempt| document.mark(attempt));
                (document.active().cloned(), is_marked)
            });
            drop(documents);
            Ok(Locked::new(guard, record, is_marked))
        })
    }

    fn await_newer<'a>(
        &'a self,
        credential: &'a CredentialKey,
        than: Option<Generation>,
        wait: Duration,
        _: &'a dyn Clock,
        _: &'a dyn Entropy,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async move {
            let newer = async {
                loop {
                    let mut saved = pin!(self.inner.saved.notified());
                    // Registered before the read, so that no save in between is missed.
                    saved.as_mut().enable();
                    let record = self.read(credential, |document| document.active().cloned());
                    let is_newer =
                        |record: &Record| than.is_none_or(|than| record.generation > than);
                    if let Some(record) = record.filter(is_newer) {
                        return record;
                    }
                    saved.await;
                }
            };
            Ok(time::timeout(wait, newer).await.ok())
        })
    }

    fn save(
        &self,
        record: &Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> StoreFuture<'_, Saved> {
        let checked = self.check(&record.key, guard);
        Box::pin(ready(checked.map(|()| {
            let mut documents = self.documents();
            let generation = documents.last_generation.next();
            let document = documents
                .documents
                .entry(record.key.clone())
                .or_insert_with(|| CredentialDocument::empty(record.key.clone()));
            let saved = document.save_as(record, expected, generation);
            if document.records().is_empty() {
                documents.documents.remove(&record.key);
            }
            documents.last_generation = generation;
            self.inner.saved.notify_waiters();
            saved
        })))
    }

    fn remove(
        &self,
        credential: &CredentialKey,
        issuer: &Issuer,
        guard: &mut Guard,
    ) -> StoreFuture<'_, bool> {
        let checked = self.check(credential, guard);
        Box::pin(ready(checked.map(|()| {
            let mut documents = self.documents();
            let Some(document) = documents.documents.get_mut(credential) else {
                return false;
            };
            let removed = document.remove(issuer);
            if document.records().is_empty() {
                documents.documents.remove(credential);
            }
            removed
        })))
    }

    fn erase(&self, credential: &CredentialKey, _: Duration) -> StoreFuture<'_, bool> {
        answer(self.documents().documents.remove(credential).is_some())
    }

    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        Some(self)
    }
}

impl StoreDiagnostics for MemoryStore {
    fn describe(&self) -> String {
        "memory, until the process ends".to_owned()
    }

    fn lock_holder(
        &self,
        credential: &CredentialKey,
        kind: LockKind,
    ) -> StoreFuture<'_, Option<String>> {
        let is_held = self.inner.locks.is_held(&(credential.clone(), kind));
        answer(is_held.then(|| "this process".to_owned()))
    }
}

/// The future of an operation that is done already.
fn answer<'a, T: Send + 'a>(answer: T) -> StoreFuture<'a, T> {
    Box::pin(ready(Ok(answer)))
}

#[cfg(test)]
mod tests;
