//! Credentials at rest for Hallpass: sealed files that all processes of a user share, and a store
//! in memory. Both implement [`hallpass_core::CredentialStore`].
//!
//! - [`FileStore`]: one sealed file for each credential, written atomically under a lock that a killed
//!   process cannot leave behind. The module `file::lock` of the source says how it locks.
//! - [`MemoryStore`]: the same rules, until the process ends.
//! - [`KeySource`]: where the 32 bytes are kept that seal the files. [`KeyFile`] and [`Passphrase`]
//!   are here, the keyrings of the operating systems in `hallpass-keyring`, and a host may bring its
//!   own. Which of them a store uses is written into the store when it is created; after that a
//!   source that is locked, absent or silent is an error with a remedy, and never a reason to take
//!   another. Only a key that its source definitely does not have is followed by a new one; the records of
//!   the lost key stay as they are, and are readable again when it comes back.
//! - [`read_private`] and [`replace_file`]: a host's own files, read and written as the store's files are.
//! - [`contract`]: what a session relies on, as a test for any backend.
//!
//! It deliberately does not speak HTTP, refresh anything, look at tokens, keep a record in a keyring
//! (some hold 2,560 bytes), or guard against a program that runs as the same user.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use hallpass_core::{
//!     CredentialStore, Issuer, Record, ServerMetadata, ServerUrl, SettingsFingerprint, CredentialKey,
//!     store::LockKind,
//! };
//! use hallpass_store::{FileStore, KeyFile};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("hallpass");
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let store = FileStore::open(&folder, KeyFile::in_folder(&folder)).await?;
//! let key = CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp")?);
//!
//! // Reading needs no lock, writing does.
//! assert!(store.load(&key).await?.is_none());
//! let mut guard = store.lock(&key, LockKind::Credential, Duration::from_secs(5)).await?;
//! let metadata = ServerMetadata::new(Issuer::parse("https://as.example.com")?);
//! let record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
//! let saved = store.save(&record, None, &mut guard).await?;
//! # let hallpass_core::store::Saved::Written(_) = saved else { unreachable!() };
//! drop(guard);
//! assert!(store.load(&key).await?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocking;
pub mod contract;
mod file;
mod folder;
mod key_file;
mod key_sources;
mod local_locks;
mod memory;
mod passphrase;

pub use file::{
    Exported, FileStore, Forgotten, Imported, Inventory, Rekeyed, UndoneReset, Unreadable,
};
pub use folder::{FilePermissions, read_private, replace_file};
pub use hallpass_seal::{KeyError, KeyErrorKind, KeyId, KeyLocation, KeySource, SealingKey};
pub use key_file::KeyFile;
pub use key_sources::KeySources;
pub use memory::MemoryStore;
pub use passphrase::Passphrase;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
