//! Streamable HTTP against a scripted HTTP client, and over real sockets.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod authorized;
mod bodies;
mod corpus;
mod fixture;
mod fuzzed;
mod probe;
mod redirects;
mod requests;
mod server_stream;
mod stream_response;
mod wire;
