//! What a host on rmcp's own `AuthorizationManager` gains, against strict doubles.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod fixture;
mod http_client;
mod processes;
mod refresh;
mod stored_credentials;
