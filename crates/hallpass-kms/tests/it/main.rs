//! The adapters from outside. No server of Vault installs where the tests run: `transit.rs` is a strict
//! double of the API that its documentation describes, and says so.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test"
)]

#[cfg(unix)]
mod command;
mod transit;
mod vault;
