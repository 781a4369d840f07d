//! Records that end with the process.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Issuer, Record, StoreFuture,
    record::document::CredentialDocument,
    store::{Guard, Lease, Listing, LockKind, Saved, StoreDiagnostics, StoreError, StoreErrorKind},
};
use tokio::{
    sync::OwnedMutexGuard,
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
    documents: Mutex<BTreeMap<CredentialKey, CredentialDocument>>,
    locks: LocalLocks<(CredentialKey, LockKind)>,
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
        let documents = self.inner.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        documents.get(credential).map(read).unwrap_or_default()
    }

    fn change<T>(
        &self,
        credential: &CredentialKey,
        guard: &mut Guard,
        change: impl FnOnce(&mut CredentialDocument) -> T,
    ) -> Result<T, StoreError> {
        let lease = guard.lease_for::<MemoryLease>(credential)?;
        if !Arc::ptr_eq(&lease.store.inner, &self.inner) {
            return Err(StoreError::foreign_guard());
        }
        let documents = self.inner.documents.lock();
        let mut documents = documents.unwrap_or_else(PoisonError::into_inner);
        let document = documents
            .entry(credential.clone())
            .or_insert_with(|| CredentialDocument::empty(credential.clone()));
        Ok(change(document))
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
        let documents = self.inner.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        let with_records = documents.iter().filter(|(_, d)| !d.records().is_empty());
        let credentials = with_records
            .map(|(credential, _)| credential.clone())
            .collect();
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

    fn save(
        &self,
        record: &Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> StoreFuture<'_, Saved> {
        let saved = self.change(&record.key, guard, |document| {
            document.save(record, expected)
        });
        Box::pin(ready(saved))
    }

    fn remove(
        &self,
        credential: &CredentialKey,
        issuer: &Issuer,
        guard: &mut Guard,
    ) -> StoreFuture<'_, bool> {
        let removed = self.change(credential, guard, |document| document.remove(issuer));
        Box::pin(ready(removed))
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
