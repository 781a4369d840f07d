//! Sealed bytes, and the keys that seal them.
//!
//! - [`seal`] and [`open`]: bytes that open only with their key and for what they were sealed for.
//! - [`SealingKey`] and [`KeyId`]: a key of 32 bytes, and its public name.
//! - [`derive_key`]: a key from a passphrase.
//! - [`KeySource`]: the port to a place where keys are kept, such as a keyring or a file.
//! - [`KeyEncryption`]: the port to a wrapping key that is not given out, as that of a key management
//!   service. [`LocalKeyEncryption`] is one over a `KeySource`.
//! - [`DataKeys`]: keys that each seal the records of one tenant. They are kept as a [`WrappedKey`] beside
//!   the records, and unwrapped in memory for minutes.
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

mod data_key;
mod key;
mod passphrase;
mod sealed;
mod source;
mod wrapping_key;

pub use data_key::{DataKeys, WrappedKey};
pub use key::{KeyId, SealingKey};
pub use passphrase::derive_key;
pub use sealed::{Algorithm, Binding, OpenError, key_id, open, seal};
pub use source::{KeyError, KeyErrorKind, KeyLocation, KeySource};
pub use wrapping_key::{KeyEncryption, LocalKeyEncryption};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
