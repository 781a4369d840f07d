//! The reset of a store, and its undoing.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use hallpass_core::store::StoreError;

use super::{
    creation::{
        KEY_TIMEOUT, create_locked, header_path, lock_path, moved_folder, new_folder_aside, prepare,
    },
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
        let lock = exclusive(&root).await?;
        let place = root.clone();
        let (lock, moved) = blocking::run(move || {
            let moved = move_aside(&place)?;
            Ok((lock, moved))
        })
        .await?;
        let header = create_locked(&root, &sources, lock).await?;
        Ok((Self::of(root, sources, header)?, moved))
    }

    /// Puts back the store that the last [`reset`](Self::reset) moved away. What stands in its place is
    /// moved away in turn, so that nothing is lost. `None` if no store was moved away.
    ///
    /// # Errors
    ///
    /// As [`reset`](Self::reset).
    pub async fn undo_reset(folder: impl Into<PathBuf>) -> Result<Option<UndoneReset>, StoreError> {
        let root = folder.into();
        let lock = exclusive(&root).await?;
        blocking::run(move || {
            let _lock = lock;
            let Some(restored_from) = last_moved_store(&root)? else {
                return Ok(None);
            };
            // Without a header the files are those of a reset or of an undoing that was interrupted.
            let has_store = folder::kind(&header_path(&root))?.is_some();
            let moved_to = if has_store { move_aside(&root)? } else { None };
            let slots = root.join("slots");
            for path in folder::files_with(&restored_from, "sealed")? {
                folder::move_into(&path, &slots)?;
            }
            // The header comes last: until then the store is refused, and this can be repeated.
            folder::move_into(&header_path(&restored_from), &root)?;
            Ok(Some(UndoneReset {
                restored_from,
                moved_to,
            }))
        })
        .await
    }
}

/// What [`FileStore::undo_reset`] moved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndoneReset {
    /// The folder that the store was in.
    pub restored_from: PathBuf,
    /// The folder of the store that was in its place, if there was one.
    pub moved_to: Option<PathBuf>,
}

/// The lock of a store that no other process uses.
async fn exclusive(root: &Path) -> Result<File, StoreError> {
    let place = root.to_owned();
    blocking::run(move || prepare(&place)).await?;
    let deadline = lock::deadline(KEY_TIMEOUT);
    lock::acquire(lock_path(root), Mode::Exclusive, deadline).await
}

/// Moves the header and all sealed files into a new folder; `None` if there are none.
fn move_aside(root: &Path) -> Result<Option<PathBuf>, StoreError> {
    let header = header_path(root);
    let mut paths = folder::files_with(&root.join("slots"), "sealed")?;
    // The header goes first: if this is interrupted, the rest is refused instead of being taken for
    // the new store's, and the next reset moves it too.
    if folder::kind(&header)?.is_some() {
        paths.insert(0, header);
    }
    if paths.is_empty() {
        return Ok(None);
    }
    let moved = new_folder_aside(root)?;
    for path in paths {
        folder::move_into(&path, &moved)?;
    }
    Ok(Some(moved))
}

/// The folder that a store was moved to last. Folders of single damaged files have no header.
fn last_moved_store(root: &Path) -> Result<Option<PathBuf>, StoreError> {
    let mut last = None;
    for number in 1_u32.. {
        let place = moved_folder(root, number);
        if folder::kind(&place)?.is_none() {
            break;
        }
        if folder::kind(&header_path(&place))?.is_some() {
            last = Some(place);
        }
    }
    Ok(last)
}
