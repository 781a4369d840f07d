//! The format of sealed bytes.
//!
//! ```text
//! magic "hallpass" | algorithm | key id | binding | nonce | ciphertext and tag
//!        8 bytes   |     1     |   16   |   32    |  24   |
//! ```
//!
//! The algorithm is the format's version as well: another cipher may have another nonce and another tag. The
//! whole header is associated data. The binding says what the bytes are sealed for, so that they don't open
//! in another place. The nonce is random for each sealing: 24 bytes make a repetition unlikely for ever.

use std::{error::Error, fmt};

use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::{KeyError, KeyErrorKind, KeyId, SealingKey, source::no_random_numbers};

const MAGIC: &[u8; 8] = b"hallpass";
/// What seals. Another cipher, as one that is validated for FIPS, is another algorithm.
const ALGORITHM: Algorithm = Algorithm::XChaCha20Poly1305;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEADER: usize = MAGIC.len() + 1 + 16 + 32 + NONCE;

/// The cipher that seals. Its byte stands in the header of sealed bytes.
///
/// A random nonce of 24 bytes is safe for as many sealings as there will be. AES-256-GCM with random nonces
/// of 12 bytes would be limited to 2³² sealings with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha).
    XChaCha20Poly1305,
}

impl Algorithm {
    /// The byte in the header.
    pub const fn as_byte(self) -> u8 {
        match self {
            Self::XChaCha20Poly1305 => 1,
        }
    }

    /// Reads the byte.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::XChaCha20Poly1305),
            _ => None,
        }
    }
}

/// What bytes are sealed for: 32 bytes that the caller chooses, as a digest or a text.
pub type Binding = [u8; 32];

/// Why sealed bytes don't open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// They are too short.
    Torn,
    /// They are not sealed bytes.
    Foreign,
    /// They are sealed by a newer version.
    Newer {
        /// The version of the format.
        version: u8,
    },
    /// They are sealed for something else.
    Misplaced,
    /// They were changed, or are sealed with another key.
    Altered,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("incomplete"),
            Self::Foreign => f.write_str("not sealed bytes"),
            Self::Newer { version } => write!(f, "sealed by a newer version ({version})"),
            Self::Misplaced => f.write_str("sealed for something else"),
            Self::Altered => f.write_str("changed, or sealed with another key"),
        }
    }
}

impl Error for OpenError {}

/// Seals `plain` for `binding` with a key, whose id is written into the header.
///
/// # Errors
///
/// When the operating system gives no random numbers.
pub fn seal(
    id: KeyId,
    key: &SealingKey,
    binding: &Binding,
    plain: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0; NONCE];
    getrandom::getrandom(&mut nonce).map_err(no_random_numbers)?;
    let mut header = [0; HEADER];
    let parts: [&[u8]; 5] = [
        MAGIC,
        &[ALGORITHM.as_byte()],
        id.as_bytes(),
        binding,
        &nonce,
    ];
    for (to, from) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    // Encrypted where it lies, so that no copy of the plain text is left behind.
    let mut sealed = Vec::with_capacity(HEADER + plain.len() + TAG);
    sealed.extend_from_slice(&header);
    sealed.extend_from_slice(plain);
    let tag = cipher(key).encrypt(nonce, &header, &mut sealed[HEADER..]);
    let tag = tag.ok_or_else(|| {
        KeyError::new(
            KeyErrorKind::Unusable,
            "sealing failed: the text is too long",
        )
    })?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// The id of the key that sealed `bytes`, as their header says.
///
/// # Errors
///
/// When they have no header of this version.
pub fn key_id(bytes: &[u8]) -> Result<KeyId, OpenError> {
    // The algorithm comes before anything that may change with it, the length included.
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(OpenError::Torn)?;
    if magic != MAGIC {
        return Err(OpenError::Foreign);
    }
    match rest.first() {
        None => return Err(OpenError::Torn),
        // There was never one before the first.
        Some(0) => return Err(OpenError::Foreign),
        Some(&version) if Algorithm::from_byte(version).is_none() => {
            return Err(OpenError::Newer { version });
        }
        Some(_) => {}
    }
    let id = rest[1..].first_chunk::<16>().ok_or(OpenError::Torn)?;
    Ok(KeyId::from_bytes(*id))
}

/// Opens what [`seal`] sealed for the same binding.
///
/// # Errors
///
/// When the bytes are not what was sealed with this key for this binding.
pub fn open(
    key: &SealingKey,
    binding: &Binding,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    key_id(bytes)?;
    let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(OpenError::Torn)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG>().ok_or(OpenError::Torn)?;
    let (front, nonce) = header.split_last_chunk::<NONCE>().ok_or(OpenError::Torn)?;
    if !front.ends_with(binding) {
        return Err(OpenError::Misplaced);
    }
    let mut plain = Zeroizing::new(sealed.to_vec());
    let opened = cipher(key).decrypt(*nonce, header, &mut plain, *tag);
    opened.ok_or(OpenError::Altered)?;
    Ok(plain)
}

/// The cipher of [`ALGORITHM`].
fn cipher(key: &SealingKey) -> impl Cipher {
    XChaCha20Poly1305::new(key.expose().into())
}

/// Authenticated encryption in place. `None` where the text is too long, or is not what was encrypted.
trait Cipher {
    /// The tag.
    fn encrypt(&self, nonce: [u8; NONCE], header: &[u8], text: &mut [u8]) -> Option<[u8; TAG]>;

    fn decrypt(
        &self,
        nonce: [u8; NONCE],
        header: &[u8],
        text: &mut [u8],
        tag: [u8; TAG],
    ) -> Option<()>;
}

impl Cipher for XChaCha20Poly1305 {
    fn encrypt(&self, nonce: [u8; NONCE], header: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
        let tag = self.encrypt_inout_detached(&XNonce::from(nonce), header, text.into());
        Some(tag.ok()?.into())
    }

    fn decrypt(
        &self,
        nonce: [u8; NONCE],
        header: &[u8],
        text: &mut [u8],
        tag: [u8; TAG],
    ) -> Option<()> {
        self.decrypt_inout_detached(&XNonce::from(nonce), header, text.into(), &tag.into())
            .ok()
    }
}

#[cfg(test)]
mod tests;
