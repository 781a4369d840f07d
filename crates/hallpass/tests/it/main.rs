//! Whole flows through the facade, against the strict servers of `hallpass-testkit`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed expectation is a failed test"
)]

mod corporate;
mod counting;
mod fixture;
mod import;
mod probe;
mod refusals;
mod requests;
mod resource;
mod restart;
mod service;
mod sign_in;
mod token_source;
