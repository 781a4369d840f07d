//! Another key, or another place for it.
//!
//! Records are sealed with the new key one by one, under the store's exclusive lock. An interruption is
//! harmless, because the new key's id and the old key, sealed with the new one, are in `store.json` before the
//! first record changes. So all records open with the one key that `store.json` names, at any time. The next
//! rekey finishes an interrupted one first.

use std::{fs::File, sync::Arc};

use hallpass_core::store::{StoreError, StoreErrorKind};

use super::{
    creation::{KEY_TIMEOUT, lock_path, new_key, no_key, source_of},
    file_store::FileStore,
    header::{PreviousKey, StoreHeader},
    key_cache::EpochKeys,
    lock::{self, Mode},
    records::{self, CredentialPaths, Keys},
};
use crate::{KeyId, KeySources, blocking, folder};

/// What a rekey did.
#[derive(Debug)]
pub struct Rekeyed {
    /// The store under its new key.
    pub store: FileStore,
    /// The key that is no longer used.
    pub replaced: KeyId,
    /// The files that could not be opened and were left as they are.
    pub problems: Vec<StoreError>,
}

impl FileStore {
    /// Seals every record with a new key, which the first of `to` that can make one keeps, and
    /// forgets the old key. With a source of another location, this moves the store's key there.
    ///
    /// Other processes switch to the new key by themselves, if they have its source. Records whose key is
    /// missing, and records of an older available key, stay as they are. A lost key that sealed nothing is
    /// removed from `store.json`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Busy`] while another process holds a credential for long; [`StoreErrorKind::Key`]
    /// when the old key is not available, or no new one can be made; [`StoreErrorKind::Io`] when a record can't
    /// be written; [`StoreErrorKind::Newer`] and [`StoreErrorKind::Refused`] when one is of a newer version or
    /// open to other users. No record is lost by any of them. If the rekey stopped half way, the store has the
    /// new key already: open it with `to`, fix what the error names, and repeat.
    pub async fn rekey(&self, to: impl Into<KeySources>) -> Result<Rekeyed, StoreError> {
        let targets = to.into();
        let root = self.folder().to_owned();
        // What is sealed with a lost key stays as it is.
        self.key_in_use().await?;
        let deadline = lock::deadline(KEY_TIMEOUT);
        let lock = lock::acquire(lock_path(&root), Mode::Exclusive, deadline).await?;
        let lock = Arc::new(lock);
        self.reload().await?;
        // What an interrupted rekey left to do needs the current key alone.
        let current = self.available_key().await?;
        self.finish(self.header(), current, &lock).await?;
        let (epoch, old) = self.available_key().await?;
        let machine = self.sources().machine();
        let (rekeyed, key) = new_key(&targets).await?;
        let mut rekeyed = rekeyed.made_on(machine).in_place_of(&epoch);
        let previous = PreviousKey::new(&epoch, &old.key, rekeyed.key_id(), &key);
        let location = rekeyed.key_location()?;
        rekeyed.previous = Some(previous.map_err(|error| no_key(location, error))?);
        let mut header = self.header();
        header.replace(rekeyed.clone());
        header.drop_epochs(&self.unused_missing_epochs().await?);
        self.write_header(header.clone(), Arc::clone(&lock)).await?;
        let keys = Arc::new(Keys::new(&rekeyed, key)?);
        let problems = self.finish(header, (rekeyed, keys), &lock).await?;
        drop(lock);
        // Missing keys are searched for where they were.
        let store = Self::open(root, self.sources().after(&targets)).await?;
        // So that the store knows which of several keys it is.
        store.newest_available().await?;
        Ok(Rekeyed {
            store,
            replaced: old.id,
            problems,
        })
    }

    /// The epochs of this machine whose key is lost and that have no file. While `store.lock` is held
    /// exclusively, no process that still has the key writes one.
    async fn unused_missing_epochs(&self) -> Result<Vec<u32>, StoreError> {
        let files = self.files().await?;
        let machine = self.sources().machine();
        let mut unused = Vec::new();
        for epoch in self.header().epochs() {
            let number = epoch.number();
            let mut files = files.iter().flatten();
            let is_ours = epoch.is_lost_on(machine) && epoch.is_made_on(machine);
            if is_ours
                && !files.any(|paths| paths.epoch == number)
                && matches!(self.epoch_keys(epoch).await, Ok(None))
            {
                unused.push(number);
            }
        }
        Ok(unused)
    }

    async fn available_key(&self) -> Result<EpochKeys, StoreError> {
        self.newest_available()
            .await?
            .ok_or_else(|| self.missing_key_error())
    }

    /// Seals the files that are still sealed with the previous key, and removes that key.
    async fn finish(
        &self,
        mut header: StoreHeader,
        (mut epoch, keys): EpochKeys,
        lock: &Arc<File>,
    ) -> Result<Vec<StoreError>, StoreError> {
        let Some(previous) = epoch.previous.take() else {
            return Ok(Vec::new());
        };
        let number = epoch.number();
        header.replace(epoch);
        let old = keys.previous.as_ref().map(|(id, _)| *id);
        let (root, held) = (self.folder().to_owned(), Arc::clone(lock));
        let problems = blocking::run(move || {
            let mut problems = Vec::new();
            let ours = |paths: &Result<CredentialPaths, _>| {
                paths.as_ref().map_or(true, |paths| paths.epoch == number)
            };
            for paths in records::all(&root)?.into_iter().filter(ours) {
                let done = paths.and_then(|paths| match folder::read(&paths.sealed)? {
                    Some(bytes) => match records::reseal(&keys, &paths, &bytes)? {
                        Some(resealed) => folder::replace(&paths.sealed, &resealed),
                        None => Ok(()),
                    },
                    None => Ok(()),
                });
                // A file that neither key opens loses nothing with the old key. Another one might, so the
                // old key stays until the file is repaired.
                match done {
                    Err(error)
                        if matches!(
                            error.kind(),
                            StoreErrorKind::Damaged | StoreErrorKind::Key
                        ) =>
                    {
                        problems.push(error);
                    }
                    done => done?,
                }
            }
            drop(held);
            Ok(problems)
        })
        .await?;
        self.write_header(header, Arc::clone(lock)).await?;
        let source = previous
            .key_location()
            .and_then(|location| source_of(self.sources(), location).ok());
        if let (Some(source), Some(old)) = (source, old)
            && let Err(error) = source.remove(old).await
        {
            tracing::warn!(%error, key = %old, "a key that opens nothing any more stays behind");
        }
        Ok(problems)
    }
}
