//! The lock of a credential as a row: who holds it, until that replica stops beating.
//!
//! | the row's holder | a caller |
//! |---|---|
//! | none | takes the lock |
//! | a replica that beats | waits |
//! | a replica that stopped beating | takes the lock, if its own replica has been alive for a whole lease |
//! | any replica, for longer than [`MAX_HOLD`] (the lock for changes alone) | takes the lock, on the same condition |
//!
//! All times are the database's. No connection is held meanwhile. The lock only keeps others from trying:
//! what is saved is decided by the generation.

use std::{fmt, sync::Arc, time::Duration};

use hallpass_core::{
    CredentialKey, StoreFuture,
    record::RefreshAttempt,
    store::{Lease, LockKind, StoreError, StoreErrorKind},
};
use tokio::time::Instant;
use tokio_postgres::{Row, types::Type};

use crate::{
    database::{Parameter, column},
    replica::{self, LEASE},
    rows::{self, Stored},
    store::Inner,
};

/// How long a replica that beats may hold the lock for changes: longer than any refresh takes, so that the
/// holder is a task that hangs.
const MAX_HOLD: Duration = Duration::from_secs(75);

/// A statement that waited longer than this for the row has seen heartbeats that are too old to take the lock
/// over.
const MAX_AGE: Duration = Duration::from_secs(1);

/// How long a caller waits before it tries again, at first and at most.
const POLL: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// Takes the lock, notes the attempt, and reads the credential and the next generation.
///
/// The credential is read in the snapshot of the statement, and the row of the lease is the last one. So its
/// generation says whether the holder before has saved since that snapshot.
const ACQUIRE: &str = "
WITH me AS (
  SELECT alive_since <= clock_timestamp() - make_interval(secs => $5) AS may_take_over
  FROM hallpass.replica WHERE id = $3 AND alive_until > clock_timestamp()
), stored AS (
  SELECT generation, active_record FROM hallpass.credential WHERE key_id = $1
), taken AS (
  INSERT INTO hallpass.lease AS l (key_id, kind, holder, lock_id, acquired_at)
  SELECT $1, $2, $3, $4, clock_timestamp() FROM me
  ON CONFLICT (key_id, kind) DO UPDATE SET
    holder = $3, lock_id = $4, acquired_at = clock_timestamp(),
    (attempt_record, attempt_lock, posts, first_post, last_post, not_before) = (
      SELECT CASE WHEN n.fits THEN $8 ELSE l.attempt_record END,
             CASE WHEN n.fits THEN $4 ELSE l.attempt_lock END,
             CASE WHEN n.fits THEN $9 ELSE l.posts END,
             CASE WHEN n.fits AND l.attempt_record IS DISTINCT FROM $8 THEN $10 ELSE l.first_post END,
             CASE WHEN n.fits THEN $10 ELSE l.last_post END,
             CASE WHEN n.fits THEN $11 ELSE l.not_before END
      FROM (SELECT coalesce((
        SELECT s.active_record = $8 AND s.generation = l.generation
          AND (l.attempt_record IS DISTINCT FROM $8 OR l.posts < $9)
        FROM stored s), false) AS fits) AS n)
  WHERE l.holder IS NULL
    OR (l.holder = $3 AND l.lock_id = $4)
    OR ((SELECT may_take_over FROM me)
      AND clock_timestamp() < statement_timestamp() + make_interval(secs => $7)
      AND (NOT EXISTS (SELECT FROM hallpass.replica r WHERE r.id = l.holder AND r.alive_until > clock_timestamp())
        OR ($2 = 0 AND l.acquired_at < clock_timestamp() - make_interval(secs => $6))))
  RETURNING true AS is_taken, l.generation AS lease_generation, l.attempt_lock, l.attempt_record, l.posts,
    l.first_post, l.last_post, l.not_before
)
SELECT m.is_alive, t.is_taken IS NOT NULL AS is_taken,
  t.attempt_lock IS NOT DISTINCT FROM $4 AS is_noted,
  s.generation IS NOT DISTINCT FROM t.lease_generation AS is_current,
  CASE WHEN t.is_taken THEN nextval('hallpass.generation') END AS next_generation,
  c.key_id, c.tenant, c.generation, c.sealed,
  k.id AS data_key, k.wrapping_key, k.algorithm, k.wrapped,
  t.attempt_record, t.posts, t.first_post, t.last_post, t.not_before
FROM (SELECT EXISTS (SELECT FROM me) AS is_alive) AS m
LEFT JOIN taken t ON true
LEFT JOIN stored s ON t.is_taken
LEFT JOIN hallpass.credential c ON t.is_taken AND c.key_id = $1
LEFT JOIN hallpass.data_key k ON k.id = c.data_key";

const RELEASE: &str = "
UPDATE hallpass.lease SET holder = NULL, lock_id = NULL, acquired_at = NULL
WHERE key_id = $1 AND kind = $2 AND holder = $3 AND lock_id = $4";

/// The lock that a guard holds.
pub(crate) struct PostgresLease {
    pub(crate) inner: Arc<Inner>,
    pub(crate) key_id: [u8; 32],
    kind: LockKind,
    pub(crate) lock_id: i64,
    /// What the credential's row was when it was last read or written under this lock.
    pub(crate) seen: Option<Seen>,
    /// A generation from the sequence that is not used yet.
    pub(crate) next_generation: Option<i64>,
    /// It was released with a save, and nothing is to be done when it is dropped.
    pub(crate) is_released: bool,
}

impl fmt::Debug for PostgresLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLease")
            .field("key_id", &hex::encode(&self.key_id[..8]))
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Lease for PostgresLease {
    fn release(mut self: Box<Self>) -> StoreFuture<'static, ()> {
        let is_released = std::mem::replace(&mut self.is_released, true);
        let release = self.release_row();
        Box::pin(async move { if is_released { Ok(()) } else { release.await } })
    }
}

impl Drop for PostgresLease {
    fn drop(&mut self) {
        if !self.is_released {
            let release = self.release_row();
            self.inner.spawn(async move {
                if let Err(error) = release.await {
                    // The lease ends when this replica ends, or after the longest hold.
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "a lock was not released"
                    );
                }
            });
        }
    }
}

impl PostgresLease {
    pub(crate) fn release_row(
        &self,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (inner, key_id) = (Arc::clone(&self.inner), self.key_id);
        let (kind, lock_id) = (number(self.kind), self.lock_id);
        async move {
            let key_id = key_id.as_slice();
            let parameters: [Parameter<'_>; 4] = [
                (&key_id, Type::BYTEA),
                (&kind, Type::INT2),
                (&inner.replica.id(), Type::BYTEA),
                (&lock_id, Type::INT8),
            ];
            inner
                .database
                .rows("releasing a lock", RELEASE, &parameters)
                .await
                .map(drop)
        }
    }
}

/// A credential's row as a lock has seen it; `None`: there was none.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Option<Stored>);

/// A lock that was taken, and whether the attempt is noted.
pub(crate) struct Acquired {
    pub(crate) lease: PostgresLease,
    pub(crate) is_noted: bool,
}

/// Takes a lock. Waits at most `wait` for its holder.
pub(crate) async fn acquire(
    inner: &Arc<Inner>,
    key: &CredentialKey,
    kind: LockKind,
    wait: Duration,
    attempt: Option<&RefreshAttempt>,
) -> Result<Acquired, StoreError> {
    let deadline = Instant::now().checked_add(wait);
    let mut pause = POLL.0;
    loop {
        if let Some(acquired) = try_acquire(inner, key, kind, attempt).await? {
            return Ok(acquired);
        }
        let left = deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            let what = "another task or replica holds the credential's lock";
            return Err(StoreError::new(StoreErrorKind::Busy, what));
        }
        tokio::time::sleep(jittered(pause)?.min(left)).await;
        pause = POLL.1.min(pause * 2);
    }
}

/// A quarter more or less, at random.
fn jittered(pause: Duration) -> Result<Duration, StoreError> {
    let parts = u32::try_from(replica::random()?.rem_euclid(100)).unwrap_or(0);
    Ok(pause * (150 + parts) / 200)
}

/// Takes a lock that is free. A caller that is dropped meanwhile leaves no lock behind: the statement is a
/// task of its own, and a guard that has no receiver is dropped.
async fn try_acquire(
    inner: &Arc<Inner>,
    key: &CredentialKey,
    kind: LockKind,
    attempt: Option<&RefreshAttempt>,
) -> Result<Option<Acquired>, StoreError> {
    let (owned, key, attempt) = (Arc::clone(inner), key.clone(), attempt.cloned());
    let task = async move {
        // Released when it is dropped, so also where the statement's outcome is not known.
        let mut lease = PostgresLease {
            key_id: key.digest(),
            inner: owned,
            kind,
            lock_id: replica::random()?,
            seen: None,
            next_generation: None,
            is_released: false,
        };
        let mut row = take(&lease, attempt.as_ref()).await?;
        if !column::<bool>(&row, "is_alive")? {
            lease.inner.replica.beat().await?;
            row = take(&lease, attempt.as_ref()).await?;
        }
        if !column::<bool>(&row, "is_taken")? {
            lease.is_released = true;
            return Ok(None);
        }
        lease.next_generation = Some(column(&row, "next_generation")?);
        let is_noted = attempt.is_some() && column(&row, "is_noted")?;
        if kind == LockKind::Credential {
            let stored = if !column::<bool>(&row, "is_current")? {
                // The holder before has saved after this statement's snapshot was made.
                lease.inner.read(&key).await?
            } else if column::<Option<&[u8]>>(&row, "key_id")?.is_none() {
                None
            } else {
                Some(rows::open(&row, &lease.inner.keys.data_keys, Some(&key)).await?)
            };
            lease.seen = Some(Seen(stored));
        }
        Ok(Some(Acquired { lease, is_noted }))
    };
    inner.run(task).await
}

async fn take(lease: &PostgresLease, attempt: Option<&RefreshAttempt>) -> Result<Row, StoreError> {
    let inner = &lease.inner;
    let key_id = lease.key_id.as_slice();
    let (lasts, max_hold, max_age) = (
        LEASE.as_secs_f64(),
        MAX_HOLD.as_secs_f64(),
        MAX_AGE.as_secs_f64(),
    );
    let record =
        attempt.map(|attempt| rows::attempt_id(attempt.issuer.as_str(), attempt.generation));
    let record = record.as_ref().map(<[u8; 16]>::as_slice);
    let posts = attempt.map(|attempt| i32::try_from(attempt.posts).unwrap_or(i32::MAX));
    let last = attempt.map(|attempt| attempt.last.as_unix_seconds());
    let not_before = attempt.map(|attempt| attempt.not_before.as_unix_seconds());
    let parameters: [Parameter<'_>; 11] = [
        (&key_id, Type::BYTEA),
        (&number(lease.kind), Type::INT2),
        (&inner.replica.id(), Type::BYTEA),
        (&lease.lock_id, Type::INT8),
        (&lasts, Type::FLOAT8),
        (&max_hold, Type::FLOAT8),
        (&max_age, Type::FLOAT8),
        (&record, Type::BYTEA),
        (&posts, Type::INT4),
        (&last, Type::INT8),
        (&not_before, Type::INT8),
    ];
    let row = inner
        .database
        .row("taking a lock", ACQUIRE, &parameters)
        .await?;
    row.ok_or_else(|| {
        let what = "the database answered nothing to a lock";
        StoreError::new(StoreErrorKind::Unavailable, what)
    })
}

/// A kind of lock as its column holds it.
pub(crate) fn number(kind: LockKind) -> i16 {
    match kind {
        LockKind::Credential => 0,
        LockKind::SignIn => 1,
    }
}
