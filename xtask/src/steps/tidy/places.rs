//! What is done in one place: each row names an idea, the code that carries it out, and the files
//! that may hold that code. To tighten a row, take a file out of it.

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

use super::exceptions::MAY_EXPOSE;

/// An idea and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SinglePlace {
    /// What a file does that holds the code: "the file …".
    pub(crate) does: &'static str,
    /// A line of code with any of these texts does it.
    pub(crate) code: &'static [&'static str],
    pub(crate) files: &'static [&'static str],
}

pub(super) const SINGLE_PLACES: &[SinglePlace] = &[
    SinglePlace {
        does: "opens a secret",
        code: &[".expose()", ".expose_secret()"],
        files: MAY_EXPOSE,
    },
    SinglePlace {
        does: "sends to an endpoint of an authorization server",
        code: &["RequestOptions::authorization_server("],
        files: &[
            // Asks whether an endpoint can be reached, without a request of the protocol.
            "crates/hallpass-doctor/src/authorization_server.rs",
            // Sends what rmcp's own client makes.
            "crates/hallpass-rmcp-bridge/src/http_client.rs",
            "crates/hallpass-session/src/token_client.rs",
        ],
    },
    SinglePlace {
        does: "reads a token response",
        code: &["TokenResponse::from_http("],
        files: &[
            // What another client saved or received.
            "crates/hallpass-rmcp-bridge/src/credentials.rs",
            "crates/hallpass-rmcp-bridge/src/http_client.rs",
            "crates/hallpass-session/src/token_client.rs",
            "crates/hallpass/src/import.rs",
        ],
    },
    SinglePlace {
        does: "reads the challenges of a response",
        code: &[
            "get_all(WWW_AUTHENTICATE",
            "get_all(header::WWW_AUTHENTICATE",
        ],
        files: &[
            "crates/hallpass-discovery/src/challenge.rs",
            "crates/hallpass-doctor/src/endpoint.rs",
            "crates/hallpass-mcp/src/request_error.rs",
        ],
    },
    SinglePlace {
        does: "builds a probe",
        code: &[
            r#""method": "initialize""#,
            r#""method":"initialize""#,
            r#""method":"server/discover""#,
            r#"method: "initialize""#,
            r#"method: "server/discover""#,
        ],
        files: &[
            "crates/hallpass-cli/benches/proxy/bridge.rs",
            "crates/hallpass-cli/benches/proxy/direct.rs",
            // The client that leaves out `resource`.
            "crates/hallpass-cli/src/commands/demo/without_resource.rs",
            "crates/hallpass-doctor/src/lifecycle.rs",
            "crates/hallpass-mcp/src/probe.rs",
        ],
    },
    SinglePlace {
        does: "decides the `resource`",
        code: &[".matches_server(", "ResourceSetting::Published =>"],
        files: &[
            "crates/hallpass-core/src/settings.rs",
            "crates/hallpass-discovery/src/resource_choice.rs",
        ],
    },
    SinglePlace {
        does: "turns foreign text into terminal text",
        code: &["is_control", "escape_default()", "escape_debug()"],
        files: &[
            "crates/hallpass-core/src/sanitize.rs",
            // Refuses a secret that no header can carry.
            "crates/hallpass-service/src/secret_source.rs",
            // Looks for a secret as `Debug` writes it.
            "crates/hallpass-testkit/src/leak_check.rs",
        ],
    },
];

pub(super) fn check(tree: &Tree, places: &[SinglePlace]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for SinglePlace { does, code, files } in places {
        let holds = |line: &str| code.iter().any(|code| line.contains(code));
        let mut found = Vec::new();
        for file in tree.rust_files().filter(|file| is_product(*file)) {
            let mut lines = file.product_code();
            let Some((number, _)) = lines.find(|(_, line)| holds(line)) else {
                continue;
            };
            found.push(file.path);
            if !files.contains(&file.path) {
                let what = format!("line {number} {does}, and the file is not listed for that");
                findings.push(Finding::new(file.path, "single-place", what));
            }
        }
        for path in files.iter().filter(|path| !found.contains(path)) {
            let what = format!("it is listed as a file that {does}, and does not");
            findings.push(Finding::new(*path, "single-place", what));
        }
    }
    findings
}

fn is_product(file: RustFile<'_>) -> bool {
    file.path.starts_with("crates/") && !file.path.contains("/examples/") && !file.is_test()
}
