//! Which keys of a store are available.

use std::{collections::HashMap, sync::Arc};

use hallpass_core::store::{StoreError, StoreErrorKind};

use super::{
    creation::{no_key, source_of},
    file_store::FileStore,
    header::{KeyEpoch, StoreHeader},
    key_cache::{AllKeys, CachedKey, EpochKeys},
    records::Keys,
};
use crate::{KeyErrorKind, KeyLocation};

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
        cache.insert(id, known.clone());
        Ok(known)
    }

    async fn ask(&self, epoch: &KeyEpoch) -> Result<CachedKey, StoreError> {
        let location = epoch.key_location()?;
        // The user is not asked for another machine's passphrase.
        if location == KeyLocation::Passphrase && self.is_optional(epoch) {
            return Ok(None);
        }
        let id = epoch.key_id();
        match source_of(self.sources(), location)?.load(id).await {
            Ok(key) => Ok(Some(Arc::new(Keys::new(epoch, key)?))),
            Err(error) if error.kind() == KeyErrorKind::Absent => Ok(None),
            Err(error) => Err(no_key(location, error)),
        }
    }

    /// Whether the store works without this key: it is another machine's, and this machine has its own.
    fn is_optional(&self, epoch: &KeyEpoch) -> bool {
        let machine = self.sources().machine();
        let is_ours_and_here = |epoch: &KeyEpoch| {
            !epoch.is_of_another(machine) && self.inner.key_cache.is_available(epoch.key_id())
        };
        epoch.is_of_another(machine) && self.header().epochs().any(is_ours_and_here)
    }

    /// The newest available key. `None` if this machine's newest key is lost and that is not written down yet,
    /// or if no key is available.
    ///
    /// A source that fails is an error, also if an older key is available; but not for another machine's key,
    /// if this machine's own is available.
    pub(super) async fn newest_available(&self) -> Result<Option<EpochKeys>, StoreError> {
        let header = self.header();
        let found = self.search(&header).await;
        let newest = header.of_machine(self.sources().machine()).number();
        if matches!(&found, Ok(Some((epoch, _))) if epoch.number() == newest) {
            return found;
        }
        // Another process may have replaced the key that is not available.
        self.reload().await?;
        let now = self.header();
        if now == header {
            found
        } else {
            self.search(&now).await
        }
    }

    async fn search(&self, file: &StoreHeader) -> Result<Option<EpochKeys>, StoreError> {
        let machine = self.sources().machine();
        let (others, ours): (Vec<_>, Vec<_>) = file
            .epochs()
            .partition(|epoch| epoch.is_of_another(machine));
        let (mut found, mut lost) = (None::<EpochKeys>, None);
        for epoch in ours {
            if let Some(keys) = self.epoch_keys(epoch).await? {
                found = Some((epoch.clone(), keys));
                break;
            }
            if !epoch.is_lost_on(machine) {
                lost.get_or_insert(epoch);
            }
        }
        match lost {
            Some(lost) if found.is_some() && machine.is_none() => {
                return Err(newer_key_missing(lost));
            }
            Some(_) => return Ok(None),
            None => {}
        }
        let oldest = found.as_ref().map_or(0, |(epoch, _)| epoch.number());
        for epoch in others {
            if epoch.number() < oldest {
                break;
            }
            if let Some(keys) = self.epoch_keys(epoch).await? {
                return Ok(Some((epoch.clone(), keys)));
            }
        }
        Ok(found)
    }

    /// All keys, and the errors of sources that fail.
    pub(super) async fn all_keys(&self) -> (AllKeys, Vec<StoreError>) {
        let (mut keys, mut problems) = (HashMap::new(), Vec::new());
        for epoch in self.header().epochs() {
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
