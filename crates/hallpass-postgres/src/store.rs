//! The store: a handle on the database for one replica.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hallpass_core::{
    CredentialKey, Tenant,
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::{DataKeys, KeyId};
use tokio::task::{AbortHandle, JoinSet};
use tokio_postgres::types::Type;

use crate::{
    PostgresOptions, change, checks,
    data_keys::TenantKeys,
    database::{Database, Parameter},
    replica::{self, Replica},
    rows::{self, COLUMNS, Stored},
};

/// Credentials of many users in PostgreSQL, for a replica of a fleet.
///
/// Clones share the connections and the heartbeat. The database never sees a token: rows are sealed with a
/// key of their tenant, which is in the database wrapped by a key that is not.
///
/// While the database can't be reached, every method fails with an error to retry. A session then posts
/// nothing, and serves a token that is fresh.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) keys: TenantKeys,
    pub(crate) replica: Arc<Replica>,
    warnings: Vec<String>,
    heartbeat: AbortHandle,
    /// Statements that go on without a caller. `None` after the store was closed.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl PostgresStore {
    /// Connects, checks the server and the schema, and starts the heartbeat of this replica.
    ///
    /// # Errors
    ///
    /// When the server can't be reached, can't be written to, may lose what it has confirmed
    /// (`synchronous_commit`, `fsync`), has another schema than this release reads, or holds data keys that
    /// `data_keys` does not open.
    pub async fn open(options: &PostgresOptions, data_keys: DataKeys) -> Result<Self, StoreError> {
        let database = Database::new(options, options.pool_size, options.statement_timeout)?;
        let warnings = checks::check(&database, options).await?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let keys = TenantKeys::new(data_keys);
        keys.check(&database).await?;
        let timeout = replica::TIMEOUT.min(options.statement_timeout);
        let beats = Database::new(options, 1, timeout)?;
        let replica = Replica::new(&options.replica_name, beats)?;
        replica.beat().await?;
        replica.sweep().await?;
        let replica = Arc::new(replica);
        let heartbeat = tokio::spawn(Arc::clone(&replica).keep_alive()).abort_handle();
        let inner = Inner {
            database,
            keys,
            replica,
            warnings,
            heartbeat,
            tasks: Mutex::new(Some(JoinSet::new())),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What an operator should know of the server: what it may lose, though it works.
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// Waits for what is under way, releases this replica's locks, and ends the connections. Whatever is
    /// called later fails.
    ///
    /// # Errors
    ///
    /// When the database can't be reached. The locks then end a few seconds after this replica's last
    /// heartbeat.
    pub async fn close(&self) -> Result<(), StoreError> {
        let tasks = self.inner.tasks().take();
        if let Some(mut tasks) = tasks {
            while tasks.join_next().await.is_some() {}
        }
        self.inner.heartbeat.abort();
        let left = self.inner.replica.leave().await;
        self.inner.database.close();
        left
    }

    /// Retires the data key of a tenant and makes another, which seals from the next save on. Returns its id.
    /// [`reseal`](Self::reseal) moves the other records to it.
    ///
    /// # Errors
    ///
    /// When the database or the wrapping key can't be used.
    pub async fn rotate_data_key(&self, tenant: &Tenant) -> Result<KeyId, StoreError> {
        self.inner.keys.rotate(&self.inner.database, tenant).await
    }

    /// Seals the records of a tenant with its present data key that an earlier one sealed, and returns how
    /// many. [`remove_retired_data_keys`](Self::remove_retired_data_keys) then removes the earlier keys.
    ///
    /// # Errors
    ///
    /// When the database or a wrapping key can't be used, or a row can't be opened. The call can be repeated.
    pub async fn reseal(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        change::reseal(&self.inner, tenant).await
    }

    /// Wraps every data key with the current wrapping key, and returns how many there are. Replicas may go on
    /// meanwhile, if they know both wrapping keys.
    ///
    /// # Errors
    ///
    /// When the database or a wrapping key can't be used. What was wrapped before stays, and the call can be
    /// repeated.
    pub async fn rewrap_data_keys(&self) -> Result<u64, StoreError> {
        self.inner.keys.rewrap(&self.inner.database).await
    }

    /// Removes retired data keys that seal nothing any more, and returns how many.
    ///
    /// # Errors
    ///
    /// When the database can't be used.
    pub async fn remove_retired_data_keys(&self) -> Result<u64, StoreError> {
        self.inner.keys.remove_retired(&self.inner.database).await
    }

    /// Removes all of a tenant: its credentials and its data keys, so that no backup of the database opens
    /// them. Returns how many credentials there were.
    ///
    /// No lock is waited for. A refresh that is under way can't be saved, and its session revokes it. Other
    /// replicas have the data key in memory for minutes ([`DataKeys::with_cache_time`]), and nothing to open
    /// with it.
    ///
    /// # Errors
    ///
    /// When the database can't be used.
    pub async fn erase_tenant(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        const ERASE: &str = "
WITH gone AS (DELETE FROM hallpass.credential WHERE tenant = $1 RETURNING key_id),
leases AS (DELETE FROM hallpass.lease l USING gone g WHERE l.key_id = g.key_id)
SELECT count(*) FROM gone";
        // After the credentials: they refer to it.
        const ERASE_KEYS: &str = "DELETE FROM hallpass.data_key WHERE tenant = $1";
        let name = rows::to_column(tenant.as_str());
        let parameters: [Parameter<'_>; 1] = [(&name, Type::TEXT)];
        let database = &self.inner.database;
        let row = database.row("erasing a tenant", ERASE, &parameters).await?;
        database
            .rows("erasing a tenant's data keys", ERASE_KEYS, &parameters)
            .await?;
        self.inner.keys.forget(tenant);
        self.inner.keys.data_keys.forget(tenant.as_str().as_bytes());
        let count: i64 = row.map_or(Ok(0), |row| crate::database::column(&row, "count"))?;
        Ok(count.unsigned_abs())
    }
}

impl Inner {
    /// Reads a credential's row.
    pub(crate) async fn read(&self, key: &CredentialKey) -> Result<Option<Stored>, StoreError> {
        let sql = format!("SELECT {COLUMNS} WHERE c.key_id = $1");
        let key_id = key.digest();
        let parameters: [Parameter<'_>; 1] = [(&key_id.as_slice(), Type::BYTEA)];
        match self
            .database
            .row("reading a credential", &sql, &parameters)
            .await?
        {
            Some(row) => Ok(Some(
                rows::open(&row, &self.keys.data_keys, Some(key)).await?,
            )),
            None => Ok(None),
        }
    }

    /// Runs a task that goes on when the caller is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.spawn(async move {
            // Without a receiver the result is dropped here.
            _ = sender.send(task.await);
        });
        receiver.await.unwrap_or_else(|_| {
            let what = "the store is closed";
            Err(StoreError::new(StoreErrorKind::Unavailable, what))
        })
    }

    /// Starts a task that [`PostgresStore::close`] waits for. Without a runtime, or after the close, nothing
    /// is done.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && let Some(tasks) = &mut *self.tasks()
        {
            while tasks.try_join_next().is_some() {}
            tasks.spawn_on(task, &runtime);
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.heartbeat.abort();
        // A release that is under way ends: a task keeps this alive, so there is none here.
        if let Some(mut tasks) = self.tasks().take() {
            tasks.detach_all();
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore")
            .field(&self.inner.database)
            .finish()
    }
}
