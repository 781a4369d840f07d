//! A lost key: its records stay as they are, and it is reported once.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hallpass_core::{
    CredentialStore as _, Hint,
    store::{Saved, StoreDiagnostics as _, StoreError, StoreErrorKind},
};
use hallpass_store::{
    FileStore, KeyErrorKind, KeyFile, KeyLocation, KeySource, KeySources, Passphrase,
};

use crate::{
    fixture::{Keys, Place, overwrite, record, save},
    missing_key_fixture::{
        NAMES, Reports, again, contents, header, open, sealed, token, unreadable, with_three,
    },
};

#[tokio::test]
async fn records_of_lost_key_stay_and_loss_is_reported_once() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let before = sealed(&place);
    assert_eq!(header(&place)["version"], 1);
    let lost = keys.lose();
    let lost_id = *lost.keys().next().unwrap();

    let store = open(&place, &keys).await;
    let reports = Reports::of_store(&store);
    assert_eq!(token(&store, "one").await, None);
    assert!(store.list().await.unwrap().credentials.is_empty());
    let said = reports.all();
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].key, said[0].files), (lost_id, 3));
    assert_eq!(said[0].key_location, Some(KeyLocation::Host));
    assert!(said[0].since.is_some());
    let words = format!("3 accounts are unreadable: their key {lost_id} is lost");
    assert_eq!(said[0].to_string(), words);
    assert_eq!(unreadable(&store).await, said);
    assert_ne!(store.key_id(), lost_id);
    let written = header(&place);
    assert_eq!(written["version"], 2);
    let named = &written["set_aside"][0];
    assert_eq!(named["key"], lost_id.to_string());
    assert_eq!(named["lost"]["files"], 3);
    assert!(named["lost"]["since"].is_number());

    let saved = save(&store, &again("one", "new"), None).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    assert_eq!(token(&store, "one").await.as_deref(), Some("new"));
    for (path, bytes) in &before {
        assert_eq!(&fs::read(path).unwrap(), bytes, "written over");
    }

    // Another process has the new key, and reports nothing.
    let store = open(&place, &keys).await;
    let reports = Reports::of_store(&store);
    assert_eq!(token(&store, "one").await.as_deref(), Some("new"));
    assert_eq!(token(&store, "two").await, None);
    assert_eq!(reports.all(), []);
    assert_eq!(keys.ids(), [store.key_id()]);

    // The lost key comes back: its records are readable, except for accounts with a new sign-in.
    keys.give_back(lost);
    let store = open(&place, &keys).await;
    assert_eq!(token(&store, "one").await.as_deref(), Some("new"));
    assert_eq!(
        token(&store, "two").await.as_deref(),
        Some("canary-4711-access")
    );
    assert_eq!(store.list().await.unwrap().credentials.len(), 3);
    assert_eq!(unreadable(&store).await, []);
    // It is written in its own epoch, so that a machine with this key alone reads the same.
    let found = store.load(&record("two").key).await.unwrap().unwrap();
    let saved = save(&store, &again("two", "newer"), Some(found.generation)).await;
    assert!(matches!(saved.unwrap(), Saved::Written(_)));
    assert_eq!(sealed(&place).len(), 4);
}

#[tokio::test]
async fn missing_key_file_is_lost_and_missing_folder_is_an_error() {
    let place = Place::new();
    let elsewhere = place.path.with_file_name("keys");
    let open = async || {
        FileStore::open(&place.path, KeyFile::in_folder(&elsewhere))
            .await
            .unwrap()
    };
    let _ = save(&open().await, &record("one"), None).await.unwrap();
    let before = contents(&place);
    // A folder that is not there, as one that is not mounted, says nothing of the key.
    let away = elsewhere.with_file_name("away");
    fs::rename(&elsewhere, &away).unwrap();
    let error = open().await.load(&record("one").key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
    assert_eq!(contents(&place), before);
    assert!(!elsewhere.exists());
    fs::rename(&away, &elsewhere).unwrap();
    let key = fs::read_dir(&elsewhere).unwrap().next().unwrap().unwrap();
    fs::rename(key.path(), place.path.with_file_name("kept")).unwrap();
    let store = open().await;
    assert_eq!(token(&store, "one").await, None);
    assert_eq!(store.key_location().unwrap(), KeyLocation::KeyFile);
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    assert_eq!(token(&open().await, "one").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn key_is_lost_only_if_its_source_says_so() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let before = contents(&place);
    let lost = keys.lose();
    let unchanged = async |store: &FileStore| {
        for _ in 0..2 {
            let error = store.load(&record("one").key).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
        }
        let error = save(store, &record("one"), None).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
        assert!(store.list().await.is_err());
        assert_eq!(contents(&place), before);
    };
    for kind in [
        KeyErrorKind::Locked,
        KeyErrorKind::Unavailable,
        KeyErrorKind::TimedOut,
        KeyErrorKind::Unusable,
    ] {
        *keys.trouble.lock().unwrap() = Some(kind);
        unchanged(&open(&place, &keys).await).await;
        *keys.trouble.lock().unwrap() = None;
        // It has no such key, and takes none: as a keyring whose collection is gone.
        *keys.takes_none.lock().unwrap() = Some(kind);
        unchanged(&open(&place, &keys).await).await;
        let store = open(&place, &keys).await;
        let error = store.load(&record("one").key).await.unwrap_err();
        // A locked source may hide its keys.
        let is_said = error.to_string().contains("lost");
        assert_eq!(is_said, kind == KeyErrorKind::Unusable, "{error}");
        assert_eq!(error.hints() == [Hint::text("open it")], !is_said);
        *keys.takes_none.lock().unwrap() = None;
    }
    keys.forgets.store(true, Ordering::SeqCst);
    unchanged(&open(&place, &keys).await).await;
    keys.forgets.store(false, Ordering::SeqCst);
    // It said that it has no such key, and had it when it was unlocked.
    keys.give_back(lost);
    keys.hides.store(true, Ordering::SeqCst);
    let store = open(&place, &keys).await;
    let reports = Reports::of_store(&store);
    assert!(token(&store, "one").await.is_some());
    assert_eq!(reports.all(), []);
    assert_eq!(keys.ids(), [store.key_id()], "the unused key is forgotten");
    assert_eq!(contents(&place), before);
}

#[tokio::test]
async fn wrong_passphrase_is_not_a_lost_key() {
    let place = Place::new();
    let store = FileStore::open(&place.path, Passphrase::new("correct horse")).await;
    let _ = save(&store.unwrap(), &record("one"), None).await.unwrap();
    let before = contents(&place);
    let store = FileStore::open(&place.path, Passphrase::new("correct hearse")).await;
    let store = store.unwrap();
    let error = save(&store, &record("one"), None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key, "{error}");
    assert_eq!(contents(&place), before);
}

#[tokio::test]
async fn diagnosis_reports_missing_key_and_changes_nothing() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let before = contents(&place);
    let _ = keys.lose();
    let store = open(&place, &keys).await;
    let reports = Reports::of_store(&store);
    let examined = store.read_only().unwrap();
    let examined = examined.diagnostics().unwrap();
    for problems in [store.verify().await, examined.verify().await] {
        let kinds: Vec<_> = problems.iter().map(StoreError::kind).collect();
        assert_eq!(kinds, [StoreErrorKind::Key]);
        let problem = &problems[0];
        assert!(problem.to_string().contains("is lost"), "{problem}");
        assert!(
            problem.hints()[0]
                .to_string()
                .contains("leaves them unreadable")
        );
    }
    let found = examined.load(&record("one").key).await;
    assert_eq!(found.unwrap_err().kind(), StoreErrorKind::Key);
    assert_eq!(reports.all(), []);
    assert_eq!(contents(&place), before);
}

/// Without a handler, the next handler gets the report.
#[tokio::test]
async fn unreported_loss_is_reported_later() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let _ = keys.lose();
    let store = open(&place, &keys).await;
    assert_eq!(token(&store, "one").await, None);
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    for expected in [1, 0] {
        let store = open(&place, &keys).await;
        let reports = Reports::of_store(&store);
        assert!(token(&store, "one").await.is_some());
        assert_eq!(reports.all().len(), expected);
    }
}

#[tokio::test]
async fn second_lost_key_is_reported() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    let mut lost = Vec::new();
    for round in 1..4 {
        let store = open(&place, &keys).await;
        let reports = Reports::of_store(&store);
        for name in &NAMES[..round] {
            let found = store.load(&record(name).key).await.unwrap();
            let _ = save(&store, &again(name, &format!("{round}")), None).await;
            assert!(found.is_none());
        }
        assert_eq!(reports.all().len(), usize::from(round > 1));
        lost.push(keys.lose());
    }
    // Any of them may come back, in any order.
    keys.give_back(lost.remove(1));
    let store = open(&place, &keys).await;
    assert_eq!(token(&store, "two").await.as_deref(), Some("2"));
    assert_eq!(token(&store, "three").await, None);
    keys.give_back(lost.remove(1));
    let store = open(&place, &keys).await;
    assert_eq!(token(&store, "two").await.as_deref(), Some("3"));
    let away = unreadable(&store).await;
    assert_eq!(away.iter().map(|it| it.files).collect::<Vec<_>>(), [1]);
}

/// Two losses without a handler, in two sources, and one source does not answer when there is one.
#[tokio::test]
async fn loss_is_reported_once_while_source_of_another_loss_times_out() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let _ = keys.lose();
    let store = open(&place, &keys).await;
    let _ = save(&store, &again("one", "new"), None).await.unwrap();
    let file: Arc<dyn KeySource> = Arc::new(KeyFile::in_folder(&place.path));
    let _ = store.rekey(Arc::clone(&file)).await.unwrap();
    fs::remove_file(place.only("key")).unwrap();
    let sources = KeySources::in_order(vec![file, keys.clone()]).on_machine("here");
    let open = async || FileStore::open(&place.path, sources.clone()).await.unwrap();
    let store = open().await;
    assert_eq!(token(&store, "one").await, None);
    assert_eq!(unreadable(&store).await.len(), 2);

    *keys.trouble.lock().unwrap() = Some(KeyErrorKind::TimedOut);
    let store = open().await;
    let reports = Reports::of_store(&store);
    for _ in 0..3 {
        let _ = save(&store, &again("four", "new"), None).await.unwrap();
        assert_eq!(reports.all().len(), 1);
    }
    *keys.trouble.lock().unwrap() = None;
    let store = open().await;
    let later = Reports::of_store(&store);
    for _ in 0..2 {
        let _ = save(&store, &again("four", "new"), None).await.unwrap();
        assert_eq!(later.all().len(), 1);
    }
    assert_ne!(reports.all()[0].key, later.all()[0].key);
}

#[tokio::test]
async fn lost_key_in_unwritable_folder_changes_nothing() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let lost = keys.lose();
    let before = contents(&place);
    let obstacles: [fn(&Path) -> PathBuf; 2] =
        [|root| root.join("keys.lock"), |root| root.join("store.tmp")];
    for obstacle in obstacles {
        let obstacle = obstacle(&place.path);
        fs::create_dir(&obstacle).unwrap();
        let store = open(&place, &keys).await;
        let error = store.load(&record("one").key).await.unwrap_err();
        assert!(matches!(
            error.kind(),
            StoreErrorKind::Io | StoreErrorKind::Refused
        ));
        assert_eq!(keys.ids(), [], "no key stays behind");
        fs::remove_dir(&obstacle).unwrap();
        assert_eq!(contents(&place), before);
    }
    keys.give_back(lost);
    let store = open(&place, &keys).await;
    assert!(token(&store, "one").await.is_some());
}

#[tokio::test]
async fn file_of_unnamed_epoch_is_an_error() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let first = sealed(&place).into_iter().next().unwrap();
    overwrite(&first.0.with_extension("7.sealed"), &first.1);
    for name in ["1.sealed", "07.sealed", "x.sealed"] {
        overwrite(&first.0.with_extension(name), &first.1);
    }
    let store = open(&place, &keys).await;
    let listing = store.list().await.unwrap();
    assert_eq!(listing.credentials.len(), 3);
    let kinds = listing.problems.iter().map(StoreError::kind);
    let (key, damaged): (Vec<_>, Vec<_>) = kinds.partition(|kind| *kind == StoreErrorKind::Key);
    assert_eq!((key.len(), damaged.len()), (1, 3));
}

/// Tasks of one process that all miss the key at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_tasks_make_one_new_key() {
    let (place, keys) = (Place::new(), Arc::new(Keys::default()));
    with_three(&place, &keys).await;
    let _ = keys.lose();
    let store = open(&place, &keys).await;
    let reports = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reports);
    store.set_missing_key_handler(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let tasks = (0..50).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { token(&store, NAMES[number % 3]).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), None);
    }
    assert_eq!(keys.ids(), [store.key_id()]);
    assert_eq!(reports.load(Ordering::SeqCst), 1);
}
