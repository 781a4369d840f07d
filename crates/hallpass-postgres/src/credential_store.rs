//! The port: [`CredentialStore`] over the rows.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    BoxFuture, CredentialKey, CredentialStore, Generation, Issuer, Record, StoreFuture, Tenant,
    record::{RefreshAttempt, document::CredentialDocument},
    store::{
        Guard, Listing, LockKind, Locked, Saved, StoreDiagnostics, StoreError, StoreErrorKind,
    },
};
use tokio_postgres::types::Type;

use crate::{
    PostgresStore,
    change::{self, Changed, Condition},
    database::{Parameter, column},
    lease::{self, PostgresLease, Seen},
    listing,
    rows::Stored,
    store::Inner,
};

/// How often a change is tried, where other changes come between.
const MAX_ATTEMPTS: usize = 8;

/// How many credentials are read at once for a whole list.
const PAGE: usize = 500;

const NEXT: &str = "SELECT nextval('hallpass.generation') AS next_generation";

const ERASE: &str = "
WITH leases AS (DELETE FROM hallpass.lease WHERE key_id = $1)
DELETE FROM hallpass.credential WHERE key_id = $1 RETURNING 1";

const HOLDER: &str = "
SELECT r.name FROM hallpass.lease l JOIN hallpass.replica r ON r.id = l.holder
WHERE l.key_id = $1 AND l.kind = $2 AND r.alive_until > clock_timestamp()";

impl PostgresStore {
    async fn read<T: Default>(
        &self,
        key: &CredentialKey,
        read: impl FnOnce(&CredentialDocument) -> T,
    ) -> Result<T, StoreError> {
        let stored = self.inner.read(key).await?;
        Ok(stored
            .map(|stored| read(&stored.document))
            .unwrap_or_default())
    }

    /// The lease of a guard for changes of `key`, if it is of this store and still serves.
    fn lease<'a>(
        &self,
        key: &CredentialKey,
        guard: &'a mut Guard,
    ) -> Result<&'a mut PostgresLease, StoreError> {
        let lease = guard.lease_for::<PostgresLease>(key)?;
        if lease.is_released || !Arc::ptr_eq(&lease.inner, &self.inner) {
            return Err(StoreError::foreign_guard());
        }
        Ok(lease)
    }

    async fn write(
        &self,
        record: &Record,
        expected: Option<Generation>,
        guard: &mut Guard,
        release: bool,
    ) -> Result<Saved, StoreError> {
        let lease = self.lease(&record.key, guard)?;
        let ends = release.then_some(lease.lock_id);
        for _ in 0..MAX_ATTEMPTS {
            // What this lock has read is enough, unless it leads to a conflict.
            let (stored, is_fresh) = match lease.seen.take() {
                Some(Seen(stored)) => (stored, false),
                None => (self.inner.read(&record.key).await?, true),
            };
            let old = stored.as_ref().map(|stored| stored.generation);
            let mut document = match stored {
                Some(stored) => stored.document,
                None => CredentialDocument::empty(record.key.clone()),
            };
            let found = document
                .record(&record.issuer)
                .map(|record| record.generation);
            let generation = next_generation(&self.inner, lease, old).await?;
            let number = Generation::new(generation.unsigned_abs());
            let generation_of_record = match document.save_as(record, expected, number) {
                Saved::Conflict { found } if is_fresh => {
                    lease.next_generation = Some(generation);
                    return Ok(Saved::Conflict { found });
                }
                Saved::Conflict { .. } => continue,
                // The save is repeated, and nothing is to be written.
                Saved::Written(written) if Some(written) == found => {
                    if !is_fresh {
                        continue;
                    }
                    if release {
                        self.release(lease).await;
                    }
                    return Ok(Saved::Written(written));
                }
                Saved::Written(written) => written,
            };
            let condition = Condition {
                expected: old,
                ends,
                held: None,
            };
            match change::write(&self.inner, &document, generation, condition).await? {
                Changed::Yes(data_key) => {
                    lease.is_released = release;
                    lease.seen = Some(Seen(Some(Stored {
                        generation,
                        data_key,
                        document,
                    })));
                    return Ok(Saved::Written(generation_of_record));
                }
                Changed::Conflict | Changed::LeaseLost => {}
            }
        }
        Err(changes_again_and_again())
    }

    /// Releases the lock of a guard that its caller keeps.
    async fn release(&self, lease: &mut PostgresLease) {
        if let Err(error) = lease.release_row().await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a lock was not released"
            );
        }
        lease.is_released = true;
    }

    async fn take_away(
        &self,
        key: &CredentialKey,
        issuer: &Issuer,
        guard: &mut Guard,
    ) -> Result<bool, StoreError> {
        let lease = self.lease(key, guard)?;
        for _ in 0..MAX_ATTEMPTS {
            lease.seen = None;
            let Some(stored) = self.inner.read(key).await? else {
                return Ok(false);
            };
            let mut document = stored.document;
            let removed = document.remove(issuer);
            let generation = next_generation(&self.inner, lease, Some(stored.generation)).await?;
            let condition = Condition {
                expected: Some(stored.generation),
                ends: None,
                held: Some(lease.lock_id),
            };
            match change::write(&self.inner, &document, generation, condition).await? {
                Changed::Yes(_) => return Ok(removed),
                Changed::Conflict => {}
                Changed::LeaseLost => {
                    let what = "the credential's lock was taken over by another replica";
                    return Err(StoreError::new(StoreErrorKind::LeaseLost, what));
                }
            }
        }
        Err(changes_again_and_again())
    }
}

/// A generation after the row's: one that was read with the lock, else the next one of the sequence.
async fn next_generation(
    inner: &Inner,
    lease: &mut PostgresLease,
    old: Option<i64>,
) -> Result<i64, StoreError> {
    if let Some(next) = lease.next_generation.take()
        && old.is_none_or(|old| next > old)
    {
        return Ok(next);
    }
    let row = inner
        .database
        .row("reading the next generation", NEXT, &[])
        .await?;
    let row = row.ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Unavailable,
            "the sequence of generations has no next one",
        )
    })?;
    column(&row, "next_generation")
}

fn changes_again_and_again() -> StoreError {
    let what = "the credential is changed by others again and again";
    StoreError::new(StoreErrorKind::Busy, what)
}

impl CredentialStore for PostgresStore {
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        Box::pin(self.read(key, |document| document.active().cloned()))
    }

    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(self.read(key, move |document| document.record(issuer).cloned()))
    }

    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        Box::pin(self.read(key, CredentialDocument::to_records))
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        Box::pin(async move {
            let mut all = Listing::default();
            let mut after = None;
            loop {
                let page = self.list_page(None, after.as_deref(), PAGE).await?;
                all.credentials.extend(page.credentials);
                all.problems.extend(page.problems);
                after = page.next;
                if after.is_none() {
                    return Ok(all);
                }
            }
        })
    }

    fn list_page<'a>(
        &'a self,
        tenant: Option<&'a Tenant>,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Listing> {
        Box::pin(listing::page(&self.inner, tenant, after, limit))
    }

    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        Box::pin(async move {
            let acquired = lease::acquire(&self.inner, key, kind, wait, None).await?;
            Ok(Guard::new(key.clone(), kind, acquired.lease))
        })
    }

    fn lock_and_load<'a>(
        &'a self,
        key: &'a CredentialKey,
        wait: Duration,
        attempt: Option<&'a RefreshAttempt>,
    ) -> StoreFuture<'a, Locked> {
        Box::pin(async move {
            let kind = LockKind::Credential;
            let acquired = lease::acquire(&self.inner, key, kind, wait, attempt).await?;
            let seen = acquired.lease.seen.as_ref();
            let stored = seen.and_then(|Seen(stored)| stored.as_ref());
            let record = stored.and_then(|stored| stored.document.active()).cloned();
            let is_marked = acquired.is_noted
                && record
                    .as_ref()
                    .zip(attempt)
                    .is_some_and(|(record, attempt)| {
                        let pending = record.pending_refresh.as_ref();
                        record.issuer == attempt.issuer
                            && record.generation == attempt.generation
                            && pending.is_some_and(|pending| pending.posts == attempt.posts)
                    });
            let guard = Guard::new(key.clone(), kind, acquired.lease);
            Ok(Locked::new(guard, record, is_marked))
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(self.write(record, expected, guard, false))
    }

    fn save_and_release<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(self.write(record, expected, guard, true))
    }

    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        Box::pin(self.take_away(key, issuer, guard))
    }

    fn erase<'a>(&'a self, key: &'a CredentialKey, _: Duration) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let key_id = key.digest();
            let parameters: [Parameter<'_>; 1] = [(&key_id.as_slice(), Type::BYTEA)];
            let erased = self
                .inner
                .database
                .row("erasing a credential", ERASE, &parameters)
                .await?;
            Ok(erased.is_some())
        })
    }

    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        Some(self)
    }
}

impl StoreDiagnostics for PostgresStore {
    fn describe(&self) -> String {
        let keys = self.inner.keys.data_keys.wrapping_key().describe();
        format!(
            "{}, data keys wrapped with {keys}",
            self.inner.database.location()
        )
    }

    fn verify(&self) -> BoxFuture<'_, Vec<StoreError>> {
        Box::pin(async move {
            let (mut problems, mut after) = (Vec::new(), None);
            // Page by page: the credentials of a fleet are many.
            loop {
                match self.list_page(None, after.as_deref(), PAGE).await {
                    Ok(page) => {
                        problems.extend(page.problems);
                        after = page.next;
                    }
                    Err(error) => {
                        problems.push(error);
                        after = None;
                    }
                }
                if after.is_none() {
                    return problems;
                }
            }
        })
    }

    fn lock_holder<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
    ) -> StoreFuture<'a, Option<String>> {
        Box::pin(async move {
            let key_id = key.digest();
            let parameters: [Parameter<'_>; 2] = [
                (&key_id.as_slice(), Type::BYTEA),
                (&lease::number(kind), Type::INT2),
            ];
            let row = self
                .inner
                .database
                .row("reading a lock", HOLDER, &parameters)
                .await?;
            row.map(|row| {
                let name: String = column(&row, "name")?;
                Ok(format!("the replica `{}`", hallpass_core::quote(&name)))
            })
            .transpose()
        })
    }
}
