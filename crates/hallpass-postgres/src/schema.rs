//! The schema `hallpass`: its migrations, and the versions that this release reads.
//!
//! Each migration is a numbered file of SQL. [`migrate`] runs them and nothing else does: a store that opens
//! only checks. A release reads its own version and the one before, so that first all replicas are replaced
//! and then the database is migrated.

use hallpass_core::{
    quote,
    store::{StoreError, StoreErrorKind},
};
use tokio_postgres::{Client, types::Type};

use crate::{PostgresOptions, database, error, options::invalid};

/// Each migration, the first one for version 1.
const MIGRATIONS: [&str; 1] = [include_str!("sql/0001.sql")];

/// The version that this release writes.
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "there are few"
)]
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The oldest version that it reads.
pub(crate) const OLDEST: i32 = if VERSION > 1 { VERSION - 1 } else { 1 };

/// Any number that no other program takes, for the lock that orders two migrations.
const LOCK: i64 = 0x6861_6c6c_7061_7373;

/// What a migration has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The version before, 0 for a database without the schema.
    pub from: i32,
    /// The version now.
    pub to: i32,
}

/// Creates or changes the schema `hallpass`, in one transaction. The role of `options` owns it.
///
/// `role` is the role of the replicas, which gets the rights to read and change rows, and no other. It is
/// there already. Called again, it changes no version, and grants the rights again.
///
/// # Errors
///
/// When the database can't be reached, the role of `options` may not create a schema, `role` is missing, or
/// the schema is of a newer release. Nothing is changed then.
pub async fn migrate(options: &PostgresOptions, role: &str) -> Result<Migration, StoreError> {
    const DOING: &str = "migrating the database";
    let location = options.describe();
    let failed = |error| error::statement(DOING, &location, error);
    let connected = options.config.connect(database::connector(options)?).await;
    let (mut client, connection) = connected.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let transaction = client.transaction().await.map_err(failed)?;
    // Ends with the transaction, also behind a proxy.
    transaction
        .query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])
        .await
        .map_err(failed)?;
    let from = version(transaction.client()).await.map_err(failed)?;
    if from > VERSION {
        return Err(newer(&location, from));
    }
    if from > 0 {
        let owns =
            "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'hallpass'";
        let owns = transaction
            .query_typed_one(owns, &[])
            .await
            .map_err(failed)?;
        if !owns.try_get(0).map_err(failed)? {
            let user = quote(options.config.get_user().unwrap_or_default());
            let what = format!(
                "the role `{user}` may not migrate {location}: it does not own the schema `hallpass`"
            );
            return Err(invalid(what).with_hint("migrate with the role that created the schema"));
        }
    }
    for (number, sql) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > from) {
        transaction.batch_execute(sql).await.map_err(failed)?;
        let done = "INSERT INTO hallpass.schema_version (version) VALUES ($1)";
        transaction
            .query_typed(done, &[(&number, Type::INT4)])
            .await
            .map_err(failed)?;
    }
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let rights = format!(
        "GRANT USAGE ON SCHEMA hallpass TO {role};
         GRANT SELECT ON hallpass.schema_version TO {role};
         GRANT USAGE ON SEQUENCE hallpass.generation TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE
           ON hallpass.data_key, hallpass.credential, hallpass.replica, hallpass.lease TO {role};"
    );
    transaction.batch_execute(&rights).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    drop(client);
    _ = connection.await;
    Ok(Migration { from, to: VERSION })
}

/// The version of the schema; 0: there is none.
async fn version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let there = "SELECT to_regclass('hallpass.schema_version') IS NOT NULL";
    let there: bool = client.query_typed_one(there, &[]).await?.try_get(0)?;
    if !there {
        return Ok(0);
    }
    let version = "SELECT coalesce(max(version), 0) FROM hallpass.schema_version";
    client.query_typed_one(version, &[]).await?.try_get(0)
}

/// Refuses a version that this release does not read.
pub(crate) fn check(location: &str, found: i32) -> Result<(), StoreError> {
    match found {
        OLDEST..=VERSION => Ok(()),
        0 => {
            let what = format!("Hallpass's tables are missing in {location}");
            Err(invalid(what)
                .with_hint("migrate the database (`migrate`), or correct its name in the URL"))
        }
        _ if found < OLDEST => {
            let what = format!(
                "{location} has version {found} of Hallpass's schema, this release reads {OLDEST} to {VERSION}"
            );
            Err(invalid(what)
                .with_hint("migrate the database with the release before this one (`migrate`)"))
        }
        _ => Err(newer(location, found)),
    }
}

fn newer(location: &str, found: i32) -> StoreError {
    let what = format!(
        "{location} has version {found} of Hallpass's schema, this release reads up to {VERSION}"
    );
    StoreError::new(StoreErrorKind::Newer, what).with_hint("use a newer release of Hallpass")
}
