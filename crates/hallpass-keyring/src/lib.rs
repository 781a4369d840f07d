//! The sealing key of a Hallpass store in the keyring of the operating system.
//!
//! [`Keyring`] is a [`KeySource`](hallpass_seal::KeySource). It keeps 32 bytes and no record:
//! Windows takes 2,560 bytes at most, macOS may ask the user at each access, and a record changes
//! with each refresh while the key does not.
//!
//! - On Linux and the BSDs it is the Secret Service (GNOME Keyring, `KWallet`, `KeePassXC` …) over D-Bus,
//!   on macOS the Keychain, on Windows the Credential Manager. It is never the Linux kernel's key
//!   retention service, which forgets at a reboot and is one for all processes of root.
//! - A key is read once and kept for as long as the [`Keyring`] or a clone lives.
//! - Each call runs on a detached thread with a time limit: a bus that hangs holds up neither a
//!   runtime nor the end of the program. When it comes back, the answer that was late is used.
//! - Each attempt makes its own connection, so one that died with a suspend is not used again.
//!
//! It deliberately does not set `keyring_core`'s process-wide default store, which belongs to the
//! host, and does not fall back to anything.
//!
//! The place of the session bus is taken from the environment by the D-Bus library, as every
//! program of the session does.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use hallpass_keyring::Keyring;
//! use hallpass_seal::{KeySource, KeyLocation};
//!
//! let keyring = Keyring::new().with_timeout(Duration::from_secs(5));
//! assert_eq!(keyring.key_location(), KeyLocation::Keyring);
//! ```

mod keyring;
mod outcome;
mod platform;

pub use keyring::Keyring;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
