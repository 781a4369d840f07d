//! The session at its boundary, against strict fakes: a server that accepts a refresh token once and
//! revokes its family at the second use, a store that counts, a clock that sleeps advance.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod circuit_breaker;
mod client_key;
mod clock_jumps;
mod end_to_end;
mod expiry;
mod external_token;
mod fakes;
mod fixture;
mod fresh_token;
mod lost_answer;
mod panics;
mod proactive_refresh;
mod proof;
mod redaction;
mod refresh_outcome;
mod server_words;
mod service_sign_in;
mod sign_in;
mod sign_in_backoff;
mod sign_in_lock;
mod sign_out;
mod single_flight;
mod step_up;
mod store_steps;
mod token_client;
mod unauthorized;
mod unsaved_grant;
