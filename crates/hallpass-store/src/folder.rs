//! A private folder and the files in it.
//!
//! Files are 0600 from the moment they exist. They are replaced as a whole: written under a
//! temporary name, synced, renamed over the old one, and the folder synced. The temporary name is
//! fixed, because a process that replaces a file holds its lock; so the next one overwrites what a killed
//! process left behind.
//!
//! A symbolic link, another user's file, a file or folder that other users can open, and anything that
//! is not a regular file is refused and left alone. On Windows, where a user's folders are closed to
//! other users by inheritance, the kind of a file is checked and no more.

mod replacement;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use hallpass_core::store::{StoreError, StoreErrorKind};

pub(crate) use self::replacement::Replacement;
pub use self::replacement::{FilePermissions, replace_file};

/// No file of ours comes near; a larger one is not ours.
const MAX_FILE_SIZE: u64 = 16 * 1024 * 1024;

/// Creates a folder with mode 0700, unless it is there, and checks that it is private.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    system::private_folder(&mut builder);
    builder
        .create(path)
        .map_err(|error| failed("creating the folder", path, error))?;
    check(path)
}

/// Creates a folder below one of ours; false when there is something already.
pub(crate) fn create_new(path: &Path) -> Result<bool, StoreError> {
    let mut builder = fs::DirBuilder::new();
    system::private_folder(&mut builder);
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("creating the folder", path, error)),
    }
}

/// Moves a file into a folder of the same file system, durably; gives its new path.
pub(crate) fn move_into(path: &Path, folder: &Path) -> Result<PathBuf, StoreError> {
    let to = folder.join(path.file_name().unwrap_or_default());
    fs::rename(path, &to).map_err(|error| failed("moving", path, error))?;
    sync_parent(&to)?;
    sync_parent(path)?;
    Ok(to)
}

/// The type of the file at a path, links not followed; `None` if there is no file.
pub(crate) fn kind(path: &Path) -> Result<Option<fs::FileType>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("looking at", path, error)),
    }
}

/// Checks that a folder is one, is ours, and is closed to others.
pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
    let metadata =
        fs::symlink_metadata(path).map_err(|error| failed("looking at the folder", path, error))?;
    if !metadata.is_dir() {
        return Err(refused(path, "is not a folder, or is a link to one"));
    }
    system::check(path, &metadata)
}

/// Reads a whole file; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match open(OpenOptions::new().read(true), path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("opening", path, error)),
    };
    read_opened(path, file).map(Some)
}

/// Reads a whole file that was opened at its path.
pub(crate) fn read_opened(path: &Path, file: File) -> Result<Vec<u8>, StoreError> {
    let length = check_file(path, &file)?;
    if length > MAX_FILE_SIZE {
        return Err(StoreError::new(
            StoreErrorKind::Damaged,
            format!("`{}` is {length} bytes long", path.display()),
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(MAX_FILE_SIZE)
        .read_to_end(&mut bytes)
        .map_err(|error| failed("reading", path, error))?;
    Ok(bytes)
}

/// Whether this file is still at the path; false if that is unknown without opening it.
pub(crate) fn is_at(path: &Path, file: &File) -> bool {
    system::is_at(path, file)
}

/// Reads a file that a host keeps below a store's folder, as the store reads its own files: no link is
/// followed, and the file, its folders and the store's folder belong to this user and are closed to
/// others. `None` when there is no such file.
///
/// # Errors
///
/// When one of them is not so, with the command that repairs it as a hint, and when the file can't be read.
pub fn read_private(store: &Path, file: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(bytes) = read(file)? else {
        return Ok(None);
    };
    let below = |folder: &&Path| *folder != store && folder.starts_with(store);
    let folders = file.ancestors().skip(1).take_while(below);
    folders.chain([store]).try_for_each(check)?;
    Ok(Some(bytes))
}

/// Replaces a file, or creates it, durably and as a whole. The caller holds the file's lock.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    Replacement::begin(path, "writing")?.finish(bytes)
}

/// Removes a file, and what a replacement of it that was killed left behind, durably.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    for path in [path, &path.with_extension("tmp")] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("removing", path, error));
            }
            _ => {}
        }
    }
    sync_parent(path)
}

/// Makes the names in a file's folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    system::Folder::open(parent)
        .and_then(|folder| replacement::sync(|| folder.sync()))
        .map_err(|error| failed("syncing the folder", parent, error))
}

/// Opens a lock file, creating it when it is not there. It is never removed.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = open(&mut options, path).map_err(|error| failed("opening", path, error))?;
    check_file(path, &file)?;
    Ok(file)
}

/// Opens a file for reading, if there is one.
pub(crate) fn existing_file(path: &Path) -> Result<Option<File>, StoreError> {
    match open(OpenOptions::new().read(true), path) {
        Ok(file) => check_file(path, &file).map(|_| Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("opening", path, error)),
    }
}

/// Overwrites a small note for users, of which nothing depends.
pub(crate) fn note(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    open(&mut options, path)?.write_all(text.as_bytes())
}

/// The paths of the files in a folder whose names end in `.extension`, sorted.
pub(crate) fn files_with(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, StoreError> {
    let read_failed = |error| failed("reading the folder", folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(read_failed)? {
        let path = entry.map_err(read_failed)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Opens without following a link in the last part of the path, and without waiting for a pipe.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    system::private_file(options);
    options.open(path)
}

/// Checks a file through its handle, so that it can't be exchanged in between; returns its length.
fn check_file(path: &Path, file: &File) -> Result<u64, StoreError> {
    let metadata = file
        .metadata()
        .map_err(|error| failed("looking at", path, error))?;
    if !metadata.is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    system::check(path, &metadata)?;
    Ok(metadata.len())
}

fn refused(path: &Path, why: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Refused,
        format!("`{}` {why}", path.display()),
    )
}

/// The error of `what` on `path`. A full or read-only medium gets its advice here.
pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> StoreError {
    if system::is_link(&error) {
        return refused(path, "is a symbolic link");
    }
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => StoreErrorKind::Refused,
        _ => StoreErrorKind::Io,
    };
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("make room; what was saved before is intact")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Some("the store needs a folder that this user can write to")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("another file is at the path of the store's folder: move it away")
        }
        _ if system::is_too_many_files(&error) => {
            Some("close some of the files that are open, or raise the limit (`ulimit -n`)")
        }
        _ => None,
    };
    let store_error =
        StoreError::new(kind, format!("{what} `{}` failed", path.display())).with_source(error);
    match hint {
        Some(hint) => store_error.with_hint(hint),
        None => store_error,
    }
}

#[cfg(unix)]
mod system {
    use std::{
        fs::{self, DirBuilder, File, Metadata, OpenOptions},
        io,
        os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
        path::Path,
    };

    use hallpass_core::store::{StoreError, StoreErrorKind};
    use rustix::{fs::OFlags, io::Errno};

    pub(super) fn private_folder(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub(super) fn private_file(options: &mut OpenOptions) {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }

    pub(super) fn check(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
        let refuse = |why: String| {
            Err(StoreError::new(
                StoreErrorKind::Refused,
                format!("`{}` {why}", path.display()),
            ))
        };
        let me = rustix::process::geteuid().as_raw();
        let owner = metadata.uid();
        if owner != me {
            return refuse(format!("belongs to user {owner}, not to user {me}"))
                .map_err(|error| error.with_hint("use a folder of your own"));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            let right = if metadata.is_dir() { "700" } else { "600" };
            return refuse(format!("is open to other users (mode {mode:o})"))
                .map_err(|error| error.with_hint(format!("chmod {right} '{}'", path.display())));
        }
        Ok(())
    }

    /// A folder, opened to be synced.
    #[derive(Debug)]
    pub(super) struct Folder(pub(super) File);

    impl Folder {
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            File::open(path).map(Self)
        }

        pub(super) fn sync(&self) -> io::Result<()> {
            self.0.sync_all()
        }
    }

    /// Allocates space for a file; false where the file system can't.
    #[cfg(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple"))]
    pub(super) fn allocate(file: &File, bytes: u64) -> io::Result<bool> {
        let flags = rustix::fs::FallocateFlags::empty();
        let allocate = || rustix::fs::fallocate(file, flags, 0, bytes);
        let unable = [Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOSYS, Errno::INVAL];
        match rustix::io::retry_on_intr(allocate) {
            Err(error) if unable.contains(&error) => Ok(false),
            allocated => Ok(allocated.map(|()| true)?),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple")))]
    pub(super) fn allocate(_file: &File, _bytes: u64) -> io::Result<bool> {
        Ok(false)
    }

    pub(super) fn is_at(path: &Path, file: &File) -> bool {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let at_path = fs::symlink_metadata(path).map(identity);
        matches!((at_path, file.metadata().map(identity)), (Ok(one), Ok(other)) if one == other)
    }

    pub(super) fn is_too_many_files(error: &io::Error) -> bool {
        let limits = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        limits.contains(&error.raw_os_error())
    }

    pub(super) fn is_link(error: &io::Error) -> bool {
        error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
    }
}

#[cfg(not(unix))]
mod system {
    use std::{
        fs::{DirBuilder, File, Metadata, OpenOptions},
        io,
        path::Path,
    };

    use hallpass_core::store::{StoreError, StoreErrorKind};

    pub(super) fn private_folder(_builder: &mut DirBuilder) {}

    pub(super) fn private_file(_options: &mut OpenOptions) {}

    pub(super) fn check(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
        if metadata.is_symlink() {
            return Err(StoreError::new(
                StoreErrorKind::Refused,
                format!("`{}` is a symbolic link", path.display()),
            ));
        }
        Ok(())
    }

    /// Windows has no sync of a folder; the rename itself is journalled.
    #[derive(Debug)]
    pub(super) struct Folder;

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    impl Folder {
        pub(super) fn open(_path: &Path) -> io::Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "elsewhere it is needed")]
        pub(super) fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub(super) fn allocate(_file: &File, _bytes: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Unknown here, so the file is opened again.
    pub(super) fn is_at(_path: &Path, _file: &File) -> bool {
        false
    }

    pub(super) fn is_too_many_files(_error: &io::Error) -> bool {
        false
    }

    pub(super) fn is_link(_error: &io::Error) -> bool {
        false
    }
}
