use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use hallpass_core::{
    CredentialKey, CredentialStore as _, Generation, Issuer, Record, ServerMetadata, ServerUrl,
    SettingsFingerprint, State,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

use super::*;
use crate::{
    KeyFile,
    file::file_store::{FileLease, FileStore},
};

const FIRST: Generation = Generation::new(1);

/// A store with one record, its credential locked.
async fn locked(folder: &std::path::Path) -> (FileStore, Record, Guard) {
    let store = FileStore::open(
        folder.join("store"),
        KeyFile::in_folder(folder.join("store")),
    );
    let store = store.await.unwrap();
    let credential = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let record = Record::new(credential, metadata, SettingsFingerprint::default());
    let mut guard = store
        .lock(&record.key, LockKind::Credential, Duration::MAX)
        .await
        .unwrap();
    let saved = store.save(&record, None, &mut guard).await.unwrap();
    assert_eq!(saved, Saved::Written(FIRST));
    (store, record, guard)
}

fn temporary(store: &FileStore, record: &Record) -> PathBuf {
    let sealed = CredentialPaths::new(store.folder(), &record.key).sealed;
    sealed.with_extension("tmp")
}

/// What stands there after the error is exactly what was to be saved.
#[tokio::test]
async fn save_whose_folder_sync_fails_is_written_and_recognizes_itself_when_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut record, mut guard) = locked(folder.path()).await;
    record.state = State::Registered;
    store.reserve(&record.key, &mut guard).await.unwrap();
    // Nothing can be synced through a socket.
    let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let socket = File::from(std::os::fd::OwnedFd::from(socket));
    let lease = guard.lease_mut::<FileLease>().unwrap();
    let reserve = lease.reserve.as_mut().unwrap();
    reserve.replacement.sync_instead(socket);

    let saved = store.save(&record, Some(FIRST), &mut guard).await;
    let error = saved.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Io, "{error}");
    assert!(error.to_string().contains("is written"), "{error}");
    assert!(
        error.hints()[0].to_string().contains("may be lost"),
        "{error}"
    );

    record.generation = FIRST.next();
    let loaded = store.load(&record.key).await.unwrap();
    assert_eq!(loaded, Some(record.clone()));
    assert!(!temporary(&store, &record).exists());
    let again = store.save(&record, Some(FIRST), &mut guard).await.unwrap();
    let found = Some(record.generation);
    assert_eq!(again, Saved::Written(record.generation));
    record.sign_ins += 1;
    let next = store.save(&record, found, &mut guard).await.unwrap();
    assert_eq!(next, Saved::Written(record.generation.next()));
}

/// What was allocated is there on the disk, not only in the file's length.
#[tokio::test]
async fn reserve_allocates_blocks_and_goes_with_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let (store, record, mut guard) = locked(folder.path()).await;
    let temporary = temporary(&store, &record);
    store.reserve(&record.key, &mut guard).await.unwrap();
    let reserved = fs::metadata(&temporary).unwrap();
    assert_eq!(reserved.len(), LEAST);
    assert!(reserved.blocks() * 512 >= LEAST, "{}", reserved.blocks());
    store.reserve(&record.key, &mut guard).await.unwrap();
    let file = fs::metadata(&temporary).unwrap();
    assert_eq!(file.ino(), reserved.ino(), "reserved once");
    drop(guard);
    assert!(!temporary.exists());
}

/// Every change under the guard takes the reserve, and the save after it works.
#[tokio::test]
async fn change_other_than_a_save_takes_the_reserve() {
    let folder = tempfile::tempdir().unwrap();
    let (store, record, mut guard) = locked(folder.path()).await;
    let (credential, temporary) = (&record.key, temporary(&store, &record));
    let mut last = FIRST;
    for change in 0..4 {
        store.reserve(credential, &mut guard).await.unwrap();
        assert!(temporary.exists());
        let found = match change {
            0 => {
                let mut other = record.clone();
                other.sign_ins += 1;
                let saved = store.save(&other, None, &mut guard).await.unwrap();
                assert!(matches!(saved, Saved::Conflict { .. }), "{saved:?}");
                Some(last)
            }
            1 => {
                let removed = store.remove(credential, &record.issuer, &mut guard).await;
                assert!(removed.unwrap());
                None
            }
            2 => {
                assert!(store.forget(credential, &mut guard).await.unwrap().records);
                None
            }
            _ => {
                assert!(
                    store
                        .move_aside(credential, &mut guard)
                        .await
                        .unwrap()
                        .is_some()
                );
                None
            }
        };
        assert!(!temporary.exists(), "{change}");
        store.reserve(credential, &mut guard).await.unwrap();
        let saved = store.save(&record, found, &mut guard).await.unwrap();
        let Saved::Written(generation) = saved else {
            panic!("{change}: {saved:?}")
        };
        last = generation;
        assert!(!temporary.exists(), "{change}");
    }
}

#[tokio::test]
async fn reserve_whose_caller_is_gone_is_removed_before_the_lock_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let (store, record, mut guard) = locked(folder.path()).await;
    let temporary = temporary(&store, &record);
    for round in 0..20 {
        {
            let mut reserving = std::pin::pin!(store.reserve(&record.key, &mut guard));
            let once = std::future::poll_fn(|context| {
                std::task::Poll::Ready(reserving.as_mut().poll(context).is_pending())
            });
            once.await;
        }
        drop(guard);
        guard = store
            .lock(&record.key, LockKind::Credential, Duration::MAX)
            .await
            .unwrap();
        assert!(!temporary.exists(), "{round}");
    }
}

/// A file that something which knows no locks removed or exchanged is not written over.
#[tokio::test]
async fn file_changed_by_others_after_the_reserve_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, record, mut guard) = locked(folder.path()).await;
    let sealed = CredentialPaths::new(store.folder(), &record.key).sealed;
    let older = fs::read(&sealed).unwrap();
    let saved = store.save(&record, Some(FIRST), &mut guard).await.unwrap();
    let second = FIRST.next();
    assert_eq!(saved, Saved::Written(second));

    store.reserve(&record.key, &mut guard).await.unwrap();
    fs::remove_file(&sealed).unwrap();
    let saved = store.save(&record, Some(second), &mut guard).await.unwrap();
    assert_eq!(saved, Saved::Conflict { found: None });

    store.reserve(&record.key, &mut guard).await.unwrap();
    folder::replace(&folder.path().join("other"), &older).unwrap();
    fs::rename(folder.path().join("other"), &sealed).unwrap();
    let saved = store.save(&record, Some(second), &mut guard).await.unwrap();
    assert_eq!(saved, Saved::Conflict { found: Some(FIRST) });
}
