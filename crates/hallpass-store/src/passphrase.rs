//! Keys that are kept nowhere: derived from a passphrase.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use hallpass_core::BoxFuture;
use zeroize::Zeroizing;

use crate::{KeyError, KeyErrorKind, KeyId, KeyLocation, KeySource, SealingKey, blocking};

/// Memory in KiB, passes, lanes: they belong to the policy `passphrase` and can't change under it,
/// or no store would open any more.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

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
            let failed = |error: argon2::Error| {
                KeyError::new(
                    KeyErrorKind::Unusable,
                    format!("no key can be derived from the passphrase: {error}"),
                )
            };
            if passphrase.is_empty() {
                return Err(KeyError::new(
                    KeyErrorKind::Unusable,
                    "the passphrase is empty",
                ));
            }
            let params = Params::new(MEMORY, PASSES, LANES, Some(32)).map_err(failed)?;
            let mut key = Zeroizing::new([0; 32]);
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(passphrase.as_bytes(), id.as_bytes(), &mut *key)
                .map_err(failed)?;
            Ok(SealingKey::from_bytes(*key))
        }))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

impl KeySource for Passphrase {
    fn policy(&self) -> KeyLocation {
        KeyLocation::Passphrase
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.derive(id)
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.derive(id)
    }

    fn remove(&self, _id: KeyId) -> BoxFuture<'_, Result<(), KeyError>> {
        Box::pin(async { Ok(()) })
    }

    fn describe(&self) -> String {
        "a passphrase".to_owned()
    }
}
