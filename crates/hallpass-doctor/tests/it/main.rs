//! The report of each fault, compared with the file of its name below `tests/reports`.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod account;
mod authorization_endpoint;
mod bounds;
mod browser;
mod codes;
mod endpoint;
mod fixture;
mod folding;
mod metadata;
mod network;
mod raw;
mod snapshot;
mod store;
mod token;
mod token_endpoint;
mod urls;
