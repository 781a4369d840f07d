//! The stores from outside, as a session uses them.
//!
//! Half of it is about modes, owners and links, so all of it is for Unix.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod contract;
mod corpus;
mod faults;
mod fixture;
mod forget;
mod fuzzed;
mod inventory;
mod lapsed;
mod missing_key;
mod missing_key_epochs;
mod missing_key_fixture;
mod privacy;
mod processes;
mod rekey;
mod reserve;
mod shared_folder;
