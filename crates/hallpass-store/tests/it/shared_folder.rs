//! Several machines, each with keys of its own, share one folder.

use std::sync::{Arc, atomic::Ordering};

use hallpass_core::{
    CredentialStore as _,
    store::{Saved, StoreDiagnostics as _, StoreErrorKind},
};
use hallpass_store::{FileStore, KeyErrorKind, KeyFile, KeySource, KeySources, Passphrase};

use crate::{
    fixture::{Keys, Place, overwrite, record, save},
    missing_key_fixture::{Reports, again, header, open, open_on, token, unreadable, with_three},
};

/// Two machines with a keyring each share a home folder.
#[tokio::test]
async fn machines_with_a_shared_folder_keep_their_records() {
    let place = Place::new();
    let (here, there) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
    with_three(&place, &here).await;
    let store = open_on("there", &place, &there).await;
    let reports = Reports::of_store(&store);
    let _ = save(&store, &again("one", "there"), None).await.unwrap();
    assert_eq!(reports.all().len(), 1);
    let settled = header(&place);
    for round in 0..3 {
        for (name, keys, one, credentials) in [
            ("here", &here, "canary-4711-access", 3),
            ("there", &there, "there", 1),
        ] {
            let store = open_on(name, &place, keys).await;
            let reports = Reports::of_store(&store);
            assert_eq!(token(&store, "one").await.as_deref(), Some(one));
            let listing = store.list().await.unwrap();
            assert_eq!(listing.credentials.len(), credentials, "round {round}");
            assert_eq!(listing.problems.len(), 0);
            assert_eq!(store.verify().await.len(), 0);
            let mut record = store.load(&record("one").key).await.unwrap().unwrap();
            record.state = hallpass_core::State::OutcomeUnknown;
            let saved = save(&store, &record, Some(record.generation)).await;
            assert!(matches!(saved.unwrap(), Saved::Written(_)));
            assert_eq!(reports.all(), []);
            assert_eq!(unreadable(&store).await.len(), 1);
        }
    }
    assert_eq!(header(&place), settled);
    assert_eq!((here.ids().len(), there.ids().len()), (1, 1));

    // Each gives itself another key, and the other notices nothing.
    for (name, keys) in [("here", &here), ("there", &there)] {
        let source: Arc<dyn KeySource> = keys.clone();
        let store = open_on(name, &place, keys).await;
        let rekeyed = store.rekey(source).await.unwrap();
        assert_eq!(rekeyed.problems.len(), 0);
        assert_eq!(keys.ids(), [rekeyed.store.key_id()]);
    }
    let store = open(&place, &here).await;
    assert_eq!(store.list().await.unwrap().credentials.len(), 3);
    let store = open_on("there", &place, &there).await;
    assert_eq!(token(&store, "one").await.as_deref(), Some("there"));
    assert_eq!(token(&store, "two").await, None);
}

/// Another machine moves its key to where this one has none.
#[tokio::test]
async fn failing_source_of_another_machine_is_not_an_error() {
    let place = Place::new();
    let (here, there) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
    with_three(&place, &here).await;
    let store = open_on("there", &place, &there).await;
    let _ = save(&store, &again("one", "there"), None).await.unwrap();
    let _ = store.rekey(Passphrase::new("theirs")).await.unwrap();
    // Neither without that location nor with another passphrase.
    let own: Arc<dyn KeySource> = here.clone();
    let with: Arc<dyn KeySource> = Arc::new(Passphrase::new("ours"));
    for sources in [vec![own.clone()], vec![with, own]] {
        let sources = KeySources::in_order(sources).on_machine("here");
        let store = FileStore::open(&place.path, sources).await.unwrap();
        assert_eq!(
            token(&store, "one").await.as_deref(),
            Some("canary-4711-access")
        );
        let listing = store.list().await.unwrap();
        assert_eq!((listing.credentials.len(), listing.problems.len()), (3, 0));
        assert_eq!(unreadable(&store).await.len(), 1);
        assert_eq!(store.verify().await.len(), 0);
    }
}

#[tokio::test]
async fn loss_is_reported_on_the_machine_of_the_key() {
    let place = Place::new();
    let (here, there) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
    with_three(&place, &here).await;
    let store = open_on("there", &place, &there).await;
    let _ = Reports::of_store(&store);
    let _ = save(&store, &again("one", "there"), None).await.unwrap();
    let lost = *here.lose().keys().next().unwrap();
    let store = open(&place, &here).await;
    let reports = Reports::of_store(&store);
    assert_eq!(token(&store, "one").await, None);
    let said = reports.all();
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].key, said[0].files), (lost, 3));
    let epochs = header(&place)["set_aside"].as_array().unwrap().clone();
    assert_eq!(epochs[0]["made_on"], "there");
    assert!(epochs[0]["lost"].is_null(), "theirs is not lost");
    let store = open_on("there", &place, &there).await;
    assert_eq!(token(&store, "one").await.as_deref(), Some("there"));
}

/// The newest key hides while its source is locked; an older one is here.
#[tokio::test]
async fn older_key_does_not_replace_hidden_key() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    let file: Arc<dyn KeySource> = Arc::new(KeyFile::in_folder(&place.path));
    let source: Arc<dyn KeySource> = keys.clone();
    let both = vec![file, source.clone()];
    let open = async |machine: Option<&str>| {
        let sources = KeySources::in_order(both.clone());
        let sources = match machine {
            Some(machine) => sources.on_machine(machine),
            None => sources,
        };
        FileStore::open(&place.path, sources).await.unwrap()
    };
    let store = open(Some("here")).await;
    let _ = save(&store, &again("one", "old"), None).await.unwrap();
    let key = place.only("key");
    let bytes = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let store = open(Some("here")).await;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    let store = store.rekey(source.clone()).await.unwrap().store;
    assert_eq!(token(&store, "one").await.as_deref(), Some("new"));
    overwrite(&key, &bytes);
    let settled = header(&place);

    keys.hides.store(true, Ordering::SeqCst);
    *keys.takes_none.lock().unwrap() = Some(KeyErrorKind::Locked);
    for machine in [Some("here"), None] {
        let store = open(machine).await;
        let error = store.load(&record("one").key).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
        assert_eq!(header(&place), settled);
    }
    *keys.takes_none.lock().unwrap() = None;
    let store = open(Some("here")).await;
    assert_eq!(token(&store, "one").await.as_deref(), Some("new"));
    assert_eq!(header(&place), settled);
}

#[tokio::test]
async fn key_that_came_back_or_sealed_nothing_is_not_reported() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    assert_eq!(token(&open(&place, &keys).await, "one").await, None);
    // The second key sealed nothing.
    let _ = keys.lose();
    assert_eq!(token(&open(&place, &keys).await, "one").await, None);
    keys.give_back(lost);
    let store = open(&place, &keys).await;
    let reports = Reports::of_store(&store);
    assert!(token(&store, "one").await.is_some());
    assert_eq!(reports.all(), []);
    assert_eq!(unreadable(&store).await, []);
}
