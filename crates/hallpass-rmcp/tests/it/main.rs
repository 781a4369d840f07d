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
mod overload;
mod own_stream;
mod proofs;
mod reconnections;
mod schemas;
mod script;
mod streams;
mod world;
