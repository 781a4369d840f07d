//! The proxy between a host and a server that are both doubles: every byte of both is looked at.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod batches;
mod breaks;
mod bytes;
mod cancellations;
mod floods;
mod host;
mod invalid_answers;
mod invalid_requests;
mod lifecycles;
mod own_stream;
mod reconnections;
mod server;
mod sessions;
mod standing_in;
