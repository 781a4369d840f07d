//! The store: its keys, and the reading and writing of documents.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use hallpass_core::{
    CredentialKey,
    record::document::CredentialDocument,
    store::{Guard, Lease, StoreError},
};
use tokio::sync::OwnedMutexGuard;

use super::{
    creation::{self, header_path, no_header, source_of},
    header::{KeyEpoch, StoreHeader},
    key_cache::KeyCache,
    records::{self, CredentialPaths, Keys},
    reserve::Reserve,
    unreadable::MissingKeyHandler,
};
use crate::{
    KeyId, KeyLocation, KeySources, blocking,
    folder::{self, Replacement},
    local_locks::LocalLocks,
};

/// Credentials in sealed files, shared by all processes of one user on one machine.
///
/// Clones share everything. Two stores opened on one folder exclude each other like two processes.
/// Needs a tokio runtime with time; files are read and written on its blocking threads.
#[derive(Debug, Clone)]
pub struct FileStore {
    pub(super) inner: Arc<Inner>,
    /// Whether it changes nothing, for a diagnosis.
    pub(super) is_read_only: bool,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) root: PathBuf,
    pub(super) sources: KeySources,
    /// The keys that were needed so far.
    pub(super) key_cache: KeyCache,
    pub(super) header: Mutex<StoreHeader>,
    pub(super) missing_key_handler: OnceLock<MissingKeyHandler>,
    /// The locks of the credentials between the tasks of this process, by the paths of the lock files.
    pub(super) locks: LocalLocks<PathBuf>,
}

impl FileStore {
    /// Opens the store in a folder, or creates it there.
    ///
    /// A new store's key is made by the first source that can make one, and that source's location is
    /// written into the store. An old store's key is asked for when a record is first read or
    /// written, of the source with the store's location and of no other; it is kept from then on, and
    /// asked for again after an error.
    ///
    /// A key that its source does not have any more ([`KeyErrorKind::Absent`](crate::KeyErrorKind),
    /// and nothing else) is lost: its records stay as they are, and new ones are
    /// sealed with a new key from the same source. See
    /// [`set_missing_key_handler`](Self::set_missing_key_handler).
    ///
    /// # Errors
    ///
    /// [`Refused`](hallpass_core::store::StoreErrorKind::Refused) when the folder is not private; [`Key`](hallpass_core::store::StoreErrorKind::Key) when no
    /// source can make a key, when no source has the store's location, or when there are records but
    /// no `store.json`; [`Newer`](hallpass_core::store::StoreErrorKind::Newer) for a store of a newer version.
    pub async fn open(
        folder: impl Into<PathBuf>,
        keys: impl Into<KeySources>,
    ) -> Result<Self, StoreError> {
        let root = folder.into();
        let sources = keys.into();
        let place = root.clone();
        let found = blocking::run(move || {
            creation::prepare(&place)?;
            StoreHeader::read(&header_path(&place))
        })
        .await?;
        let header = match found {
            Some(header) => header,
            None => creation::create(&root, &sources).await?,
        };
        Self::of(root, sources, header)
    }

    pub(super) fn of(
        root: PathBuf,
        sources: KeySources,
        header: StoreHeader,
    ) -> Result<Self, StoreError> {
        source_of(
            &sources,
            header.of_machine(sources.machine()).key_location()?,
        )?;
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                sources,
                key_cache: KeyCache::default(),
                header: Mutex::new(header),
                missing_key_handler: OnceLock::new(),
                locks: LocalLocks::default(),
            }),
            is_read_only: false,
        })
    }

    /// The locations of the keys of the store in a folder, the newest first: one, unless a key was
    /// lost. None where no store was created yet.
    ///
    /// # Errors
    ///
    /// When there is a store of a newer version, or `store.json` can't be read.
    pub async fn key_locations(folder: impl Into<PathBuf>) -> Result<Vec<KeyLocation>, StoreError> {
        let path = header_path(&folder.into());
        blocking::run(move || {
            let Some(file) = StoreHeader::read(&path)? else {
                return Ok(Vec::new());
            };
            let mut locations = Vec::new();
            for epoch in file.epochs() {
                let location = epoch.key_location()?;
                if !locations.contains(&location) {
                    locations.push(location);
                }
            }
            Ok(locations)
        })
        .await
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.root
    }

    /// Where the key is kept.
    ///
    /// # Errors
    ///
    /// When another process has changed it to a location that this version does not know.
    pub fn key_location(&self) -> Result<KeyLocation, StoreError> {
        self.current_epoch().key_location()
    }

    /// The id of the key that new records are sealed with.
    pub fn key_id(&self) -> KeyId {
        self.current_epoch().key_id()
    }

    /// Why better key sources were not used when the store was created.
    pub fn ignored(&self) -> Vec<String> {
        self.current_epoch().ignored
    }

    /// The newest epoch with an available key; if there is none, the newest of this machine.
    pub(super) fn current_epoch(&self) -> KeyEpoch {
        let (header, cache) = (self.header(), &self.inner.key_cache);
        let mut epoch = header.epochs();
        let here = epoch.find(|epoch| cache.is_available(epoch.key_id()));
        here.unwrap_or_else(|| header.of_machine(self.sources().machine()))
            .clone()
    }

    pub(super) fn sources(&self) -> &KeySources {
        &self.inner.sources
    }

    pub(super) fn header(&self) -> StoreHeader {
        let header = self.inner.header.lock();
        header.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes `store.json`. `locks` are held until that is done, whatever becomes of the caller.
    pub(super) async fn write_header<L: Send + 'static>(
        &self,
        header: StoreHeader,
        locks: L,
    ) -> Result<(), StoreError> {
        let path = header_path(&self.inner.root);
        let written = blocking::run(move || {
            header.write(&path)?;
            drop(locks);
            Ok(header)
        });
        self.set_header(written.await?);
        Ok(())
    }

    fn set_header(&self, file: StoreHeader) {
        let header = self.inner.header.lock();
        *header.unwrap_or_else(PoisonError::into_inner) = file;
    }

    /// Reads the header again, and forgets the keys that it does not name any more.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let path = header_path(&self.inner.root);
        let file = blocking::run(move || StoreHeader::read(&path)).await?;
        let Some(file) = file else {
            return Err(no_header(&self.inner.root));
        };
        // Nothing is waited for, not even a source that is being asked.
        if self.header() != file {
            self.inner.key_cache.retain_epochs(&file);
            self.set_header(file);
        }
        Ok(())
    }

    /// The files of a credential whose key may be available, the newest epoch first.
    pub(super) fn places(&self, credential: &CredentialKey) -> Vec<(KeyEpoch, CredentialPaths)> {
        let paths = CredentialPaths::new(&self.inner.root, credential);
        let (header, cache) = (self.header(), &self.inner.key_cache);
        // While no key is available, each file that exists is an error.
        let one_is_here = header
            .epochs()
            .any(|epoch| cache.is_available(epoch.key_id()));
        let may_be_here = |epoch: &&KeyEpoch| !one_is_here || !cache.is_missing(epoch.key_id());
        let place = |epoch: &KeyEpoch| (epoch.clone(), paths.in_epoch(epoch.number()));
        header.epochs().filter(may_be_here).map(place).collect()
    }

    /// What a credential's file holds.
    pub(super) async fn document(
        &self,
        credential: &CredentialKey,
    ) -> Result<Option<CredentialDocument>, StoreError> {
        let mut reloaded = false;
        loop {
            let known = |(epoch, paths): (KeyEpoch, CredentialPaths)| {
                let keys = self.inner.key_cache.known(epoch.key_id()).flatten();
                (epoch, paths, keys)
            };
            let places: Vec<_> = self.places(credential).into_iter().map(known).collect();
            let owner = credential.clone();
            let (epoch, paths, bytes) = match blocking::run(move || look(places, &owner)).await? {
                Found::Nothing => return Ok(None),
                Found::Opened(document) => return Ok(Some(*document)),
                Found::Sealed(found) => *found,
            };
            self.key_in_use().await?;
            match self.epoch_keys(&epoch).await? {
                // It is known now whose key is not here.
                None => {}
                // Another process may have changed the key since.
                Some(keys) if !keys.have_key_of(&bytes) && !reloaded => {
                    reloaded = true;
                    self.reload().await?;
                }
                Some(keys) => {
                    let credential = credential.clone();
                    let open = move || records::open(&keys, &paths, Some(&credential), &bytes);
                    return blocking::run(open).await.map(Some);
                }
            }
        }
    }

    /// Where a credential's records are written, and with which keys: where they are, else where new ones
    /// belong.
    pub(super) async fn location_for_change(
        &self,
        credential: &CredentialKey,
    ) -> Result<(CredentialPaths, Arc<Keys>), StoreError> {
        let (epoch, keys) = self.key_in_use().await?;
        let places = match self.header().epochs().count() {
            1 => Vec::new(),
            _ => self.places(credential),
        };
        for (epoch, paths) in places {
            let path = paths.sealed.clone();
            let is_there = blocking::run(move || folder::kind(&path)).await?.is_some();
            if is_there && let Some(keys) = self.epoch_keys(&epoch).await? {
                return Ok((paths, keys));
            }
        }
        let paths = CredentialPaths::new(&self.inner.root, credential);
        Ok((paths.in_epoch(epoch.number()), keys))
    }

    /// The lease of a guard, if it is of this store and for this credential.
    pub(super) fn lease<'a>(
        &self,
        credential: &CredentialKey,
        guard: &'a mut Guard,
    ) -> Result<&'a mut FileLease, StoreError> {
        let lease = guard.lease_for::<FileLease>(credential)?;
        if Arc::ptr_eq(&lease.locks.store.inner, &self.inner) {
            Ok(lease)
        } else {
            Err(StoreError::foreign_guard())
        }
    }

    /// Changes a credential's document under its lock, with what is reserved for it, and writes it if
    /// `change` says so.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        credential: &CredentialKey,
        lease: FileLease,
        change: impl FnOnce(&mut CredentialDocument) -> (bool, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (paths, keys) = match &lease.reserve {
            Some(reserve) => reserve.place(),
            None => self.location_for_change(credential).await?,
        };
        self.change_at(credential, paths, keys, lease, change).await
    }

    /// Changes the document in one of a credential's files.
    pub(super) async fn change_at<T: Send + 'static>(
        &self,
        credential: &CredentialKey,
        paths: CredentialPaths,
        keys: Arc<Keys>,
        mut lease: FileLease,
        change: impl FnOnce(&mut CredentialDocument) -> (bool, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let credential = credential.clone();
        blocking::run(move || {
            let present = match &mut lease.reserve {
                Some(reserve) => reserve.read()?,
                None => folder::read(&paths.sealed)?,
            };
            let mut document = match present {
                Some(bytes) => records::open(&keys, &paths, Some(&credential), &bytes)?,
                None => CredentialDocument::empty(credential),
            };
            let (write, answer) = change(&mut document);
            if write {
                let replacement = match lease.reserve.take() {
                    Some(reserve) => reserve.into_replacement(),
                    None => Replacement::begin(&paths.sealed, "writing")?,
                };
                records::write(&keys, &paths, &document, replacement)?;
            }
            // The locks last until here, whatever became of the caller.
            drop(lease);
            Ok(answer)
        })
        .await
    }
}

impl FileStore {
    /// Reserves what the next change of a credential needs. `held` are its locks.
    pub(super) async fn reserved(
        &self,
        credential: &CredentialKey,
        locks: &Arc<CredentialLocks>,
    ) -> Result<Reserve, StoreError> {
        let (paths, keys) = self.location_for_change(credential).await?;
        let locks = Arc::clone(locks);
        let reserving = blocking::run(move || {
            let reserve = Reserve::new(paths, keys)?;
            // In this order, also where the caller is gone: the file goes before the locks.
            Ok((reserve, locks))
        });
        reserving.await.map(|(reserve, _)| reserve)
    }
}

/// A file store's part of a guard. The reserve is dropped before the locks.
#[derive(Debug)]
pub(crate) struct FileLease {
    pub(crate) reserve: Option<Reserve>,
    pub(crate) locks: Arc<CredentialLocks>,
}

impl Lease for FileLease {}

impl FileLease {
    /// The locks and what is reserved, for a change of the credential.
    pub(crate) fn for_change(&mut self) -> Self {
        Self {
            reserve: self.reserve.take(),
            locks: Arc::clone(&self.locks),
        }
    }
}

/// The locks that a guard holds. They are released when the last owner is dropped: the guard, or a write that
/// outlives it. Fields are dropped in this order, the reverse of the order of taking.
#[derive(Debug)]
pub(crate) struct CredentialLocks {
    pub(crate) _lock: File,
    pub(crate) _store: File,
    pub(crate) _task: OwnedMutexGuard<()>,
    /// The store that took them.
    pub(crate) store: FileStore,
}

/// What a look at a credential's files gave.
enum Found {
    Nothing,
    Sealed(Box<(KeyEpoch, CredentialPaths, Vec<u8>)>),
    Opened(Box<CredentialDocument>),
}

/// Reads the first of a credential's files that is there. The usual case in one go: its key is known.
fn look(
    places: Vec<(KeyEpoch, CredentialPaths, Option<Arc<Keys>>)>,
    credential: &CredentialKey,
) -> Result<Found, StoreError> {
    for (epoch, paths, keys) in places {
        let Some(bytes) = folder::read(&paths.sealed)? else {
            continue;
        };
        return match keys.filter(|keys| keys.have_key_of(&bytes)) {
            Some(keys) => {
                let opened = records::open(&keys, &paths, Some(credential), &bytes)?;
                Ok(Found::Opened(Box::new(opened)))
            }
            None => Ok(Found::Sealed(Box::new((epoch, paths, bytes)))),
        };
    }
    Ok(Found::Nothing)
}
