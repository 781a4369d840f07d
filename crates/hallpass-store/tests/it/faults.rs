//! What goes wrong on disk and with keys: said clearly, and nothing lost.

use std::{
    error::Error as _,
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use hallpass_core::{
    CredentialStore as _, Generation, Hint,
    store::{LockKind, Saved, StoreDiagnostics as _, StoreError, StoreErrorKind},
};
use hallpass_store::{FileStore, KeyErrorKind, KeyFile, KeyLocation, KeySource, KeySources};

use crate::fixture::{Keys, LONG, Place, overwrite, record, save};

const FIRST: Generation = Generation::new(1);

/// Damages one file of a store with a saved record, and checks that loading and saving are refused
/// as `kind` with every file left as it was, and that all is well when the damage is undone.
async fn check(extension: &str, kind: StoreErrorKind, damage: impl AsyncFn(&Place, &Path)) {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    assert_eq!(
        save(&store, &one, None).await.unwrap(),
        Saved::Written(FIRST)
    );
    let path = match extension {
        "json" => place.path.join("store.json"),
        extension => place.only(extension),
    };
    let intact = fs::read(&path).unwrap();
    damage(&place, &path).await;
    let damaged: Vec<_> = saved_files(&place);
    match place.open().await {
        Ok(store) => {
            let error = store.load(&one.key).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let found: Vec<_> = store.verify().await.iter().map(StoreError::kind).collect();
            assert_eq!(found, [kind]);
            for expected in [None, Some(FIRST)] {
                let error = save(&store, &one, expected).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
            }
            match store.list().await {
                Ok(listing) => {
                    assert!(listing.credentials.is_empty());
                    assert_eq!(listing.problems[0].kind(), kind);
                }
                Err(error) => assert_eq!(error.kind(), kind),
            }
        }
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
    }
    assert_eq!(saved_files(&place), damaged, "something was overwritten");
    overwrite(&path, &intact);
    let store = place.open().await.unwrap();
    let found = store.load(&one.key).await.unwrap().unwrap();
    assert_eq!(found.generation, FIRST);
    assert_eq!(found.grant, one.grant);
}

fn saved_files(place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = place.files();
    files.retain(|(path, _)| {
        let extension = path.extension().unwrap_or_default();
        extension != "lock" && extension != "holder"
    });
    files
}

#[tokio::test]
async fn truncated_record_is_damaged() {
    for end in [0, 7, 8, 9, 30, 80, 81, 96, 97, 200] {
        check("sealed", StoreErrorKind::Damaged, async |_, path| {
            let bytes = fs::read(path).unwrap();
            overwrite(path, &bytes[..end]);
        })
        .await;
    }
}

#[tokio::test]
async fn changed_record_is_damaged() {
    check("sealed", StoreErrorKind::Damaged, async |_, path| {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        overwrite(path, &bytes);
    })
    .await;
}

#[tokio::test]
async fn record_of_another_credential_is_damaged() {
    check("sealed", StoreErrorKind::Damaged, async |place, path| {
        let store = place.open().await.unwrap();
        let _ = save(&store, &record("two"), None).await.unwrap();
        let mut others = place.with("sealed");
        others.retain(|other| other != path);
        fs::rename(&others[0], path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn record_of_another_store_is_a_key_error() {
    check("sealed", StoreErrorKind::Key, async |_, path| {
        let other = Place::new();
        let store = other.open().await.unwrap();
        let _ = save(&store, &record("one"), None).await.unwrap();
        fs::copy(other.only("sealed"), path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn record_of_a_newer_version_is_newer() {
    check("sealed", StoreErrorKind::Newer, async |_, path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[8] += 1;
        overwrite(path, &bytes);
    })
    .await;
}

#[tokio::test]
async fn wrong_or_malformed_key_file_is_a_key_error() {
    let wrong = format!("hallpass-key 1 {}\n", "ab".repeat(32));
    for text in ["", "hallpass-key 1 abc", "hallpass-key 2 00", &wrong] {
        check("key", StoreErrorKind::Key, async |_, path| {
            overwrite(path, text.as_bytes());
        })
        .await;
    }
}

#[tokio::test]
async fn missing_damaged_or_newer_store_json_is_an_error() {
    check("json", StoreErrorKind::Key, async |_, path| {
        fs::remove_file(path).unwrap();
    })
    .await;
    for (text, kind) in [
        ("{", StoreErrorKind::Damaged),
        (r#"{"version": 1}"#, StoreErrorKind::Damaged),
        (r#"{"version": 2}"#, StoreErrorKind::Damaged),
        (r#"{"version": 3, "x": 1}"#, StoreErrorKind::Newer),
        (
            r#"{"version": 1, "policy": "moon", "key": "00112233445566778899aabbccddeeff", "check": ""}"#,
            StoreErrorKind::Newer,
        ),
    ] {
        check("json", kind, async |_, path| {
            overwrite(path, text.as_bytes());
        })
        .await;
    }
}

#[tokio::test]
async fn list_holds_readable_records_and_problems() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    for name in ["one", "two", "three"] {
        let _ = save(&store, &record(name), None).await.unwrap();
    }
    overwrite(&place.with("sealed")[1], b"torn");
    overwrite(&place.path.join("slots/notes.sealed"), b"?");
    let listing = store.list().await.unwrap();
    assert_eq!(listing.credentials.len(), 2);
    assert_eq!(listing.problems.len(), 2);
}

#[tokio::test]
async fn save_in_unwritable_folder_keeps_the_saved_record() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    let mut guard = store
        .lock(&one.key, LockKind::Credential, LONG)
        .await
        .unwrap();
    // Root writes to read-only folders too, so the folder is made unusable in another way.
    let credentials = place.path.join("slots");
    let away = place.path.join("away");
    fs::rename(&credentials, &away).unwrap();
    overwrite(&credentials, b"in the way");
    let error = store.save(&one, Some(FIRST), &mut guard).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Io, "{error}");
    assert!(!error.hints().is_empty());
    fs::remove_file(&credentials).unwrap();
    fs::rename(&away, &credentials).unwrap();
    let saved = store.save(&one, Some(FIRST), &mut guard).await.unwrap();
    assert_eq!(saved, Saved::Written(FIRST.next()));

    let error = FileStore::open(place.only("key"), KeyFile::in_folder(&place.path)).await;
    let error = error.unwrap_err();
    assert!(!error.hints().is_empty(), "{error}");
}

#[tokio::test]
async fn temporary_file_of_a_killed_process_is_overwritten() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    overwrite(&place.only("sealed").with_extension("tmp"), b"half a rec");
    let found = store.load(&one.key).await.unwrap().unwrap();
    assert_eq!(found.generation, FIRST);
    let _ = save(&store, &one, Some(FIRST)).await.unwrap();
    assert!(place.with("tmp").is_empty());
}

#[tokio::test]
async fn failed_save_leaves_no_temporary_file() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    let temporary = place.only("sealed").with_extension("tmp");
    fs::create_dir(&temporary).unwrap();
    let error = save(&store, &one, Some(FIRST)).await.unwrap_err();
    assert!(error.source().is_some(), "{error}");
    fs::remove_dir(&temporary).unwrap();
    let found = store.load(&one.key).await.unwrap().unwrap();
    assert_eq!(found.generation, FIRST);
}

#[tokio::test]
async fn move_aside_moves_a_damaged_record() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    overwrite(&place.only("sealed"), b"torn");
    let mut guard = store
        .lock(&one.key, LockKind::Credential, LONG)
        .await
        .unwrap();
    let moved = store.move_aside(&one.key, &mut guard).await.unwrap();
    assert_eq!(fs::read(moved.unwrap()).unwrap(), b"torn");
    assert!(store.load(&one.key).await.unwrap().is_none());
    let saved = store.save(&one, None, &mut guard).await.unwrap();
    assert!(matches!(saved, Saved::Written(_)));
    assert!(store.forget(&one.key, &mut guard).await.unwrap().records);
    assert!(!store.forget(&one.key, &mut guard).await.unwrap().records);
    let saved = store.save(&one, None, &mut guard).await.unwrap();
    assert_eq!(saved, Saved::Written(FIRST.next()), "generations go on");
}

#[tokio::test]
async fn lock_files_are_never_removed() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    let files = [
        place.only("sealed").with_extension("lock"),
        place.path.join("store.lock"),
    ];
    let numbers = || {
        files
            .each_ref()
            .map(|file| fs::metadata(file).unwrap().ino())
    };
    let before = numbers();
    let mut guard = store
        .lock(&one.key, LockKind::Credential, LONG)
        .await
        .unwrap();
    assert!(store.forget(&one.key, &mut guard).await.unwrap().records);
    assert!(
        store
            .move_aside(&one.key, &mut guard)
            .await
            .unwrap()
            .is_some()
    );
    drop(guard);
    drop(store.rekey(KeyFile::in_folder(&place.path)).await.unwrap());
    let (store, _) = FileStore::reset(&place.path, KeyFile::in_folder(&place.path))
        .await
        .unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    // Another file under the same name would be another lock.
    assert_eq!(numbers(), before);
}

#[tokio::test]
async fn cancelled_save_keeps_its_lock_until_it_ends() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    for number in 1..20 {
        let expected = Generation::new(number);
        let mut guard = store
            .lock(&one.key, LockKind::Credential, LONG)
            .await
            .unwrap();
        {
            let saving = store.save(&one, Some(expected), &mut guard);
            let mut saving = std::pin::pin!(saving);
            let once = std::future::poll_fn(|context| {
                std::task::Poll::Ready(saving.as_mut().poll(context).is_pending())
            });
            once.await;
        }
        drop(guard);
        let guard = store
            .lock(&one.key, LockKind::Credential, LONG)
            .await
            .unwrap();
        let found = store.load(&one.key).await.unwrap().unwrap();
        assert_eq!(found.generation, expected.next());
        drop(guard);
    }
}

#[tokio::test]
async fn key_is_loaded_once_and_again_after_an_error() {
    let place = Place::new();
    let one = record("one");
    let keys = Arc::new(Keys::default());
    let source: Arc<dyn KeySource> = keys.clone();
    let store = FileStore::open(&place.path, source.clone()).await.unwrap();
    assert!(store.load(&one.key).await.unwrap().is_none());
    assert_eq!(keys.loads.load(Ordering::SeqCst), 0, "nothing to open yet");
    let _ = save(&store, &one, None).await.unwrap();
    for _ in 0..3 {
        assert!(store.load(&one.key).await.unwrap().is_some());
    }
    assert_eq!(keys.loads.load(Ordering::SeqCst), 1);

    let store = FileStore::open(&place.path, source).await.unwrap();
    for kind in [KeyErrorKind::Locked, KeyErrorKind::TimedOut] {
        *keys.trouble.lock().unwrap() = Some(kind);
        let error = store.load(&one.key).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Key);
        assert_eq!(error.hints(), [Hint::text("advice")]);
        assert_eq!(error.source().unwrap().to_string(), "scripted");
    }
    *keys.trouble.lock().unwrap() = None;
    assert!(store.load(&one.key).await.unwrap().is_some());
}

#[tokio::test]
async fn key_location_is_decided_once() {
    let place = Place::new();
    let one = record("one");
    let keys = Arc::new(Keys::default());
    let file: Arc<dyn KeySource> = Arc::new(KeyFile::in_folder(&place.path));
    let both = || KeySources::in_order(vec![keys.clone(), Arc::clone(&file)]);
    *keys.trouble.lock().unwrap() = Some(KeyErrorKind::Unavailable);
    assert_eq!(FileStore::key_locations(&place.path).await.unwrap(), []);
    let store = FileStore::open(&place.path, both()).await.unwrap();
    assert_eq!(store.key_location().unwrap(), KeyLocation::KeyFile);
    assert_eq!(store.ignored(), ["host: scripted"]);
    let _ = save(&store, &one, None).await.unwrap();
    // The better place works now, and changes nothing.
    *keys.trouble.lock().unwrap() = None;
    let store = FileStore::open(&place.path, both()).await.unwrap();
    assert_eq!(store.key_location().unwrap(), KeyLocation::KeyFile);
    assert!(store.load(&one.key).await.unwrap().is_some());
    // Nor does it serve when the one that was decided for is not offered.
    let source: Arc<dyn KeySource> = keys;
    let error = FileStore::open(&place.path, source).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key);
    assert!(error.hints()[0].to_string().contains("key-file"));
}

#[tokio::test]
async fn store_without_a_key_is_not_created() {
    let place = Place::new();
    let keys = Arc::new(Keys::default());
    *keys.trouble.lock().unwrap() = Some(KeyErrorKind::Locked);
    let source: Arc<dyn KeySource> = keys;
    let error = FileStore::open(&place.path, source).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key);
    assert_eq!(FileStore::key_locations(&place.path).await.unwrap(), []);
}
