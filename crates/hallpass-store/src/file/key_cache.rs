//! The keys of a store, as far as they are available.
//!
//! A store has one key until that is lost, then several, each with an epoch (see [`header`](super::header)).
//! Machines that share a folder and have a keyring each have different keys. So each epoch names the machine that
//! made it, and a key of another machine whose source fails is no error while a key of this machine is available.
//! What a source said of a key is remembered as long as `store.json` names the key.
//!
//! New records are sealed with the newest available key. A credential's records are those of its newest file with
//! an available key, and stay in that epoch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hallpass_core::store::{StoreError, StoreErrorKind};

use super::{
    header::{KeyEpoch, StoreHeader},
    records::{CredentialPaths, Keys},
};
use crate::KeyId;

/// A key that was asked for; `None` if its source does not have it.
pub(super) type CachedKey = Option<Arc<Keys>>;

/// The keys that were asked for, by id.
#[derive(Debug, Default)]
pub(super) struct KeyCache {
    known: Mutex<HashMap<KeyId, CachedKey>>,
    /// The sources are asked by one task at a time.
    pub(super) asking: tokio::sync::Mutex<()>,
}

impl KeyCache {
    pub(super) fn known(&self, id: KeyId) -> Option<CachedKey> {
        self.map().get(&id).cloned()
    }

    pub(super) fn is_available(&self, id: KeyId) -> bool {
        matches!(self.known(id), Some(Some(_)))
    }

    pub(super) fn is_missing(&self, id: KeyId) -> bool {
        matches!(self.known(id), Some(None))
    }

    /// Drops the keys that `store.json` does not name any more. The others stay: a task that holds a
    /// credential must find its records where it read them.
    pub(super) fn retain_epochs(&self, file: &StoreHeader) {
        let named: Vec<KeyId> = file.epochs().map(KeyEpoch::key_id).collect();
        self.map().retain(|id, _| named.contains(id));
    }

    pub(super) fn forget_missing(&self) {
        self.map().retain(|_, known| known.is_some());
    }

    pub(super) fn insert(&self, id: KeyId, key: CachedKey) {
        self.map().insert(id, key);
    }

    fn map(&self) -> MutexGuard<'_, HashMap<KeyId, CachedKey>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An epoch, with its keys.
pub(super) type EpochKeys = (KeyEpoch, Arc<Keys>);

/// The keys of all epochs, by their numbers; `None` if one is missing, or its source failed.
#[derive(Debug, Default)]
pub(super) struct AllKeys(pub(super) HashMap<u32, CachedKey>);

impl AllKeys {
    pub(super) fn is_missing(&self, number: u32) -> bool {
        matches!(self.0.get(&number), Some(None))
    }

    /// The keys of a file's epoch; `None` if they are missing.
    pub(super) fn of(&self, paths: &CredentialPaths) -> Result<CachedKey, StoreError> {
        let known = self.0.get(&paths.epoch).cloned();
        known.ok_or_else(|| unnamed(paths))
    }
}

/// The error of a file in an epoch that `store.json` does not name.
pub(super) fn unnamed(paths: &CredentialPaths) -> StoreError {
    StoreError::new(
        StoreErrorKind::Key,
        format!(
            "`{}` is sealed with a key that the store does not name",
            paths.sealed.display()
        ),
    )
    .with_hint("bring back the `store.json` that names it, as from a backup")
}
