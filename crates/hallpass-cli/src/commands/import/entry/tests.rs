use serde_json::json;

use super::*;

#[track_caller]
fn check(server: &Value, options: &Value, left: &[&str]) {
    let remote = read(server).unwrap();
    assert_eq!(
        Value::Object(remote.options.to_map().unwrap()),
        *options,
        "{server}"
    );
    let found: Vec<_> = remote.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(found, left, "{server}");
}

const URL: &str = "https://mcp.example.com/mcp";

#[test]
fn remote_server_entry_is_read() {
    check(&json!({ "url": URL, "type": "http" }), &json!({}), &[]);
    check(
        &json!({ "url": URL, "headers": { "Authorization": "Bearer ${env:T}", "X": "${Y}" } }),
        &json!({ "token-env": "T", "header": ["X: ${Y}"] }),
        &[],
    );
    check(
        &json!({ "url": URL, "headers": { "authorization": "bearer x", "X": "y", "no name": "z" } }),
        &json!({}),
        &["header `X`", "header `authorization`", "a header"],
    );
    check(
        &json!({ "url": URL, "bearer_token_env_var": "T", "http_headers": { "A": "b" },
                 "env_http_headers": { "C": "D" }, "oauth_resource": "https://r.example" }),
        &json!({ "token-env": "T", "header": ["C: ${D}"], "resource": "https://r.example" }),
        &["header `A`"],
    );
    check(
        &json!({ "url": URL, "oauth": { "clientId": "id", "clientSecret": "s", "callbackPort": 8085,
                 "authServerMetadataUrl": "https://as.example/m", "scopes": "a b", "x": 1 } }),
        &json!({ "client-id": "id", "callback-host": "localhost", "callback-port": 8085,
                 "server-metadata-url": "https://as.example/m", "scope": "a b" }),
        &["the client's secret", "`oauth.x`"],
    );
    check(
        &json!({ "url": URL, "auth": { "CLIENT_ID": "${env:ID}", "scopes": ["a", "b"] } }),
        &json!({ "scope": "a b" }),
        &["the client's identifier"],
    );
    check(
        &json!({ "url": URL, "timeout": 5, "alwaysAllow": [], "headersHelper": "cmd" }),
        &json!({}),
        &["`headersHelper`", "`alwaysAllow`, `timeout`"],
    );
}

#[test]
fn local_program_is_not_a_remote_server() {
    for server in [
        json!({ "command": "npx", "args": ["mcp-remote", URL] }),
        json!({ "source": "custom", "command": { "path": "npx", "args": ["mcp-remote", URL] } }),
    ] {
        assert_eq!(read(&server).unwrap().url, URL, "{server}");
    }
    for (server, why) in [
        (json!({ "command": "run" }), "a program on this machine"),
        (
            json!({ "command": "/usr/bin/hallpass", "args": ["proxy", URL] }),
            "it is hallpass that serves it there",
        ),
        (
            json!({ "command": "sh", "args": ["-c", "npx mcp-remote URL"] }),
            "in a way that is not understood",
        ),
        (json!({ "url": URL, "disabled": true }), "disabled"),
        (
            json!({ "url": "https://${HOST}/mcp" }),
            "has a variable in it",
        ),
        (json!({ "url": URL, "type": "sse" }), "HTTP+SSE"),
        (json!({}), "neither a URL nor a command"),
        (json!("text"), "does not describe a server"),
    ] {
        let left = read(&server).unwrap_err();
        assert!(left.contains(why), "{server}: {left}");
    }
}
