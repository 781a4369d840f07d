//! Wrapping keys that never leave their key management service.
//!
//! - [`VaultTransit`]: the Transit engine of HashiCorp Vault and of OpenBao, over the host's
//!   [`HttpClient`](hallpass_core::HttpClient).
//! - [`CommandKeyEncryption`]: a program that wraps and unwraps, such as that of a cloud.
//!
//! Both are a [`KeyEncryption`](hallpass_seal::KeyEncryption), whose data keys stay in memory for minutes
//! ([`DataKeys`](hallpass_seal::DataKeys)). It is a crate of its own because `hallpass-seal` knows no HTTP
//! and no runtime.
//!
//! # What it does not do
//!
//! It makes, rotates and deletes no wrapping key, and gets no token of the service: that is the operator's.

mod command;
mod vault;

pub use command::CommandKeyEncryption;
pub use vault::VaultTransit;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
