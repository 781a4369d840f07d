//! Credentials of a fleet in PostgreSQL: the store of replicas that share one database.
//!
//! - [`migrate`] creates the schema, once for each release and never at a start.
//! - [`PostgresStore`] is the [`CredentialStore`](hallpass_core::CredentialStore) of a replica. What it keeps
//!   is sealed ([`DataKeys`](hallpass_seal::DataKeys)).
//! - [`PostgresOptions`]: which database, TLS, the size of the pool.
//!
//! # How it works
//!
//! - `change.rs`: the generation of a row decides a change. A lock only keeps others from trying.
//! - `lease.rs`: a lock is a row that names its holder. `replica.rs`: the holder is alive while it beats. All
//!   times are the database's.
//! - `rows.rs`: a row is sealed for its credential and its generation, so that it opens nowhere else.
//! - `database.rs`: a statement takes a connection and gives it back. It has no name and leaves nothing in a
//!   session.
//! - `checks.rs`: what a server must be so that nothing is lost.
//!
//! # What it does not do
//!
//! It knows no OAuth, sends no request but to the database, and makes nothing up while that is away: every
//! method fails with an error to retry. It deletes no data of its own accord but the rows of replicas that
//! ended.

mod change;
mod checks;
mod credential_store;
mod data_keys;
mod database;
mod error;
mod lease;
mod listing;
mod options;
mod replica;
mod rows;
mod schema;
mod store;
mod tls;

pub use options::PostgresOptions;
pub use schema::{Migration, migrate};
pub use store::PostgresStore;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
