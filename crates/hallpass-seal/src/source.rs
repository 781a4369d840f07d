//! The port to where keys are kept.

use std::{fmt, sync::Arc};

use hallpass_core::{BoxFuture, ErrorKind, KindError, Remedy};

use crate::{KeyId, SealingKey};

/// Where a key is kept. A store writes it down when it is created and keeps to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyLocation {
    /// In the keyring of the operating system.
    Keyring,
    /// In a file that only its owner can read.
    KeyFile,
    /// Not kept: derived from a passphrase.
    Passphrase,
    /// In memory: lost when the process ends.
    Memory,
    /// Where the host program keeps it.
    Host,
}

impl KeyLocation {
    /// The word that a store writes down.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::KeyFile => "key-file",
            Self::Passphrase => "passphrase",
            Self::Memory => "memory",
            Self::Host => "host",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Keyring,
            Self::KeyFile,
            Self::Passphrase,
            Self::Memory,
            Self::Host,
        ]
        .into_iter()
        .find(|location| location.as_str() == word)
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Keeps sealing keys by their ids. A host may supply its own.
///
/// The store asks once and keeps the answer for as long as it lives; it asks again after an error.
/// An implementation has its own timeout and does not block an async thread.
pub trait KeySource: Send + Sync + fmt::Debug {
    /// Where this source keeps keys.
    fn key_location(&self) -> KeyLocation;

    /// Makes a key, keeps it durably under `id`, and returns it.
    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>>;

    /// Returns the key of this id.
    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>>;

    /// Removes the key of this id. Nothing is sealed with it any more.
    ///
    /// The default does nothing, for a source that keeps no keys, as one that derives them.
    fn remove(&self, id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        let _ = id;
        Box::pin(async { Ok(()) })
    }

    /// Where the key is, for a user to read.
    fn describe(&self) -> String;
}

impl<S: KeySource + ?Sized> KeySource for Arc<S> {
    fn key_location(&self) -> KeyLocation {
        (**self).key_location()
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        (**self).create(id)
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        (**self).load(id)
    }

    fn remove(&self, id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        (**self).remove(id)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// An operation of a key source that failed.
pub type KeyError = KindError<KeyErrorKind>;

/// Why an operation of a key source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The source works, is unlocked, and has no such key. To be returned only if that is certain: the store
    /// then treats the key as lost and asks for a new one.
    Absent,
    /// The source is locked. The user has to unlock it.
    Locked,
    /// The source can't be reached.
    Unavailable,
    /// The source did not answer in time.
    TimedOut,
    /// What the source has is not a key, or other users can read it.
    Unusable,
}

impl ErrorKind for KeyErrorKind {
    /// A timeout may not happen again. Anything else is up to the user.
    fn remedy(self) -> Remedy {
        match self {
            Self::TimedOut => Remedy::Retry,
            Self::Absent | Self::Locked | Self::Unavailable | Self::Unusable => Remedy::Configure,
        }
    }
}

pub(crate) fn no_random_numbers(error: getrandom::Error) -> KeyError {
    KeyError::new(
        KeyErrorKind::Unavailable,
        format!("the operating system gave no random numbers: {error}"),
    )
}
