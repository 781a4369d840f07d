//! Records that end with the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_core::{
    BoxFuture, CredentialKey, CredentialStore, Generation, Issuer, Record,
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

    fn read<T>(
        &self,
        credential: &CredentialKey,
        read: impl FnOnce(&CredentialDocument) -> T,
    ) -> Option<T> {
        let documents = self.inner.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        documents.get(credential).map(read)
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
    fn load<'a>(
        &'a self,
        credential: &'a CredentialKey,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        let record = self.read(credential, |document| document.active().cloned());
        Box::pin(async { Ok(record.flatten()) })
    }

    fn load_issuer<'a>(
        &'a self,
        credential: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        let record = self.read(credential, |document| document.record(issuer).cloned());
        Box::pin(async { Ok(record.flatten()) })
    }

    fn records<'a>(
        &'a self,
        credential: &'a CredentialKey,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        let records = self.read(credential, CredentialDocument::to_records);
        Box::pin(async { Ok(records.unwrap_or_default()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, StoreError>> {
        let documents = self.inner.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        let with_records = documents.iter().filter(|(_, d)| !d.records().is_empty());
        let credentials = with_records
            .map(|(credential, _)| credential.clone())
            .collect();
        Box::pin(async { Ok(Listing::new(credentials, Vec::new())) })
    }

    fn lock<'a>(
        &'a self,
        credential: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Guard, StoreError>> {
        Box::pin(async move {
            let queue = self
                .inner
                .locks
                .get((credential.clone(), kind))
                .lock_owned();
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
            Ok(Guard::new(credential.clone(), kind, lease))
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<Saved, StoreError>> {
        Box::pin(async move {
            self.change(&record.key, guard, |document| {
                document.save(record, expected)
            })
        })
    }

    fn remove<'a>(
        &'a self,
        credential: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.change(credential, guard, |document| document.remove(issuer)) })
    }

    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        Some(self)
    }
}

impl StoreDiagnostics for MemoryStore {
    fn describe(&self) -> String {
        "memory, until the process ends".to_owned()
    }

    fn lock_holder<'a>(
        &'a self,
        credential: &'a CredentialKey,
        kind: LockKind,
    ) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let is_held = self.inner.locks.is_held(&(credential.clone(), kind));
        Box::pin(async move { Ok(is_held.then(|| "this process".to_owned())) })
    }
}

#[cfg(test)]
mod tests;
