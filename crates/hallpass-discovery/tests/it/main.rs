//! Discovery against a network that is a table, and the challenge parser against what servers send.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod authorization_server;
mod cache;
mod challenge;
mod challenge_properties;
mod corpus;
mod documents;
mod errors;
mod fixture;
mod fuzzed;
mod hostile;
mod legacy;
mod protected_resource;
mod resource;
mod shared;
mod wire;
