//! The sign-in that a process waits for, noted for other processes of the same user.
//!
//! A second `login` shows since when the first one waits, and the URL where the user goes on. The URL
//! carries `state`, so the file is for its owner alone. It is removed when the sign-in ends; after a kill it
//! names a process that is gone, and counts for no other. No decision depends on it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use hallpass::{
    Clock as _, CredentialKey, SystemClock, Timestamp,
    store::{FilePermissions, read_private, replace_file},
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    saved_options::{create_private, name_of},
    text,
};

/// The folder of these files in the store's.
const FOLDER: &str = "sign-ins";

/// The file of one credential.
#[derive(Debug)]
pub(crate) struct OpenSignIn {
    store: PathBuf,
    path: PathBuf,
    is_written: AtomicBool,
}

/// What a process notes of its sign-in.
pub(crate) struct SignInNote {
    since: Timestamp,
    pub(crate) url: Url,
}

impl SignInNote {
    /// Since when `holder` waits; the URL where the user goes on follows.
    pub(crate) fn describe(&self, holder: &str) -> String {
        let seconds = SystemClock.now().saturating_since(self.since).as_secs();
        let waited = text::duration(seconds);
        format!("{holder} has waited for {waited}; to sign in there, visit")
    }
}

impl OpenSignIn {
    pub(crate) fn new(key: &CredentialKey, folder: &Path) -> Self {
        Self {
            store: folder.to_owned(),
            path: folder.join(FOLDER).join(name_of(key) + ".json"),
            is_written: AtomicBool::new(false),
        }
    }

    /// Notes that this process waits for a user at `url`, if there is a store.
    pub(crate) fn write(&self, url: &Url) {
        let write = || {
            create_private(self.path.parent().unwrap_or(&self.path))?;
            let since = SystemClock.now().as_unix_seconds();
            let note = json!({ "process": process::id(), "since": since, "url": url.as_str() });
            replace_file(
                &self.path,
                note.to_string().as_bytes(),
                FilePermissions::OwnerOnly,
            )
        };
        if !self.store.is_dir() {
            return;
        }
        match write() {
            Ok(()) => self.is_written.store(true, Ordering::SeqCst),
            Err(error) => tracing::debug!(%error, "the open sign-in is not noted"),
        }
    }

    /// The sign-in is over.
    pub(crate) fn remove(&self) {
        if self.is_written.swap(false, Ordering::SeqCst)
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "the note of a sign-in stays behind");
        }
    }

    /// What the process `holder` noted, as the store names it.
    pub(crate) fn read(&self, holder: &str) -> Option<SignInNote> {
        let bytes = read_private(&self.store, &self.path).ok().flatten()?;
        let note: Value = serde_json::from_slice(&bytes).ok()?;
        if format!("process {}", note["process"].as_u64()?) != holder {
            return None;
        }
        let url = Url::parse(note["url"].as_str()?).ok()?;
        let since = Timestamp::from_unix_seconds(note["since"].as_i64()?);
        matches!(url.scheme(), "http" | "https").then_some(SignInNote { since, url })
    }
}

impl Drop for OpenSignIn {
    fn drop(&mut self) {
        self.remove();
    }
}
