//! The keys of a store that are here.
//!
//! A store has one key, until that is lost; then it has several, each with a series of records (see
//! [`policy`](super::policy)). Which of them are here may differ from machine to machine, where they
//! share a folder and each has a keyring of its own. So each series names the machine that made it: a
//! key of another machine that can't be asked for is no error while one of this machine is here. What
//! was said of a key stays so for as long as `store.json` names it. New records are sealed with the newest key that
//! is here. A credential's records are the newest that a key is here for, and stay in their series.

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

/// What is known of a key: it is here, or its source says that it is not.
type Known = Option<Arc<Keys>>;

/// The keys that were asked for, by the ids of their series.
#[derive(Debug, Default)]
pub(super) struct KeyCache {
    known: Mutex<HashMap<KeyId, Known>>,
    /// The sources are asked by one task at a time.
    pub(super) asking: tokio::sync::Mutex<()>,
}

impl KeyCache {
    pub(super) fn known(&self, id: KeyId) -> Option<Known> {
        self.map().get(&id).cloned()
    }

    pub(super) fn is_available(&self, id: KeyId) -> bool {
        matches!(self.known(id), Some(Some(_)))
    }

    pub(super) fn is_missing(&self, id: KeyId) -> bool {
        matches!(self.known(id), Some(None))
    }

    /// Forgets the keys that `store.json` does not name any more. What is known of the others stays:
    /// somebody may hold a credential, and has to find its records where they were read.
    pub(super) fn retain_epochs(&self, file: &PolicyFile) {
        let named: Vec<KeyId> = file.epochs().map(KeyEpoch::key_id).collect();
        self.map().retain(|id, _| named.contains(id));
    }

    pub(super) fn forget_missing(&self) {
        self.map().retain(|_, known| known.is_some());
    }

    fn map(&self) -> MutexGuard<'_, HashMap<KeyId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A series, with its key.
pub(super) type KeyGuard = (KeyEpoch, Arc<Keys>);

/// What is known of the keys of every series.
#[derive(Debug)]
pub(super) struct AllKeys(HashMap<u32, Known>);

impl AllKeys {
    /// Whether the keys of a series are not here, or could not be asked for.
    pub(super) fn is_missing(&self, number: u32) -> bool {
        matches!(self.0.get(&number), Some(None))
    }

    /// The keys of the series that a file is of; `None` when they are not here.
    pub(super) fn of(&self, paths: &CredentialPaths) -> Result<Known, StoreError> {
        let known = self.0.get(&paths.epoch).cloned();
        known.ok_or_else(|| unnamed(paths))
    }
}

/// The error of a file in a series that `store.json` does not name.
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
    /// The keys of a series, from memory or from their source; `None` when the source has no such
    /// key.
    pub(super) async fn epoch_keys(&self, epoch: &KeyEpoch) -> Result<Known, StoreError> {
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

    async fn ask(&self, epoch: &KeyEpoch) -> Result<Known, StoreError> {
        let policy = epoch.policy()?;
        // A person is not asked for another machine's passphrase.
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

    /// Whether the store does without this key: it is another machine's, and this one has its own.
    fn is_optional(&self, epoch: &KeyEpoch) -> bool {
        let machine = self.sources().machine();
        let is_ours_and_here = |epoch: &KeyEpoch| {
            !epoch.is_of_another(machine) && self.inner.key_cache.is_available(epoch.key_id())
        };
        epoch.is_of_another(machine) && self.policy_file().epochs().any(is_ours_and_here)
    }

    /// The newest series whose key is here. `None` when this machine's newest key is lost and that
    /// is not written down yet, or when no key is here.
    ///
    /// A key that can't be asked for is an error, also when an older one is here; but another
    /// machine's is none where this machine's own is here.
    pub(super) async fn newest_available(&self) -> Result<Option<KeyGuard>, StoreError> {
        let mut reloaded = false;
        loop {
            let file = self.policy_file();
            let (found, misses) = self.search(&file).await?;
            // Another process may have put a new key in the place of one that is not here.
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

    /// Looks for the newest key that is here; and whether one turned out not to be.
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
                Err(ignored(missing))
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

    /// What is known of every key, and why of some it isn't.
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

/// The error where an older key is here and nobody knows whose the newer one is.
fn ignored(missing: &KeyEpoch) -> StoreError {
    StoreError::new(
        StoreErrorKind::Key,
        format!(
            "the newest key {} of the store is not here, and an older one is",
            missing.key_id()
        ),
    )
    .with_hint(
        "bring the newest key back, as from a backup; where several machines share the folder, the \
         program has to name its machine",
    )
}
