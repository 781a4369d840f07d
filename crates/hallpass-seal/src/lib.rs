//! Sealed bytes, and the keys that seal them.
//!
//! - [`seal`] and [`open`]: bytes that open only with their key and for what they were sealed for.
//! - [`SealingKey`] and [`KeyId`]: a key of 32 bytes, and its public name.
//! - [`derive_key`]: a key from a passphrase.
//! - [`KeySource`]: the port to a place where keys are kept, such as a keyring, a file or a key management
//!   service.
//!
//! It deliberately knows no file, no database, no HTTP and no runtime: where sealed bytes and keys are kept
//! is up to the crates that use it.
//!
//! Nonces, keys and key ids come from the operating system and from nowhere else. A repeated nonce would
//! open what is sealed, so randomness is no input here.
//!
//! # Example
//!
//! ```
//! use hallpass_seal::{KeyId, SealingKey, open, seal};
//!
//! let (id, key) = (KeyId::generate()?, SealingKey::generate()?);
//! let purpose = b"example: the notes of a test run";
//! let sealed = seal(id, &key, purpose, b"my notes")?;
//! assert_eq!(open(&key, purpose, &sealed).unwrap().as_slice(), b"my notes");
//! # Ok::<(), hallpass_seal::KeyError>(())
//! ```

mod key;
mod passphrase;
mod sealed;
mod source;

pub use key::{KeyId, SealingKey};
pub use passphrase::derive_key;
pub use sealed::{Binding, OpenError, key_id, open, seal};
pub use source::{KeyError, KeyErrorKind, KeyLocation, KeySource};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
