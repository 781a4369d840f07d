//! Sealing keys and their ids.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{KeyError, source::no_random_numbers};

/// A key of 32 bytes. Wiped when dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// A key that was kept or derived.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// When the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::getrandom(&mut *bytes).map_err(no_random_numbers)?;
        Ok(Self(bytes))
    }

    /// Opens the secret. All places that call this are listed and reviewed.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as 64 hexadecimal digits, for a place that keeps text.
    pub fn to_hex(&self) -> Zeroizing<String> {
        // Allocated at its full length: a string that grows would leave copies behind.
        Zeroizing::new(hex::encode(self.expose()))
    }

    /// Reads the 64 hexadecimal digits.
    pub fn from_hex(text: impl AsRef<[u8]>) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, &mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// A value that differs for another key of the same id. It says nothing about the key.
    pub fn check_value(&self, id: KeyId) -> String {
        let mut digest = Sha256::new();
        digest.update(b"hallpass key check 1\0");
        digest.update(id.as_bytes());
        digest.update(self.expose());
        hex::encode(&digest.finalize()[..16])
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(redacted)")
    }
}

/// The public name of a sealing key: 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// A new name from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// When the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 16];
        getrandom::getrandom(&mut bytes).map_err(no_random_numbers)?;
        Ok(Self(bytes))
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, which also serve as a salt where the key is derived.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
