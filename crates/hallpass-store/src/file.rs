//! Sealed files in a folder.
//!
//! ```text
//! store.json             the policy and the key's id       (written once)
//! store.lock             see `lock`
//! <key id>.key           the key, under the policy `key-file`
//! slots/<slot>.sealed    every record of one slot, sealed
//! slots/<slot>.lock      see `lock`
//! slots/<slot>.holder    who holds it, for people
//! set-aside/…            what could not be opened and was asked to make room
//! ```
//!
//! `<slot>` is a digest of the server's URL and the profile, so that no name of a server (which may
//! hold a secret in its query) shows in the folder, and any text fits a file name.
//!
//! One file holds the records of all issuers of a slot. So a save, together with the change of the
//! active issuer, is one replacement of one file, and costs the same however many slots there are.

mod bundle;
mod creation;
mod forget;
pub(crate) mod lock;
pub(crate) mod policy;
mod port;
mod records;
mod rekey;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, Weak},
};

use hallpass_core::{
    Slot,
    record::document::SlotDocument,
    store::{Guard, StoreError, StoreErrorKind},
};
use tokio::sync::Mutex;

pub use self::{
    bundle::{Exported, Imported},
    rekey::Rekeyed,
};
use self::{
    creation::{no_key, no_policy, policy_path, source_of},
    lock::{FileLease, Held},
    policy::PolicyFile,
    records::{Keys, SlotPaths},
};
use crate::{KeyId, KeySources, Policy, blocking, folder};

/// Credentials in sealed files, shared by all processes of one user on one machine.
///
/// Clones share everything. Two stores opened on one folder exclude each other like two processes.
/// Needs a tokio runtime with time; files are read and written on its blocking threads.
#[derive(Debug, Clone)]
pub struct FileStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    sources: KeySources,
    /// The keys, once somebody needed them. The sources are asked by one task at a time.
    keys: Mutex<Option<Arc<Keys>>>,
    policy: std::sync::Mutex<PolicyFile>,
    /// The queues of the slots that somebody holds or waits for.
    turns: std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>,
}

impl FileStore {
    /// Opens the store in a folder, or creates it there.
    ///
    /// A new store's key is made by the first source that can make one, and that source's policy is
    /// written into the store. An old store's key is asked for when a record is first read or
    /// written, of the source with the store's policy and of no other; it is kept from then on, and
    /// asked for again after an error.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Refused`] when the folder is not private; [`StoreErrorKind::Key`] when no
    /// source can make a key, when no source has the store's policy, or when there are records but
    /// no `store.json`; [`StoreErrorKind::Newer`] for a store of a newer version.
    pub async fn open(
        folder: impl Into<PathBuf>,
        keys: impl Into<KeySources>,
    ) -> Result<Self, StoreError> {
        let root = folder.into();
        let sources = keys.into();
        let place = root.clone();
        let found = blocking::run(move || {
            creation::prepare(&place)?;
            PolicyFile::read(&policy_path(&place))
        })
        .await?;
        let policy = match found {
            Some(policy) => policy,
            None => creation::create(&root, &sources).await?,
        };
        source_of(&sources, policy.policy()?)?;
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                sources,
                keys: Mutex::new(None),
                policy: std::sync::Mutex::new(policy),
                turns: std::sync::Mutex::default(),
            }),
        })
    }

    /// The policy of the store in a folder; `None` where none was created yet.
    ///
    /// # Errors
    ///
    /// When there is a store of a newer version, or `store.json` can't be read.
    pub async fn policy_of(folder: impl Into<PathBuf>) -> Result<Option<Policy>, StoreError> {
        let path = policy_path(&folder.into());
        blocking::run(move || {
            PolicyFile::read(&path)?
                .map(|file| file.policy())
                .transpose()
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
    /// When another process has changed it to a policy that this version does not know.
    pub fn policy(&self) -> Result<Policy, StoreError> {
        self.policy_file().policy()
    }

    /// The id of the key that new records are sealed with.
    pub fn key_id(&self) -> KeyId {
        self.policy_file().key_id()
    }

    /// Why better places for the key were passed over when the store was created.
    pub fn passed_over(&self) -> Vec<String> {
        self.policy_file().passed_over
    }

    fn sources(&self) -> &KeySources {
        &self.inner.sources
    }

    fn policy_file(&self) -> PolicyFile {
        let policy = self.inner.policy.lock();
        policy.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, from memory or from their source.
    async fn keys(&self) -> Result<Arc<Keys>, StoreError> {
        let mut kept = self.inner.keys.lock().await;
        if let Some(keys) = &*kept {
            return Ok(Arc::clone(keys));
        }
        let file = self.policy_file();
        let policy = file.policy()?;
        let source = source_of(&self.inner.sources, policy)?;
        let loaded = source.load(file.key_id()).await;
        let key = loaded.map_err(|error| no_key(policy, error))?;
        let keys = Arc::new(Keys::new(&file, key)?);
        *kept = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Reads the policy again, and forgets the keys when it names another one.
    async fn look_again(&self) -> Result<(), StoreError> {
        let path = policy_path(&self.inner.root);
        let file = blocking::run(move || PolicyFile::read(&path)).await?;
        let Some(file) = file else {
            return Err(no_policy(&self.inner.root));
        };
        // Nothing is waited for when nothing has changed, not even a source that is being asked.
        if self.policy_file() != file {
            let mut kept = self.inner.keys.lock().await;
            let policy = self.inner.policy.lock();
            *policy.unwrap_or_else(PoisonError::into_inner) = file;
            *kept = None;
        }
        Ok(())
    }

    /// What a slot's file holds.
    async fn document(&self, slot: &Slot) -> Result<Option<SlotDocument>, StoreError> {
        let paths = SlotPaths::new(&self.inner.root, slot);
        let kept = self
            .inner
            .keys
            .try_lock()
            .ok()
            .and_then(|kept| kept.clone());
        let (place, whose) = (paths.clone(), slot.clone());
        let found = blocking::run(move || {
            let Some(bytes) = folder::read(&place.sealed)? else {
                return Ok(Found::Nothing);
            };
            // The usual case in one go: the key is there.
            match kept.filter(|keys| keys.know(&bytes)) {
                Some(keys) => {
                    let opened = records::open(&keys, &place, Some(&whose), &bytes)?;
                    Ok(Found::Opened(Box::new(opened)))
                }

                None => Ok(Found::Sealed(bytes)),
            }
        })
        .await?;
        let bytes = match found {
            Found::Nothing => return Ok(None),
            Found::Opened(document) => return Ok(Some(*document)),
            Found::Sealed(bytes) => bytes,
        };
        let mut keys = self.keys().await?;
        if !keys.know(&bytes) {
            // Another process may have changed the key since.
            self.look_again().await?;
            keys = self.keys().await?;
        }
        let slot = slot.clone();
        blocking::run(move || records::open(&keys, &paths, Some(&slot), &bytes).map(Some)).await
    }

    fn turn(&self, paths: &SlotPaths) -> Arc<Mutex<()>> {
        let turns = self.inner.turns.lock();
        let mut turns = turns.unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let kept = turns.get(&paths.name).and_then(Weak::upgrade);
        kept.unwrap_or_else(|| {
            let turn = Arc::default();
            turns.insert(paths.name.clone(), Arc::downgrade(&turn));
            turn
        })
    }

    /// The locks that a guard stands for, if it is of this store and for this slot.
    fn held(&self, slot: &Slot, guard: &mut Guard) -> Result<Arc<Held>, StoreError> {
        let for_slot = guard.slot() == slot;
        match guard.lease_mut::<FileLease>() {
            Some(lease) if for_slot && Arc::ptr_eq(&lease.held.store.inner, &self.inner) => {
                Ok(Arc::clone(&lease.held))
            }
            _ => Err(StoreError::new(
                StoreErrorKind::Guard,
                "the guard is for another slot or from another store",
            )),
        }
    }

    /// Changes a slot's document under its lock, and writes it if `change` says so.
    async fn change<T: Send + 'static>(
        &self,
        slot: &Slot,
        held: Arc<Held>,
        change: impl FnOnce(&mut SlotDocument) -> (bool, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let keys = self.keys().await?;
        let paths = SlotPaths::new(&self.inner.root, slot);
        let slot = slot.clone();
        blocking::run(move || {
            let mut document = match folder::read(&paths.sealed)? {
                Some(bytes) => records::open(&keys, &paths, Some(&slot), &bytes)?,
                None => SlotDocument::empty(slot),
            };
            let (write, answer) = change(&mut document);
            if write {
                records::write(&keys, &paths, &document)?;
            }
            // The locks last until here, whatever became of the caller.
            drop(held);
            Ok(answer)
        })
        .await
    }
}

/// What a look at a slot's file gave.
enum Found {
    Nothing,
    Sealed(Vec<u8>),
    Opened(Box<SlotDocument>),
}
