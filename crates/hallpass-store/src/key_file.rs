//! Keys in files that only their owner can read.

use std::path::{Path, PathBuf};

use hallpass_core::{BoxFuture, store::StoreError};
use zeroize::Zeroizing;

use crate::{KeyError, KeyErrorKind, KeyId, KeyLocation, KeySource, SealingKey, blocking, folder};

/// Keeps each key in a file `<id>.key` of mode 0600, in a folder of mode 0700.
///
/// Weaker than a keyring: a program that reads the user's files reads key and records. It protects records
/// that are copied without the key, and needs no user to unlock it.
#[derive(Debug, Clone)]
pub struct KeyFile {
    folder: PathBuf,
}

impl KeyFile {
    /// Key files in this folder, which may be the store's own.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn path(&self, id: KeyId) -> PathBuf {
        self.folder.join(format!("{id}.key"))
    }
}

impl KeySource for KeyFile {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::KeyFile
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        let (folder, path) = (self.folder.clone(), self.path(id));
        Box::pin(blocking::run(move || {
            let key = SealingKey::generate()?;
            let mut text = Zeroizing::new(String::with_capacity(128));
            text.push_str("hallpass-key 1 ");
            text.push_str(&key.to_hex());
            text.push('\n');
            folder::create(&folder)
                .and_then(|()| folder::replace(&path, text.as_bytes()))
                .map_err(|error| unusable(&path, error))?;
            Ok(key)
        }))
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        let path = self.path(id);
        Box::pin(blocking::run(move || {
            let bytes = folder::read(&path)
                .map_err(|error| unusable(&path, error))?
                .map(Zeroizing::new)
                .ok_or_else(|| missing(&path))?;
            std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.trim_end().strip_prefix("hallpass-key 1 "))
                .and_then(SealingKey::from_hex)
                .ok_or_else(|| {
                    KeyError::new(
                        KeyErrorKind::Unusable,
                        format!(
                            "`{}` is not a key file of a supported version",
                            path.display()
                        ),
                    )
                })
        }))
    }

    fn remove(&self, id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        let path = self.path(id);
        Box::pin(blocking::run(move || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(unusable(&path, folder::failed("removing", &path, error)))
            }
            _ => Ok(()),
        }))
    }

    fn describe(&self) -> String {
        format!("a key file in `{}`", self.folder.display())
    }
}

/// A folder that is not there, as one that is not mounted, says nothing of what is in it.
fn missing(path: &Path) -> KeyError {
    let folder = path.parent().unwrap_or(path);
    match folder::kind(folder) {
        Ok(Some(_)) => KeyError::new(
            KeyErrorKind::Absent,
            format!("there is no key file `{}`", path.display()),
        )
        .with_hint("bring the file back, as from a backup"),
        Ok(None) => KeyError::new(
            KeyErrorKind::Unavailable,
            format!(
                "the folder of key files `{}` is not there",
                folder.display()
            ),
        )
        .with_hint("bring the folder back: mount it, or move it to where it was"),
        Err(error) => unusable(path, error),
    }
}

fn unusable(path: &Path, error: StoreError) -> KeyError {
    KeyError::new(
        KeyErrorKind::Unusable,
        format!("the key file `{}` can't be used", path.display()),
    )
    .with_hints(error.hints().to_vec())
    .with_source(error)
}
