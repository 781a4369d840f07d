use clap::CommandFactory;
use serde_json::json;

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    options: ServerOptions,
}

fn options(json: Value) -> ServerOptions {
    serde_json::from_value(json).unwrap()
}

#[test]
fn config_keys_match_options() {
    let every = json!({
        "resource": "x", "allow-resource-mismatch": true, "scope": "x", "issuer": "x",
        "trusted-issuer": ["x"], "resource-metadata-url": "x", "server-metadata-url": "x",
        "token-endpoint": "x", "authorization-endpoint": "x", "registration-endpoint": "x",
        "revocation-endpoint": "x", "legacy-discovery": true, "client-id": "x",
        "client-issuer": "x", "client-secret-env": "x", "client-secret-file": "x",
        "client-secret-prompt": true, "token-endpoint-auth-method": "client_secret_post",
        "client-key": "x", "client-key-id": "x", "client-metadata-url": "x", "client-name": "x",
        "assume-s256": true, "dpop": true, "max-refresh-attempts": 2, "refresh-scope": true, "max-message-size": 64, "transport": "sse", "authorize-param": ["x"], "callback-host": "x",
        "callback-port": 1, "callback-path": "x", "header": ["x"], "ca-certificate": "x",
        "client-certificate": "x", "client-certificate-key": "x", "proxy": "x",
        "token-env": "x", "token-file": "x", "token-command": "x",
    });
    let command = Line::command();
    let mut flags: Vec<&str> = command
        .get_arguments()
        .filter_map(|a| a.get_long())
        .collect();
    flags.sort_unstable();
    let mut keys: Vec<&str> = every
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(flags, keys);
    let read = options(every.clone());
    assert_eq!(Value::Object(read.to_map().unwrap()), every);
    for (option, need) in NEED {
        for name in need.iter().chain([option]) {
            assert!(keys.contains(name), "{name}");
        }
    }
}

#[test]
fn later_layer_overrides_earlier() {
    let check = |above: Value, below: Value, expected: Value| {
        let merged = options(above).over(&options(below)).unwrap();
        assert_eq!(Value::Object(merged.to_map().unwrap()), expected);
    };
    check(json!({}), json!({"scope": "a"}), json!({"scope": "a"}));
    check(
        json!({"scope": "b", "header": "X: 1"}),
        json!({"scope": "a", "issuer": "i", "header": ["X: 2", "Y: 2"]}),
        json!({"scope": "b", "issuer": "i", "header": ["X: 1"]}),
    );
    check(
        json!({"dpop": false}),
        json!({"dpop": true}),
        json!({"dpop": false}),
    );
    // Another place for the secret takes the place of the one before.
    check(
        json!({"client-secret-file": "f"}),
        json!({"client-id": "c", "client-secret-env": "E"}),
        json!({"client-id": "c", "client-secret-file": "f"}),
    );
    check(
        json!({"token-command": "c"}),
        json!({"token-env": "E", "scope": "a"}),
        json!({"token-command": "c", "scope": "a"}),
    );
    // Another client does not get the secret of the one before.
    check(
        json!({"client-id": "d"}),
        json!({"client-id": "c", "client-issuer": "i", "client-secret-prompt": true, "scope": "a"}),
        json!({"client-id": "d", "scope": "a"}),
    );
    check(
        json!({"client-id": "c"}),
        json!({"client-id": "c", "client-secret-env": "E"}),
        json!({"client-id": "c", "client-secret-env": "E"}),
    );
    check(
        json!({"client-id": "c"}),
        json!({"client-secret-env": "E"}),
        json!({"client-id": "c", "client-secret-env": "E"}),
    );
    check(
        json!({"resource": "none"}),
        json!({"resource": "r", "allow-resource-mismatch": true}),
        json!({"resource": "none"}),
    );
}

#[test]
fn contradicting_options_are_named() {
    let check = |json: Value, expected: Option<&str>| {
        let found = options(json.clone()).contradiction().unwrap();
        assert_eq!(found.as_deref(), expected, "{json}");
    };
    check(json!({}), None);
    check(json!({"client-id": "c", "client-secret-env": "E"}), None);
    check(
        json!({"client-secret-env": "E"}),
        Some("`client-secret-env` needs `client-id`"),
    );
    check(
        json!({"client-id": "c", "client-secret-env": "E", "client-secret-file": "f"}),
        Some("`client-secret-env` and `client-secret-file` can't both be set"),
    );
    check(
        json!({"client-key": "k"}),
        Some("`client-key` needs `client-id` or `client-metadata-url`"),
    );
    check(json!({"client-key": "k", "client-metadata-url": "u"}), None);
    check(json!({"allow-resource-mismatch": false}), None);
}

#[test]
fn header_name_is_parsed() {
    for (header, name) in [
        ("X-Key: v", "X-Key"),
        ("https://as.example X-Key: v:w", "X-Key"),
        ("nothing", "nothing"),
    ] {
        assert_eq!(header_name(header), name);
    }
}

#[test]
fn old_name_of_an_option_is_accepted() {
    let expected = options(json!({ "max-refresh-attempts": 2 }));
    assert_eq!(options(json!({ "max-refresh-posts": 2 })), expected);
    let line = <Line as clap::Parser>::parse_from(["line", "--max-refresh-posts", "2"]);
    assert_eq!(line.options, expected);
}
