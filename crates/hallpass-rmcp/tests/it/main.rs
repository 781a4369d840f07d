//! The client against scripted answers, and rmcp's service on it against the testkit's servers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod answers;
mod authorizer;
mod calls;
mod challenges;
mod fixture;
mod http_sse;
mod lost_sessions;
mod overload;
mod plain_words;
mod proofs;
mod reconnections;
mod schemas;
mod scripted_server;
mod server_stream;
mod streams;
