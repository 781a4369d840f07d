//! `store.json`: which key opens a store, decided once, when the store is created.
//!
//! It holds no secret: where the key is kept, the key's id, and a check value that tells another
//! key of the same id apart. It is written under the store's lock and changed by a rekey only.

use std::path::Path;

use hallpass_core::store::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

use crate::{
    KeyId, Policy, SealingKey, folder, hex,
    seal::{self, Binding},
};

/// What the key before the current one is sealed for.
const PREVIOUS_KEY: &Binding = b"hallpass: the key of last time 1";

const VERSION: u32 = 1;

/// What `store.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyFile {
    version: u32,
    policy: String,
    key: String,
    check: String,
    /// Why better places for the key were passed over when the store was created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) passed_over: Vec<String>,
    /// The key before this one, sealed with this one, while a rekey is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Previous>,
}

/// A key that some records may still be sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Previous {
    policy: String,
    key: String,
    /// The key, sealed with the current one, in hexadecimal digits.
    sealed: String,
}

impl Previous {
    /// Keeps the key that `file` names until every record is sealed with `new`.
    pub(crate) fn new(
        file: &PolicyFile,
        old: &SealingKey,
        id: KeyId,
        new: &SealingKey,
    ) -> Result<Self, crate::KeyError> {
        Ok(Self {
            policy: file.policy.clone(),
            key: file.key.clone(),
            sealed: hex::encode(&seal::seal(id, new, PREVIOUS_KEY, old.expose())?),
        })
    }

    /// Where the key was kept, if that is known.
    pub(crate) fn policy(&self) -> Option<Policy> {
        Policy::parse(&self.policy)
    }

    pub(crate) fn open(&self, key: &SealingKey) -> Option<(KeyId, SealingKey)> {
        let sealed = hex::decode_any(&self.sealed)?;
        let plain = seal::open(key, PREVIOUS_KEY, &sealed).ok()?;
        let bytes = <[u8; 32]>::try_from(plain.as_slice()).ok()?;
        Some((KeyId::parse(&self.key)?, SealingKey::from_bytes(bytes)))
    }
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl PolicyFile {
    pub(crate) fn new(policy: Policy, id: KeyId, key: &SealingKey) -> Self {
        Self {
            version: VERSION,
            policy: policy.to_string(),
            key: id.to_string(),
            check: key.check(id),
            passed_over: Vec::new(),
            previous: None,
        }
    }

    /// Reads the file; `None` where no store was created yet.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = folder::read(path)? else {
            return Ok(None);
        };
        let head: Head = parse(path, &bytes)?;
        if head.version > VERSION {
            return Err(StoreError::new(
                StoreErrorKind::Newer,
                format!(
                    "`{}` has format version {}, this Hallpass reads up to {VERSION}",
                    path.display(),
                    head.version
                ),
            )
            .with_hint("use the newer Hallpass"));
        }
        let file: Self = parse(path, &bytes)?;
        if KeyId::parse(&file.key).is_none() {
            return Err(damaged(path));
        }
        Ok(Some(file))
    }

    /// Writes the file; the caller holds the store's lock.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            StoreError::new(StoreErrorKind::Io, "writing down the store's policy failed")
                .with_source(error)
        })?;
        bytes.push(b'\n');
        folder::replace(path, &bytes)
    }

    pub(crate) fn policy(&self) -> Result<Policy, StoreError> {
        Policy::parse(&self.policy).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Newer,
                format!(
                    "the store was created with the policy `{}`, which this Hallpass does not know",
                    self.policy.escape_debug()
                ),
            )
        })
    }

    pub(crate) fn key_id(&self) -> KeyId {
        // Checked when it was read.
        KeyId::parse(&self.key).unwrap_or(KeyId::from_bytes([0; 16]))
    }

    /// Whether `key` is the one the store was created with.
    pub(crate) fn accepts(&self, key: &SealingKey) -> bool {
        key.check(self.key_id()) == self.check
    }
}

fn parse<'de, T: Deserialize<'de>>(path: &Path, bytes: &'de [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| damaged(path))
}

fn damaged(path: &Path) -> StoreError {
    StoreError::new(
        StoreErrorKind::Damaged,
        format!("`{}` is not what Hallpass wrote there", path.display()),
    )
    .with_hint("bring the file back, as from a backup: without it the records can't be opened")
}
