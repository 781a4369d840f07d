//! The creation of a store.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hallpass_core::{
    Hint,
    store::{StoreError, StoreErrorKind},
};

use super::{
    header::{KeyEpoch, StoreHeader},
    lock::{self, Mode},
};
use crate::{KeyError, KeyId, KeyLocation, KeySources, SealingKey, blocking, folder};

/// How long a process may take to create a store or to change its key, including a keyring's question to the
/// user. Other processes wait so long for it.
pub(super) const KEY_TIMEOUT: Duration = Duration::from_secs(60);

/// The folder for what is moved out of the way.
const MOVED_AWAY: &str = "moved-away";

/// How often a process that waits to create a store checks whether another one has created it.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Creates the folders of a store.
pub(super) fn prepare(root: &Path) -> Result<(), StoreError> {
    folder::create(root)?;
    folder::create(&root.join("slots"))
}

/// A new folder below `moved-away`.
pub(super) fn new_folder_aside(root: &Path) -> Result<PathBuf, StoreError> {
    let away = root.join(MOVED_AWAY);
    folder::create(&away)?;
    for number in 1_u32.. {
        let place = moved_folder(root, number);
        if folder::create_new(&place)? {
            return Ok(place);
        }
    }
    Ok(away)
}

/// The folder of this number below `moved-away`.
pub(super) fn moved_folder(root: &Path, number: u32) -> PathBuf {
    root.join(MOVED_AWAY).join(number.to_string())
}

/// Creates the store under its lock, unless another process did so first.
pub(super) async fn create(root: &Path, sources: &KeySources) -> Result<StoreHeader, StoreError> {
    let mut left = KEY_TIMEOUT;
    loop {
        let look = CHECK_INTERVAL.min(left);
        match lock::acquire(lock_path(root), Mode::Exclusive, lock::deadline(look)).await {
            Ok(lock) => return create_locked(root, sources, lock).await,
            // The process that created it meanwhile may share the lock for long. There is nothing left to
            // create then, and nothing to wait for.
            Err(error) if error.kind() == StoreErrorKind::Busy => {
                let path = header_path(root);
                if let Some(header) = blocking::run(move || StoreHeader::read(&path)).await? {
                    return Ok(header);
                }
                left = left.saturating_sub(look);
                if left.is_zero() {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

pub(super) async fn create_locked(
    root: &Path,
    sources: &KeySources,
    lock: std::fs::File,
) -> Result<StoreHeader, StoreError> {
    let place = root.to_owned();
    let found = blocking::run(move || {
        let found = StoreHeader::read(&header_path(&place))?;
        if found.is_none() && !folder::files_with(&place.join("slots"), "sealed")?.is_empty() {
            return Err(no_header(&place));
        }
        Ok(found)
    })
    .await?;
    if let Some(header) = found {
        return Ok(header);
    }
    let header = StoreHeader::new(new_key(sources).await?.0);
    let path = header_path(root);
    blocking::run(move || {
        header.write(&path)?;
        if let Some(root) = path.parent() {
            folder::sync_parent(root)?;
        }
        drop(lock);
        Ok(header)
    })
    .await
}

/// A new key of the first source that can make one, as a first epoch.
pub(super) async fn new_key(sources: &KeySources) -> Result<(KeyEpoch, SealingKey), StoreError> {
    let (mut ignored, mut last) = (Vec::new(), None);
    for source in sources.iter() {
        let location = source.key_location();
        let id = KeyId::generate().map_err(|error| no_key(location, error))?;
        match source.create(id).await {
            Ok(key) => {
                let mut epoch = KeyEpoch::new(location, id, &key).made_on(sources.machine());
                epoch.ignored = ignored;
                return Ok((epoch, key));
            }
            Err(error) => {
                tracing::info!(%location, %error, "no key can be made here");
                ignored.push(format!("{location}: {error}"));
                last = Some(no_key(location, error));
            }
        }
    }
    let nowhere = || StoreError::new(StoreErrorKind::Key, "there is nowhere to keep a key");
    Err(last.unwrap_or_else(nowhere))
}

pub(super) fn source_of(
    sources: &KeySources,
    location: KeyLocation,
) -> Result<&Arc<dyn crate::KeySource>, StoreError> {
    sources.of(location).ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Key,
            format!("the store's key is kept in `{location}`, which is not available"),
        )
        .with_hint(format!(
            "make `{location}` available, or move the store's key to another place"
        ))
    })
}

pub(super) fn no_key(location: KeyLocation, error: KeyError) -> StoreError {
    StoreError::new(
        StoreErrorKind::Key,
        format!("can't get the store's key (`{location}`)"),
    )
    .with_hints(error.hints().to_vec())
    .with_source(error)
}

pub(super) fn no_header(root: &Path) -> StoreError {
    StoreError::new(
        StoreErrorKind::Key,
        format!(
            "`{}` is missing: can't tell which key opens the records there",
            header_path(root).display()
        ),
    )
    .with_hint("bring the file back, as from a backup")
    .with_hint(Hint::ResetStore)
}

pub(super) fn header_path(root: &Path) -> PathBuf {
    root.join("store.json")
}

pub(super) fn keys_lock_path(root: &Path) -> PathBuf {
    root.join("keys.lock")
}

pub(super) fn lock_path(root: &Path) -> PathBuf {
    root.join("store.lock")
}
