//! What a keyring answered, in words that hold no secret.

use std::error::Error as _;

use hallpass_seal::{KeyError, KeyErrorKind, KeyId, SealingKey};
use keyring_core::Error;

use crate::platform;

/// The answer to one question, for everybody who waits for it.
pub(crate) type Outcome = Result<SealingKey, Failure>;

/// Why there is no key. (An error can't be given to several; the keyring's own may hold what it
/// read.)
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    kind: KeyErrorKind,
    what: String,
    cause: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: KeyErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            cause: None,
        }
    }

    pub(crate) fn from_keyring(error: &Error) -> Self {
        let name = platform::NAME;
        let (kind, what) = match error {
            Error::NoEntry => (
                KeyErrorKind::Absent,
                format!("{name} does not have the key"),
            ),
            Error::NoStorageAccess(_) => (KeyErrorKind::Locked, format!("{name} is locked")),
            Error::PlatformFailure(_) => (
                KeyErrorKind::Unavailable,
                format!("{name} can't be reached"),
            ),
            Error::Ambiguous(_) => (
                KeyErrorKind::Unusable,
                format!("{name} has several keys of one name"),
            ),
            _ => (KeyErrorKind::Unusable, format!("{name} can't keep the key")),
        };
        // Of the platform's failures the text is taken. The other errors may hold what was read.
        let cause = match error {
            Error::NoStorageAccess(_) | Error::PlatformFailure(_) => error.source(),
            _ => None,
        };
        Self {
            kind,
            what,
            cause: cause.map(ToString::to_string),
        }
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(
            KeyErrorKind::TimedOut,
            format!("{} did not answer in time", platform::NAME),
        )
    }

    pub(crate) fn into_error(self) -> KeyError {
        let hint = match self.kind {
            KeyErrorKind::Absent => "bring the key back, as from a backup of the keyring",
            KeyErrorKind::Locked => {
                "unlock the keyring, or create its default collection, and try again"
            }
            KeyErrorKind::TimedOut => "look whether the keyring asks for its password",
            KeyErrorKind::Unavailable => {
                "start the keyring's service; without a desktop session use a key file or a \
                 passphrase"
            }
            _ => "look at the entry with the keyring's own program",
        };
        let error = KeyError::new(self.kind, self.what).with_hint(hint);
        match self.cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}

/// Reads a key from the text that [`SealingKey::to_hex`] made: some keyrings keep nothing but text.
pub(crate) fn parse(id: KeyId, text: &[u8]) -> Outcome {
    SealingKey::from_hex(text).ok_or_else(|| {
        Failure::new(
            KeyErrorKind::Unusable,
            format!("what {} has as {id} is not a key", platform::NAME),
        )
    })
}
