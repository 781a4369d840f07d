//! Removes records that are not wanted, and files that don't open.
//!
//! A credential's lock is for its files in all epochs. Its holder may delete a file unread: no other process
//! writes it meanwhile, and while `store.lock` is shared no process seals it with another key.

use std::{path::PathBuf, sync::Arc};

use hallpass_core::{
    CredentialKey, Issuer,
    record::document::CredentialDocument,
    store::{Guard, StoreError, StoreErrorKind},
};

use super::{
    creation,
    file_store::FileStore,
    header::KeyEpoch,
    key_cache::unnamed,
    records::{self, CredentialPaths, Keys},
};
use crate::{blocking, folder};

/// What became of a credential's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Forgotten {
    /// Whether readable records were removed.
    pub records: bool,
    /// The number of files that were deleted unread, because their key is missing.
    pub unread: usize,
    /// Whether another machine has records of the credential with a key of its own. They stay.
    pub of_another_machine: bool,
}

/// A file of a credential.
enum CredentialFile {
    Here(CredentialPaths, Arc<Keys>),
    Unreadable(CredentialPaths, StoreError),
    OfAnotherMachine,
}

impl FileStore {
    /// Removes what this machine has of a credential: all readable records, and, unread, all files whose key is
    /// missing. Generations continue, as far as they are known. What another machine that shares the folder
    /// sealed with a key of its own stays.
    ///
    /// [`unreadable_reason`](Self::unreadable_reason) says before whether a file is deleted unread.
    ///
    /// # Errors
    ///
    /// As [`CredentialStore::remove`](hallpass_core::CredentialStore::remove); a file that can't be read
    /// though its key is here is for [`move_aside`](Self::move_aside).
    pub async fn forget(
        &self,
        credential: &CredentialKey,
        guard: &mut Guard,
    ) -> Result<Forgotten, StoreError> {
        let lease = self.lease(credential, guard)?;
        lease.reserve = None;
        let mut forgotten = Forgotten::default();
        for file in self.files_of(credential).await? {
            match file {
                CredentialFile::Here(paths, keys) => {
                    let lease = lease.for_change();
                    forgotten.records |= self
                        .change_at(credential, paths, keys, lease, clear)
                        .await?;
                }
                CredentialFile::Unreadable(paths, why) => {
                    tracing::info!(file = %paths.sealed.display(), %why, "deleted unread");
                    let locks = Arc::clone(&lease.locks);
                    blocking::run(move || {
                        folder::remove(&paths.sealed)?;
                        drop(locks);
                        Ok::<_, StoreError>(())
                    })
                    .await?;
                    forgotten.unread += 1;
                }
                CredentialFile::OfAnotherMachine => forgotten.of_another_machine = true,
            }
        }
        Ok(forgotten)
    }

    /// Why a file that this machine has of a credential can't be opened, if its key is missing; `None` if no key
    /// is missing.
    ///
    /// # Errors
    ///
    /// [`Io`](StoreErrorKind::Io), and [`Newer`](StoreErrorKind::Newer) for a key that this version
    /// can't ask for.
    pub async fn unreadable_reason(
        &self,
        credential: &CredentialKey,
    ) -> Result<Option<StoreError>, StoreError> {
        let files = self.files_of(credential).await?.into_iter();
        let mut reasons = files.filter_map(|file| match file {
            CredentialFile::Unreadable(_, why) => Some(why),
            CredentialFile::Here(..) | CredentialFile::OfAnotherMachine => None,
        });
        Ok(reasons.next())
    }

    /// The files of a credential in all epochs, also in one that `store.json` does not name.
    async fn files_of(
        &self,
        credential: &CredentialKey,
    ) -> Result<Vec<CredentialFile>, StoreError> {
        let binding = records::binding(credential);
        let mut files = Vec::new();
        for paths in self.files().await?.into_iter().flatten() {
            if paths.binding == binding {
                files.push(self.owner(paths).await?);
            }
        }
        Ok(files)
    }

    async fn owner(&self, paths: CredentialPaths) -> Result<CredentialFile, StoreError> {
        let header = self.header();
        let Some(epoch) = header.epochs().find(|it| it.number() == paths.epoch) else {
            let why = unnamed(&paths);
            return Ok(CredentialFile::Unreadable(paths, why));
        };
        let why = match self.epoch_keys(epoch).await {
            Ok(Some(keys)) => return Ok(CredentialFile::Here(paths, keys)),
            _ if epoch.is_of_another(self.sources().machine()) => {
                return Ok(CredentialFile::OfAnotherMachine);
            }
            Ok(None) => not_here(epoch, &paths),
            Err(error) if error.kind() == StoreErrorKind::Key => error,
            Err(error) => return Err(error),
        };
        Ok(CredentialFile::Unreadable(paths, why))
    }

    /// Moves a credential's files whose key is available to another folder, for a file that can't be read.
    /// Returns its new path; `None` if there is no file. The credential's generations begin again.
    ///
    /// # Errors
    ///
    /// As [`unreadable_reason`](Self::unreadable_reason), and [`Guard`](StoreErrorKind::Guard).
    pub async fn move_aside(
        &self,
        credential: &CredentialKey,
        guard: &mut Guard,
    ) -> Result<Option<PathBuf>, StoreError> {
        let locks = self.lease(credential, guard)?.for_change().locks;
        let root = self.folder().to_owned();
        let files = self.files_of(credential).await?;
        blocking::run(move || {
            let mut moved: Vec<PathBuf> = Vec::new();
            for file in files {
                let CredentialFile::Here(paths, _) = file else {
                    continue;
                };
                let place = match moved.first().and_then(|path| path.parent()) {
                    Some(place) => place.to_owned(),
                    None => creation::new_folder_aside(&root)?,
                };
                moved.push(folder::move_into(&paths.sealed, &place)?);
            }
            drop(locks);
            Ok(moved.into_iter().next())
        })
        .await
    }
}

/// The error of a file whose key is missing.
fn not_here(epoch: &KeyEpoch, paths: &CredentialPaths) -> StoreError {
    let (path, key) = (paths.sealed.display(), epoch.key_id());
    let what = format!("`{path}` is sealed with the key {key}, which is missing");
    StoreError::new(StoreErrorKind::Key, what).with_hint("bring the key back, as from a backup")
}

/// Removes every record; whether there was one.
fn clear(document: &mut CredentialDocument) -> (bool, bool) {
    let records = document.records().iter();
    let issuers: Vec<Issuer> = records.map(|record| record.issuer.clone()).collect();
    for issuer in &issuers {
        document.remove(issuer);
    }
    (!issuers.is_empty(), !issuers.is_empty())
}
