//! The same texts where no terminal is, and those that an earlier version kept.

use std::{path::Path, time::Duration};

use hallpass::{
    AccessToken, CredentialKey, Issuer, Record, ServerUrl, Timestamp,
    discovery::ServerMetadata,
    record::{Grant, GrantKind, State},
    settings::SettingsFingerprint,
    store::{CredentialStore, FileStore, KeyFile, LockKind, Saved},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{TOKEN, hostile, obeyed, server::Server};
use crate::terminal::Terminal;

async fn piped(home: &Path, words: &[&str]) -> String {
    let mut command = Command::new(std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap());
    let command = command.env_clear().env("HALLPASS_HOME", home);
    let command = command.env("HALLPASS_KEY_STORE", "key-file");
    let ended = command.env("TOKEN", "token").args(words).output().await;
    let ended = ended.unwrap();
    assert!(ended.status.success(), "{words:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

#[tokio::test]
async fn hostile_text_of_a_tool_is_exact_in_a_pipe() {
    let server = Server::start(|it, _| {
        let text = json!({"type": "text", "text": hostile("TEXT")});
        it.result("tools/call", json!({ "content": [text] }));
    })
    .await;
    let folder = TempDir::new().unwrap();
    let url = server.url();
    let call = ["call", &url, "t", "--no-validate", TOKEN[0], TOKEN[1]];
    let plain = piped(folder.path(), &call).await;
    assert_eq!(plain, format!("{}\n", hostile("TEXT")));

    let call = [&["--json"], &call[..]].concat();
    let read = |json: &str| -> Value {
        let envelope: Value = serde_json::from_str(json).unwrap();
        envelope["result"]["content"][0]["text"].clone()
    };
    assert_eq!(read(&piped(folder.path(), &call).await), hostile("TEXT"));
}

/// The issuer is as an earlier version took it.
async fn keep(home: &Path, server: &str) -> Issuer {
    let store = FileStore::open(home, KeyFile::in_folder(home))
        .await
        .unwrap();
    let key = CredentialKey::new(ServerUrl::parse(server).unwrap());
    let text = format!("https://as.example/{}", hostile("ISSUER"));
    let issuer: Issuer = serde_json::from_value(text.into()).unwrap();
    let metadata = ServerMetadata::new(issuer.clone());
    let mut record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
    let (kind, token) = (GrantKind::AuthorizationCode, AccessToken::new("access"));
    record.grant = Some(Grant::new(kind, token, Timestamp::from_unix_seconds(1_000)));
    record.state = State::SignedIn;
    let mut guard = store
        .lock(&key, LockKind::Credential, Duration::from_secs(5))
        .await
        .unwrap();
    let saved = store.save(&record, None, &mut guard).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    guard.release().await.unwrap();
    issuer
}

#[tokio::test]
async fn hostile_issuer_that_was_kept_is_listed_cleaned_and_forgotten() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("hallpass");
    let server = "https://mcp.example/mcp";
    let issuer = keep(&home, server).await;
    for (words, says) in [
        (&["status"][..], "https://as.example/(ISSUER)"),
        (&["store", "list"], "a grant of https://as.example/(ISSUER)"),
    ] {
        let said = piped(&home, words).await;
        assert!(said.contains(says), "{said}");
        assert_eq!(obeyed(said.as_bytes(), false), None, "{said:?}");
        let mut terminal = Terminal::start_in(&home, words, &[("TERM", "xterm")]);
        assert_eq!(terminal.ends().await, 0);
        assert!(terminal.written.contains(says), "{}", terminal.written);
        assert_eq!(obeyed(&terminal.bytes, false), None);
    }
    let json = piped(&home, &["--json", "store", "list"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let issuers = &json["result"]["accounts"][0]["issuers"];
    assert_eq!(*issuers, json!([issuer.as_str()]));

    piped(&home, &["store", "forget", server, "--yes"]).await;
    let said = piped(&home, &["store", "list"]).await;
    assert!(said.contains("no accounts"), "{said}");
}
