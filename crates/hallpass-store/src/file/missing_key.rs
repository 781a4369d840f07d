//! Missing keys.
//!
//! The promise, and the tests of it in `tests/it`:
//!
//! - *Only what is certain* (`missing_key`, `shared_folder`). A key is lost only if its source works and says that it
//!   has no such key, and if no newer key of this machine is available. A source that is locked, absent, silent or
//!   broken is an error, and so is a wrong key.
//! - *The store goes on* (`missing_key`, `missing_key_epochs`). The next operation that needs the key makes a new one
//!   in the same place. Tasks and processes that miss it at once make one. Reading for a diagnosis changes nothing
//!   (`inventory`).
//! - *No record is lost* (`missing_key`, `forget`). No file is moved or overwritten. The files of a lost key stay as
//!   they are, and open again when the key comes back, and for other machines that share the folder and have the
//!   key. They are deleted only when the user says so.
//! - *The user is told once* (`missing_key`, `processes`). Each loss of a key that sealed files is reported once,
//!   over all processes, unless the key is back by then; a loss whose source fails is reported when the source
//!   answers. If the process is killed, the next one reports: rather twice than never.
//! - *Machines are apart* (`shared_folder`). Machines that share a folder have a key each. None overwrites or deletes
//!   what another one sealed, and another machine's source that fails is no error.
//!
//! Some keyrings hide their keys while they are locked, and are unlocked to keep a new one. So the lost key is
//! asked for once more after the new one was made; if it is there, the new one is removed.
//!
//! If the process is killed after the new key was kept, the next process makes another one. If it is killed
//! after `store.json` was replaced, the next process has the key and reports the loss.

use std::{fs::File, sync::Arc};

use hallpass_core::{
    Hint,
    store::{StoreError, StoreErrorKind},
};

use super::{
    creation::{KEY_TIMEOUT, keys_lock_path, lock_path, no_key, source_of},
    file_store::FileStore,
    header::{KeyEpoch, MissingKey, StoreHeader},
    key_cache::EpochKeys,
    lock::{self, Mode},
    unreadable::{MissingKeyHandler, Unreadable},
};
use crate::{KeyError, KeyErrorKind, KeyId, KeyLocation, KeySource, SealingKey, blocking};

/// `keys.lock` and `store.lock`, for adding to `store.json`. They are released in this order.
type HeaderLocks = Arc<[File; 2]>;

impl FileStore {
    /// Calls `handler` once for each lost key, over all processes: at the next operation that needs a key for a
    /// loss that was not reported yet, and later for each new loss.
    ///
    /// The first handler of a process stays; a second one is ignored. It is called while the store's locks are
    /// held and must not use the store.
    pub fn set_missing_key_handler(&self, handler: impl Fn(&Unreadable) + Send + Sync + 'static) {
        let handler = MissingKeyHandler(Box::new(handler));
        // A second handler is ignored.
        let _ = self.inner.missing_key_handler.set(handler);
    }

    /// The newest available key; a new one if the key is lost.
    pub(super) async fn key_in_use(&self) -> Result<EpochKeys, StoreError> {
        match self.newest_available().await? {
            Some(found) => {
                self.report_losses().await;
                Ok(found)
            }
            None if self.is_read_only => Err(self.missing_key_error()),
            None => self.replace_missing_key().await,
        }
    }

    /// Makes a new key, which begins an epoch.
    async fn replace_missing_key(&self) -> Result<EpochKeys, StoreError> {
        let locks = self.lock_header().await?;
        // Another process may have made one, or the key may be back.
        self.inner.key_cache.forget_missing();
        if let Some(found) = self.newest_available().await? {
            return Ok(found);
        }
        let file = self.header();
        let location = file.of_machine(self.sources().machine()).key_location()?;
        let source = Arc::clone(source_of(self.sources(), location)?);
        let id = KeyId::generate().map_err(|error| no_key(location, error))?;
        let created = source.create(id).await;
        let key = created.map_err(|error| no_new_key(location, error))?;
        let adopted = self.adopt_key(&*source, id, key, &locks).await;
        if !matches!(adopted, Ok(true)) {
            self.drop_unless_named(&*source, id).await;
        }
        if adopted? {
            tracing::warn!(new = %id, "the store's key is lost, its records are unreadable");
            self.report_losses_locked(&locks).await?;
        }
        let found = self.newest_available().await?;
        found.ok_or_else(|| self.missing_key_error())
    }

    /// Writes a new key's id into `store.json`. False if the missing key is back.
    async fn adopt_key(
        &self,
        source: &dyn KeySource,
        id: KeyId,
        key: SealingKey,
        locks: &HeaderLocks,
    ) -> Result<bool, StoreError> {
        let location = source.key_location();
        // A source that does not return its keys would be asked for a new one again and again.
        let loaded = source.load(id).await;
        loaded.map_err(|error| no_new_key(location, error))?;
        self.inner.key_cache.forget_missing();
        if self.newest_available().await?.is_some() {
            return Ok(false);
        }
        let files = self.files().await?;
        let path = keys_lock_path(self.folder());
        let since = blocking::run(move || Ok::<_, StoreError>(lock::taken_at(&path))).await?;
        let (mut header, machine) = (self.header(), self.sources().machine());
        for epoch in header.epochs_mut() {
            if self.inner.key_cache.is_missing(epoch.key_id()) && !epoch.is_lost_on(machine) {
                let number = epoch.number();
                let files = files.iter().flatten().filter(|it| it.epoch == number);
                epoch.lost = Some(MissingKey::new(since, files.count(), machine));
            }
        }
        header.begin(KeyEpoch::new(location, id, &key).made_on(machine));
        self.write_header(header, Arc::clone(locks)).await?;
        Ok(true)
    }

    /// Removes a new key, unless `store.json` names it: a write that failed may be done, if only the sync of the
    /// folder failed.
    async fn drop_unless_named(&self, source: &dyn KeySource, id: KeyId) {
        let is_named = |header: &StoreHeader| header.epochs().any(|it| it.key_id() == id);
        if self.reload().await.is_ok() && !is_named(&self.header()) {
            let removed = source.remove(id).await;
            if let Err(error) = removed {
                tracing::debug!(%error, key = %id, "an unused key stays behind");
            }
        }
    }

    /// Reports the losses that were not reported yet.
    async fn report_losses(&self) {
        let machine = self.sources().machine();
        if self.is_read_only
            || self.inner.missing_key_handler.get().is_none()
            || !self.header().epochs().any(|it| it.is_unreported(machine))
        {
            return;
        }
        let reported = async {
            let locks = self.lock_header().await?;
            self.report_losses_locked(&locks).await
        };
        if let Err(error) = reported.await {
            tracing::warn!(%error, "can't write down that a key is lost");
        }
    }

    async fn report_losses_locked(&self, locks: &HeaderLocks) -> Result<(), StoreError> {
        let Some(handler) = self.inner.missing_key_handler.get() else {
            return Ok(());
        };
        let (mut header, machine) = (self.header(), self.sources().machine());
        let mut reported = false;
        for epoch in header.epochs_mut().filter(|it| it.is_unreported(machine)) {
            match self.epoch_keys(epoch).await {
                // The key is back.
                Ok(Some(_)) => {}
                Ok(None) => handler.0(&Unreadable::lost(epoch, machine)),
                // The others are written down all the same, so that none is reported twice.
                Err(error) => {
                    tracing::debug!(%error, "whether a lost key is back can't be said now");
                    continue;
                }
            }
            if let Some(lost) = &mut epoch.lost {
                lost.reported = true;
            }
            reported = true;
        }
        if reported {
            self.write_header(header, Arc::clone(locks)).await?;
        }
        Ok(())
    }

    /// Takes the locks for adding to `store.json`, and reads it again.
    async fn lock_header(&self) -> Result<HeaderLocks, StoreError> {
        let deadline = lock::deadline(KEY_TIMEOUT);
        let store = lock::acquire(lock_path(self.folder()), Mode::Shared, deadline).await?;
        let path = keys_lock_path(self.folder());
        let keys = lock::acquire(path, Mode::Exclusive, deadline).await?;
        self.reload().await?;
        Ok(Arc::new([keys, store]))
    }
}

/// The error if no key can be made after a lost one. If the source fails, the lost key may be back when the
/// source works again.
fn no_new_key(location: KeyLocation, error: KeyError) -> StoreError {
    match error.kind() {
        KeyErrorKind::Absent | KeyErrorKind::Unusable => StoreError::new(
            StoreErrorKind::Key,
            "the store's key is lost, and can't make a new one",
        )
        .with_hint("bring the key back, as from a backup")
        .with_hint(Hint::ResetStore)
        .with_source(error),
        _ => no_key(location, error),
    }
}
