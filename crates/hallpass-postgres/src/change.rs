//! A change of a credential's row, in one statement: the row if its generation is the expected one, the
//! generation that its lease's row has, and the end of the lock where the caller wants that.

use hallpass_core::{
    State, Tenant,
    record::document::CredentialDocument,
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::KeyId;
use tokio_postgres::types::Type;

use crate::{
    database::{Parameter, column},
    rows::{self, COLUMNS},
    store::Inner,
};

/// How often a change is tried with a tenant's key that is replaced meanwhile.
const MAX_ATTEMPTS: usize = 5;

// What follows the change. The statements have the same parameters:
// $1 key, $2 the new generation (NULL: no row), $3 this replica, $4 the lock that ends (NULL: none),
// $5 the expected generation (NULL: no row), $6 the lock that must be held (NULL: none).
// A row is changed before its lease's row, as nothing else locks both.
macro_rules! followed {
    ($change:literal) => {
        concat!(
            "WITH held AS (
  SELECT FROM hallpass.lease
  WHERE $6::bigint IS NULL OR (key_id = $1 AND kind = 0 AND holder = $3 AND lock_id = $6)
  LIMIT 1
), changed AS (",
            $change,
            "), lease AS (
  UPDATE hallpass.lease SET generation = $2,
    holder = CASE WHEN holder = $3 AND lock_id = $4 THEN NULL ELSE holder END,
    lock_id = CASE WHEN holder = $3 AND lock_id = $4 THEN NULL ELSE lock_id END,
    acquired_at = CASE WHEN holder = $3 AND lock_id = $4 THEN NULL ELSE acquired_at END
  WHERE key_id = $1 AND kind = 0 AND EXISTS (SELECT FROM changed)
)
SELECT EXISTS (SELECT FROM changed) AS is_changed, EXISTS (SELECT FROM held) AS is_held"
        )
    };
}

const INSERT: &str = concat!(
    followed!(
        "
  INSERT INTO hallpass.credential
    (key_id, generation, active_record, state, data_key, sealed, tenant, subject, server_origin)
  SELECT $1, $2, $7, $8, id, $10, $11, $12, $13 FROM hallpass.data_key
  WHERE id = $9 AND retired_at IS NULL AND $5::bigint IS NULL AND EXISTS (SELECT FROM held)
  ON CONFLICT (key_id) DO NOTHING
  RETURNING 1"
    ),
    ", EXISTS (SELECT FROM hallpass.data_key WHERE id = $9 AND retired_at IS NULL) AS has_key"
);

const UPDATE: &str = concat!(
    followed!(
        "
  UPDATE hallpass.credential
  SET generation = $2, active_record = $7, state = $8, data_key = $9, sealed = $10, updated_at = now()
  WHERE key_id = $1 AND generation = $5 AND EXISTS (SELECT FROM held)
    AND EXISTS (SELECT FROM hallpass.data_key WHERE id = $9 AND retired_at IS NULL)
  RETURNING 1"
    ),
    ", EXISTS (SELECT FROM hallpass.data_key WHERE id = $9 AND retired_at IS NULL) AS has_key"
);

const DELETE: &str = concat!(
    followed!(
        "
  DELETE FROM hallpass.credential WHERE key_id = $1 AND generation = $5 AND EXISTS (SELECT FROM held)
  RETURNING 1"
    ),
    ", true AS has_key"
);

/// What a change replaces, and what is asked of the lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    /// The generation of the row; `None`: there is none.
    pub(crate) expected: Option<i64>,
    /// The lock that ends with the change.
    pub(crate) ends: Option<i64>,
    /// The lock that must be held.
    pub(crate) held: Option<i64>,
}

/// Seals the rows of a tenant with its key in use that a retired key sealed; how many. Their generations
/// stay: a save that comes between decides.
pub(crate) async fn reseal(inner: &Inner, tenant: &Tenant) -> Result<u64, StoreError> {
    const RESEAL: &str = "
UPDATE hallpass.credential SET data_key = $2, sealed = $3
WHERE key_id = $1 AND generation = $4 AND data_key = $5 RETURNING 1";
    let page = format!(
        "SELECT {COLUMNS} WHERE k.tenant = $1 AND k.retired_at IS NOT NULL AND c.key_id > $2
         ORDER BY c.key_id LIMIT 100"
    );
    let name = rows::to_column(tenant.as_str());
    let (mut after, mut count) = (Vec::<u8>::new(), 0);
    loop {
        let parameters: [Parameter<'_>; 2] = [(&name, Type::TEXT), (&after, Type::BYTEA)];
        let page = inner
            .database
            .rows("reading credentials", &page, &parameters)
            .await?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        after = column(last, "key_id")?;
        for row in &page {
            let stored = rows::open_sealed(row, &inner.keys.data_keys, None).await?;
            let (id, data_key) = inner.keys.in_use_or_new(&inner.database, tenant).await?;
            let sealed = rows::seal(&stored.document, stored.generation, (id, &data_key))?;
            let key_id: &[u8] = column(row, "key_id")?;
            let (new, old) = (
                id.as_bytes().as_slice(),
                stored.data_key.as_bytes().as_slice(),
            );
            let parameters: [Parameter<'_>; 5] = [
                (&key_id, Type::BYTEA),
                (&new, Type::BYTEA),
                (&sealed, Type::BYTEA),
                (&stored.generation, Type::INT8),
                (&old, Type::BYTEA),
            ];
            let changed = inner
                .database
                .row("sealing a credential", RESEAL, &parameters)
                .await?;
            count += u64::from(changed.is_some());
        }
    }
}

/// Whether the row was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was, and is sealed with this key.
    Yes(KeyId),
    /// It has another generation than the expected one.
    Conflict,
    /// The lock is not held any more.
    LeaseLost,
}

/// Writes `document` as the row of `generation`. Without a record the row is deleted.
pub(crate) async fn write(
    inner: &Inner,
    document: &CredentialDocument,
    generation: i64,
    condition: Condition,
) -> Result<Changed, StoreError> {
    let key = document.key();
    let key_id = key.digest();
    let key_id = key_id.as_slice();
    let tenant = key.subject.tenant();
    let (tenant_column, user) = (
        rows::to_column(tenant.as_str()),
        rows::to_column(key.subject.user()),
    );
    let origin = key.server.url().origin().ascii_serialization();
    let active = document.active();
    let record = active.map(rows::record_id);
    let record = record.as_ref().map(<[u8; 16]>::as_slice);
    let state = active.map_or(0_i16, |active| match active.state {
        State::Registered => 1,
        State::SignInRequired(_) => 3,
        _ => 2,
    });
    let is_empty = document.records().is_empty();
    let new = (!is_empty).then_some(generation);
    let replica = inner.replica.id();
    for _ in 0..MAX_ATTEMPTS {
        let data_key = match condition.expected {
            None => Some(inner.keys.in_use_or_new(&inner.database, tenant).await?),
            Some(_) => inner.keys.in_use(&inner.database, tenant).await?,
        };
        let Some((id, data_key)) = data_key else {
            // The tenant was erased.
            return Ok(Changed::Conflict);
        };
        let sealed = rows::seal(document, generation, (id, &data_key))?;
        let id_column = id.as_bytes().as_slice();
        let common: [Parameter<'_>; 6] = [
            (&key_id, Type::BYTEA),
            (&new, Type::INT8),
            (&replica, Type::BYTEA),
            (&condition.ends, Type::INT8),
            (&condition.expected, Type::INT8),
            (&condition.held, Type::INT8),
        ];
        let row: [Parameter<'_>; 4] = [
            (&record, Type::BYTEA),
            (&state, Type::INT2),
            (&id_column, Type::BYTEA),
            (&sealed, Type::BYTEA),
        ];
        let owner: [Parameter<'_>; 3] = [
            (&tenant_column, Type::TEXT),
            (&user, Type::TEXT),
            (&origin, Type::TEXT),
        ];
        let (sql, parameters) = match condition.expected {
            _ if is_empty => (DELETE, common.to_vec()),
            Some(_) => (UPDATE, common.into_iter().chain(row).collect()),
            None => (INSERT, common.into_iter().chain(row).chain(owner).collect()),
        };
        let answer = inner
            .database
            .row("saving a credential", sql, &parameters)
            .await?;
        let answer = answer.ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                "the database answered nothing to a save",
            )
        })?;
        if column(&answer, "is_changed")? {
            return Ok(Changed::Yes(id));
        }
        if condition.held.is_some() && !column::<bool>(&answer, "is_held")? {
            return Ok(Changed::LeaseLost);
        }
        if column(&answer, "has_key")? {
            return Ok(Changed::Conflict);
        }
        // Another replica has rotated it, or has erased the tenant.
        inner.keys.forget(tenant);
    }
    let what = "the tenant's data key is replaced again and again";
    Err(StoreError::new(StoreErrorKind::Unavailable, what))
}
