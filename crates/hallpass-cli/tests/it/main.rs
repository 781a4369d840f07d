//! The program as a person or a script runs it: one process each, over the same files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod client;
mod contract;
mod demo;
#[cfg(unix)]
mod device;
mod faults;
mod life;
mod limits;
mod options;
#[cfg(unix)]
mod people;
mod program;
mod secrets;
mod store;
mod window;
