//! A machine's sign-ins against written-down answers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod again;
mod bound;
mod clients;
mod grants;
mod handed_out;
mod refusals;
mod script;
