//! Another key, another folder, a new beginning.

use std::{fs, sync::Arc};

use hallpass_core::{
    CredentialStore as _,
    store::{Saved, StoreErrorKind},
};
use hallpass_store::{FileStore, KeyLocation, KeySource, Passphrase};

use crate::fixture::{CANARY, Keys, LONG, Place, record, save};

const NAMES: [&str; 3] = ["one", "two", "three"];

async fn three_records(place: &Place) -> FileStore {
    let store = place.open().await.unwrap();
    for name in NAMES {
        let _ = save(&store, &record(name), None).await.unwrap();
    }
    store
}

async fn assert_all_there(store: &FileStore) {
    for name in NAMES {
        let found = store.load(&record(name).key).await.unwrap().unwrap();
        assert_eq!(found.grant, record(name).grant);
    }
}

#[tokio::test]
async fn rekey_moves_key_and_reseals_all_records() {
    let place = Place::new();
    let old = three_records(&place).await;
    assert_all_there(&old).await;
    let keys: Arc<dyn KeySource> = Arc::new(Keys::default());
    let rekeyed = old.rekey(Arc::clone(&keys)).await.unwrap();
    assert!(rekeyed.problems.is_empty());
    assert_eq!(rekeyed.store.key_location().unwrap(), KeyLocation::Host);
    assert_ne!(rekeyed.store.key_id(), rekeyed.replaced);
    assert_all_there(&rekeyed.store).await;
    assert!(place.with("key").is_empty(), "the old key is forgotten");
    // A process that had the store open under the old key says so, and writes nothing with it.
    let one = record("one");
    let error = save(&old, &one, None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
    assert_all_there(&FileStore::open(&place.path, keys).await.unwrap()).await;
}

#[tokio::test]
async fn process_with_new_source_follows_a_rekey() {
    let place = Place::new();
    let keys: Arc<dyn KeySource> = Arc::new(Keys::default());
    let one = FileStore::open(&place.path, Arc::clone(&keys))
        .await
        .unwrap();
    let other = FileStore::open(&place.path, Arc::clone(&keys))
        .await
        .unwrap();
    for name in NAMES {
        let _ = save(&one, &record(name), None).await.unwrap();
    }
    assert_all_there(&other).await;
    let rekeyed = one.rekey(keys).await.unwrap();
    assert_all_there(&other).await;
    let mut changed = record("one");
    changed.state = hallpass_core::State::OutcomeUnknown;
    let found = other.load(&changed.key).await.unwrap().unwrap();
    let saved = save(&other, &changed, Some(found.generation))
        .await
        .unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    let found = rekeyed.store.load(&changed.key).await.unwrap().unwrap();
    assert_eq!(found.state, changed.state);
}

#[tokio::test]
async fn interrupted_rekey_is_finished_by_the_next() {
    for stuck in 0..NAMES.len() {
        let place = Place::new();
        let store = three_records(&place).await;
        let keys = Arc::new(Keys::default());
        let source: Arc<dyn KeySource> = keys.clone();
        let obstacle = place.with("sealed")[stuck].with_extension("tmp");
        fs::create_dir(&obstacle).unwrap();
        let error = store.rekey(Arc::clone(&source)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Io, "{error}");
        // Half the records are sealed with one key and half with the other; the new one opens all.
        let store = FileStore::open(&place.path, Arc::clone(&source))
            .await
            .unwrap();
        assert_all_there(&store).await;
        fs::remove_dir(&obstacle).unwrap();
        let rekeyed = store.rekey(source).await.unwrap();
        assert_all_there(&rekeyed.store).await;
        assert_eq!(keys.ids(), [rekeyed.store.key_id()]);
        let header = fs::read_to_string(place.path.join("store.json")).unwrap();
        assert!(!header.contains("previous"), "{header}");
    }
}

#[tokio::test]
async fn reset_deletes_nothing() {
    let place = Place::new();
    let store = three_records(&place).await;
    let old_key = store.key_id();
    drop(store);
    let keys: Arc<dyn KeySource> = Arc::new(Keys::default());
    let (store, aside) = FileStore::reset(&place.path, keys).await.unwrap();
    assert_ne!(store.key_id(), old_key);
    assert!(store.list().await.unwrap().credentials.is_empty());
    let aside = aside.unwrap();
    let files = fs::read_dir(&aside).unwrap().count();
    assert_eq!(files, 1 + NAMES.len());
    assert_eq!(place.with("key").len(), 1, "the old key is still there");
    let saved = save(&store, &record("one"), None).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));

    let nothing = Place::new();
    let keys: Arc<dyn KeySource> = Arc::new(Keys::default());
    let (_, aside) = FileStore::reset(&nothing.path, keys).await.unwrap();
    assert_eq!(aside, None);
}

#[tokio::test]
async fn import_adds_records_and_overwrites_none() {
    let place = Place::new();
    let store = three_records(&place).await;
    let with = Passphrase::new("correct horse");
    let exported = store.export(&with).await.unwrap();
    assert_eq!(exported.credentials.len(), NAMES.len());
    let shows = |bytes: &[u8]| {
        let mut windows = bytes.windows(CANARY.len());
        windows.any(|window| window == CANARY.as_bytes())
    };
    assert!(!shows(&exported.bytes));
    let elsewhere = Place::new();
    let other = elsewhere.open().await.unwrap();
    let mut mine = record("one");
    mine.state = hallpass_core::State::OutcomeUnknown;
    let _ = save(&other, &mine, None).await.unwrap();
    let wrong = Passphrase::new("correct hearse");
    let refused = other.import(&exported.bytes, &wrong, LONG).await;
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Damaged);
    let imported = other.import(&exported.bytes, &with, LONG).await.unwrap();
    assert_eq!(imported.saved.len(), NAMES.len() - 1);
    assert_eq!(imported.kept, [mine.key.clone()]);
    let kept = other.load(&mine.key).await.unwrap().unwrap();
    assert_eq!(kept.state, mine.state);
    assert_all_there(&other).await;
    let again = other.import(&exported.bytes, &with, LONG).await.unwrap();
    assert_eq!(again.saved.len(), 0);

    for (bytes, kind) in [
        (&exported.bytes[..50], StoreErrorKind::Damaged),
        (b"something else", StoreErrorKind::Damaged),
        (b"hallpass\x02", StoreErrorKind::Newer),
    ] {
        let refused = other.import(bytes, &with, LONG).await;
        assert_eq!(refused.unwrap_err().kind(), kind);
    }
    let sealed = fs::read(&place.with("sealed")[0]).unwrap();
    let keys = hallpass_store::KeyFile::in_folder(&place.path);
    let refused = other.import(&sealed, &keys, LONG).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        StoreErrorKind::Damaged,
        "a record is not an export"
    );
}

#[tokio::test]
async fn wrong_passphrase_does_not_open_the_store() {
    let place = Place::new();
    let one = record("one");
    let store = FileStore::open(&place.path, Passphrase::new("correct horse")).await;
    let _ = save(&store.unwrap(), &one, None).await.unwrap();
    let store = FileStore::open(&place.path, Passphrase::new("correct hearse")).await;
    let error = store.unwrap().load(&one.key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key);
    let store = FileStore::open(&place.path, Passphrase::new("correct horse")).await;
    assert!(store.unwrap().load(&one.key).await.unwrap().is_some());
    assert!(!format!("{:?}", Passphrase::new(CANARY)).contains(CANARY));
}
