//! What a save needs, held before something is done that can't be undone.
//!
//! A refresh token that was posted is used up, and the answer to it has to be saved: by then it is too
//! late to find that the disk is full or that the process can open no more files. So all that a save
//! opens is opened before, and kept in the guard: the credential's file, to be read again; its temporary
//! file, with space allocated; the folder, to be synced. The keys are in memory by then.
//!
//! The temporary file has the name that it always has. So one that a killed process leaves behind is
//! overwritten by the next that replaces the file.

use std::{fs::File, sync::Arc};

use hallpass_core::{CredentialKey, store::StoreError};

use super::{
    FileStore,
    lock::CredentialLocks,
    records::{CredentialPaths, Keys},
};
use crate::{
    blocking,
    folder::{self, Replacement},
};

/// The least that is allocated: more than a record with long tokens takes.
const LEAST: u64 = 64 * 1024;

/// What the next change of a credential finds ready.
#[derive(Debug)]
pub(crate) struct Reserve {
    paths: CredentialPaths,
    keys: Arc<Keys>,
    /// The credential's file, if there is one.
    present: Option<File>,
    replacement: Replacement,
}

impl Reserve {
    fn new(paths: CredentialPaths, keys: Arc<Keys>) -> Result<Self, StoreError> {
        let what = "reserving space and files to write";
        let path = &paths.sealed;
        let failed = |error| folder::failed(what, path, error);
        let present = folder::existing_file(path)?;
        let mut replacement = Replacement::begin(path, what)?;
        let length = match &present {
            Some(file) => file.metadata().map_err(failed)?.len(),
            None => 0,
        };
        replacement
            .allocate(LEAST.max(length.saturating_mul(2)))
            .map_err(failed)?;
        Ok(Self {
            paths,
            keys,
            present,
            replacement,
        })
    }

    /// Where the credential's records are written, and with which keys.
    pub(super) fn place(&self) -> (CredentialPaths, Arc<Keys>) {
        (self.paths.clone(), Arc::clone(&self.keys))
    }

    /// Reads the credential's file, as it is now.
    pub(super) fn read(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = &self.paths.sealed;
        match self.present.take() {
            Some(file) if folder::is_at(path, &file) => folder::read_opened(path, file).map(Some),
            // It was not there, or something that knows no locks has put another in its place.
            _ if folder::kind(path)?.is_none() => Ok(None),
            _ => folder::read(path),
        }
    }

    pub(super) fn into_replacement(self) -> Replacement {
        self.replacement
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

#[cfg(test)]
#[cfg(unix)]
mod tests;
