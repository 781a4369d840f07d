//! What a sealed file looks like.
//!
//! ```text
//! magic "hallpass" | version | key id | binding | nonce | XChaCha20-Poly1305 ciphertext and tag
//!        8 bytes   |    1    |   16   |   32    |  24   |
//! ```
//!
//! The whole header is associated data. The binding is a digest of the credential, which also names the
//! file, so a file that is put in another's place does not open there. The nonce is random for each
//! sealing: 24 bytes make a repetition unlikely for ever.

use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::key::{KeyError, KeyId, SealingKey, no_random_numbers};

const MAGIC: &[u8; 8] = b"hallpass";
const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEADER: usize = MAGIC.len() + 1 + 16 + 32 + NONCE;

/// What a sealed text belongs to.
pub(crate) type Binding = [u8; 32];

/// Why sealed bytes don't open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsealable {
    /// Shorter than any sealed file.
    Torn,
    /// It is something else.
    Foreign,
    /// Sealed by a newer version.
    Newer { version: u8 },
    /// Sealed for something else.
    Misplaced,
    /// Not what was sealed, or not with this key.
    Altered,
}

/// Seals `plain` for `binding`.
pub(crate) fn seal(
    id: KeyId,
    key: &SealingKey,
    binding: &Binding,
    plain: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(no_random_numbers)?;
    let mut header = [0; HEADER];
    let parts: [&[u8]; 5] = [MAGIC, &[VERSION], id.as_bytes(), binding, &nonce];
    for (to, from) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    // Encrypted where it lies, so that no copy of the plain text is left behind.
    let mut sealed = Vec::with_capacity(HEADER + plain.len() + TAG);
    sealed.extend_from_slice(&header);
    sealed.extend_from_slice(plain);
    let tag = XChaCha20Poly1305::new(key.expose().into())
        .encrypt_inout_detached(
            &XNonce::from(nonce),
            &header,
            (&mut sealed[HEADER..]).into(),
        )
        .map_err(|_| {
            KeyError::new(
                crate::KeyErrorKind::Unusable,
                "sealing the records failed: they are too long",
            )
        })?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// The key that sealed `bytes`.
pub(crate) fn key_id(bytes: &[u8]) -> Result<KeyId, Unsealable> {
    // The version comes before anything that may change with it, the length included.
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(Unsealable::Torn)?;
    if magic != MAGIC {
        return Err(Unsealable::Foreign);
    }
    match rest.first() {
        None => return Err(Unsealable::Torn),
        Some(&VERSION) => {}
        // There was never a version before the first.
        Some(0) => return Err(Unsealable::Foreign),
        Some(&version) => return Err(Unsealable::Newer { version }),
    }
    let id = rest[1..].first_chunk::<16>().ok_or(Unsealable::Torn)?;
    Ok(KeyId::from_bytes(*id))
}

/// Opens what [`seal`] sealed for the same binding.
pub(crate) fn open(
    key: &SealingKey,
    binding: &Binding,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
    key_id(bytes)?;
    let (header, rest) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(Unsealable::Torn)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG>().ok_or(Unsealable::Torn)?;
    let (front, nonce) = header.split_last_chunk::<NONCE>().ok_or(Unsealable::Torn)?;
    if !front.ends_with(binding) {
        return Err(Unsealable::Misplaced);
    }
    let mut plain = Zeroizing::new(sealed.to_vec());
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            header,
            plain.as_mut_slice().into(),
            &(*tag).into(),
        )
        .map_err(|_| Unsealable::Altered)?;
    Ok(plain)
}

#[cfg(test)]
mod tests;
