//! What is checked when a store opens: that what it saves is durable, and that it may save at all.

use hallpass_core::{
    Remedy,
    store::{StoreError, StoreErrorKind},
};

use crate::{
    PostgresOptions,
    database::{Database, column},
    options::invalid,
    schema,
};

/// The oldest server that the statements are written for.
const OLDEST_SERVER: i32 = 130_000;

const SETTINGS: &str = "
SELECT current_setting('server_version_num')::int AS server,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_standby_names') AS synchronous_standbys,
       (SELECT count(*) FROM pg_stat_replication) AS standbys,
       to_regclass('hallpass.schema_version') IS NOT NULL AS has_schema";

const SCHEMA: &str = "
SELECT (SELECT coalesce(max(version), 0) FROM hallpass.schema_version) AS version,
       (SELECT bool_and(has_table_privilege('hallpass.' || name, privilege))
        FROM unnest(ARRAY['credential', 'data_key', 'lease', 'replica']) AS name,
             unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege)
         AND has_sequence_privilege('hallpass.generation', 'USAGE') AS may_write";

/// Refuses a server that can't keep credentials, and returns what an operator should know of one that can.
pub(crate) async fn check(
    database: &Database,
    options: &PostgresOptions,
) -> Result<Vec<String>, StoreError> {
    let location = database.location();
    let row = database.row("opening the store", SETTINGS, &[]).await?;
    let row = row.ok_or_else(|| invalid(format!("{location} does not tell its settings")))?;
    let on = |name| -> Result<bool, StoreError> { Ok(column::<String>(&row, name)? == "on") };
    if column::<i32>(&row, "server")? < OLDEST_SERVER {
        let what = format!("{location} is older than PostgreSQL 13");
        return Err(invalid(what).with_hint("use PostgreSQL 13 or newer"));
    }
    if column::<String>(&row, "encoding")? != "UTF8" {
        let what = format!("{location} has another encoding than UTF8");
        return Err(invalid(what).with_hint("create the database with ENCODING 'UTF8'"));
    }
    if column(&row, "read_only")? {
        let what =
            format!("no change is accepted by {location}: it is a standby, or set to read-only");
        let error = StoreError::new(StoreErrorKind::Unavailable, what).with_remedy(Remedy::Retry);
        return Err(error.with_hint("connect to the primary"));
    }
    if column::<String>(&row, "synchronous_commit")? == "off" {
        let what = format!(
            "{location} has synchronous_commit = off: a crash of the server would lose sign-ins"
        );
        return Err(invalid(what).with_hint(
            "set synchronous_commit = on in postgresql.conf, or ALTER ROLE … SET synchronous_commit = on",
        ));
    }
    if !on("fsync")? && !options.durable_storage_elsewhere {
        let what =
            format!("{location} has fsync = off: a crash of its machine would lose sign-ins");
        return Err(invalid(what)
            .with_hint("set fsync = on in postgresql.conf")
            .with_hint("durable_storage_elsewhere = true, where the storage is made durable by other means"));
    }
    if !column::<bool>(&row, "has_schema")? {
        schema::check(location, 0)?;
    }
    let mut warnings = Vec::new();
    if !on("full_page_writes")? {
        warnings.push(format!(
            "{location} has full_page_writes = off: a crash of its machine can damage rows, unless the file system writes whole pages"
        ));
    }
    let names: String = column(&row, "synchronous_standbys")?;
    let commit: String = column(&row, "synchronous_commit")?;
    let waits = !names.is_empty() && commit != "local";
    if column::<i64>(&row, "standbys")? > 0 && !waits {
        warnings.push(format!(
            "all standbys of {location} are asynchronous: a failover loses the sign-ins that were refreshed last; \
             set synchronous_standby_names = 'ANY 1 (*)'"
        ));
    }
    let row = database
        .row("reading the version of the schema", SCHEMA, &[])
        .await?;
    let row =
        row.ok_or_else(|| invalid(format!("{location} does not tell the schema's version")))?;
    schema::check(location, column(&row, "version")?)?;
    if !column::<bool>(&row, "may_write")? {
        let role = options.config.get_user().unwrap_or_default();
        let role = hallpass_core::quote(role);
        let what = format!("the role `{role}` may not change Hallpass's tables in {location}");
        return Err(invalid(what).with_hint(format!(
            "migrate the database for the role `{role}`, which grants the rights"
        )));
    }
    Ok(warnings)
}
