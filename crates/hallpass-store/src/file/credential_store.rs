//! The port, on sealed files.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    BoxFuture, Clock, CredentialKey, CredentialStore, Entropy, Generation, Issuer, Record,
    StoreFuture,
    record::document::CredentialDocument,
    store::{Guard, Listing, LockKind, Saved, StoreDiagnostics, StoreError},
};
use tokio::time;

use super::{
    creation::lock_path,
    file_store::{CredentialLocks, FileLease, FileStore},
    lock::{self, Mode},
    records,
};
use crate::blocking;

impl CredentialStore for FileStore {
    fn load<'a>(&'a self, credential: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        Box::pin(self.read(credential, |document| document.active().cloned()))
    }

    fn load_issuer<'a>(
        &'a self,
        credential: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(self.read(credential, |document| document.record(issuer).cloned()))
    }

    fn records<'a>(&'a self, credential: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        Box::pin(self.read(credential, CredentialDocument::to_records))
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        Box::pin(async move {
            let (documents, problems) = self.documents().await?;
            let with_records = documents.into_iter().filter(|d| !d.records().is_empty());
            let mut credentials: Vec<CredentialKey> =
                with_records.map(|d| d.key().clone()).collect();
            credentials.sort();
            Ok(Listing::new(credentials, problems))
        })
    }

    fn lock<'a>(
        &'a self,
        credential: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        Box::pin(async move {
            let deadline = lock::deadline(wait);
            let path = records::lock_path(&self.inner.root, credential, kind);
            let queue = self.inner.locks.get(path.clone()).lock_owned();
            let task = match deadline {
                Some(deadline) => time::timeout_at(deadline, queue)
                    .await
                    .map_err(|_| lock::busy(&path))?,
                None => queue.await,
            };
            let store = lock::acquire(lock_path(&self.inner.root), Mode::Shared, deadline).await?;
            let lock = lock::acquire(path, Mode::Exclusive, deadline).await?;
            self.reload().await?;
            let locks = Arc::new(CredentialLocks {
                _lock: lock,
                _store: store,
                _task: task,
                store: self.clone(),
            });
            let lease = FileLease {
                reserve: None,
                locks,
            };
            Ok(Guard::new(credential.clone(), kind, lease))
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
        // Files are read much faster than a database, and in the pauses of the locks.
        Box::pin(async move {
            let deadline = lock::deadline(wait);
            let mut pauses = lock::Pauses::default();
            loop {
                let record = self
                    .read(credential, |document| document.active().cloned())
                    .await?;
                let newer =
                    record.filter(|record| than.is_none_or(|than| record.generation > than));
                if newer.is_some() || !pauses.sleep(deadline).await {
                    return Ok(newer);
                }
            }
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            let lease = self.lease(&record.key, guard)?.for_change();
            let record = record.clone();
            self.change(&record.key.clone(), lease, move |document| {
                let saved = document.save(&record, expected);
                (matches!(saved, Saved::Written(_)), saved)
            })
            .await
        })
    }

    fn remove<'a>(
        &'a self,
        credential: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let lease = self.lease(credential, guard)?.for_change();
            let issuer = issuer.clone();
            self.change(credential, lease, move |document| {
                let removed = document.remove(&issuer);
                (removed, removed)
            })
            .await
        })
    }

    fn reserve<'a>(
        &'a self,
        credential: &'a CredentialKey,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let lease = self.lease(credential, guard)?;
            if lease.reserve.is_none() {
                lease.reserve = Some(self.reserved(credential, &lease.locks).await?);
            }
            Ok(())
        })
    }

    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        Some(self)
    }
}

impl FileStore {
    async fn read<T: Default>(
        &self,
        credential: &CredentialKey,
        read: impl FnOnce(&CredentialDocument) -> T,
    ) -> Result<T, StoreError> {
        let document = self.document(credential).await?;
        Ok(document.as_ref().map(read).unwrap_or_default())
    }

    async fn problems(&self) -> Result<Vec<StoreError>, StoreError> {
        self.reload().await?;
        // Also checked if no record needs it yet.
        self.key_in_use().await?;
        Ok(self.documents().await?.1)
    }
}

impl StoreDiagnostics for FileStore {
    fn lock_holder<'a>(
        &'a self,
        credential: &'a CredentialKey,
        kind: LockKind,
    ) -> StoreFuture<'a, Option<String>> {
        Box::pin(async move {
            let path = records::lock_path(&self.inner.root, credential, kind);
            blocking::run(move || lock::holder_now(&path)).await
        })
    }

    fn read_only(&self) -> Option<Arc<dyn CredentialStore>> {
        Some(Arc::new(self.as_read_only()))
    }

    fn verify(&self) -> BoxFuture<'_, Vec<StoreError>> {
        let examined = self.as_read_only();
        Box::pin(async move {
            let problems = examined.problems().await;
            problems.unwrap_or_else(|error| vec![error])
        })
    }

    fn describe(&self) -> String {
        let source = self.key_location().ok();
        let source = source.and_then(|location| self.inner.sources.of(location));
        let key = source.map_or_else(|| "nowhere known".to_owned(), |source| source.describe());
        let folder = self.inner.root.display();
        match self.header().epochs().count() {
            1 => format!("sealed files in `{folder}`, the key in {key}"),
            keys => format!(
                "sealed files in `{folder}`, the key in {key}; {} beside it, each for records of its own",
                keys - 1
            ),
        }
    }
}
