//! The port to a key that wraps other keys and is not given out.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use hallpass_core::BoxFuture;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Binding, KeyError, KeyErrorKind, KeyId, KeySource, SealingKey, open, seal};

/// Encrypts data keys with a wrapping key, also called key encryption key. The wrapping key may never leave a
/// key management service or a hardware module.
///
/// An implementation has its own timeout and does not block an async thread.
pub trait KeyEncryption: Send + Sync + fmt::Debug {
    /// The name of the wrapping key, which is written beside each key that it wraps. It is public, and
    /// another wrapping key has another name.
    fn key_name(&self) -> &str;

    /// Encrypts `key`. The result opens only with the same `context`, which is not secret.
    fn wrap<'a>(
        &'a self,
        key: &'a SealingKey,
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>>;

    /// Decrypts what [`wrap`](Self::wrap) returned for the same `context`.
    ///
    /// [`KeyErrorKind::Unusable`] says that `wrapped` is not what was wrapped with this key for this context;
    /// an error that may end by itself has the remedy [`Retry`](hallpass_core::Remedy::Retry).
    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<SealingKey, KeyError>>;

    /// Where the wrapping key is, for an operator to read.
    fn describe(&self) -> String;
}

/// A wrapping key that this process has in memory, from a [`KeySource`]: a key file, a keyring, a passphrase.
///
/// Weaker than a key management service: a reader of this process's memory or of the source can open every
/// data key at any later time.
#[derive(Debug)]
pub struct LocalKeyEncryption {
    source: Arc<dyn KeySource>,
    id: KeyId,
    name: String,
    /// Read from the source once. An error is not kept.
    key: Mutex<Option<SealingKey>>,
}

impl LocalKeyEncryption {
    /// Wraps with the key of this id, which the source has.
    pub fn new(source: impl KeySource + 'static, id: KeyId) -> Self {
        Self {
            source: Arc::new(source),
            id,
            name: format!("local:{id}"),
            key: Mutex::new(None),
        }
    }

    /// Makes a new wrapping key, which the source keeps under a new id. The id goes into the configuration.
    ///
    /// # Errors
    ///
    /// When the source can't make a key.
    pub async fn create(source: impl KeySource + 'static) -> Result<Self, KeyError> {
        let id = KeyId::generate()?;
        let key = source.create(id).await?;
        let wrapping = Self::new(source, id);
        wrapping.keep(key);
        Ok(wrapping)
    }

    /// The id of the wrapping key.
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    fn keep(&self, key: SealingKey) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    async fn key(&self) -> Result<SealingKey, KeyError> {
        let kept = self
            .key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(key) = kept {
            return Ok(key);
        }
        let key = self.source.load(self.id).await?;
        self.keep(key.clone());
        Ok(key)
    }
}

impl KeyEncryption for LocalKeyEncryption {
    fn key_name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(
        &'a self,
        key: &'a SealingKey,
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let wrapping = self.key().await?;
            seal(self.id, &wrapping, &binding(context), key.expose())
        })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            let wrapping = self.key().await?;
            let unusable = || {
                let what = format!("the wrapping key {} does not open the data key", self.id);
                KeyError::new(KeyErrorKind::Unusable, what)
            };
            let plain = open(&wrapping, &binding(context), wrapped).map_err(|error| {
                unusable()
                    .with_source(error)
                    .with_hint("check the wrapping key's id, its key file or its passphrase")
            })?;
            let bytes = Zeroizing::new(<[u8; 32]>::try_from(&plain[..]).map_err(|_| unusable())?);
            Ok(SealingKey::from_bytes(*bytes))
        })
    }

    fn describe(&self) -> String {
        format!("{}, key {}", self.source.describe(), self.id)
    }
}

fn binding(context: &[u8]) -> Binding {
    let mut digest = Sha256::new();
    digest.update(b"hallpass data key 1\0");
    digest.update(context);
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
