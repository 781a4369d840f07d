//! This process as a replica: a row that says until when it is alive, and the heartbeat that moves that on.
//!
//! A lease ends when its holder has not beaten for [`LEASE`]. So a thousand leases cost one update each
//! [`HEARTBEAT`]. Who takes a lease over must itself have been alive for a whole [`LEASE`]: after the
//! database was down every heartbeat is late, and the living holders get the time to save and to beat again.

use std::{sync::Arc, time::Duration};

use hallpass_core::store::{StoreError, StoreErrorKind};
use tokio_postgres::types::Type;

use crate::database::Database;

/// How often a replica says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// For how long it is alive then. Shorter than the grace for a refresh token that most servers have, so that
/// a takeover falls into it.
pub(crate) const LEASE: Duration = Duration::from_secs(6);

/// How long one heartbeat may take, so that another one can follow before the lease ends.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// How long the heartbeat waits after one that failed.
const RETRY: Duration = Duration::from_millis(500);

/// How long the row of a replica that ended without a word is kept.
const RETENTION: Duration = Duration::from_secs(3600);

const BEAT: &str = "INSERT INTO hallpass.replica AS r (id, name, alive_since, alive_until)
VALUES ($1, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (id) DO UPDATE SET
  alive_since = CASE WHEN r.alive_until < clock_timestamp() THEN clock_timestamp() ELSE r.alive_since END,
  alive_until = clock_timestamp() + make_interval(secs => $3)";

const SWEEP: &str = "DELETE FROM hallpass.replica WHERE alive_until < clock_timestamp() - make_interval(secs => $1)";

const LEAVE: &str = "
WITH released AS (
  UPDATE hallpass.lease SET holder = NULL, lock_id = NULL, acquired_at = NULL WHERE holder = $1
)
DELETE FROM hallpass.replica WHERE id = $1";

/// This replica. It has a connection of its own, so that a full pool delays no heartbeat.
#[derive(Debug)]
pub(crate) struct Replica {
    id: [u8; 16],
    name: String,
    database: Database,
}

impl Replica {
    pub(crate) fn new(name: &str, database: Database) -> Result<Self, StoreError> {
        let mut id = [0; 16];
        getrandom::getrandom(&mut id).map_err(no_random_numbers)?;
        // A text of PostgreSQL has no NUL.
        let name = hallpass_core::sanitize_line(name);
        Ok(Self { id, name, database })
    }

    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    /// Says that this replica is alive.
    pub(crate) async fn beat(&self) -> Result<(), StoreError> {
        let parameters = [
            (&self.id() as _, Type::BYTEA),
            (&self.name as _, Type::TEXT),
            (&LEASE.as_secs_f64() as _, Type::FLOAT8),
        ];
        self.database
            .rows("beating", BEAT, &parameters)
            .await
            .map(drop)
    }

    /// Removes the rows of replicas that ended long ago.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let retention = RETENTION.as_secs_f64();
        let parameters = [(&retention as _, Type::FLOAT8)];
        self.database
            .rows("removing old replicas", SWEEP, &parameters)
            .await
            .map(drop)
    }

    /// Beats until it is aborted.
    pub(crate) async fn keep_alive(self: Arc<Self>) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let Err(error) = self.beat().await else {
                continue;
            };
            // Said once for an outage, however long that is.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the heartbeat of this replica failed"
            );
            loop {
                tokio::time::sleep(RETRY).await;
                if self.beat().await.is_ok() {
                    break;
                }
            }
            tracing::info!("the heartbeat of this replica goes on");
        }
    }

    /// Releases all leases of this replica, and removes its row.
    pub(crate) async fn leave(&self) -> Result<(), StoreError> {
        let parameters = [(&self.id() as _, Type::BYTEA)];
        let left = self
            .database
            .rows("leaving", LEAVE, &parameters)
            .await
            .map(drop);
        self.database.close();
        left
    }
}

/// A random number of the operating system.
pub(crate) fn random() -> Result<i64, StoreError> {
    let mut bytes = [0; 8];
    getrandom::getrandom(&mut bytes).map_err(no_random_numbers)?;
    Ok(i64::from_be_bytes(bytes))
}

fn no_random_numbers(error: getrandom::Error) -> StoreError {
    let what = "the operating system gave no random numbers";
    StoreError::new(StoreErrorKind::Io, what).with_source(error)
}
