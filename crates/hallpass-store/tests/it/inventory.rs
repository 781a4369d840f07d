//! The inventory of a store: it says what is unreadable, asks for each key once, and changes nothing.

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
};

use hallpass_core::store::{StoreError, StoreErrorKind};
use hallpass_store::{FileStore, KeyErrorKind, KeyFile, KeySource, KeySources};

use crate::{
    fixture::{Keys, Place, overwrite, record, save},
    missing_key_fixture::{NAMES, again, contents, open, with_three},
};

/// The store, opened for reading.
async fn open_read_only(place: &Place, sources: Vec<Arc<dyn KeySource>>) -> FileStore {
    let sources = KeySources::in_order(sources).on_machine("here");
    let found = FileStore::open_read_only(&place.path, sources).await;
    found.unwrap().unwrap()
}

#[tokio::test]
async fn inventory_reports_missing_key_and_does_not_replace_it() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let id = *lost.keys().next().unwrap();
    let before = place.files();
    let store = open_read_only(&place, vec![keys.clone()]).await;
    let credential = record("one").key;
    for only in [None, Some(&credential), Some(&record("four").key)] {
        let inventory = store.inventory(only).await.unwrap();
        assert!(inventory.kept.is_empty());
        let is_asked = only.is_none_or(|it| *it == credential);
        let kinds: Vec<_> = inventory.problems.iter().map(StoreError::kind).collect();
        assert_eq!(kinds, vec![StoreErrorKind::Key; usize::from(is_asked)]);
        let away = inventory.unreadable.as_deref().unwrap();
        assert_eq!(away.len(), usize::from(is_asked));
        for away in away {
            assert_eq!((away.key, away.files, away.is_lost), (id, 3, false));
            let words = format!("3 accounts are unreadable: their key {id} is missing");
            assert_eq!(away.to_string(), words);
        }
        assert_eq!(inventory.is_unreadable(&credential), is_asked);
        assert!(!inventory.is_unreadable(&record("four").key));
    }
    assert_eq!(keys.loads.load(Ordering::SeqCst), 2, "to save, and to look");
    assert_eq!(place.files(), before);

    keys.give_back(lost);
    let inventory = open_read_only(&place, vec![keys])
        .await
        .inventory(None)
        .await
        .unwrap();
    assert_eq!(inventory.kept.len(), 3);
    assert_eq!(inventory.problems.len(), 0);
    assert_eq!(inventory.unreadable, Some(Vec::new()));
    assert_eq!(place.files(), before);
}

/// An older key is in a source that does not answer; the newest is here.
#[tokio::test]
async fn inventory_asks_failing_source_once() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let store = open(&place, &keys).await;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    let file = Arc::new(KeyFile::in_folder(&place.path));
    let _ = store
        .rekey(KeySources::from(file.clone() as Arc<dyn KeySource>))
        .await;
    keys.give_back(lost);
    *keys.trouble.lock().unwrap() = Some(KeyErrorKind::TimedOut);
    let before = contents(&place);
    for only in [None, Some(&record("one").key)] {
        let loads = keys.loads.load(Ordering::SeqCst);
        let store = open_read_only(&place, vec![file.clone(), keys.clone()]).await;
        let inventory = store.inventory(only).await.unwrap();
        assert_eq!(inventory.kept.len(), 1);
        assert_eq!(inventory.unreadable, None, "a source fails");
        assert_eq!(inventory.problems.len(), 1, "{:?}", inventory.problems);
        assert!(inventory.is_unreadable(&record("two").key));
        assert_eq!(keys.loads.load(Ordering::SeqCst), loads + 1);
    }
    assert_eq!(contents(&place), before);
}

#[tokio::test]
async fn inventory_fails_if_source_of_this_machine_fails() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let before = place.files();
    *keys.trouble.lock().unwrap() = Some(KeyErrorKind::Locked);
    let loads = keys.loads.load(Ordering::SeqCst);
    let store = open_read_only(&place, vec![keys.clone()]).await;
    let error = store.inventory(None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
    assert_eq!(error.hints(), [hallpass_core::Hint::text("advice")]);
    assert_eq!(keys.loads.load(Ordering::SeqCst), loads + 1);
    assert_eq!(place.files(), before);
}

#[tokio::test]
async fn inventory_creates_nothing() {
    let place = Place::new();
    let keys = || KeyFile::in_folder(&place.path);
    let found = FileStore::open_read_only(&place.path, keys())
        .await
        .unwrap();
    assert!(found.is_none());
    assert!(!place.path.exists());

    let store = place.open().await.unwrap();
    for name in NAMES {
        let _ = save(&store, &record(name), None).await.unwrap();
    }
    let header = place.path.join("store.json");
    let text = fs::read(&header).unwrap();
    fs::remove_file(&header).unwrap();
    let before = place.files();
    let error = FileStore::open_read_only(&place.path, keys())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    assert_eq!(place.files(), before);

    // Without a folder for credentials there are none, and it is not put there.
    overwrite(&header, &text);
    fs::remove_dir_all(place.path.join("slots")).unwrap();
    let before = place.files();
    let store = FileStore::open_read_only(&place.path, keys())
        .await
        .unwrap();
    let inventory = store.unwrap().inventory(None).await.unwrap();
    assert!(inventory.kept.is_empty() && inventory.problems.is_empty());
    assert_eq!(place.files(), before);
}
