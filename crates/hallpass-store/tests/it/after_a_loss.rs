//! What the rest of the store makes of several keys: commands, held credentials, other processes.

use std::{fs, sync::Arc};

use hallpass_core::{
    CredentialStore as _,
    store::{LockKind, Saved},
};
use hallpass_store::{FileStore, KeyFile, KeyLocation, KeySource, KeySources, Passphrase};

use crate::{
    common::{Keys, LONG, Place, record, save},
    losing::{NAMES, again, open, open_on, policy, sealed, token, with_three},
};

#[tokio::test]
async fn what_the_other_commands_make_of_it() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let store = open(&place, &keys).await;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();

    // Moved: what is out of reach stays sealed with what it was sealed with.
    let file: Arc<dyn KeySource> = Arc::new(KeyFile::in_folder(&place.path));
    let moved = store.rekey(Arc::clone(&file)).await.unwrap();
    assert_eq!(moved.problems.len(), 0);
    let policies = FileStore::key_locations(&place.path).await.unwrap();
    assert_eq!(policies, [KeyLocation::KeyFile, KeyLocation::Host]);
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

    // Started over: every file of every series is moved.
    let sealed = sealed(&place).len();
    drop(store);
    let (store, moved) = FileStore::reset(&place.path, KeySources::in_order(both.clone()))
        .await
        .unwrap();
    assert_eq!(fs::read_dir(moved.unwrap()).unwrap().count(), sealed + 1);
    assert_eq!(policy(&place)["version"], 1);
    assert!(store.list().await.unwrap().credentials.is_empty());
}

#[tokio::test]
async fn a_key_that_is_lost_while_a_slot_is_held() {
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

/// Another process begins anew while this one holds a credential.
#[tokio::test]
async fn a_slot_that_is_held_stays_where_it_was_read() {
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

/// Another process gives the newest series another key; an older one is here as well.
#[tokio::test]
async fn a_key_that_was_replaced_is_not_missed() {
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
async fn a_slot_makes_room_with_all_its_files() {
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

/// A new key each time, and nobody signs in: none of them is named for ever.
#[tokio::test]
async fn a_rekey_drops_the_lost_keys_that_sealed_nothing() {
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
    let named = |policy: &serde_json::Value| policy["set_aside"].as_array().unwrap().len();
    assert_eq!(named(&policy(&place)), 5);
    let source: Arc<dyn KeySource> = keys.clone();
    let store = open(&place, &keys).await.rekey(source).await.unwrap().store;
    // What sealed three records, and another machine's, which may be about to seal its first.
    assert_eq!(named(&policy(&place)), 2);
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
