//! Where credentials are kept, and who is at them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hallpass::{
    BoxFuture, Remedy,
    store::{
        CredentialStore, FileStore, KeyError, KeyErrorKind, KeyFile, KeyId, KeyLocation, KeySource,
        LockKind, SealingKey, StoreError, StoreErrorKind,
    },
};
use hallpass_doctor::{Code, Doctor, Severity};
use tempfile::TempDir;

use crate::fixture::Fixture;

/// A fixture that keeps its credentials in files, after a sign-in.
async fn in_files(keys: impl KeySource + 'static) -> (Fixture, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new().await;
    fixture
        .names
        .push((folder.path().display().to_string(), "FOLDER"));
    fixture.store = Arc::new(FileStore::open(place(&folder), keys).await.unwrap());
    fixture.sign_in().await;
    (fixture, folder)
}

fn place(folder: &TempDir) -> PathBuf {
    folder.path().join("hallpass")
}

/// The same files, as another process sees them.
async fn again(fixture: &mut Fixture, folder: &TempDir, keys: impl KeySource + 'static) {
    fixture.store = Arc::new(FileStore::open(place(folder), keys).await.unwrap());
}

fn only(folder: &Path, extension: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut found: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

async fn sealed(name: &str, damage: impl FnOnce(&mut Vec<u8>)) {
    let (mut fixture, folder) = in_files_of_one_key().await;
    let path = only(&place(&folder).join("slots"), "sealed");
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    overwrite(&path, &bytes);
    let credentials = only(&place(&folder).join("slots"), "sealed");
    let stem = credentials
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    fixture.names.push((stem, "SLOT"));
    again(&mut fixture, &folder, OneKey(Answer::Given)).await;
    fixture.report(name).await;
}

async fn in_files_of_one_key() -> (Fixture, TempDir) {
    in_files(OneKey(Answer::Given)).await
}

#[tokio::test]
async fn altered_record_is_a_fault() {
    sealed("store-damaged", |bytes| *bytes.last_mut().unwrap() ^= 1).await;
}

#[tokio::test]
async fn record_of_a_newer_version_is_a_fault() {
    sealed("store-newer", |bytes| bytes[8] = 9).await;
}

#[tokio::test]
async fn unavailable_store_key_is_a_fault() {
    for (answer, name) in [
        (Answer::Absent, "store-key-gone"),
        (Answer::Locked, "store-key-locked"),
        (Answer::NoKeyring, "store-keyring-gone"),
        (Answer::Another, "store-key-another"),
    ] {
        let (mut fixture, folder) = in_files_of_one_key().await;
        let policy = fs::read_to_string(place(&folder).join("store.json")).unwrap();
        let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
        let id = policy["key"].as_str().unwrap().to_owned();
        fixture.names.push((id, "KEY"));
        again(&mut fixture, &folder, OneKey(answer)).await;
        let report = fixture.report(name).await;
        assert_eq!(report.remedy(), Some(Remedy::Configure), "{name}");
    }
}

#[tokio::test]
async fn healthy_key_file_has_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (fixture, _folder) = in_files(KeyFile::in_folder(place(&folder))).await;
    let report = fixture.doctor().diagnose().await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn unreadable_store_folder_is_a_fault() {
    let (mut fixture, folder) = in_files_of_one_key().await;
    let credentials = place(&folder).join("slots");
    let file = only(&credentials, "sealed");
    let key = file.file_stem().unwrap().to_str().unwrap().to_owned();
    fixture.names.push((key, "SLOT"));
    fs::rename(&credentials, place(&folder).join("moved away")).unwrap();
    fs::File::create(&credentials).unwrap();
    let report = fixture.report("store-unreadable").await;
    assert_eq!(report.remedy(), Some(Remedy::Configure));
}

#[tokio::test]
async fn locked_credential_names_its_holder() {
    let (fixture, folder) = in_files_of_one_key().await;
    let other = FileStore::open(place(&folder), OneKey(Answer::Given))
        .await
        .unwrap();
    let key = fixture.key();
    let guard = other
        .lock(&key, LockKind::Credential, Duration::ZERO)
        .await
        .unwrap();
    let report = fixture.report("credential-busy").await;
    assert_eq!(report.first_fault(), None);
    drop(guard);
}

#[tokio::test]
async fn sign_in_of_another_process_is_noted() {
    let fixture = Fixture::new().await;
    let browser = Arc::new(ClosedBrowser);
    let hallpass = fixture.builder().interactive(browser).build().unwrap();
    let waiting = tokio::spawn(async move { hallpass.login().await });
    // What the sign-in keeps before it asks has to be kept by then.
    let key = fixture.key();
    while fixture.store.load(&key).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let report = fixture.report("sign-in-under-way").await;
    let found = report.findings().find(|it| it.code == Code::SignInUnderWay);
    assert_eq!(found.unwrap().severity, Severity::Note);
    waiting.abort();
}

#[tokio::test]
async fn unopened_store_is_a_fault() {
    let fixture = Fixture::new().await;
    let trouble = StoreError::new(StoreErrorKind::Refused, "`FOLDER` is open to others")
        .with_hint("take the others' permissions away: chmod 700");
    let doctor = fixture.doctor().with_store_error(trouble);
    fixture.report_of("store-not-private", doctor).await;
}

#[tokio::test]
async fn unreadable_record_of_another_account_is_a_warning() {
    let (fixture, folder) = in_files_of_one_key().await;
    let other = place(&folder)
        .join("slots")
        .join("77".repeat(32) + ".sealed");
    fs::copy(only(&place(&folder).join("slots"), "sealed"), &other).unwrap();
    let report = fixture.doctor().diagnose().await;
    assert_eq!(report.first_fault(), None);
    assert_eq!(report.count(Severity::Warning), 1);
}

#[tokio::test]
async fn memory_store_is_a_note() {
    let mut fixture = Fixture::new().await;
    let url = fixture.url.parse().unwrap();
    fixture.names.push((String::new(), ""));
    let doctor = Doctor::new(hallpass::Hallpass::builder(url)).unwrap();
    fixture.report_of("store-not-kept", doctor).await;
}

/// A place for one key, whose answer a test decides.
#[derive(Debug)]
struct OneKey(Answer);

#[derive(Debug, Clone, Copy)]
enum Answer {
    Given,
    Another,
    Absent,
    Locked,
    NoKeyring,
}

impl KeySource for OneKey {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Keyring
    }

    fn create(&self, _: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async { Ok(SealingKey::from_bytes([7; 32])) })
    }

    fn load(&self, _: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        let failed = |kind, what: &str, hint: &str| Err(KeyError::new(kind, what).with_hint(hint));
        let answer = match self.0 {
            Answer::Given => Ok(SealingKey::from_bytes([7; 32])),
            Answer::Another => Ok(SealingKey::from_bytes([8; 32])),
            Answer::Absent => failed(
                KeyErrorKind::Absent,
                "the keyring does not have the key",
                "bring the key back, as from a backup of the keyring, or start the store over",
            ),
            Answer::Locked => failed(
                KeyErrorKind::Locked,
                "the keyring is locked",
                "unlock the keyring",
            ),
            Answer::NoKeyring => failed(
                KeyErrorKind::Unavailable,
                "the keyring can't be reached",
                "start the keyring's service",
            ),
        };
        Box::pin(async { answer })
    }

    fn remove(&self, _: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(async { Ok(()) })
    }

    fn describe(&self) -> String {
        "the test's keyring".to_owned()
    }
}

/// A user who does not come.
#[derive(Debug)]
struct ClosedBrowser;

impl hallpass::login::Interaction for ClosedBrowser {
    fn open<'a>(
        &'a self,
        _: &'a url::Url,
    ) -> BoxFuture<'a, Result<(), hallpass::login::OpenError>> {
        Box::pin(async { Ok(()) })
    }

    fn event(&self, _: hallpass::login::LoginEvent<'_>) {}
}
