//! The program as a person or a script runs it: one process each, over the same files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod contract;
mod demo;
mod faults;
mod life;
mod options;
mod program;
mod store;
