//! Records to save, a key source to steer, and a store to save in.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_core::{
    AccessToken, BoxFuture, CredentialKey, CredentialStore, Generation, Grant, Issuer, Record,
    RefreshToken, ServerMetadata, ServerUrl, SettingsFingerprint, State, Timestamp,
    record::GrantKind,
    store::{LockKind, Saved, StoreError},
};
use hallpass_store::{
    FileStore, KeyError, KeyErrorKind, KeyFile, KeyId, KeyLocation, KeySource, SealingKey,
};
use tempfile::TempDir;

/// Longer than anything takes that must succeed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// What no file, error or log may show.
pub(crate) const CANARY: &str = "canary-4711";

pub(crate) fn record(name: &str) -> Record {
    let server = format!("https://{name}.example/mcp?key={CANARY}");
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let credential = CredentialKey::new(ServerUrl::parse(&server).unwrap());
    let mut record = Record::new(credential, metadata, SettingsFingerprint::default());
    let mut grant = Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new(format!("{CANARY}-access")),
        Timestamp::from_unix_seconds(1_000),
    );
    grant.refresh_token = Some(RefreshToken::new(format!("{CANARY}-refresh")));
    record.grant = Some(grant);
    record.state = State::SignedIn;
    record
}

/// A folder that a store can be in.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Self {
            _folder: folder,
            path,
        }
    }

    pub(crate) async fn open(&self) -> Result<FileStore, StoreError> {
        FileStore::open(&self.path, KeyFile::in_folder(&self.path)).await
    }

    /// The only file with this extension, somewhere in the store.
    pub(crate) fn only(&self, extension: &str) -> PathBuf {
        let found = self.with(extension);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }

    pub(crate) fn with(&self, extension: &str) -> Vec<PathBuf> {
        let files = self.files().into_iter().map(|(path, _)| path);
        files
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect()
    }

    /// Every file of the store with its content, sorted.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path, &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            found.push((path, bytes));
        }
    }
}

/// Puts something else into a file, or makes one, that is as private as the store's own.
#[expect(
    clippy::disallowed_methods,
    reason = "these tests damage files on purpose"
)]
pub(crate) fn overwrite(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Saves a record that is expected at generation `expected`.
pub(crate) async fn save(
    store: &FileStore,
    record: &Record,
    expected: Option<Generation>,
) -> Result<Saved, StoreError> {
    let mut guard = store.lock(&record.key, LockKind::Credential, LONG).await?;
    store.save(record, expected, &mut guard).await
}

/// Keeps keys in memory, counts what it is asked, and fails as a test says.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    kept: Mutex<HashMap<KeyId, SealingKey>>,
    pub(crate) loads: AtomicUsize,
    pub(crate) trouble: Mutex<Option<KeyErrorKind>>,
    /// That it takes no new keys, with this error.
    pub(crate) takes_none: Mutex<Option<KeyErrorKind>>,
    /// That it forgets at once what it takes.
    pub(crate) forgets: AtomicBool,
    /// That it hides its keys until a new key is made.
    pub(crate) hides: AtomicBool,
}

impl Keys {
    fn check(&self) -> Result<(), KeyError> {
        match *self.trouble.lock().unwrap() {
            Some(kind) => Err(KeyError::new(kind, "scripted").with_hint("advice")),
            None => Ok(()),
        }
    }

    /// Takes every key out.
    pub(crate) fn lose(&self) -> HashMap<KeyId, SealingKey> {
        std::mem::take(&mut self.kept.lock().unwrap())
    }

    pub(crate) fn give_back(&self, keys: HashMap<KeyId, SealingKey>) {
        self.kept.lock().unwrap().extend(keys);
    }

    pub(crate) fn ids(&self) -> Vec<KeyId> {
        self.kept.lock().unwrap().keys().copied().collect()
    }
}

impl KeySource for Keys {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Host
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            self.check()?;
            if let Some(kind) = *self.takes_none.lock().unwrap() {
                return Err(KeyError::new(kind, "takes none").with_hint("open it"));
            }
            self.hides.store(false, Ordering::SeqCst);
            let key = SealingKey::generate()?;
            if !self.forgets.load(Ordering::SeqCst) {
                self.kept.lock().unwrap().insert(id, key.clone());
            }
            Ok(key)
        })
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            self.loads.fetch_add(1, Ordering::SeqCst);
            self.check()?;
            let hides = self.hides.load(Ordering::SeqCst);
            let kept = self.kept.lock().unwrap().get(&id).cloned();
            let kept = kept.filter(|_| !hides);
            kept.ok_or_else(|| KeyError::new(KeyErrorKind::Absent, "no such key"))
        })
    }

    fn remove(&self, id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        self.kept.lock().unwrap().remove(&id);
        Box::pin(async { Ok(()) })
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}
