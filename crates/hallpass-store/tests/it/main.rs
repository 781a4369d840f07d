//! The stores from outside, as a session uses them.
//!
//! Half of it is about modes, owners and links, so all of it is for Unix.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod after_a_loss;
mod common;
mod contracts;
mod exhausted;
mod forgetting;
mod look;
mod losing;
mod lost;
mod machines;
mod moving;
mod privacy;
mod processes;
mod trouble;
