//! The stores from outside, as a session uses them.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod common;
mod contracts;
mod moving;
mod privacy;
mod processes;
mod trouble;
