//! Credentials at rest: sealed files, locks, atomic writes.

mod blocking;
pub mod contract;
mod file;
mod folder;
mod hex;
mod key;
mod key_file;
mod memory;
mod seal;

pub use file::FileStore;
pub use key::{KeyError, KeyErrorKind, KeyId, KeySource, KeySources, Policy, SealingKey};
pub use key_file::KeyFile;
pub use memory::MemoryStore;
