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
    FileStore,
    creation::{no_key, source_of},
    header::{KeyEpoch, PolicyFile},
    records::{CredentialPaths, Keys},
};
use crate::{KeyErrorKind, KeyId, KeyLocation};

/// A key that was asked for; `None` if its source does not have it.
type CachedKey = Option<Arc<Keys>>;

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
    pub(super) fn retain_epochs(&self, file: &PolicyFile) {
        let named: Vec<KeyId> = file.epochs().map(KeyEpoch::key_id).collect();
        self.map().retain(|id, _| named.contains(id));
    }

    pub(super) fn forget_missing(&self) {
        self.map().retain(|_, known| known.is_some());
    }

    fn map(&self) -> MutexGuard<'_, HashMap<KeyId, CachedKey>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An epoch, with its keys.
pub(super) type KeyGuard = (KeyEpoch, Arc<Keys>);

/// The keys of all epochs.
#[derive(Debug)]
pub(super) struct AllKeys(HashMap<u32, CachedKey>);

impl AllKeys {
    /// Whether the key of an epoch is missing, or its source failed.
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

impl FileStore {
    /// The keys of an epoch, from memory or from their source; `None` if the source has no such key.
    pub(super) async fn epoch_keys(&self, epoch: &KeyEpoch) -> Result<CachedKey, StoreError> {
        let cache = &self.inner.key_cache;
        let id = epoch.key_id();
        if let Some(known) = cache.known(id) {
            return Ok(known);
        }
        let _task = cache.asking.lock().await;
        if let Some(known) = cache.known(id) {
            return Ok(known);
        }
        let is_optional = self.is_optional(epoch);
        let known = match self.ask(epoch).await {
            Err(error) if is_optional => {
                tracing::debug!(%error, key = %id, "another machine's key can't be asked for");
                None
            }
            answer => answer?,
        };
        cache.map().insert(id, known.clone());
        Ok(known)
    }

    async fn ask(&self, epoch: &KeyEpoch) -> Result<CachedKey, StoreError> {
        let policy = epoch.policy()?;
        // The user is not asked for another machine's passphrase.
        if policy == KeyLocation::Passphrase && self.is_optional(epoch) {
            return Ok(None);
        }
        let id = epoch.key_id();
        match source_of(self.sources(), policy)?.load(id).await {
            Ok(key) => Ok(Some(Arc::new(Keys::new(epoch, key)?))),
            Err(error) if error.kind() == KeyErrorKind::Absent => Ok(None),
            Err(error) => Err(no_key(policy, error)),
        }
    }

    /// Whether the store works without this key: it is another machine's, and this machine has its own.
    fn is_optional(&self, epoch: &KeyEpoch) -> bool {
        let machine = self.sources().machine();
        let is_ours_and_here = |epoch: &KeyEpoch| {
            !epoch.is_of_another(machine) && self.inner.key_cache.is_available(epoch.key_id())
        };
        epoch.is_of_another(machine) && self.policy_file().epochs().any(is_ours_and_here)
    }

    /// The newest available key. `None` if this machine's newest key is lost and that is not written down yet,
    /// or if no key is available.
    ///
    /// A source that fails is an error, also if an older key is available; but not for another machine's key,
    /// if this machine's own is available.
    pub(super) async fn newest_available(&self) -> Result<Option<KeyGuard>, StoreError> {
        let mut reloaded = false;
        loop {
            let file = self.policy_file();
            let (found, misses) = self.search(&file).await?;
            // Another process may have replaced a missing key.
            if misses && !reloaded {
                reloaded = true;
                self.reload().await?;
                if self.policy_file() != file {
                    continue;
                }
            }
            return found;
        }
    }

    /// Searches for the newest available key; also returns whether one was found to be missing.
    async fn search(
        &self,
        file: &PolicyFile,
    ) -> Result<(Result<Option<KeyGuard>, StoreError>, bool), StoreError> {
        let machine = self.sources().machine();
        let (others, ours): (Vec<_>, Vec<_>) = file
            .epochs()
            .partition(|epoch| epoch.is_of_another(machine));
        let (mut found, mut missing, mut misses) = (None::<KeyGuard>, None, false);
        for epoch in ours {
            let was_known = self.inner.key_cache.known(epoch.key_id()).is_some();
            if let Some(keys) = self.epoch_keys(epoch).await? {
                found = Some((epoch.clone(), keys));
                break;
            }
            misses |= !was_known;
            if !epoch.is_lost_on(machine) {
                missing.get_or_insert(epoch);
            }
        }
        if let Some(missing) = missing {
            let unsure = found.is_some() && machine.is_none();
            let answer = if unsure {
                Err(newer_key_missing(missing))
            } else {
                Ok(None)
            };
            return Ok((answer, misses));
        }
        for epoch in others {
            if found
                .as_ref()
                .is_some_and(|(it, _)| it.number() > epoch.number())
            {
                break;
            }
            let was_known = self.inner.key_cache.known(epoch.key_id()).is_some();
            if let Some(keys) = self.epoch_keys(epoch).await? {
                return Ok((Ok(Some((epoch.clone(), keys))), misses));
            }
            misses |= !was_known;
        }
        Ok((Ok(found), misses))
    }

    /// All keys, and the errors of sources that fail.
    pub(super) async fn all_keys(&self) -> (AllKeys, Vec<StoreError>) {
        let (mut keys, mut problems) = (HashMap::new(), Vec::new());
        for epoch in self.policy_file().epochs() {
            let known = self.epoch_keys(epoch).await;
            let known = known.map_err(|problem| problems.push(problem));
            keys.insert(epoch.number(), known.unwrap_or_default());
        }
        (AllKeys(keys), problems)
    }
}

/// The error if an older key is available and the machine of the missing newer one is unknown.
fn newer_key_missing(missing: &KeyEpoch) -> StoreError {
    StoreError::new(
        StoreErrorKind::Key,
        format!(
            "the newest key {} of the store is missing, and an older one is available",
            missing.key_id()
        ),
    )
    .with_hint(
        "bring the newest key back, as from a backup; where several machines share the folder, the \
         program has to name its machine",
    )
}
