//! The replacement of a file, durably and as a whole.
//!
//! All that it needs is opened at its beginning, and space can be allocated then: so the end of a
//! replacement that was begun in time does not fail because the disk is full or the process has too
//! many open files. Before its end it has changed nothing but the temporary file, which goes with it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use hallpass_core::store::{StoreError, StoreErrorKind};

use crate::KeyId;

use super::{failed, kind, open, refused, system};

/// How often the sync of a folder is tried. The file is in its place by then, so one failure is no
/// reason to leave it in doubt.
const SYNCS: u32 = 3;

/// A replacement that has begun. The caller holds the file's lock until its end.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    file: File,
    temporary: Temporary,
    folder: system::Folder,
}

impl Replacement {
    /// Opens all that the replacement of a file needs, for `what`.
    pub(crate) fn begin(path: &Path, what: &str) -> Result<Self, StoreError> {
        // A link at the file's place would be replaced, not followed; it is refused all the same,
        // because it was put there by something else.
        if kind(path)?.is_some_and(|kind| !kind.is_file()) {
            return Err(refused(path, "is not a regular file"));
        }
        let temporary = path.with_extension("tmp");
        let opened = match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Self::open(path, temporary),
        };
        opened.map_err(|error| failed(what, path, error))
    }

    fn open(path: &Path, temporary: PathBuf) -> io::Result<Self> {
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = system::Folder::open(folder.unwrap_or(Path::new(".")))?;
        let file = open(OpenOptions::new().write(true).create_new(true), &temporary)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            temporary: Temporary {
                path: temporary,
                is_renamed: false,
            },
            folder,
        })
    }

    /// Allocates space for this many bytes on the disk, not only in the file's length.
    pub(crate) fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        if system::allocate(&self.file, bytes)? {
            return Ok(());
        }
        io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut self.file)?;
        self.file.sync_data()
    }

    /// Puts these bytes in the file's place.
    ///
    /// The file is as it was after any error but the last: the bytes are in its place then, and it is
    /// open whether they stay there if the machine stops.
    pub(crate) fn finish(self, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let put = self.put(bytes);
        let folder = put.map_err(|error| failed("writing", &path, error))?;
        sync(|| folder.sync()).map_err(|error| {
            let what = format!(
                "`{}` is written, but syncing its folder failed",
                path.display()
            );
            StoreError::new(StoreErrorKind::Io, what)
                .with_hint("what is new in it may be lost if the machine stops now")
                .with_source(error)
        })
    }

    /// Puts these bytes in the file's place; returns the folder, which is still to be synced.
    fn put(self, bytes: &[u8]) -> io::Result<system::Folder> {
        let Self {
            path,
            mut file,
            mut temporary,
            folder,
        } = self;
        file.rewind()?;
        file.write_all(bytes)?;
        // The rest of what was allocated; it is free for the folder's growth from here.
        file.set_len(bytes.len() as u64)?;
        file.sync_all()?;
        drop(file);
        step("written aside");
        fs::rename(&temporary.path, &path)?;
        temporary.is_renamed = true;
        step("in place");
        Ok(folder)
    }

    /// Takes this for the folder when that is to be synced.
    #[cfg(all(test, unix))]
    pub(crate) fn sync_instead(&mut self, file: File) {
        self.folder = system::Folder(file);
    }
}

/// The permissions of a file that [`replace_file`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePermissions {
    /// Open to its owner only.
    OwnerOnly,
    /// Those of the file that is replaced; open to its owner only if there is none.
    Keep,
}

/// Replaces a host's file, or creates it, durably and as a whole: a reader finds the old bytes or the new ones,
/// also if the process or the machine stops. It needs no lock; of two writers the last one wins.
///
/// # Errors
///
/// When the file can't be written. The old one is as it was then, unless only the sync of its folder failed.
pub fn replace_file(path: &Path, bytes: &[u8], permissions: FilePermissions) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A random name, because no lock orders the writers.
    let random = KeyId::generate().map_err(io::Error::other)?;
    let temporary = path.with_file_name(format!(".{name}.{random}.tmp"));
    let replacement = Replacement::open(path, temporary)?;
    if permissions == FilePermissions::Keep
        && let Ok(before) = fs::metadata(path)
    {
        replacement.file.set_permissions(before.permissions())?;
    }
    let folder = replacement.put(bytes)?;
    match sync(|| folder.sync()) {
        // The file is in place, and this file system has no sync of folders.
        Err(error) if has_no_folder_sync(&error) => Ok(()),
        synced => synced,
    }
}

fn has_no_folder_sync(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// The temporary file; removed when it is dropped, unless it has the file's name by then.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    is_renamed: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            // What is left would only take space; the file itself is as it was.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Syncs, again if that fails.
pub(super) fn sync(mut once: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut synced = once();
    for _ in 1..SYNCS {
        if synced.is_err() {
            synced = once();
        }
    }
    synced
}

/// Names the step that a replacement has come to, at trace level. A watcher may end the process
/// there: what the next one then finds is tested for each step.
fn step(name: &'static str) {
    tracing::trace!(step = name, "replacing a file");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_that_fails_is_repeated_a_few_times() {
        for (failures, succeeds, calls) in [(0, true, 1), (2, true, 3), (9, false, 3)] {
            let mut called = 0;
            let synced = sync(|| {
                called += 1;
                if called > failures {
                    return Ok(());
                }
                Err(io::Error::other("scripted"))
            });
            assert_eq!((synced.is_ok(), called), (succeeds, calls));
        }
    }
}
