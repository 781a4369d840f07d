//! One slot's file, between bytes and document.

use std::path::{Path, PathBuf};

use hallpass_core::{
    Slot,
    record::document::{DocumentError, SlotDocument},
    store::{StoreError, StoreErrorKind},
};
use sha2::{Digest, Sha256};

use super::{FileStore, policy::PolicyFile};
use crate::{
    KeyId, SealingKey, blocking, folder, hex,
    seal::{self, Binding, Unsealable},
};

/// What the key before the current one is sealed for, in `store.json`.
pub(crate) const PREVIOUS_KEY: &Binding = b"hallpass: the key of last time 1";

/// The keys that open a store's records: the current one, and during a rekey the one before it.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) id: KeyId,
    pub(crate) key: SealingKey,
    previous: Option<(KeyId, SealingKey)>,
}

impl Keys {
    /// Checks that `key` is the one that `policy` names.
    pub(crate) fn new(policy: &PolicyFile, key: SealingKey) -> Result<Self, StoreError> {
        if !policy.accepts(&key) {
            return Err(StoreError::new(
                StoreErrorKind::Key,
                format!(
                    "the key that was found as {} is not the one that the store was created with",
                    policy.key_id()
                ),
            )
            .with_hint("bring back the key, as from a backup; the records are intact"));
        }
        let previous = match &policy.previous {
            None => None,
            Some(previous) => Some(
                previous
                    .open(&key)
                    .ok_or_else(|| StoreError::new(StoreErrorKind::Damaged, UNFINISHED))?,
            ),
        };
        Ok(Self {
            id: policy.key_id(),
            key,
            previous,
        })
    }

    /// Whether one of the keys has the id that stands in sealed bytes; also when none stands there.
    pub(crate) fn know(&self, bytes: &[u8]) -> bool {
        seal::key_id(bytes).map_or(true, |id| self.get(id).is_some())
    }

    fn get(&self, id: KeyId) -> Option<&SealingKey> {
        if id == self.id {
            return Some(&self.key);
        }
        let (_, key) = self.previous.as_ref().filter(|(old, _)| *old == id)?;
        Some(key)
    }
}

const UNFINISHED: &str = "the store's key was being changed, and the one before it can't be opened";

impl super::policy::Previous {
    fn open(&self, key: &SealingKey) -> Option<(KeyId, SealingKey)> {
        let sealed = hex::decode_any(&self.sealed)?;
        let plain = seal::open(key, PREVIOUS_KEY, &sealed).ok()?;
        let bytes = <[u8; 32]>::try_from(plain.as_slice()).ok()?;
        Some((KeyId::parse(&self.key)?, SealingKey::from_bytes(bytes)))
    }
}

/// The files of one slot.
#[derive(Debug, Clone)]
pub(crate) struct SlotPaths {
    pub(crate) binding: Binding,
    /// The binding in hexadecimal digits.
    pub(crate) name: String,
    pub(crate) sealed: PathBuf,
    pub(crate) lock: PathBuf,
}

impl SlotPaths {
    pub(crate) fn new(root: &Path, slot: &Slot) -> Self {
        Self::of_binding(root, binding(slot))
    }

    pub(crate) fn of_binding(root: &Path, binding: Binding) -> Self {
        let name = hex::encode(&binding);
        let stem = root.join("slots").join(&name);
        Self {
            binding,
            name,
            sealed: stem.with_extension("sealed"),
            lock: stem.with_extension("lock"),
        }
    }
}

/// A digest of the slot: the name of its file, and what the file is sealed for.
pub(crate) fn binding(slot: &Slot) -> Binding {
    let mut digest = Sha256::new();
    // Neither part can hold a zero byte, so no two slots give the same bytes.
    digest.update(b"hallpass slot 1\0");
    digest.update(slot.server.as_str());
    digest.update(b"\0");
    digest.update(slot.profile.as_str());
    digest.finalize().into()
}

/// Opens the bytes of a slot's file.
pub(crate) fn open(
    keys: &Keys,
    paths: &SlotPaths,
    slot: Option<&Slot>,
    bytes: &[u8],
) -> Result<SlotDocument, StoreError> {
    let place = paths.sealed.display();
    let id = seal::key_id(bytes).map_err(|why| unsealable(paths, why))?;
    let key = keys.get(id).ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Key,
            format!(
                "`{place}` is sealed with the key {id}, the store's key is {}",
                keys.id
            ),
        )
        .with_hint("it is from another machine or from before the store was started over")
    })?;
    let plain = seal::open(key, &paths.binding, bytes).map_err(|why| unsealable(paths, why))?;
    let document = SlotDocument::decode(&plain).map_err(|error| {
        let kind = match error {
            DocumentError::Newer { .. } => StoreErrorKind::Newer,
            _ => StoreErrorKind::Damaged,
        };
        StoreError::new(kind, format!("`{place}` can't be read")).with_source(error)
    })?;
    let ours = match slot {
        Some(slot) => document.slot() == slot,
        None => binding(document.slot()) == paths.binding,
    };
    if !ours {
        return Err(unsealable(paths, Unsealable::Misplaced));
    }
    Ok(document)
}

/// Seals a document and writes it in its place. The caller holds the slot's lock.
pub(crate) fn write(
    keys: &Keys,
    paths: &SlotPaths,
    document: &SlotDocument,
) -> Result<(), StoreError> {
    let plain = document.encode();
    let sealed = seal::seal(keys.id, &keys.key, &paths.binding, &plain).map_err(|error| {
        StoreError::new(
            StoreErrorKind::Io,
            format!("sealing `{}` failed", paths.sealed.display()),
        )
        .with_source(error)
    })?;
    folder::replace(&paths.sealed, &sealed)
}

fn unsealable(paths: &SlotPaths, why: Unsealable) -> StoreError {
    let (kind, what, hint) = match why {
        Unsealable::Torn => (StoreErrorKind::Damaged, "is torn".to_owned(), RESTORE),
        Unsealable::Foreign => (
            StoreErrorKind::Damaged,
            "is no sealed record".to_owned(),
            RESTORE,
        ),
        Unsealable::Altered => (
            StoreErrorKind::Damaged,
            "was changed after it was sealed".to_owned(),
            RESTORE,
        ),
        Unsealable::Misplaced => (
            StoreErrorKind::Damaged,
            "holds the records of another server or profile".to_owned(),
            RESTORE,
        ),
        Unsealable::Newer { version } => (
            StoreErrorKind::Newer,
            format!("was sealed by a newer Hallpass (version {version})"),
            "use the newer Hallpass",
        ),
    };
    StoreError::new(kind, format!("`{}` {what}", paths.sealed.display())).with_hint(hint)
}

const RESTORE: &str = "bring the file back, as from a backup, or set it aside and sign in again";

impl FileStore {
    /// Every document that opens, and why the others don't.
    pub(crate) async fn documents(
        &self,
    ) -> Result<(Vec<SlotDocument>, Vec<StoreError>), StoreError> {
        let root = self.folder().to_owned();
        let slots = root.join("slots");
        let paths = blocking::run(move || folder::files_with(&slots, "sealed")).await?;
        if paths.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        self.look_again().await?;
        let keys = self.keys().await?;
        blocking::run(move || {
            let (mut documents, mut problems) = (Vec::new(), Vec::new());
            for path in paths {
                match open_path(&keys, &root, &path) {
                    Ok(Some(document)) => documents.push(document),
                    Ok(None) => {}
                    Err(problem) => problems.push(problem),
                }
            }
            Ok((documents, problems))
        })
        .await
    }
}

/// `None` when the file went away in the meantime.
fn open_path(keys: &Keys, root: &Path, path: &Path) -> Result<Option<SlotDocument>, StoreError> {
    let name = path.file_stem().and_then(|stem| stem.to_str());
    let binding = name.and_then(hex::decode).ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Damaged,
            format!("`{}` does not bear the name of a slot", path.display()),
        )
    })?;
    let paths = SlotPaths::of_binding(root, binding);
    match folder::read(path)? {
        Some(bytes) => open(keys, &paths, None, &bytes).map(Some),
        None => Ok(None),
    }
}
