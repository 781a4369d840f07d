//! The connections. A statement takes one, and gives it back when it has ended.
//!
//! Statements have no name and say the types of their parameters, so that they need one round trip and
//! nothing of a session: a proxy may give each statement another connection (PgBouncer in transaction mode).

use std::{fmt, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use hallpass_core::store::StoreError;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use crate::{PostgresOptions, error, options::invalid, tls::Connector};

/// A parameter of a statement and its type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The pool of connections to one database.
pub(crate) struct Database {
    pool: Pool,
    statement_timeout: Duration,
    location: String,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.location).finish()
    }
}

impl Database {
    /// Connects when the first statement needs it. A statement may take as long as
    /// `statement_timeout`.
    pub(crate) fn new(
        options: &PostgresOptions,
        size: usize,
        statement_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(options.config.clone(), connector(options)?, config);
        let timeout = Some(statement_timeout);
        let pool = Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: timeout,
                create: timeout,
                recycle: timeout,
            })
            .build()
            .map_err(|error| invalid("the pool of connections can't be made").with_source(error))?;
        Ok(Self {
            pool,
            statement_timeout,
            location: options.describe(),
        })
    }

    /// Where it is, for a user to read.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// Runs one statement, and returns its rows. `doing` says what for, as "reading a record".
    pub(crate) async fn rows(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let object = self.pool.get().await;
        let object = object.map_err(|error| error::pool(doing, &self.location, error))?;
        let client: &Client = &object;
        let answer = client.query_typed(sql, parameters);
        let Ok(answer) = tokio::time::timeout(self.statement_timeout, answer).await else {
            // The answer may come later, and would hold up the next statement.
            drop(Object::take(object));
            return Err(error::timeout(doing, &self.location));
        };
        answer.map_err(|error| error::statement(doing, &self.location, error))
    }

    /// The first row of one statement.
    pub(crate) async fn row(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>, StoreError> {
        let rows = self.rows(doing, sql, parameters).await?;
        Ok(rows.into_iter().next())
    }

    /// Ends the connections. A statement that is under way ends first.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// What makes connections, with TLS where the options say so.
pub(crate) fn connector(options: &PostgresOptions) -> Result<Connector, StoreError> {
    if options.uses_tls {
        options.tls.connector()
    } else {
        Ok(Connector::PLAIN)
    }
}

/// The value of a column.
pub(crate) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    name: &str,
) -> Result<T, StoreError> {
    row.try_get(name).map_err(|error| {
        invalid(format!(
            "the column `{name}` has another type than in Hallpass's schema"
        ))
        .with_source(error)
    })
}
