//! The transport against a scripted HTTP client, and over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod bodies;
mod corpus;
mod fuzzed;
mod redirects;
mod requests;
mod scripted_http;
mod wire;
