//! A store whose locks end by a timeout, as those of a database do.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use hallpass_core::{
    CredentialKey, CredentialStore, Generation, Issuer, Record, StoreError, StoreFuture,
    record::document::CredentialDocument,
    store::{Guard, Lease, Listing, LockKind, Saved, StoreErrorKind},
};
use hallpass_store::contract;

#[tokio::test]
async fn late_save_is_decided_by_its_generation() {
    let store = Leased::new(true);
    let open = async || Arc::new(store.clone()) as Arc<dyn CredentialStore>;
    contract::check(open).await.unwrap();
    contract::check_lapsed(open, lapse).await.unwrap();
}

#[tokio::test]
async fn store_that_refuses_a_late_save_violates_the_contract() {
    let store = Leased::new(false);
    let open = async || Arc::new(store.clone()) as Arc<dyn CredentialStore>;
    contract::check(open).await.unwrap();
    let violation = contract::check_lapsed(open, lapse).await.unwrap_err();
    assert!(
        violation.rule().contains("saves as long as nothing else"),
        "{violation}"
    );
}

async fn lapse(guard: &mut Guard) {
    let lease = guard.lease_mut::<RowLease>().unwrap();
    lease.release();
}

/// One row for each credential, and who holds its locks.
#[derive(Debug, Clone)]
struct Leased {
    rows: Arc<Mutex<Rows>>,
    saves_late: bool,
}

#[derive(Debug, Default)]
struct Rows {
    documents: HashMap<CredentialKey, CredentialDocument>,
    holders: HashMap<(CredentialKey, LockKind), u64>,
    epoch: u64,
}

#[derive(Debug)]
struct RowLease {
    store: Leased,
    lock: (CredentialKey, LockKind),
    epoch: u64,
}

impl RowLease {
    fn is_held(&self) -> bool {
        let rows = self.store.rows.lock().unwrap();
        rows.holders.get(&self.lock) == Some(&self.epoch)
    }

    fn release(&self) {
        if self.is_held() {
            self.store.rows.lock().unwrap().holders.remove(&self.lock);
        }
    }
}

impl Lease for RowLease {}

impl Drop for RowLease {
    fn drop(&mut self) {
        self.release();
    }
}

impl Leased {
    fn new(saves_late: bool) -> Self {
        Self {
            rows: Arc::default(),
            saves_late,
        }
    }

    fn read<T>(&self, key: &CredentialKey, read: impl Fn(&CredentialDocument) -> T) -> T {
        let rows = self.rows.lock().unwrap();
        match rows.documents.get(key) {
            Some(document) => read(document),
            None => read(&CredentialDocument::empty(key.clone())),
        }
    }

    fn change<T>(
        &self,
        key: &CredentialKey,
        guard: &mut Guard,
        is_save: bool,
        change: impl Fn(&mut CredentialDocument) -> T,
    ) -> Result<T, StoreError> {
        let lease = guard.lease_for::<RowLease>(key)?;
        if !Arc::ptr_eq(&lease.store.rows, &self.rows) {
            return Err(StoreError::foreign_guard());
        }
        let is_allowed = lease.is_held() || is_save && self.saves_late;
        if !is_allowed {
            return Err(StoreError::new(
                StoreErrorKind::LeaseLost,
                "the lease ran out",
            ));
        }
        let mut rows = self.rows.lock().unwrap();
        let document = rows.documents.entry(key.clone());
        Ok(change(
            document.or_insert_with(|| CredentialDocument::empty(key.clone())),
        ))
    }
}

impl CredentialStore for Leased {
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        let record = self.read(key, |document| document.active().cloned());
        Box::pin(ready(Ok(record)))
    }

    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        let record = self.read(key, |document| document.record(issuer).cloned());
        Box::pin(ready(Ok(record)))
    }

    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        Box::pin(ready(Ok(self.read(key, CredentialDocument::to_records))))
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        let rows = self.rows.lock().unwrap();
        let documents = rows.documents.values();
        let with_records = documents.filter(|document| !document.records().is_empty());
        let keys = with_records.map(|document| document.key().clone());
        Box::pin(ready(Ok(Listing::new(keys.collect(), Vec::new()))))
    }

    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        Box::pin(async move {
            let lock = (key.clone(), kind);
            let take = async {
                loop {
                    {
                        let mut rows = self.rows.lock().unwrap();
                        if !rows.holders.contains_key(&lock) {
                            rows.epoch += 1;
                            let epoch = rows.epoch;
                            rows.holders.insert(lock.clone(), epoch);
                            return epoch;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let epoch = tokio::time::timeout(wait, take).await;
            let busy = |_| StoreError::new(StoreErrorKind::Busy, "the row is leased");
            let lease = RowLease {
                epoch: epoch.map_err(busy)?,
                store: self.clone(),
                lock,
            };
            Ok(Guard::new(key.clone(), kind, lease))
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        let saved = self.change(&record.key, guard, true, |document| {
            document.save(record, expected)
        });
        Box::pin(ready(saved))
    }

    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        let removed = self.change(key, guard, false, |document| document.remove(issuer));
        Box::pin(ready(removed))
    }
}
