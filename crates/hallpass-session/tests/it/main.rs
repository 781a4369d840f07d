//! The session at its boundary, against strict doubles: a server that honours a refresh token once
//! and revokes the family when one comes again, a store that counts, a clock that moves by itself.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod ahead;
mod breaker;
mod client_key;
mod double;
mod expiry;
mod handed_in;
mod leaks;
mod outcomes;
mod panics;
mod proof;
mod rejection;
mod sign_in;
mod sign_out;
mod single_flight;
mod steady;
mod step_up;
mod token_client;
mod unanswered;
mod unattended;
mod unrequested;
mod unsaved;
mod whole;
mod window;
mod world;
