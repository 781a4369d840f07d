//! One tenant's view of a store.

use std::{sync::Arc, time::Duration};

use super::{
    CredentialStore, Guard, Listing, LockKind, Locked, Saved, StoreDiagnostics, StoreError,
    StoreErrorKind, StoreFuture,
};
use crate::{
    Clock, CredentialKey, Entropy, Generation, Issuer, Record, Tenant, record::RefreshAttempt,
};

/// How many credentials are listed in one step.
const PAGE: usize = 1_000;

impl dyn CredentialStore {
    /// The same store with the credentials of one tenant. Every call for another tenant's key ends with
    /// [`StoreErrorKind::OtherTenant`], and every list is the tenant's own, without the errors of credentials that
    /// can't be read: whose they are is not known, so that they are the operator's.
    #[must_use]
    pub fn tenant(self: Arc<Self>, tenant: &Tenant) -> Arc<dyn CredentialStore> {
        Arc::new(TenantView {
            store: self,
            tenant: tenant.clone(),
        })
    }
}

#[derive(Debug)]
struct TenantView {
    store: Arc<dyn CredentialStore>,
    tenant: Tenant,
}

impl TenantView {
    fn check(&self, key: &CredentialKey) -> Result<(), StoreError> {
        self.check_tenant(key.subject.tenant())
    }

    fn check_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        if *tenant == self.tenant {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::OtherTenant,
            "the credential belongs to another tenant than the store is opened for",
        ))
    }
}

impl CredentialStore for TenantView {
    fn load<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async move {
            self.check(key)?;
            self.store.load(key).await
        })
    }

    fn load_issuer<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async move {
            self.check(key)?;
            self.store.load_issuer(key, issuer).await
        })
    }

    fn records<'a>(&'a self, key: &'a CredentialKey) -> StoreFuture<'a, Vec<Record>> {
        Box::pin(async move {
            self.check(key)?;
            self.store.records(key).await
        })
    }

    fn list(&self) -> StoreFuture<'_, Listing> {
        Box::pin(async move {
            let mut all = Listing::default();
            loop {
                let after = all.next.take();
                let page = self
                    .store
                    .list_page(Some(&self.tenant), after.as_deref(), PAGE);
                let page = page.await?;
                all.credentials.extend(page.credentials);
                all.problems.extend(page.problems);
                if page.next.is_none() {
                    return Ok(all);
                }
                all.next = page.next;
            }
        })
    }

    fn lock<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
        wait: Duration,
    ) -> StoreFuture<'a, Guard> {
        Box::pin(async move {
            self.check(key)?;
            self.store.lock(key, kind, wait).await
        })
    }

    fn lock_and_load<'a>(
        &'a self,
        key: &'a CredentialKey,
        wait: Duration,
        attempt: Option<&'a RefreshAttempt>,
    ) -> StoreFuture<'a, Locked> {
        Box::pin(async move {
            self.check(key)?;
            self.store.lock_and_load(key, wait, attempt).await
        })
    }

    fn await_newer<'a>(
        &'a self,
        key: &'a CredentialKey,
        than: Option<Generation>,
        wait: Duration,
        clock: &'a dyn Clock,
        entropy: &'a dyn Entropy,
    ) -> StoreFuture<'a, Option<Record>> {
        Box::pin(async move {
            self.check(key)?;
            self.store
                .await_newer(key, than, wait, clock, entropy)
                .await
        })
    }

    fn save<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            self.check(&record.key)?;
            self.store.save(record, expected, guard).await
        })
    }

    fn save_and_release<'a>(
        &'a self,
        record: &'a Record,
        expected: Option<Generation>,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, Saved> {
        Box::pin(async move {
            self.check(&record.key)?;
            self.store.save_and_release(record, expected, guard).await
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a CredentialKey,
        issuer: &'a Issuer,
        guard: &'a mut Guard,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.check(key)?;
            self.store.remove(key, issuer, guard).await
        })
    }

    fn erase<'a>(&'a self, key: &'a CredentialKey, wait: Duration) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.check(key)?;
            self.store.erase(key, wait).await
        })
    }

    fn list_page<'a>(
        &'a self,
        tenant: Option<&'a Tenant>,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Listing> {
        Box::pin(async move {
            self.check_tenant(tenant.unwrap_or(&self.tenant))?;
            self.store.list_page(Some(&self.tenant), after, limit).await
        })
    }

    fn reserve<'a>(&'a self, key: &'a CredentialKey, guard: &'a mut Guard) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.check(key)?;
            self.store.reserve(key, guard).await
        })
    }

    fn diagnostics(&self) -> Option<&dyn StoreDiagnostics> {
        self.store.diagnostics().map(|_| self as _)
    }
}

impl StoreDiagnostics for TenantView {
    fn describe(&self) -> String {
        let described = self.store.diagnostics().map(StoreDiagnostics::describe);
        described.unwrap_or_default()
    }

    fn lock_holder<'a>(
        &'a self,
        key: &'a CredentialKey,
        kind: LockKind,
    ) -> StoreFuture<'a, Option<String>> {
        Box::pin(async move {
            self.check(key)?;
            match self.store.diagnostics() {
                Some(diagnostics) => diagnostics.lock_holder(key, kind).await,
                None => Ok(None),
            }
        })
    }

    fn read_only(&self) -> Option<Arc<dyn CredentialStore>> {
        let store = self.store.diagnostics()?.read_only()?;
        Some(store.tenant(&self.tenant))
    }
}
