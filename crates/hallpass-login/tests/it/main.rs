//! Logins against the strict doubles, through a real port.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod callback;
mod client;
mod clock_jumps;
mod dpop;
mod error_page;
mod errors;
mod fixture;
mod grants;
mod guesses;
mod manual_callback;
mod navigation;
mod outcome;
mod plan;
mod prompt;
mod registration;
mod scopes;
mod scripted_server;
mod signing;
mod token_host;
