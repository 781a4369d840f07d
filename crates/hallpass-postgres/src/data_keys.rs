//! The data keys of the tenants: one in use for each, made when its first credential is saved.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hallpass_core::{
    Tenant,
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::{DataKeys, KeyId, SealingKey, WrappedKey};
use tokio_postgres::types::Type;

use crate::{
    database::{Database, Parameter},
    rows::{key_error, to_column, wrapped_key},
};

/// How many tenants' keys in use are known at most. Another statement finds out the others.
const MAX_KNOWN: usize = 10_000;

/// How often the key in use is asked for, where others rotate or erase it meanwhile.
const MAX_ATTEMPTS: usize = 5;

const IN_USE: &str = "
SELECT id AS data_key, wrapping_key, algorithm, wrapped
FROM hallpass.data_key WHERE tenant = $1 AND retired_at IS NULL";

const INSERT: &str = "
INSERT INTO hallpass.data_key (id, tenant, wrapping_key, algorithm, wrapped)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant) WHERE retired_at IS NULL DO NOTHING";

const RETIRE: &str = "
UPDATE hallpass.data_key SET retired_at = now() WHERE tenant = $1 AND retired_at IS NULL";

const NEWEST: &str = "
SELECT id AS data_key, tenant, wrapping_key, algorithm, wrapped
FROM hallpass.data_key ORDER BY created_at DESC LIMIT 1";

const PAGE: &str = "
SELECT id AS data_key, tenant, wrapping_key, algorithm, wrapped
FROM hallpass.data_key WHERE id > $1 ORDER BY id LIMIT $2";

const REWRAP: &str = "
UPDATE hallpass.data_key SET wrapping_key = $2, wrapped = $3 WHERE id = $1 AND wrapped = $4";

const REMOVE_RETIRED: &str = "
DELETE FROM hallpass.data_key k
WHERE retired_at IS NOT NULL AND NOT EXISTS (SELECT FROM hallpass.credential c WHERE c.data_key = k.id)
RETURNING 1";

/// The keys of all tenants.
#[derive(Debug)]
pub(crate) struct TenantKeys {
    pub(crate) data_keys: DataKeys,
    /// The keys in use, as far as they are known. A save finds out that one no longer is.
    in_use: Mutex<HashMap<Tenant, WrappedKey>>,
}

impl TenantKeys {
    pub(crate) fn new(data_keys: DataKeys) -> Self {
        Self {
            data_keys,
            in_use: Mutex::default(),
        }
    }

    /// The key in use of a tenant; `None` where it has none.
    pub(crate) async fn in_use(
        &self,
        database: &Database,
        tenant: &Tenant,
    ) -> Result<Option<(KeyId, SealingKey)>, StoreError> {
        let context = tenant.as_str().as_bytes();
        let known = self.known().get(tenant).cloned();
        if let Some(wrapped) = known {
            if let Ok(key) = self.data_keys.open(&wrapped, context).await {
                return Ok(Some((wrapped.id, key)));
            }
            // It may have been wrapped with another key since.
            self.forget(tenant);
        }
        let parameters = [(&to_column(tenant.as_str()) as _, Type::TEXT)];
        let row = database
            .row("reading a data key", IN_USE, &parameters)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let wrapped = wrapped_key(&row)?;
        let key = self.data_keys.open(&wrapped, context).await;
        let key = key.map_err(|error| key_error("the tenant's data key can't be used", error))?;
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(tenant.clone(), wrapped.clone());
        Ok(Some((wrapped.id, key)))
    }

    /// The same, of a tenant whose first credential is saved: a new key where it has none.
    pub(crate) async fn in_use_or_new(
        &self,
        database: &Database,
        tenant: &Tenant,
    ) -> Result<(KeyId, SealingKey), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(found) = self.in_use(database, tenant).await? {
                return Ok(found);
            }
            // Another replica may make one at the same time: the one that is read again is the one in use.
            self.make(database, tenant).await?;
        }
        let what = "the tenant's data key is replaced again and again";
        Err(StoreError::new(StoreErrorKind::Unavailable, what))
    }

    async fn make(&self, database: &Database, tenant: &Tenant) -> Result<(), StoreError> {
        let made = self.data_keys.generate(tenant.as_str().as_bytes()).await;
        let made = made.map_err(|error| key_error("no data key can be made", error))?;
        let (id, algorithm) = (
            made.id.as_bytes().as_slice(),
            i16::from(made.algorithm.as_byte()),
        );
        let parameters: [Parameter<'_>; 5] = [
            (&id, Type::BYTEA),
            (&to_column(tenant.as_str()) as _, Type::TEXT),
            (&made.wrapping_key, Type::TEXT),
            (&algorithm, Type::INT2),
            (&made.wrapped, Type::BYTEA),
        ];
        database
            .rows("saving a data key", INSERT, &parameters)
            .await
            .map(drop)
    }

    /// The key in use is another one, or there is none any more.
    pub(crate) fn forget(&self, tenant: &Tenant) {
        self.known().remove(tenant);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Tenant, WrappedKey>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the newest data key, to find out at once that the wrapping key is another one. A key management
    /// service that does not answer now is no reason not to open the store.
    pub(crate) async fn check(&self, database: &Database) -> Result<(), StoreError> {
        let Some(row) = database.row("reading a data key", NEWEST, &[]).await? else {
            return Ok(());
        };
        let tenant = crate::rows::from_column(crate::database::column(&row, "tenant")?);
        let opened = self
            .data_keys
            .open(&wrapped_key(&row)?, tenant.as_bytes())
            .await;
        match opened {
            Err(error) if error.remedy() != hallpass_core::Remedy::Retry => {
                let what = format!("the data keys in {} can't be opened", database.location());
                Err(key_error(&what, error))
            }
            _ => Ok(()),
        }
    }

    /// Retires the tenant's key in use and makes another.
    pub(crate) async fn rotate(
        &self,
        database: &Database,
        tenant: &Tenant,
    ) -> Result<KeyId, StoreError> {
        let parameters = [(&to_column(tenant.as_str()) as _, Type::TEXT)];
        database
            .rows("retiring a data key", RETIRE, &parameters)
            .await?;
        self.forget(tenant);
        Ok(self.in_use_or_new(database, tenant).await?.0)
    }

    /// Wraps every data key with the current wrapping key; how many.
    pub(crate) async fn rewrap(&self, database: &Database) -> Result<u64, StoreError> {
        let (mut after, limit, mut count) = (Vec::<u8>::new(), 100_i64, 0);
        loop {
            let parameters: [Parameter<'_>; 2] = [(&after, Type::BYTEA), (&limit, Type::INT8)];
            let page = database
                .rows("reading data keys", PAGE, &parameters)
                .await?;
            let Some(last) = page.last() else {
                // The keys in use are wrapped otherwise now.
                self.known().clear();
                return Ok(count);
            };
            after = crate::database::column(last, "data_key")?;
            for row in &page {
                let tenant = crate::rows::from_column(crate::database::column(row, "tenant")?);
                let old = wrapped_key(row)?;
                let new = self.data_keys.rewrap(&old, tenant.as_bytes()).await;
                let what = format!("the data key {} can't be wrapped", old.id);
                let new = new.map_err(|error| key_error(&what, error))?;
                let id = new.id.as_bytes().as_slice();
                let parameters: [Parameter<'_>; 4] = [
                    (&id, Type::BYTEA),
                    (&new.wrapping_key, Type::TEXT),
                    (&new.wrapped, Type::BYTEA),
                    (&old.wrapped, Type::BYTEA),
                ];
                database
                    .rows("wrapping a data key", REWRAP, &parameters)
                    .await?;
                count += 1;
            }
        }
    }

    /// Removes retired keys that seal nothing any more; how many.
    pub(crate) async fn remove_retired(&self, database: &Database) -> Result<u64, StoreError> {
        let removed = database
            .rows("removing retired data keys", REMOVE_RETIRED, &[])
            .await?;
        Ok(removed.len() as u64)
    }
}
