//! The servers' strictness, shown with raw HTTP: one case for each rule.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod mcp;
mod token;
mod wire;
