//! The rule: who may be able to change a file, a link or a folder that counts.

use std::path::{Path, PathBuf};

use super::walk::CheckedPath;
use crate::{exit::CommandError, text};

/// Root.
const ROOT: u32 = 0;

/// Who can write: the group, and all others.
const OTHERS_WRITE: u32 = 0o022;

/// In a folder with this bit an entry is renamed and removed by its owner and the folder's alone.
const STICKY: u32 = 0o1000;

/// What the operating system says of a file, a link or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) owner: u32,
    /// Its kind and its rights, as in `st_mode`.
    pub(super) mode: u32,
    /// Whether its file system is mounted read-only. Asked for folders alone.
    pub(super) is_read_only: bool,
}

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Device,
    Other,
}

impl Facts {
    pub(super) fn kind(self) -> Kind {
        match self.mode & 0o170_000 {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Folder,
            0o120_000 => Kind::Link,
            0o020_000 => Kind::Device,
            _ => Kind::Other,
        }
    }

    pub(super) fn others_can_write(self) -> bool {
        self.mode & OTHERS_WRITE != 0
    }
}

/// Who may own what counts, besides root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Users {
    /// The user of this process.
    pub(super) me: u32,
    /// The owner of `/`. It is root, but in a sandbox whose user namespace does not map root (bubblewrap,
    /// Flatpak) the files of root show another owner. Other users of the machine show the same one there:
    /// a file of theirs that the user's own path leads to is not told apart.
    pub(super) system: u32,
}

impl Users {
    /// Judges one step of the way.
    ///
    /// Two kinds of folders that others can write count all the same, because the entries in them that
    /// count can't be exchanged there:
    ///
    /// - One with the sticky bit that the user or root owns, such as `/tmp`. sshd refuses it. But there
    ///   another user can neither rename nor remove what belongs to the user or root, and what another
    ///   user puts there first belongs to that user, and is refused as such.
    /// - One of root on a file system that is mounted read-only: Kubernetes mounts a `ConfigMap` so, with the
    ///   mode 777.
    ///
    /// The rights of a link mean nothing: who owns it, and who can write its folder, decides. So it is with
    /// a device such as `/dev/null`, whose rights are about its driver.
    pub(super) fn judge(self, seen: &CheckedPath) -> Result<(), Untrusted> {
        let facts = seen.facts;
        let refused = |why| {
            Err(Untrusted {
                path: seen.path.clone(),
                facts,
                why,
                me: self.me,
            })
        };
        if ![ROOT, self.me, self.system].contains(&facts.owner) {
            return refused(DistrustReason::Owner);
        }
        let counts = match facts.kind() {
            Kind::Link | Kind::Device => true,
            Kind::Folder if facts.others_can_write() => {
                let sticky = facts.mode & STICKY != 0 && [ROOT, self.me].contains(&facts.owner);
                sticky || facts.is_read_only && facts.owner == ROOT
            }
            Kind::File | Kind::Folder => !facts.others_can_write(),
            Kind::Other => return refused(DistrustReason::Kind),
        };
        if counts {
            Ok(())
        } else {
            refused(DistrustReason::Writable)
        }
    }
}

/// A step of the way that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Untrusted {
    path: PathBuf,
    facts: Facts,
    why: DistrustReason,
    me: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DistrustReason {
    /// It belongs to another user.
    Owner,
    /// Other users can write it.
    Writable,
    /// It is neither a file nor a folder.
    Kind,
}

impl Untrusted {
    /// What is not read, where the fault is, why it is one, and the command that repairs it.
    pub(super) fn failed(&self, file: &Path, what: &str) -> CommandError {
        let (path, mode) = (self.path.display(), self.facts.mode & 0o7777);
        let kind = match self.facts.kind() {
            Kind::Folder => "the folder",
            Kind::Link => "the link",
            _ => "the file",
        };
        let file = file.display();
        let read = format!("{what} {file} is not read:");
        let decide = "could decide what hallpass runs and whom it trusts";
        let quoted = text::quoted(&self.path.to_string_lossy());
        let sudo = |needed: bool| if needed { "sudo " } else { "" };
        match self.why {
            DistrustReason::Owner => {
                let what = format!(
                    "{read} {kind} {path} belongs to user {}, who {decide}",
                    self.facts.owner
                );
                let link = if kind == "the link" { "-h " } else { "" };
                CommandError::usage(what).hint(format!(
                    "if it is to be yours: {}chown {link}{} {quoted}",
                    sudo(self.me != ROOT),
                    self.me
                ))
            }
            DistrustReason::Writable => {
                let what =
                    format!("{read} {kind} {path} has the mode {mode:o}: other users {decide}");
                let fix = format!(
                    "{}chmod go-w {quoted}",
                    sudo(![ROOT, self.facts.owner].contains(&self.me))
                );
                CommandError::usage(what).hint(fix)
            }
            DistrustReason::Kind => {
                CommandError::usage(format!("{read} {path} is no regular file"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
