//! What is done in one place: each row names an idea, the code that carries it out (any of these
//! texts), and the files that may hold that code. To tighten a row, take a file out of it.

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

type SinglePlace = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

#[rustfmt::skip]
const SINGLE_PLACES: &[SinglePlace] = &[
    ("opens a secret", &[".expose()", ".expose_secret()"], &[
        "crates/hallpass-cli/src/bearer.rs",
        "crates/hallpass-core/src/record/document/wire.rs",
        "crates/hallpass-core/src/secret.rs",
        // Digests it, to notice that it changed.
        "crates/hallpass-core/src/settings.rs",
        "crates/hallpass-core/src/unverified_claims.rs",
        "crates/hallpass-http/src/pools.rs",
        "crates/hallpass-http/src/proxy.rs",
        "crates/hallpass-keyring/src/keyring.rs",
        "crates/hallpass-kms/src/vault.rs",
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
        "crates/hallpass-seal/src/wrapping_key.rs",
        "crates/hallpass-store/src/file/header.rs",
    ]),
    ("sends to an endpoint of an authorization server", &["RequestOptions::authorization_server("], &[
        // Asks whether an endpoint can be reached, without a request of the protocol.
        "crates/hallpass-doctor/src/authorization_server.rs",
        // Asks with a code that was not issued: no grant is at stake.
        "crates/hallpass-login/src/token_endpoint.rs",
        // Sends what rmcp's own client makes.
        "crates/hallpass-rmcp-bridge/src/http_client.rs",
        "crates/hallpass-session/src/token_client.rs",
    ]),
    ("reads a token response", &["TokenResponse::from_http("], &[
        // Whether there is one; its tokens are dropped.
        "crates/hallpass-login/src/token_endpoint.rs",
        // What another client saved or received.
        "crates/hallpass-rmcp-bridge/src/credentials.rs",
        "crates/hallpass-rmcp-bridge/src/http_client.rs",
        "crates/hallpass-session/src/token_client.rs",
        "crates/hallpass/src/import.rs",
    ]),
    ("reads the challenges of a response", &["get_all(WWW_AUTHENTICATE", "get_all(header::WWW_AUTHENTICATE"], &[
        "crates/hallpass-discovery/src/challenge.rs",
        "crates/hallpass-doctor/src/endpoint.rs",
        "crates/hallpass-mcp/src/request_error.rs",
    ]),
    ("builds a probe", &[r#""method": "initialize""#, r#""method":"initialize""#, r#""method":"server/discover""#, r#"method: "initialize""#, r#"method: "server/discover""#], &[
        "crates/hallpass-cli/benches/proxy/bridge.rs",
        "crates/hallpass-cli/benches/proxy/direct.rs",
        // The client that leaves out `resource`.
        "crates/hallpass-cli/src/commands/demo/without_resource.rs",
        "crates/hallpass-doctor/src/lifecycle.rs",
        "crates/hallpass-mcp/src/probe.rs",
    ]),
    ("decides the `resource`", &[".matches_server(", "ResourceSetting::Published =>"], &[
        "crates/hallpass-core/src/settings.rs",
        "crates/hallpass-discovery/src/resource_choice.rs",
    ]),
    ("turns foreign text into terminal text", &["is_control", "escape_default()", "escape_debug()"], &[
        "crates/hallpass-core/src/sanitize.rs",
        // Refuses a secret that no header can carry.
        "crates/hallpass-service/src/secret_source.rs",
        // Looks for a secret as `Debug` writes it.
        "crates/hallpass-testkit/src/leak_check.rs",
    ]),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (does, code, files) in SINGLE_PLACES {
        let holds = |line: &str| code.iter().any(|code| line.contains(code));
        let mut found = Vec::new();
        for file in tree.rust_files().filter(|file| is_product(*file)) {
            let mut lines = file.product_code();
            let Some((number, _)) = lines.find(|(_, line)| holds(line)) else {
                continue;
            };
            found.push(file.path);
            if !files.contains(&file.path) {
                let what = format!("line {number} {does}, and the file is not in its row");
                findings.push(Finding::new(file.path, "single-place", what));
            }
        }
        for path in files.iter().filter(|path| !found.contains(path)) {
            let what = format!("its row says that it {does}, and it does not");
            findings.push(Finding::new(*path, "single-place", what));
        }
    }
    findings
}

fn is_product(file: RustFile<'_>) -> bool {
    file.path.starts_with("crates/") && !file.path.contains("/examples/") && !file.is_test()
}
