//! Keys from passphrases.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::{KeyError, KeyErrorKind, KeyId, SealingKey};

/// Memory in KiB, passes, lanes. They can't change: no store with a passphrase would open any more.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Derives a key from a passphrase with argon2id (RFC 9106), with the key's id as salt. Slow on purpose: call
/// it where a thread may block.
///
/// A wrong passphrase gives another key.
///
/// # Errors
///
/// When the passphrase is empty or longer than argon2 takes.
pub fn derive_key(passphrase: &str, id: KeyId) -> Result<SealingKey, KeyError> {
    let failed = |error: argon2::Error| {
        KeyError::new(
            KeyErrorKind::Unusable,
            format!("can't derive a key from the passphrase: {error}"),
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
}
