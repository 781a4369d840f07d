use serde_json::json;

use super::*;

#[test]
fn mcp_remote_cache_key_is_computed() {
    // By Node.js: MD5 of the parts, joined by `|`.
    let url = "https://mcp.example.com/sse";
    let headers = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    for (resource, pairs, expected) in [
        ("", &[][..], "494d19bc05f3885edf847e391b7f9153"),
        (
            "https://tenant.example/",
            &[],
            "bd9a2c68ced28d172ffc8787ee9e6b69",
        ),
        (
            "",
            &[("X-B", "2"), ("Authorization", "Bearer ${T}")],
            "853cdd6f551d5c3ed23c88e708438f8a",
        ),
        (
            "r",
            &[("A", r#"say "hi"\"#)],
            "e848297ff3622b123f77d49c1ecd8d9b",
        ),
    ] {
        assert_eq!(kept_as(url, resource, &headers(pairs)), expected);
    }
}

#[test]
fn mcp_remote_command_is_recognized() {
    for words in [
        &["npx", "mcp-remote", "URL"][..],
        &["npx", "-y", "mcp-remote@latest", "URL"],
        &["cmd", "/c", "npx", "mcp-remote@0.1.16", "URL"],
        &["bunx", "mcp-remote", "URL"],
        &["/usr/local/bin/mcp-remote", "URL"],
        &["C:\\npm\\mcp-remote.cmd", "URL"],
        &["node", "/lib/node_modules/mcp-remote/dist/proxy.js", "URL"],
    ] {
        assert_eq!(arguments(words), Some(vec!["URL"]), "{words:?}");
    }
    for words in [
        &["npx", "server-filesystem", "/tmp"][..],
        &["sh", "-c", "npx mcp-remote https://mcp.example.com"],
        &["npx", "my-mcp-remote-thing"],
        &["fetch", "https://registry.example/mcp-remote"],
    ] {
        assert_eq!(arguments(words), None, "{words:?}");
    }
}

const CA: &str = if cfg!(windows) {
    "C:\\ca.pem"
} else {
    "/ca.pem"
};

#[track_caller]
fn check(words: &[&str], options: &Value, left: &[&str]) {
    let environment = json!({ "A": "value", "NODE_EXTRA_CA_CERTS": CA });
    let environment = environment.as_object().unwrap();
    let remote = read(words, environment).unwrap();
    assert_eq!(remote.url, "https://mcp.example.com/mcp");
    let mut options = options.clone();
    options["ca-certificate"] = CA.into();
    assert_eq!(
        Value::Object(remote.options.to_map().unwrap()),
        options,
        "{words:?}"
    );
    let found: Vec<_> = remote.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(found, left, "{words:?}");
}

#[test]
fn mcp_remote_arguments_become_options() {
    let url = "https://mcp.example.com/mcp";
    check(&[url], &json!({}), &["`env.A`"]);
    check(
        &["--debug", "--header", "X-A:${A}", url, "9696", "--silent"],
        &json!({ "header": ["X-A: ${A}"], "callback-host": "localhost", "callback-port": 9696,
                 "callback-path": "/oauth/callback" }),
        &["the value of `A`"],
    );
    check(
        &[url, "1", "--host", "127.0.0.1", "--callback-path", "/cb"],
        &json!({ "callback-host": "127.0.0.1", "callback-port": 1, "callback-path": "/cb" }),
        &["`env.A`"],
    );
    check(
        &[
            url,
            "0",
            "--transport",
            "http-only",
            "--ignore-tool",
            "delete*",
            "--ignore-tool",
            "x",
        ],
        &json!({}),
        &["the callback port", "`--ignore-tool`", "`env.A`"],
    );
    check(
        &[url, "80", "--host", "machine.example"],
        &json!({}),
        &["the callback", "`env.A`"],
    );
    check(
        &[
            url,
            "--resource",
            "https://tenant.example/",
            "--header",
            "no colon",
        ],
        &json!({ "resource": "https://tenant.example/" }),
        &["a header", "`env.A`"],
    );
    for off in [&["--disable-resource-parameter"][..], &["--resource", ""]] {
        let words = [&[url], off].concat();
        check(&words, &json!({ "resource": "none" }), &["`env.A`"]);
    }
    check(
        &[
            url,
            "--static-oauth-client-info",
            r#"{"client_id": "id", "client_secret": "s"}"#,
            "--static-oauth-client-metadata",
            r#"{"scope": "a b"}"#,
        ],
        &json!({ "client-id": "id", "scope": "a b" }),
        &["the client's secret", "`env.A`"],
    );
    check(
        &[
            url,
            "--static-oauth-client-info",
            "@file",
            "--header-file",
            "h",
        ],
        &json!({}),
        &[
            "the client that was registered by hand",
            "`--header-file`",
            "`env.A`",
        ],
    );
}

#[test]
fn unusable_mcp_remote_command_is_refused() {
    let nothing = Map::new();
    assert!(read(&[], &nothing).is_err());
    let sse = ["https://mcp.example.com/sse", "--transport", "sse-only"];
    assert!(read(&sse, &nothing).unwrap_err().contains("HTTP+SSE"));
}
