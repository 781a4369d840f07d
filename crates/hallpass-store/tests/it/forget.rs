//! Forgetting removes records, also those that can't be read because their key is missing.

use std::{fs, sync::Arc};

use hallpass_core::{
    CredentialStore as _,
    store::{LockKind, Saved, StoreErrorKind},
};
use hallpass_store::{Forgotten, KeyErrorKind};

use crate::{
    fixture::{Keys, LONG, Place, overwrite, record, save},
    missing_key_fixture::{again, contents, open, open_on, sealed, token, unreadable, with_three},
};

#[tokio::test]
async fn forget_deletes_files_of_a_lost_key_unread() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let before = sealed(&place);
    let lost = keys.lose();
    let id = *lost.keys().next().unwrap();
    let store = open(&place, &keys).await;
    let credential = record("one").key;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    let why = store.unreadable_reason(&credential).await.unwrap().unwrap();
    let words = format!("is sealed with the key {id}, which is missing");
    assert!(why.to_string().ends_with(&words), "{why}");
    assert!(!why.hints().is_empty());

    let mut guard = store
        .lock(&credential, LockKind::Credential, LONG)
        .await
        .unwrap();
    // What a process that was killed in a replacement leaves behind goes too.
    let first = before.keys().find(|path| {
        let newer = path.with_extension("2.sealed");
        newer.exists()
    });
    let left = first.unwrap().with_extension("tmp");
    overwrite(&left, b"half of it");
    let forgotten = store.forget(&credential, &mut guard).await.unwrap();
    assert_eq!((forgotten.records, forgotten.unread), (true, 1));
    assert!(!first.unwrap().exists() && !left.exists());
    let again = store.forget(&credential, &mut guard).await.unwrap();
    assert_eq!(again, Forgotten::default(), "nothing is left to forget");
    assert!(
        store
            .unreadable_reason(&credential)
            .await
            .unwrap()
            .is_none()
    );
    drop((guard, store));

    keys.give_back(lost);
    let store = open(&place, &keys).await;
    assert_eq!(token(&store, "one").await, None);
    assert_eq!(store.list().await.unwrap().credentials.len(), 2);
    let saved = save(&store, &record("one"), None).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
}

/// Every reason for which a key may not be at hand.
#[tokio::test]
async fn forget_deletes_files_without_available_key_unread() {
    for kind in [
        KeyErrorKind::Absent,
        KeyErrorKind::Locked,
        KeyErrorKind::Unavailable,
        KeyErrorKind::TimedOut,
        KeyErrorKind::Unusable,
    ] {
        let (place, keys) = (Place::new(), Arc::new(Keys::default()));
        with_three(&place, &keys).await;
        let store = open(&place, &keys).await;
        *keys.trouble.lock().unwrap() = Some(kind);
        let credential = record("one").key;
        let why = store.unreadable_reason(&credential).await.unwrap().unwrap();
        assert_eq!(why.kind(), StoreErrorKind::Key, "{kind:?}: {why}");
        let mut guard = store
            .lock(&credential, LockKind::Credential, LONG)
            .await
            .unwrap();
        let forgotten = store.forget(&credential, &mut guard).await.unwrap();
        assert_eq!((forgotten.records, forgotten.unread), (false, 1));
        drop((guard, store));
        *keys.trouble.lock().unwrap() = None;
        let store = open(&place, &keys).await;
        assert_eq!(token(&store, "one").await, None, "{kind:?}");
        assert!(token(&store, "two").await.is_some());
    }
}

/// A file of the store before its reset, and one of an epoch that `store.json` does not name.
#[tokio::test]
async fn move_aside_moves_file_of_another_store() {
    let (place, other) = (Place::new(), Place::new());
    let keys = Arc::new(Keys::default());
    let store = open(&place, &keys).await;
    let credential = record("one").key;
    let _ = save(&store, &record("one"), None).await;
    let _ = save(&other.open().await.unwrap(), &record("one"), None).await;
    let (ours, foreign) = (
        place.only("sealed"),
        fs::read(other.only("sealed")).unwrap(),
    );
    overwrite(&ours, &foreign);
    let mut guard = store
        .lock(&credential, LockKind::Credential, LONG)
        .await
        .unwrap();
    assert!(
        store
            .unreadable_reason(&credential)
            .await
            .unwrap()
            .is_none()
    );
    let error = store.forget(&credential, &mut guard).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
    let moved = store.move_aside(&credential, &mut guard).await.unwrap();
    assert_eq!(fs::read(moved.unwrap()).unwrap(), foreign);

    let unnamed = ours.with_extension("7.sealed");
    overwrite(&unnamed, &foreign);
    assert!(
        store
            .unreadable_reason(&credential)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        store.move_aside(&credential, &mut guard).await.unwrap(),
        None
    );
    let forgotten = store.forget(&credential, &mut guard).await.unwrap();
    assert_eq!((forgotten.records, forgotten.unread), (false, 1));
    assert!(!unnamed.exists());
}

#[tokio::test]
async fn forget_keeps_files_of_another_machine() {
    let place = Place::new();
    let (here, there) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
    with_three(&place, &here).await;
    let before = sealed(&place);
    let store = open_on("there", &place, &there).await;
    let credential = record("one").key;
    let _ = save(&store, &again("one", "there"), None).await.unwrap();
    assert_eq!(unreadable(&store).await.len(), 1);
    assert!(
        store
            .unreadable_reason(&credential)
            .await
            .unwrap()
            .is_none()
    );
    let mut guard = store
        .lock(&credential, LockKind::Credential, LONG)
        .await
        .unwrap();
    let forgotten = store.forget(&credential, &mut guard).await.unwrap();
    assert!(forgotten.records && forgotten.of_another_machine);
    assert_eq!(forgotten.unread, 0);
    drop((guard, store));
    let after = contents(&place);
    for (path, bytes) in &before {
        assert_eq!(after.get(path), Some(bytes), "another machine's");
    }
    let store = open(&place, &here).await;
    assert!(token(&store, "one").await.is_some());
}
