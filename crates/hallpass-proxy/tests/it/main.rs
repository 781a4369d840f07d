//! The proxy between a host and a server that are both doubles: every byte of both is looked at.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod breaks;
mod bytes;
mod floods;
mod host;
mod lifecycles;
mod own_stream;
mod reconnections;
mod server;
mod sessions;
mod standing_in;
