//! The keys of a store that are here.
//!
//! A store has one key, until that is lost; then it has several, each with a series of records (see
//! [`policy`](super::policy)). Which of them are here may differ from machine to machine, where they
//! share a folder and each has a keyring of its own. New records are sealed with the newest key that
//! is here. A slot's records are the newest that a key is here for, and stay in their series.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hallpass_core::store::{StoreError, StoreErrorKind};

use super::{
    FileStore,
    creation::{no_key, source_of},
    policy::{PolicyFile, Series},
    records::{Keys, SlotPaths},
};
use crate::{KeyErrorKind, KeyId};

/// What is known of a key: it is here, or its source says that it is not.
type Known = Option<Arc<Keys>>;

/// The keys that were asked for, by the ids of their series.
#[derive(Debug, Default)]
pub(super) struct Ring {
    known: Mutex<HashMap<KeyId, Known>>,
    /// The sources are asked by one task at a time.
    pub(super) asking: tokio::sync::Mutex<()>,
}

impl Ring {
    pub(super) fn known(&self, id: KeyId) -> Option<Known> {
        self.map().get(&id).cloned()
    }

    pub(super) fn is_here(&self, id: KeyId) -> bool {
        matches!(self.known(id), Some(Some(_)))
    }

    pub(super) fn is_absent(&self, id: KeyId) -> bool {
        matches!(self.known(id), Some(None))
    }

    /// Forgets the keys that `store.json` does not name any more. What is known of the others stays:
    /// somebody may hold a slot, and has to find its records where they were read.
    pub(super) fn keep_those_of(&self, file: &PolicyFile) {
        let named: Vec<KeyId> = file.series().map(Series::key_id).collect();
        self.map().retain(|id, _| named.contains(id));
    }

    pub(super) fn forget_absent(&self) {
        self.map().retain(|_, known| known.is_some());
    }

    fn map(&self) -> MutexGuard<'_, HashMap<KeyId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A series, with its key.
pub(super) type InUse = (Series, Arc<Keys>);

/// What is known of the keys of every series.
#[derive(Debug)]
pub(super) struct EveryKey(HashMap<u32, Known>);

impl EveryKey {
    /// The keys of the series that a file is of; `None` when they are not here.
    pub(super) fn of(&self, paths: &SlotPaths) -> Result<Known, StoreError> {
        self.0.get(&paths.series).cloned().ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Key,
                format!(
                    "`{}` is sealed with a key that the store does not name",
                    paths.sealed.display()
                ),
            )
            .with_hint("bring back the `store.json` that names it, as from a backup")
        })
    }
}

impl FileStore {
    /// The keys of a series, from memory or from their source; `None` when the source has no such
    /// key.
    pub(super) async fn keys_of(&self, series: &Series) -> Result<Known, StoreError> {
        let ring = &self.inner.ring;
        let id = series.key_id();
        if let Some(known) = ring.known(id) {
            return Ok(known);
        }
        let _turn = ring.asking.lock().await;
        if let Some(known) = ring.known(id) {
            return Ok(known);
        }
        let policy = series.policy()?;
        let known = match source_of(self.sources(), policy)?.load(id).await {
            Ok(key) => Some(Arc::new(Keys::new(series, key)?)),
            Err(error) if error.kind() == KeyErrorKind::Absent => None,
            Err(error) => return Err(no_key(policy, error)),
        };
        ring.map().insert(id, known.clone());
        Ok(known)
    }

    /// The newest series whose key is here. A key that can't be asked for is an error, also when an
    /// older one is here.
    pub(super) async fn first_here(&self) -> Result<Option<InUse>, StoreError> {
        let mut looked_again = false;
        loop {
            let file = self.policy_file();
            let (mut found, mut misses) = (None, false);
            for series in file.series() {
                let was_known = self.inner.ring.known(series.key_id()).is_some();
                if let Some(keys) = self.keys_of(series).await? {
                    found = Some((series.clone(), keys));
                    break;
                }
                misses |= !was_known;
            }
            // Another process may have put a new key in the place of one that is not here.
            if misses && !looked_again {
                looked_again = true;
                self.look_again().await?;
                if self.policy_file() != file {
                    continue;
                }
            }
            return Ok(found);
        }
    }

    /// What is known of every key, and why of some it isn't.
    pub(super) async fn every_key(&self) -> (EveryKey, Vec<StoreError>) {
        let (mut keys, mut problems) = (HashMap::new(), Vec::new());
        for series in self.policy_file().series() {
            let known = self.keys_of(series).await;
            let known = known.map_err(|problem| problems.push(problem));
            keys.insert(series.number(), known.unwrap_or_default());
        }
        (EveryKey(keys), problems)
    }
}
