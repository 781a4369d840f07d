use std::time::Duration;

use hallpass_core::{CredentialKey, ServerUrl};

use super::*;
use crate::{KeyFile, Passphrase};

/// Seals lines as an export, and gives the kind of error that their import ends with.
async fn import_error(lines: &[u8]) -> StoreErrorKind {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = FileStore::open(&root, KeyFile::in_folder(&root)).await;
    let with = Passphrase::new("correct horse");
    let id = KeyId::generate().unwrap();
    let key = with.create(id).await.unwrap();
    let bytes = hallpass_seal::seal(id, &key, BUNDLE, lines).unwrap();
    let imported = store.unwrap().import(&bytes, &with, Duration::ZERO).await;
    imported.unwrap_err().kind()
}

fn document() -> Zeroizing<Vec<u8>> {
    let server = ServerUrl::parse("https://mcp.example.com").unwrap();
    CredentialDocument::empty(CredentialKey::new(server)).encode()
}

#[tokio::test]
async fn import_of_malformed_document_is_damaged() {
    let document = document();
    let torn = [&document[..document.len() / 2], b"\n"].concat();
    for lines in [&torn[..], b"{}\n", b"not json\n"] {
        assert_eq!(import_error(lines).await, StoreErrorKind::Damaged);
    }
}

#[tokio::test]
async fn import_of_newer_document_is_newer() {
    let lines = [&document()[..], b"\n{\"version\": 4711}\n"].concat();
    assert_eq!(import_error(&lines).await, StoreErrorKind::Newer);
}
