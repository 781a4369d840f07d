//! `hallpass status`: what a user sees, and what a script relies on (`docs/status.md`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    program::Fixture,
    store_commands::{key_file, result, two_accounts},
};

const PAGE: &str = include_str!("../../../../docs/status.md");

/// Every member of a value, by its path.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                paths(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(values) => {
            for value in values {
                paths(value, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

/// One account signed in, one whose tokens are handed in, one of a lost key.
async fn fixture_with_everything() -> (Fixture, String) {
    let fixture = two_accounts().await;
    let lost = key_file(&fixture);
    std::fs::remove_file(&lost).unwrap();
    fixture.login(&["--scope", "read"]).await.expect(0);
    let url = fixture.url();
    let mut command =
        fixture.command(&["login", &url, "--account", "ci", "--token-env", "CI_TOKEN"]);
    command.env("CI_TOKEN", fixture.issuer.registry().plant(Some(&url), ""));
    fixture.wait(command.spawn().unwrap()).await.expect(0);
    let lost = lost.file_stem().unwrap().to_str().unwrap().to_owned();
    (fixture, lost)
}

#[tokio::test]
async fn status_json_has_documented_members() {
    let (fixture, lost) = fixture_with_everything().await;
    let mut status = result(&fixture, &["status"]).await;
    let mut documented: BTreeSet<String> = BTreeSet::new();
    paths(&status, "", &mut documented);
    for path in &documented {
        let row = format!("\n| `{path}` | ");
        assert!(PAGE.contains(&row), "docs/status.md lacks {path}");
    }
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<String> = rows
        .map(|row| row.split('`').next().unwrap().to_owned())
        .collect();
    assert_eq!(rows, documented);

    let account = &mut status["accounts"][1];
    let left = account["expires_in"].as_i64().unwrap();
    assert!((1..=3_600).contains(&left), "{left}");
    for number in ["expires_in", "expires_at"] {
        assert!(account[number].is_i64());
        account[number] = json!(number);
    }
    assert!(account["client_id"].is_string());
    account["client_id"] = json!("client");
    let store = &mut status["store"];
    assert!(store["unreadable"][0]["since"].is_i64());
    store["unreadable"][0]["since"] = json!("since");
    let key = key_file_id(&fixture);
    let why = store["ignored"].clone();
    let folder = fixture.store().display().to_string();
    assert_eq!(
        status,
        json!({
            "accounts": [
                {
                    "server": fixture.url(), "account": "ci", "state": "external", "cause": null,
                    "token_source": {"kind": "environment", "name": "CI_TOKEN"},
                    "issuer": null, "client_id": null, "resource": null, "scopes": null,
                    "expires_at": null, "expires_in": null, "refresh_due_at": null,
                    "refresh_refused_since": null, "has_refresh_token": null,
                },
                {
                    "server": fixture.url(), "account": "default", "state": "signed-in", "cause": null,
                    "token_source": null, "issuer": fixture.issuer.issuer(), "client_id": "client",
                    "resource": fixture.url(), "scopes": ["read"],
                    "expires_at": "expires_at", "expires_in": "expires_in", "refresh_due_at": null,
                    "refresh_refused_since": null, "has_refresh_token": true,
                },
            ],
            "problems": [],
            "store": {
                "backend": "sealed-files",
                "description": format!(
                    "sealed files in `{folder}`, the key in a key file in `{folder}`; \
                     1 beside it, each for records of its own"
                ),
                "folder": folder, "key_location": "key-file", "key_id": key, "ignored": why,
                "unreadable": [
                    {"key_id": lost, "key_location": "key-file", "accounts": 2, "since": "since"},
                ],
            },
        })
    );
    // The same members where there is next to nothing.
    let empty = Fixture::new().await;
    for more in [vec![], vec!["--key-store", "memory"]] {
        let words: Vec<&str> = ["status"].into_iter().chain(more).collect();
        let url = empty.url();
        let words: Vec<&str> = words.iter().copied().chain([url.as_str()]).collect();
        let status = result(&empty, &words).await;
        let mut found = BTreeSet::new();
        paths(&status, "", &mut found);
        let inner = |path: &String| {
            path.starts_with("store.unreadable[]") || path.contains("token_source.")
        };
        let expected: BTreeSet<_> = documented.iter().filter(|it| !inner(it)).cloned().collect();
        assert_eq!(found, expected);
        assert_eq!(status["accounts"][0]["state"], "not-signed-in");
    }
}

fn key_file_id(fixture: &Fixture) -> String {
    let key = key_file(fixture);
    key.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn status_text_has_each_row() {
    let (fixture, lost) = fixture_with_everything().await;
    let url = fixture.url();
    let said = fixture.run(&["status"]).await.expect(0).stdout;
    for line in [
        format!("{url} (ci)"),
        "  tokens from  the environment variable `CI_TOKEN`".to_owned(),
        url.clone(),
        "  state         signed in".to_owned(),
        "  scopes        read".to_owned(),
        format!("  resource      {url}"),
        format!("  issuer        {}", fixture.issuer.issuer()),
        "store".to_owned(),
        "  key location  key-file".to_owned(),
        format!("  key id        {}", key_file_id(&fixture)),
        format!("  unreadable    2 accounts are unreadable: their key {lost} is lost"),
    ] {
        assert!(said.lines().any(|it| it == line), "{line}\nin\n{said}");
    }
    let token = said.lines().find(|line| line.starts_with("  access token"));
    let token = token.unwrap();
    assert!(token.contains("expires in "), "{token}");
    assert!(token.ends_with("; refreshed without a sign-in"), "{token}");
    assert!(!said.contains('\u{1b}'), "a pipe has no colours");
}

/// At a terminal it is as wide as that, and coloured unless somebody wants no colours.
#[cfg(unix)]
#[tokio::test]
async fn status_at_terminal_is_wrapped_and_coloured() {
    use crate::terminal::Terminal;

    let (fixture, _) = fixture_with_everything().await;
    for (variables, colours) in [
        (vec![("TERM", "xterm"), ("COLUMNS", "60")], true),
        (
            vec![("TERM", "xterm"), ("COLUMNS", "60"), ("NO_COLOR", "1")],
            false,
        ),
    ] {
        let (code, said) = Terminal::start(&fixture, &["status"], &variables)
            .end()
            .await;
        assert_eq!(code, 0, "{said}");
        assert_eq!(said.contains('\u{1b}'), colours, "{said}");
        if !colours {
            let long = |line: &&str| line.trim_end().chars().count() > 60 && line.contains("  ");
            // A word that is longer than a line stays whole.
            let broken = said.lines().filter(long).all(|line| {
                line.split_whitespace()
                    .any(|word| word.chars().count() > 40)
            });
            assert!(broken, "{said}");
        }
    }
}
