//! What the rest of the store makes of several keys: commands, held credentials, other processes.

use std::{fs, sync::Arc};

use hallpass_core::{
    CredentialStore as _,
    store::{LockKind, Saved},
};
use hallpass_store::{FileStore, KeyFile, KeyLocation, KeySource, KeySources, Passphrase};

use crate::{
    fixture::{Keys, LONG, Place, record, save},
    missing_key_fixture::{NAMES, again, header, open, open_on, sealed, token, with_three},
};

#[tokio::test]
async fn rekey_export_forget_and_reset_work_after_a_key_is_lost() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let store = open(&place, &keys).await;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();

    // Rekey: unreadable files stay as they are.
    let file: Arc<dyn KeySource> = Arc::new(KeyFile::in_folder(&place.path));
    let moved = store.rekey(Arc::clone(&file)).await.unwrap();
    assert_eq!(moved.problems.len(), 0);
    let locations = FileStore::key_locations(&place.path).await.unwrap();
    assert_eq!(locations, [KeyLocation::KeyFile, KeyLocation::Host]);
    let both: Vec<Arc<dyn KeySource>> = vec![file, keys.clone()];
    let open = async || FileStore::open(&place.path, KeySources::in_order(both.clone())).await;
    let store = open().await.unwrap();
    assert_eq!(token(&store, "one").await.as_deref(), Some("new"));
    assert_eq!(token(&store, "two").await, None);

    // Exported: what opens.
    let exported = store.export(&Passphrase::new("horse")).await.unwrap();
    assert_eq!(exported.credentials, [record("one").key]);
    assert_eq!(exported.problems.len(), 0);

    // Forgotten, with the key back: all of the credential, and nothing of another.
    keys.give_back(lost);
    let store = open().await.unwrap();
    let credential = record("one").key;
    let mut guard = store
        .lock(&credential, LockKind::Credential, LONG)
        .await
        .unwrap();
    for records in [true, false] {
        let forgotten = store.forget(&credential, &mut guard).await.unwrap();
        assert_eq!((forgotten.records, forgotten.unread), (records, 0));
    }
    drop(guard);
    assert_eq!(token(&store, "one").await, None);
    assert!(token(&store, "two").await.is_some());

    // Reset: all files of all epochs are moved.
    let sealed = sealed(&place).len();
    drop(store);
    let (store, moved) = FileStore::reset(&place.path, KeySources::in_order(both.clone()))
        .await
        .unwrap();
    assert_eq!(fs::read_dir(moved.unwrap()).unwrap().count(), sealed + 1);
    assert_eq!(header(&place)["version"], 1);
    assert!(store.list().await.unwrap().credentials.is_empty());
}

#[tokio::test]
async fn key_lost_while_credentials_are_locked_is_replaced_once() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let _ = keys.lose();
    let stores = [open(&place, &keys).await, open(&place, &keys).await];
    let mut guards = Vec::new();
    for (store, name) in stores.iter().zip(NAMES) {
        guards.push(
            store
                .lock(&record(name).key, LockKind::Credential, LONG)
                .await
                .unwrap(),
        );
    }
    for ((store, guard), name) in stores.iter().zip(&mut guards).zip(NAMES) {
        let saved = store.save(&again(name, "new"), None, guard).await.unwrap();
        assert!(matches!(saved, Saved::Written(_)));
    }
    assert_eq!(keys.ids().len(), 1);
    assert_eq!(stores[0].list().await.unwrap().credentials.len(), 2);
}

/// Another process replaces the key while this one holds a credential.
#[tokio::test]
async fn locked_credential_stays_in_its_epoch() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let store = open(&place, &keys).await;
    let credential = record("one").key;
    let mut guard = store
        .lock(&credential, LockKind::Credential, LONG)
        .await
        .unwrap();
    let found = store.load(&credential).await.unwrap().unwrap();
    let _ = keys.lose();
    let other = open(&place, &keys).await;
    assert_eq!(token(&other, "two").await, None);
    // This one reads `store.json` again.
    let second = store
        .lock(&record("two").key, LockKind::Credential, LONG)
        .await
        .unwrap();
    let rotated = again("one", "rotated");
    let saved = store.save(&rotated, Some(found.generation), &mut guard);
    assert!(matches!(saved.await.unwrap(), Saved::Written(_)));
    drop((guard, second));
    assert_eq!(token(&store, "one").await.as_deref(), Some("rotated"));
}

/// Another process rekeys the newest epoch; an older key is available as well.
#[tokio::test]
async fn key_replaced_by_another_process_is_not_missing() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let _ = save(&open(&place, &keys).await, &again("one", "new"), None).await;
    keys.give_back(lost);
    let stale = [open(&place, &keys).await, open(&place, &keys).await];
    let source: Arc<dyn KeySource> = keys.clone();
    let rekeyed = open(&place, &keys).await.rekey(source).await.unwrap();
    assert_eq!(token(&stale[0], "one").await.as_deref(), Some("new"));
    let saved = save(&stale[1], &again("four", "new"), None).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    assert_eq!(stale[1].key_id(), rekeyed.store.key_id());
}

#[tokio::test]
async fn move_aside_moves_files_of_all_epochs() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let store = open(&place, &keys).await;
    let credential = record("one").key;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    keys.give_back(lost);
    let store = open(&place, &keys).await;
    assert!(token(&store, "one").await.is_some());
    let mut guard = store
        .lock(&credential, LockKind::Credential, LONG)
        .await
        .unwrap();
    let moved = store
        .move_aside(&credential, &mut guard)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(fs::read_dir(moved.parent().unwrap()).unwrap().count(), 2);
    assert_eq!(store.load(&credential).await.unwrap(), None);
}

/// A new key each time, without a sign-in: no key stays in `store.json` for ever.
#[tokio::test]
async fn rekey_removes_lost_keys_that_sealed_nothing() {
    let place = Place::new();
    let (keys, there) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    for _ in 0..3 {
        assert_eq!(token(&open(&place, &keys).await, "one").await, None);
        let _ = keys.lose();
    }
    let other = open_on("there", &place, &there).await;
    assert_eq!(token(&other, "one").await, None);
    assert_eq!(token(&open(&place, &keys).await, "one").await, None);
    let named = |header: &serde_json::Value| header["set_aside"].as_array().unwrap().len();
    assert_eq!(named(&header(&place)), 5);
    let source: Arc<dyn KeySource> = keys.clone();
    let store = open(&place, &keys).await.rekey(source).await.unwrap().store;
    // What sealed three records, and another machine's, which may be about to seal its first.
    assert_eq!(named(&header(&place)), 2);
    for store in [&store, &other] {
        let saved = save(store, &again("four", "new"), None).await.unwrap();
        assert!(matches!(saved, Saved::Written(_)));
    }
    assert_eq!(there.ids().len(), 1);
    keys.give_back(lost);
    assert_eq!(
        open(&place, &keys)
            .await
            .list()
            .await
            .unwrap()
            .credentials
            .len(),
        4
    );
}
