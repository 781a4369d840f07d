use std::{fs, future, sync::Arc, time::Duration};

use hallpass_core::{
    BoxFuture, CredentialStore, Issuer, Record, ServerMetadata, ServerUrl, SettingsFingerprint,
    Slot,
};

use super::*;
use crate::{KeyError, KeySource, Policy};

const LONG: Duration = Duration::from_secs(60);

/// Makes keys; gives them back or never answers.
#[derive(Debug)]
struct Source {
    answers: bool,
}

impl KeySource for Source {
    fn policy(&self) -> Policy {
        Policy::Host
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

    fn remove(&self, _id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(async { Ok(()) })
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

fn record(server: &str) -> Record {
    let slot = Slot::new(ServerUrl::parse(server).unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    Record::new(slot, metadata, SettingsFingerprint::default())
}

async fn open_store(folder: &Path) -> FileStore {
    let store = FileStore::open(folder.join("store"), Source { answers: true });
    store.await.unwrap()
}

/// Puts `plain` in the place of a slot's records, sealed as a store seals.
async fn plant(store: &FileStore, slot: &Slot, plain: &[u8]) -> Vec<u8> {
    let keys = store.in_use().await.unwrap().1;
    let paths = SlotPaths::new(store.folder(), slot);
    let bytes = sealed(&keys, &paths, plain).unwrap();
    folder::replace(&paths.sealed, &bytes).unwrap();
    bytes
}

#[tokio::test]
async fn a_document_of_a_newer_version_is_left_alone_and_lives_through_a_rekey() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    let one = record("https://one.example");
    let newer = br#"{"version": 2, "records": "of another shape"}"#;
    let bytes = plant(&store, &one.slot, newer).await;
    let mut guard = store.lock(&one.slot, LONG).await.unwrap();
    let refused = [
        store.load(&one.slot).await.unwrap_err(),
        store.save(&one, None, &mut guard).await.unwrap_err(),
        store.forget(&one.slot, &mut guard).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), StoreErrorKind::Newer, "{error}");
    }
    drop(guard);
    let paths = SlotPaths::new(store.folder(), &one.slot);
    assert_eq!(fs::read(&paths.sealed).unwrap(), bytes);
    let rekeyed = store.rekey(Source { answers: true }).await.unwrap();
    assert!(rekeyed.problems.is_empty(), "{:?}", rekeyed.problems);
    let keys = rekeyed.store.in_use().await.unwrap().1;
    let bytes = fs::read(&paths.sealed).unwrap();
    assert_eq!(unseal(&keys, &paths, &bytes).unwrap().as_slice(), newer);
}

#[tokio::test]
async fn a_file_sealed_by_a_newer_version_stops_a_rekey_before_the_old_key_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    let one = record("https://one.example");
    let mut bytes = plant(&store, &one.slot, b"{}").await;
    bytes[8] += 1;
    let paths = SlotPaths::new(store.folder(), &one.slot);
    folder::replace(&paths.sealed, &bytes).unwrap();
    let error = store.rekey(Source { answers: true }).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Newer, "{error}");
    assert_eq!(fs::read(&paths.sealed).unwrap(), bytes);
    let policy = crate::file::policy::PolicyFile::read(&store.folder().join("store.json"));
    assert!(policy.unwrap().unwrap().of_machine(None).previous.is_some());
}

#[tokio::test]
async fn a_document_of_another_slot_is_refused_whoever_sealed_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).await;
    let one = record("https://one.example");
    let mut other = SlotDocument::empty(record("https://two.example").slot);
    let _ = other.save(&record("https://two.example"), None);
    plant(&store, &one.slot, &other.encode()).await;
    let error = store.load(&one.slot).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    let listing = store.list().await.unwrap();
    assert_eq!((listing.slots.len(), listing.problems.len()), (0, 1));
}

#[tokio::test]
async fn a_key_that_does_not_come_holds_up_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let one = record("https://one.example");
    let store = open_store(folder.path()).await;
    let mut guard = store.lock(&one.slot, LONG).await.unwrap();
    let _ = store.save(&one, None, &mut guard).await.unwrap();
    drop((guard, store));
    let source: Arc<dyn KeySource> = Arc::new(Source { answers: false });
    let store = FileStore::open(folder.path().join("store"), source);
    let store = store.await.unwrap();
    let loading = store.load(&one.slot);
    let locking = async {
        // Until the load has the source's attention.
        while store.inner.ring.asking.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        store.lock(&one.slot, LONG).await
    };
    tokio::select! {
        found = loading => panic!("a key came: {found:?}"),
        guard = locking => drop(guard.unwrap()),
    }
    // Who gave up leaves the way open for the next.
    assert!(store.inner.ring.asking.try_lock().is_ok());
}

#[test]
fn no_two_slots_share_a_file() {
    let slot = |server: &str| record(server).slot;
    let profile = |name: &str| hallpass_core::Profile::parse(name).unwrap();
    let slots = [
        slot("https://a.example"),
        slot("https://a.example/b"),
        slot("https://a.example/b/"),
        slot("https://a.example").with_profile(profile("b")),
        slot("https://a.example").with_profile(profile("bdefault")),
    ];
    let mut names: Vec<_> = slots.iter().map(binding).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), slots.len());
}
