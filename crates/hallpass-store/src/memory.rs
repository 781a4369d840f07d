//! Records that end with the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use hallpass_core::{
    BoxFuture, CredentialStore, Generation, Issuer, Record, Slot,
    record::document::SlotDocument,
    store::{Guard, Lease, Listing, Saved, StoreError, StoreErrorKind},
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{self, Instant},
};

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
    documents: std::sync::Mutex<BTreeMap<Slot, SlotDocument>>,
    turns: std::sync::Mutex<BTreeMap<Slot, Arc<Mutex<()>>>>,
}

/// A memory store's part of a guard.
#[derive(Debug)]
struct MemoryLease {
    store: MemoryStore,
    _turn: OwnedMutexGuard<()>,
}

impl Lease for MemoryLease {}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, slot: &Slot, read: impl FnOnce(&SlotDocument) -> T) -> Option<T> {
        let documents = self.inner.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        documents.get(slot).map(read)
    }

    fn change<T>(
        &self,
        slot: &Slot,
        guard: &mut Guard,
        change: impl FnOnce(&mut SlotDocument) -> T,
    ) -> Result<T, StoreError> {
        let for_slot = guard.slot() == slot;
        match guard.lease_mut::<MemoryLease>() {
            Some(lease) if for_slot && Arc::ptr_eq(&lease.store.inner, &self.inner) => {}
            _ => {
                return Err(StoreError::new(
                    StoreErrorKind::Guard,
                    "the guard is for another slot or from another store",
                ));
            }
        }
        let documents = self.inner.documents.lock();
        let mut documents = documents.unwrap_or_else(PoisonError::into_inner);
        let document = documents
            .entry(slot.clone())
            .or_insert_with(|| SlotDocument::empty(slot.clone()));
        Ok(change(document))
    }
}

impl CredentialStore for MemoryStore {
    fn load<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        let record = self.read(slot, |document| document.active().cloned());
        Box::pin(async { Ok(record.flatten()) })
    }

    fn load_issuer<'a>(
        &'a self,
        slot: &'a Slot,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        let record = self.read(slot, |document| document.record(issuer).cloned());
        Box::pin(async { Ok(record.flatten()) })
    }

    fn records<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        let records = self.read(slot, SlotDocument::to_records);
        Box::pin(async { Ok(records.unwrap_or_default()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, StoreError>> {
        let documents = self.inner.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        let with_records = documents.iter().filter(|(_, d)| !d.records().is_empty());
        let slots = with_records.map(|(slot, _)| slot.clone()).collect();
        Box::pin(async { Ok(Listing::new(slots, Vec::new())) })
    }

    fn lock<'a>(
        &'a self,
        slot: &'a Slot,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Guard, StoreError>> {
        Box::pin(async move {
            let turn = {
                let turns = self.inner.turns.lock();
                let mut turns = turns.unwrap_or_else(PoisonError::into_inner);
                Arc::clone(turns.entry(slot.clone()).or_default())
            };
            let queue = turn.lock_owned();
            let turn = match Instant::now().checked_add(wait) {
                Some(deadline) => time::timeout_at(deadline, queue).await.map_err(|_| {
                    StoreError::new(
                        StoreErrorKind::Busy,
                        "another task of this process still holds the account's records",
                    )
                })?,
                None => queue.await,
            };
            let store = self.clone();
            Ok(Guard::new(slot.clone(), MemoryLease { store, _turn: turn }))
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<Saved, StoreError>> {
        Box::pin(async move {
            self.change(&record.slot, guard, |document| {
                document.save(record, expected)
            })
        })
    }

    fn remove<'a>(
        &'a self,
        slot: &'a Slot,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.change(slot, guard, |document| document.remove(issuer)) })
    }

    fn describe(&self) -> String {
        "memory, until the process ends".to_owned()
    }

    fn holder<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let turns = self.inner.turns.lock();
        let turns = turns.unwrap_or_else(PoisonError::into_inner);
        let is_held = turns.get(slot).is_some_and(|turn| turn.try_lock().is_err());
        Box::pin(async move { Ok(is_held.then(|| "this process".to_owned())) })
    }
}
