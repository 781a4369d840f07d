//! Files whose contents decide what runs, where requests go and whom to trust: `config.toml` and the
//! certificate authorities of an option.
//!
//! Such a file counts where the user and root alone can change it, as sshd demands of its files
//! (`StrictModes`): it and every folder on the way to it belong to one of the two, and neither a group nor
//! others can write them. Links are followed, and what they lead through is judged alike. [`judge`] has
//! the rule and [`walk`] the way.
//!
//! On Windows, where a user's folders are closed to other users by inheritance, every file counts.
//!
//! What only Hallpass writes, such as the options that a login saved, is also held to the stricter rule of the
//! store ([`read_private`](hallpass::store::read_private)).

#[cfg(unix)]
mod judge;
#[cfg(unix)]
mod walk;

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use crate::exit::CommandError;

/// The longest file that is read.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Reads a text file that counts; `None` where there is none. `what` is what it is to the user.
///
/// What is judged is the opened file, and what is read is the same.
pub(crate) fn read(path: &Path, what: &str) -> Result<Option<String>, CommandError> {
    let Some(bytes) = read_bytes(path, what)? else {
        return Ok(None);
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let path = path.display();
        CommandError::usage(format!("{what} {path} can't be read: {error}"))
    })
}

/// The same of a file that need not be text.
pub(crate) fn read_bytes(path: &Path, what: &str) -> Result<Option<Vec<u8>>, CommandError> {
    let unreadable = |error: io::Error| {
        let path = path.display();
        CommandError::usage(format!("{what} {path} can't be read: {error}"))
    };
    let file = match system::open(path).map_err(unreadable)? {
        None => return Ok(None),
        Some((file, Ok(()))) => file,
        Some((_, Err(untrusted))) => return Err(untrusted.failed(path, what)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(io::Error::other("larger than 32 MiB")));
    }
    Ok(Some(bytes))
}

/// Whether a file or a folder counts that another part of the program opens. One that is not there does: the
/// other part says so.
///
/// The path leads that part to the same file, since other users can exchange nothing on the way.
pub(crate) fn check(path: &Path, what: &str) -> Result<(), CommandError> {
    match system::check(path) {
        Ok(judged) => judged.map_err(|untrusted| untrusted.failed(path, what)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let path = path.display();
            Err(CommandError::usage(format!(
                "{what} {path} can't be judged: {error}"
            )))
        }
    }
}

#[cfg(unix)]
mod system {
    use std::{
        fs::OpenOptions,
        io,
        os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
        path::Path,
    };

    use rustix::fs::OFlags;

    use super::{
        File,
        judge::{Facts, Untrusted, Users},
        walk::{CheckedPath, walk},
    };

    type Judged = Result<(), Untrusted>;

    /// Opens a file, and judges it and the way to it. A file that is not there has no judgement.
    pub(super) fn open(path: &Path) -> io::Result<Option<(File, Judged)>> {
        let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let mut way = match walk(path) {
            Err(error) if absent(&error) => return Ok(None),
            way => way?,
        };
        let Some(end) = way.pop() else {
            return Ok(None);
        };
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let file = match options.open(&end.path) {
            Err(error) if absent(&error) => return Ok(None),
            file => file?,
        };
        let opened = file.metadata()?;
        let facts = Facts {
            owner: opened.uid(),
            mode: opened.mode(),
            ..end.facts
        };
        way.push(CheckedPath { facts, ..end });
        Ok(Some((file, judged(&way))))
    }

    /// Judges what is there, and the way to it.
    pub(super) fn check(path: &Path) -> io::Result<Judged> {
        Ok(judged(&walk(path)?))
    }

    fn judged(way: &[CheckedPath]) -> Judged {
        let users = Users {
            me: rustix::process::geteuid().as_raw(),
            // Who owns `/` can change everything below it.
            system: way.first().map_or(0, |root| root.facts.owner),
        };
        way.iter().try_for_each(|seen| users.judge(seen))
    }
}

#[cfg(not(unix))]
mod system {
    use std::{io, path::Path};

    use super::{CommandError, File};

    /// No file is.
    pub(super) enum Untrusted {}

    impl Untrusted {
        pub(super) fn failed(self, _: &Path, _: &str) -> CommandError {
            match self {}
        }
    }

    pub(super) fn open(path: &Path) -> io::Result<Option<(File, Result<(), Untrusted>)>> {
        match File::open(path) {
            Ok(file) => Ok(Some((file, Ok(())))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub(super) fn check(_: &Path) -> io::Result<Result<(), Untrusted>> {
        Ok(Ok(()))
    }
}
