//! The proxy between a host and a server that are both doubles: every byte of both is looked at.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod backpressure;
mod batches;
mod bytes;
mod cancellations;
mod connection_breaks;
mod fake_server;
mod host;
mod http_sse;
mod invalid_answers;
mod invalid_requests;
mod lifecycles;
mod placeholders;
mod reconnections;
mod server_stream;
mod sessions;
