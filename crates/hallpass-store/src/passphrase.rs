//! Keys that are kept nowhere: derived from a passphrase.

use std::fmt;

use hallpass_core::BoxFuture;
use zeroize::Zeroizing;

use crate::{KeyError, KeyId, KeyLocation, KeySource, SealingKey, blocking};

/// Derives each key from a passphrase with argon2id (RFC 9106), the key's id as salt.
///
/// A wrong passphrase gives another key, which the store notices.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the passphrase that the host asked for.
    pub fn new(passphrase: impl Into<String>) -> Self {
        Self(Zeroizing::new(passphrase.into()))
    }

    fn derive(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        let passphrase = self.0.clone();
        Box::pin(blocking::run(move || {
            hallpass_seal::derive_key(&passphrase, id)
        }))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

impl KeySource for Passphrase {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Passphrase
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.derive(id)
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.derive(id)
    }

    fn describe(&self) -> String {
        "a passphrase".to_owned()
    }
}
