//! The library never looks at the environment, whatever stands in it.

use std::{env, process::Command};

#[test]
fn environment_variables_are_not_read() {
    // These tests again, in a process whose environment would make each of them fail.
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact"])
        .args([
            "headers::origin_headers_stay_with_their_origin",
            "redirects::sixth_redirect_is_refused",
            "reqwest_client::reqwest_client_has_trust_and_headers_for_its_server_alone",
            "tls::configured_private_authority_is_trusted",
        ])
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("http_proxy", "http://127.0.0.1:1")
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("4 passed"), "{text}");
}
