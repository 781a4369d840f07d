//! The store against a PostgreSQL server that the tests start, directly and through PgBouncer.

#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test"
)]

mod contract;
mod fixture;
mod keys;
mod leases;
mod opening;
mod restart;
mod secrets;
mod server;
mod session;
mod tls;
