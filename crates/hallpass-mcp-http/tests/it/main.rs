//! The transport against a scripted HTTP client.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod bodies;
mod redirects;
mod requests;
mod script;
