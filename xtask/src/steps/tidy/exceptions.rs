//! What breaks a rule of `tidy`, and why.

use crate::finding::Exception;

/// The files that may open a secret, outside of tests: where it is sent, sealed, or handed over
/// because that is what was asked for.
pub(super) const MAY_EXPOSE: &[&str] = &[
    "crates/hallpass-cli/src/bearer.rs",
    "crates/hallpass-core/src/record/document/wire.rs",
    "crates/hallpass-core/src/secret.rs",
    // Digests it, to notice that it changed.
    "crates/hallpass-core/src/settings.rs",
    "crates/hallpass-core/src/unverified_claims.rs",
    "crates/hallpass-http/src/pools.rs",
    "crates/hallpass-http/src/proxy.rs",
    "crates/hallpass-keyring/src/keyring.rs",
    "crates/hallpass-service/src/assertion.rs",
    "crates/hallpass-service/src/secret_source.rs",
    "crates/hallpass-service/src/login.rs",
    "crates/hallpass-oauth/src/assertion.rs",
    "crates/hallpass-oauth/src/callback.rs",
    "crates/hallpass-oauth/src/client_auth.rs",
    "crates/hallpass-oauth/src/device.rs",
    "crates/hallpass-oauth/src/dpop.rs",
    "crates/hallpass-oauth/src/token_exchange.rs",
    "crates/hallpass-oauth/src/client_deletion.rs",
    "crates/hallpass-oauth/src/revocation.rs",
    "crates/hallpass-oauth/src/token/request.rs",
    "crates/hallpass-rmcp-bridge/src/credentials.rs",
    "crates/hallpass-rmcp-bridge/src/http_client.rs",
    "crates/hallpass-rmcp-bridge/src/store.rs",
    "crates/hallpass-session/src/token.rs",
    "crates/hallpass-seal/src/key.rs",
    "crates/hallpass-seal/src/sealed.rs",
    "crates/hallpass-store/src/file/header.rs",
];

pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        place: "crates/hallpass-cli/benches/proxy/main.rs",
        rule: "sleep",
        reason: "idle is what is measured",
    },
    Exception {
        place: "crates/hallpass-cli/benches/proxy/place.rs",
        rule: "sleep",
        reason: "another's server tells nobody when it listens",
    },
    Exception {
        place: "crates/hallpass-core/src/metadata.rs",
        rule: "public-api",
        reason: "what a document says beyond the known is JSON",
    },
    Exception {
        place: "crates/hallpass-core/src/record/document.rs",
        rule: "public-api",
        reason: "an encoded record is wiped when it is dropped",
    },
    Exception {
        place: "crates/hallpass-http/src/client.rs",
        rule: "public-api",
        reason: "the same configuration for a library that wants that very client",
    },
    Exception {
        place: "crates/hallpass-http/tests/it/server.rs",
        rule: "sleep",
        reason: "a server that is slow on purpose",
    },
    Exception {
        place: "crates/hallpass-keyring/src/keyring/tests.rs",
        rule: "ignore",
        reason: "another test runs it in a process of its own",
    },
    Exception {
        place: "crates/hallpass-login/src/callback_server.rs",
        rule: "sleep",
        reason: "a pause of the accept loop when the system has no descriptor left",
    },
    Exception {
        place: "crates/hallpass-oauth/src/metadata_document.rs",
        rule: "public-api",
        reason: "the document is JSON, to be served as such",
    },
    Exception {
        place: "crates/hallpass-proxy/src/proxy.rs",
        rule: "public-api",
        reason: "the host's two streams are tokio's, whatever is behind them",
    },
    Exception {
        place: "crates/hallpass-rmcp/tests/it/streams.rs",
        rule: "sleep",
        reason: "that nothing more comes can only be waited for",
    },
    Exception {
        place: "crates/hallpass-session/src/system.rs",
        rule: "sleep",
        reason: "the `Clock` of the operating system",
    },
    Exception {
        place: "crates/hallpass-seal/src/key.rs",
        rule: "public-api",
        reason: "a key's text is wiped when it is dropped",
    },
    Exception {
        place: "crates/hallpass-seal/src/sealed.rs",
        rule: "public-api",
        reason: "an opened text is wiped when it is dropped",
    },
    Exception {
        place: "crates/hallpass-store/src/file/lock.rs",
        rule: "sleep",
        reason: "a file lock of another process is asked for again and again",
    },
    Exception {
        place: "crates/hallpass-store/tests/it/processes.rs",
        rule: "ignore",
        reason: "other tests run it in processes of their own",
    },
    Exception {
        place: "crates/hallpass-testkit/src/authorization_server/options.rs",
        rule: "public-api",
        reason: "a test says what JSON the server shall publish",
    },
    Exception {
        place: "crates/hallpass-testkit/src/clock.rs",
        rule: "sleep",
        reason: "a `Clock` that really waits",
    },
    Exception {
        place: "crates/hallpass-testkit/src/listen.rs",
        rule: "sleep",
        reason: "a pause of the accept loop when the system has no descriptor left",
    },
    Exception {
        place: "crates/hallpass-testkit/src/recorder.rs",
        rule: "public-api",
        reason: "a recorded body is JSON",
    },
    Exception {
        place: "xtask/src/steps/keyring/service.rs",
        rule: "sleep",
        reason: "a real service says nowhere that it is up",
    },
    Exception {
        place: "xtask/src/steps/real.rs",
        rule: "sleep",
        reason: "the end of an access token is waited for",
    },
    Exception {
        place: "xtask/src/steps/tests/breakages.rs",
        rule: "sleep",
        reason: "it plants them",
    },
    Exception {
        place: "xtask/src/steps/tidy/files.rs",
        rule: "sleep",
        reason: "it looks for them",
    },
];
