//! Sign-ins of a service against scripted answers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod clients;
mod dpop;
mod errors;
mod grants;
mod renewal;
mod scripted_server;
mod secret_source;
