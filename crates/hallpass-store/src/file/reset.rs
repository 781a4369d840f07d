//! The reset of a store.

use std::path::PathBuf;

use hallpass_core::store::StoreError;

use super::{
    creation::{KEY_TIMEOUT, create_locked, header_path, lock_path, new_folder_aside, prepare},
    file_store::FileStore,
    lock::{self, Mode},
};
use crate::{KeySources, blocking, folder};

impl FileStore {
    /// Moves everything in a folder's store out of the way and creates a new store there.
    ///
    /// For a store that can't be opened any more: its passphrase is forgotten, its `store.json` is gone, its
    /// key was overwritten. Nothing is deleted: the files are in the returned folder, and open again if they
    /// are put back with their key. `None` if there was nothing to move.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`Busy`](hallpass_core::store::StoreErrorKind::Busy) while another process uses the store.
    pub async fn reset(
        folder: impl Into<PathBuf>,
        keys: impl Into<KeySources>,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        let (root, sources) = (folder.into(), keys.into());
        let place = root.clone();
        blocking::run(move || prepare(&place)).await?;
        let deadline = lock::deadline(KEY_TIMEOUT);
        let lock = lock::acquire(lock_path(&root), Mode::Exclusive, deadline).await?;
        let place = root.clone();
        let (lock, moved) = blocking::run(move || {
            let header = header_path(&place);
            let mut paths = folder::files_with(&place.join("slots"), "sealed")?;
            // The header goes first: if this is interrupted, the rest is refused instead of being
            // taken for the new store's, and the next start over moves it too.
            if folder::kind(&header)?.is_some() {
                paths.insert(0, header);
            }
            if paths.is_empty() {
                return Ok((lock, None));
            }
            let moved = new_folder_aside(&place)?;
            for path in paths {
                folder::move_into(&path, &moved)?;
            }
            Ok((lock, Some(moved)))
        })
        .await?;
        let header = create_locked(&root, &sources, lock).await?;
        Ok((Self::of(root, sources, header)?, moved))
    }
}
