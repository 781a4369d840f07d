//! Records whose key is missing.

use std::fmt;

use hallpass_core::Timestamp;

use super::header::KeyEpoch;
use crate::{KeyId, KeyLocation};

/// Records whose key is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The key's id.
    pub key: KeyId,
    /// Where it was kept; `None` for a location that this version does not know.
    pub key_location: Option<KeyLocation>,
    /// The number of files that are sealed with it: one for each account.
    pub files: usize,
    /// Whether this machine has replaced the key by a new one. Otherwise it is another machine's key, or no
    /// operation has needed it yet.
    pub is_lost: bool,
    /// When it was replaced, by the file system's clock.
    pub since: Option<Timestamp>,
}

impl Unreadable {
    /// What the key sealed when it was replaced.
    pub(super) fn lost(epoch: &KeyEpoch, machine: Option<&str>) -> Self {
        let files = epoch.lost.as_ref().map_or(0, |lost| lost.files);
        Self::new(epoch, files, machine)
    }

    pub(super) fn new(epoch: &KeyEpoch, files: usize, machine: Option<&str>) -> Self {
        let lost = epoch.lost.as_ref().filter(|lost| lost.is_on(machine));
        Self {
            key: epoch.key_id(),
            key_location: epoch.key_location().ok(),
            files,
            is_lost: lost.is_some(),
            since: lost.and_then(|lost| lost.since),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files {
            1 => f.write_str("one account is unreadable: its")?,
            files => write!(f, "{files} accounts are unreadable: their")?,
        }
        let why = if self.is_lost { "lost" } else { "missing" };
        write!(f, " key {} is {why}", self.key)
    }
}

/// What is called for a lost key.
pub(super) struct MissingKeyHandler(pub(super) Box<dyn Fn(&Unreadable) + Send + Sync>);

impl fmt::Debug for MissingKeyHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MissingKeyHandler")
    }
}
