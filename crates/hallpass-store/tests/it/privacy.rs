//! Who may read what.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
};

use hallpass_core::{
    CredentialStore as _, Hint, Remedy,
    store::{LockKind, StoreDiagnostics as _, StoreErrorKind},
};
use hallpass_store::read_private;

use crate::fixture::{CANARY, LONG, Place, overwrite, record, save};

#[tokio::test]
async fn files_are_private_and_hold_no_plain_text() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    let _ = save(&store, &record("one"), None).await.unwrap();
    for (path, bytes) in place.files() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        let shows = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!shows, "{} holds plain text", path.display());
        assert!(!path.to_string_lossy().contains(CANARY));
    }
    for folder in [place.path.clone(), place.path.join("slots")] {
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", folder.display());
    }
    assert!(!format!("{store:?} {}", store.describe()).contains(CANARY));
    let guard = store
        .lock(&record("two").key, LockKind::Credential, LONG)
        .await
        .unwrap();
    let key = fs::read_to_string(place.only("key")).unwrap();
    let key = key.split_whitespace().last().unwrap().to_owned();
    assert_eq!(key.len(), 64);
    assert!(!format!("{store:?} {guard:?}").contains(&key));
}

#[tokio::test]
async fn file_open_to_other_users_is_refused() {
    for (what, mode) in [
        ("", 0o755),
        ("slots", 0o770),
        ("key", 0o640),
        ("sealed", 0o604),
    ] {
        let place = Place::new();
        let one = record("one");
        let _ = save(&place.open().await.unwrap(), &one, None)
            .await
            .unwrap();
        let path = match what {
            "" | "slots" => place.path.join(what),
            extension => place.only(extension),
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = match place.open().await {
            Ok(store) => store.load(&one.key).await.unwrap_err(),
            Err(error) => error,
        };
        let text = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(text.contains("is open to other users"), "{what}: {text}");
        assert!(error.hints()[0].to_string().starts_with("chmod "), "{what}");
        assert_eq!(error.remedy(), Remedy::Configure);
    }
}

#[tokio::test]
async fn read_private_applies_the_rules_of_the_store() {
    let place = Place::new();
    drop(place.open().await.unwrap());
    let folder = place.path.join("options");
    let file = folder.join("one.json");
    assert_eq!(read_private(&place.path, &file).unwrap(), None);
    fs::create_dir(&folder).unwrap();
    fs::File::create(&file).unwrap();
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(&folder, 0o700);
    set_mode(&file, 0o600);
    assert_eq!(read_private(&place.path, &file).unwrap(), Some(vec![]));
    for (path, right, wrong) in [
        (&place.path, 0o700, 0o750),
        (&folder, 0o700, 0o701),
        (&file, 0o600, 0o604),
    ] {
        set_mode(path, wrong);
        let error = read_private(&place.path, &file).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
        let mend = format!("chmod {right:o} '{}'", path.display());
        assert_eq!(error.hints(), [Hint::text(mend.as_str())]);
        set_mode(path, right);
    }
    symlink(&folder, place.path.join("link")).unwrap();
    let through = place.path.join("link/one.json");
    let error = read_private(&place.path, &through).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn symbolic_link_to_a_file_is_refused() {
    for extension in ["sealed", "lock", "key"] {
        let place = Place::new();
        let one = record("one");
        let store = place.open().await.unwrap();
        let _ = save(&store, &one, None).await.unwrap();
        let path = match extension {
            "lock" => place.only("sealed").with_extension("lock"),
            _ => place.only(extension),
        };
        let target = place.path.with_extension("elsewhere");
        fs::rename(&path, &target).unwrap();
        symlink(&target, &path).unwrap();
        let before = fs::read(&target).unwrap();
        let store = place.open().await.unwrap();
        let error = save(&store, &one, None).await.unwrap_err();
        let text = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(text.contains("is a symbolic link"), "{extension}: {text}");
        assert_eq!(fs::read(&target).unwrap(), before, "{extension}");
    }
}

#[tokio::test]
async fn symbolic_link_to_a_folder_is_refused() {
    let place = Place::new();
    drop(place.open().await.unwrap());
    let target = place.path.with_extension("elsewhere");
    fs::rename(&place.path, &target).unwrap();
    symlink(&target, &place.path).unwrap();
    let error = place.open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn folder_or_record_of_another_user_is_refused() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    // Only root can give a file away; for others, the root folder is another user's.
    if chown(place.only("sealed"), Some(4_711), None).is_err() {
        let error = hallpass_store::FileStore::key_locations("/").await;
        assert!(error.unwrap().is_empty());
        let error = hallpass_store::FileStore::open("/", hallpass_store::KeyFile::in_folder("/"));
        assert_eq!(error.await.unwrap_err().kind(), StoreErrorKind::Refused);
        return;
    }
    let error = store.load(&one.key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(
        error.to_string().contains("belongs to user 4711"),
        "{error}"
    );
    chown(&place.path, Some(4_711), None).unwrap();
    let error = place.open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused);
}

#[tokio::test]
async fn errors_show_no_secret() {
    let place = Place::new();
    let one = record("one");
    let store = place.open().await.unwrap();
    let _ = save(&store, &one, None).await.unwrap();
    let sealed = place.only("sealed");
    let bytes = fs::read(&sealed).unwrap();
    for end in [0, 5, 40, 90, bytes.len() - 1] {
        overwrite(&sealed, &bytes[..end]);
        let error = store.load(&one.key).await.unwrap_err();
        let listing = store.list().await.unwrap();
        let text = format!("{error} {error:?} {listing:?}");
        assert!(!text.contains(CANARY), "{text}");
    }
    let guard = store
        .lock(&one.key, LockKind::Credential, LONG)
        .await
        .unwrap();
    let busy = store
        .lock(&one.key, LockKind::Credential, std::time::Duration::ZERO)
        .await;
    let text = format!("{:?}", busy.unwrap_err());
    assert!(!text.contains(CANARY), "{text}");
    drop(guard);
}

#[test]
fn replace_file_writes_private_files_and_keeps_permissions_on_request() {
    use hallpass_store::{FilePermissions, replace_file};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("options.json");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    replace_file(&path, b"one", FilePermissions::Keep).unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    replace_file(&path, b"two", FilePermissions::Keep).unwrap();
    assert_eq!(mode(), 0o644);
    replace_file(&path, b"three", FilePermissions::OwnerOnly).unwrap();
    assert_eq!(mode(), 0o600);
    assert_eq!(fs::read(&path).unwrap(), b"three");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = folder.path().join("missing/options.json");
    assert!(replace_file(&missing, b"four", FilePermissions::Keep).is_err());
}
