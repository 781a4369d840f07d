//! The grants as a host sees them: requests as they would be sent, answers as servers give them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed expectation is a failed test"
)]

mod authorization;
mod callback;
mod canary;
mod client_auth;
mod corpus;
mod device;
mod dpop;
mod fuzzed;
mod grants;
mod par;
mod pre_registered;
mod properties;
mod registration;
mod revocation;
mod rsa_key;
mod token_errors;
mod token_exchange;
mod token_responses;

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use hallpass_core::{Diagnostic, Entropy, Hint, Issuer, ServerMetadata, Timestamp};
use http::{Request, Response};
use url::Url;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// An error and the server's words, which are its source.
fn with_words(error: &dyn std::error::Error) -> String {
    let words = error.source().map(|words| format!("; {words}"));
    format!("{error}{}", words.unwrap_or_default())
}

/// The hints of an error, as a host without commands of its own shows them.
fn hints(error: &impl Diagnostic) -> String {
    let hints = error.hints();
    for hint in &hints {
        if let Hint::Setting { setting, .. } = hint {
            assert!(Hint::SETTINGS.contains(setting), "{setting}");
        }
    }
    let hints: Vec<String> = hints.iter().map(ToString::to_string).collect();
    hints.join("; ")
}

/// Bytes that differ from call to call and are the same in each run.
#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let value = self.0.fetch_add(1, Ordering::Relaxed);
        bytes.fill(value);
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// A good server.
fn metadata() -> ServerMetadata {
    let mut metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    metadata.authorization_endpoint = Some(url("https://as.example/authorize"));
    metadata.token_endpoint = Some(url("https://as.example/token"));
    metadata.code_challenge_methods_supported = Some(vec!["S256".to_owned()]);
    metadata
}

fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

/// The form in a request's body, as lines.
fn form(request: &Request<Bytes>) -> String {
    let mut lines = String::new();
    for (name, value) in form_urlencoded::parse(request.body()) {
        lines.extend([&*name, "=", &*value, "\n"]);
    }
    lines
}

/// The value of the one query parameter of this name; fails when there are more.
fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut values = url.query_pairs().filter(|(known, _)| known == name);
    let value = values.next().map(|(_, value)| value.into_owned());
    assert!(values.next().is_none(), "`{name}` stands twice in {url}");
    value
}

/// Fails when `text` holds one of `canaries`.
#[track_caller]
fn assert_hidden(text: &str, canaries: &[&str]) {
    for canary in canaries {
        assert!(!text.contains(canary), "`{canary}` is in: {text}");
    }
}
