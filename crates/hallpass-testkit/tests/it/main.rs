//! The servers' strictness, shown with raw HTTP: one case for each rule.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod authorization;
mod connect_proxy;
mod faults;
mod fixture;
mod mcp;
mod registration;
mod tls;
mod token;
