use std::{fs, future, sync::Arc, time::Duration};

use hallpass_core::{
    BoxFuture, CredentialKey, CredentialStore, Issuer, Record, ServerMetadata, ServerUrl,
    SettingsFingerprint, Subject, store::LockKind,
};

use super::*;
use crate::{FileStore, KeyError, KeyLocation, KeySource};

const LONG: Duration = Duration::from_secs(60);

/// Makes keys; gives them back or never answers.
#[derive(Debug)]
struct Source {
    answers: bool,
}

impl KeySource for Source {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Host
    }

    fn create(&self, _id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async { Ok(SealingKey::from_bytes([1; 32])) })
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        if self.answers {
            self.create(id)
        } else {
            Box::pin(future::pending())
        }
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

fn record(server: &str) -> Record {
    let credential = CredentialKey::new(ServerUrl::parse(server).unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    Record::new(credential, metadata, SettingsFingerprint::default())
}

async fn open_store(folder: &Path) -> FileStore {
    let store = FileStore::open(folder.join("store"), Source { answers: true });
    store.await.unwrap()
}

/// Puts `plain` in the place of a credential's records, sealed as a store seals.
async fn plant(store: &FileStore, credential: &CredentialKey, plain: &[u8]) -> Vec<u8> {
    let keys = store.key_in_use().await.unwrap().1;
    let paths = CredentialPaths::new(store.folder(), credential);
    let bytes = sealed(&keys, &paths, plain).unwrap();
    folder::replace(&paths.sealed, &bytes).unwrap();
    bytes
}

#[tokio::test]
async fn document_of_a_newer_version_survives_a_rekey() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    let one = record("https://one.example");
    let newer = br#"{"version": 2, "records": "of another shape"}"#;
    let bytes = plant(&store, &one.key, newer).await;
    let mut guard = store
        .lock(&one.key, LockKind::Credential, LONG)
        .await
        .unwrap();
    let refused = [
        store.load(&one.key).await.unwrap_err(),
        store.save(&one, None, &mut guard).await.unwrap_err(),
        store.forget(&one.key, &mut guard).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), StoreErrorKind::Newer, "{error}");
    }
    drop(guard);
    let paths = CredentialPaths::new(store.folder(), &one.key);
    assert_eq!(fs::read(&paths.sealed).unwrap(), bytes);
    let rekeyed = store.rekey(Source { answers: true }).await.unwrap();
    assert!(rekeyed.problems.is_empty(), "{:?}", rekeyed.problems);
    let keys = rekeyed.store.key_in_use().await.unwrap().1;
    let bytes = fs::read(&paths.sealed).unwrap();
    assert_eq!(unseal(&keys, &paths, &bytes).unwrap().as_slice(), newer);
}

#[tokio::test]
async fn file_of_a_newer_version_stops_a_rekey_before_the_old_key_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    let one = record("https://one.example");
    let mut bytes = plant(&store, &one.key, b"{}").await;
    bytes[8] += 1;
    let paths = CredentialPaths::new(store.folder(), &one.key);
    folder::replace(&paths.sealed, &bytes).unwrap();
    let error = store.rekey(Source { answers: true }).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Newer, "{error}");
    assert_eq!(fs::read(&paths.sealed).unwrap(), bytes);
    let header = crate::file::header::StoreHeader::read(&store.folder().join("store.json"));
    assert!(header.unwrap().unwrap().of_machine(None).previous.is_some());
}

#[tokio::test]
async fn document_of_another_credential_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    let one = record("https://one.example");
    let mut other = CredentialDocument::empty(record("https://two.example").key);
    let _ = other.save(&record("https://two.example"), None);
    plant(&store, &one.key, &other.encode()).await;
    let error = store.load(&one.key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    let listing = store.list().await.unwrap();
    assert_eq!((listing.credentials.len(), listing.problems.len()), (0, 1));
}

#[tokio::test]
async fn source_that_hangs_does_not_block_locks() {
    let folder = tempfile::tempdir().unwrap();
    let one = record("https://one.example");
    let store = open_store(folder.path()).await;
    let mut guard = store
        .lock(&one.key, LockKind::Credential, LONG)
        .await
        .unwrap();
    let _ = store.save(&one, None, &mut guard).await.unwrap();
    drop((guard, store));
    let source: Arc<dyn KeySource> = Arc::new(Source { answers: false });
    let store = FileStore::open(folder.path().join("store"), source);
    let store = store.await.unwrap();
    let loading = store.load(&one.key);
    let locking = async {
        // Until the load has the source's attention.
        while store.inner.key_cache.asking.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        store.lock(&one.key, LockKind::Credential, LONG).await
    };
    tokio::select! {
        found = loading => panic!("a key came: {found:?}"),
        guard = locking => drop(guard.unwrap()),
    }
    // Who gave up leaves the way open for the next.
    assert!(store.inner.key_cache.asking.try_lock().is_ok());
}

#[test]
fn credentials_of_different_keys_have_different_files() {
    let credential = |server: &str| record(server).key;
    let account = |name: &str| hallpass_core::Account::parse(name).unwrap();
    let user = |name: &str| Subject::new(name).unwrap();
    let tenant = |name: &str| hallpass_core::Tenant::new(name).unwrap();
    let credentials = [
        credential("https://a.example"),
        credential("https://a.example/b"),
        credential("https://a.example/b/"),
        credential("https://a.example").with_account(account("b")),
        credential("https://a.example").with_account(account("bdefault")),
        credential("https://a.example").with_subject(user("b")),
        credential("https://a.example").with_subject(user("bdefault")),
        credential("https://a.example").with_subject(user("b").with_tenant(tenant("bdefault"))),
        credential("https://a.example").with_subject(user("bdefault").with_tenant(tenant("b"))),
    ];
    let mut names: Vec<_> = credentials.iter().map(binding).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), credentials.len());
}

/// The first version took the credential lock of an invented server.
#[tokio::test]
async fn sign_in_lock_is_the_one_of_the_first_version() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    for (server, invented) in [
        ("https://one.example", "https%3A%2F%2Fone.example"),
        (
            "https://one.example/m~p?a=b c",
            "https%3A%2F%2Fone.example%2Fm%7Ep%3Fa%3Db%2520c",
        ),
    ] {
        let account = hallpass_core::Account::parse("work").unwrap();
        let key = record(server).key.with_account(account.clone());
        let old = record(&format!("https://sign-in.invalid/{invented}")).key;
        let old = old.with_account(account);
        let guard = store.lock(&old, LockKind::Credential, LONG).await.unwrap();
        let busy = store.lock(&key, LockKind::SignIn, Duration::ZERO).await;
        assert_eq!(busy.unwrap_err().kind(), StoreErrorKind::Busy);
        drop(guard);
        drop(store.lock(&key, LockKind::SignIn, LONG).await.unwrap());
    }
}
