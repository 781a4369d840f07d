//! Streamable HTTP against a scripted HTTP client, and over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod authorized;
mod bodies;
mod corpus;
mod fuzzed;
mod probe;
mod redirects;
mod requests;
mod scripted_http;
mod server_stream;
mod stream_response;
mod wire;
