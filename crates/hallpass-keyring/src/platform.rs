//! The keyring of this operating system.

use std::sync::Arc;

use keyring_core::{CredentialStore, Result};

/// Its name, for users.
pub(crate) const NAME: &str = if cfg!(target_os = "macos") {
    "the macOS Keychain"
} else if cfg!(target_os = "windows") {
    "the Windows Credential Manager"
} else {
    "the Secret Service"
};

/// Connects to it. May block for as long as it likes.
#[cfg(all(
    unix,
    not(any(target_os = "macos", target_os = "ios", target_os = "android"))
))]
pub(crate) fn open() -> Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

/// Connects to it. May block for as long as it likes.
#[cfg(target_os = "macos")]
pub(crate) fn open() -> Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

/// Connects to it. May block for as long as it likes.
#[cfg(target_os = "windows")]
pub(crate) fn open() -> Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// There is none.
#[cfg(any(
    target_os = "ios",
    target_os = "android",
    not(any(unix, target_os = "windows"))
))]
pub(crate) fn open() -> Result<Arc<CredentialStore>> {
    Err(keyring_core::Error::NotSupportedByStore(
        "this operating system".to_owned(),
    ))
}
