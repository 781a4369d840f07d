//! Logins against the strict doubles, through a real port.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod callback;
mod client;
mod desk;
mod errors;
mod outcome;
mod pasted;
mod roads;
mod script;
mod signing;
