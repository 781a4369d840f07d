//! One credential's file, between bytes and document.

use std::path::{Path, PathBuf};

use hallpass_core::{
    CredentialKey, Hint,
    record::document::{CredentialDocument, DocumentError},
    store::{LockKind, StoreError, StoreErrorKind},
};
use hallpass_seal::{Binding, OpenError};
use zeroize::Zeroizing;

use super::header::{self, KeyEpoch};
use crate::{
    KeyId, SealingKey,
    folder::{self, Replacement},
};

/// The keys that open the files of an epoch: its own, and during a rekey the one before it.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) id: KeyId,
    pub(crate) key: SealingKey,
    pub(crate) previous: Option<(KeyId, SealingKey)>,
}

impl Keys {
    /// Checks that `key` is the one of `epoch`.
    pub(crate) fn new(epoch: &KeyEpoch, key: SealingKey) -> Result<Self, StoreError> {
        if !epoch.accepts(&key) {
            return Err(StoreError::new(
                StoreErrorKind::Key,
                format!(
                    "the key {} is not the one that the store was created with",
                    epoch.key_id()
                ),
            )
            .with_hint("bring back the key, as from a backup; the records are intact"));
        }
        let previous = match &epoch.previous {
            None => None,
            Some(previous) => Some(
                previous
                    .open(&key)
                    .ok_or_else(|| StoreError::new(StoreErrorKind::Damaged, UNFINISHED))?,
            ),
        };
        Ok(Self {
            id: epoch.key_id(),
            key,
            previous,
        })
    }

    /// Whether one of the keys has the id in the header of sealed bytes; true if they have no header.
    pub(crate) fn have_key_of(&self, bytes: &[u8]) -> bool {
        hallpass_seal::key_id(bytes).map_or(true, |id| self.get(id).is_some())
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

/// The sealed files of one credential: one in each epoch, `<credential>.sealed` in the first
/// and `<credential>.<number>.sealed` in a later one.
#[derive(Debug, Clone)]
pub(crate) struct CredentialPaths {
    pub(crate) binding: Binding,
    /// The binding in hexadecimal digits.
    pub(crate) name: String,
    pub(crate) epoch: u32,
    pub(crate) sealed: PathBuf,
}

impl CredentialPaths {
    pub(crate) fn new(root: &Path, credential: &CredentialKey) -> Self {
        Self::of_binding(root, binding(credential))
    }

    pub(crate) fn of_binding(root: &Path, binding: Binding) -> Self {
        let name = hex::encode(binding);
        let stem = root.join("slots").join(&name);
        Self {
            binding,
            name,
            epoch: header::FIRST_EPOCH,
            sealed: stem.with_extension("sealed"),
        }
    }

    /// The same credential in another epoch.
    pub(crate) fn in_epoch(&self, number: u32) -> Self {
        let name = match number {
            header::FIRST_EPOCH => format!("{}.sealed", self.name),
            number => format!("{}.{number}.sealed", self.name),
        };
        Self {
            epoch: number,
            sealed: self.sealed.with_file_name(name),
            ..self.clone()
        }
    }

    /// Reads the name of a sealed file.
    fn of_file(root: &Path, path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let (name, number) = match stem.split_once('.') {
            None => (stem, header::FIRST_EPOCH),
            Some((name, number)) => (name, number.parse().ok()?),
        };
        let paths = Self::of_binding(root, parse_binding(name)?).in_epoch(number);
        // Written in one way only.
        (paths.sealed == path).then_some(paths)
    }
}

/// Reads the 64 hexadecimal digits of a file's name.
fn parse_binding(name: &str) -> Option<Binding> {
    let mut binding = Binding::default();
    hex::decode_to_slice(name, &mut binding).ok()?;
    Some(binding)
}

/// The file of one of a credential's locks.
pub(crate) fn lock_path(root: &Path, credential: &CredentialKey, kind: LockKind) -> PathBuf {
    let server = credential.server.as_str();
    let binding = match kind {
        LockKind::Credential => binding(credential),
        // The first version took the lock of a credential at a host that can't exist (RFC 2606 section 2).
        // The name is the same, so that it and this version exclude each other.
        LockKind::SignIn => {
            let name = form_urlencoded::byte_serialize(server.as_bytes());
            let server = format!("https://sign-in.invalid/{}", name.collect::<String>());
            credential.digest_at(&server)
        }
    };
    let name = hex::encode(binding);
    root.join("slots").join(name).with_extension("lock")
}

/// A digest of the credential: the name of its file, and what the file is sealed for.
pub(crate) fn binding(credential: &CredentialKey) -> Binding {
    credential.digest()
}

/// Opens the bytes of a credential's file.
pub(crate) fn open(
    keys: &Keys,
    paths: &CredentialPaths,
    credential: Option<&CredentialKey>,
    bytes: &[u8],
) -> Result<CredentialDocument, StoreError> {
    let plain = unseal(keys, paths, bytes)?;
    let document = CredentialDocument::decode(&plain)
        .map_err(|error| document_error(&format!("`{}`", paths.sealed.display()), error))?;
    let ours = match credential {
        Some(credential) => document.key() == credential,
        None => binding(document.key()) == paths.binding,
    };
    if !ours {
        return Err(open_error(paths, OpenError::Misplaced));
    }
    Ok(document)
}

/// The error of a file, as an export, whose document can't be read.
pub(super) fn document_error(file: &str, error: DocumentError) -> StoreError {
    let kind = match error {
        DocumentError::Newer { .. } => StoreErrorKind::Newer,
        _ => StoreErrorKind::Damaged,
    };
    StoreError::new(kind, format!("{file} can't be read")).with_source(error)
}

fn unseal(
    keys: &Keys,
    paths: &CredentialPaths,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let place = paths.sealed.display();
    let id = hallpass_seal::key_id(bytes).map_err(|why| open_error(paths, why))?;
    let key = keys.get(id).ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Key,
            format!(
                "`{place}` is sealed with the key {id}, the store's key is {}",
                keys.id
            ),
        )
        .with_hint("it is from another machine or from before the store was reset")
    })?;
    hallpass_seal::open(key, &paths.binding, bytes).map_err(|why| open_error(paths, why))
}

/// Seals a document and writes it in its place, by a replacement that has begun there.
pub(crate) fn write(
    keys: &Keys,
    paths: &CredentialPaths,
    document: &CredentialDocument,
    replacement: Replacement,
) -> Result<(), StoreError> {
    replacement.finish(&sealed(keys, paths, &document.encode())?)
}

fn sealed(keys: &Keys, paths: &CredentialPaths, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    hallpass_seal::seal(keys.id, &keys.key, &paths.binding, plain).map_err(|error| {
        StoreError::new(
            StoreErrorKind::Io,
            format!("sealing `{}` failed", paths.sealed.display()),
        )
        .with_source(error)
    })
}

fn open_error(paths: &CredentialPaths, why: OpenError) -> StoreError {
    let place = paths.sealed.display();
    let what = match why {
        OpenError::Torn => "is incomplete",
        OpenError::Foreign => "is not a sealed record",
        OpenError::Altered => "was changed after it was sealed",
        OpenError::Misplaced => "holds the records of another server or account",
        OpenError::Newer { version } => {
            let what = format!("`{place}` was sealed by a newer Hallpass (version {version})");
            let newer = StoreError::new(StoreErrorKind::Newer, what);
            return newer.with_hint("use the newer Hallpass");
        }
    };
    StoreError::new(StoreErrorKind::Damaged, format!("`{place}` {what}"))
        .with_hint("bring the file back, as from a backup")
        .with_hint(Hint::ForgetCredentials)
}

/// Opens bytes that are sealed with the key before the current one, and seals them with the current
/// one; `None` when they already are.
///
/// The document is not read, so that it may be of any version.
pub(crate) fn reseal(
    keys: &Keys,
    paths: &CredentialPaths,
    bytes: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let id = hallpass_seal::key_id(bytes).map_err(|why| open_error(paths, why))?;
    if id == keys.id {
        return Ok(None);
    }
    let plain = unseal(keys, paths, bytes)?;
    sealed(keys, paths, &plain).map(Some)
}

/// The paths of all credential files, and an error for each other `.sealed` file.
pub(crate) fn all(root: &Path) -> Result<Vec<Result<CredentialPaths, StoreError>>, StoreError> {
    let credentials = root.join("slots");
    if folder::kind(&credentials)?.is_none() {
        return Ok(Vec::new());
    }
    let paths = folder::files_with(&credentials, "sealed")?;
    let paths_of = |path: PathBuf| {
        CredentialPaths::of_file(root, &path).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Damaged,
                format!(
                    "`{}` does not have the name of a credential's file",
                    path.display()
                ),
            )
        })
    };
    Ok(paths.into_iter().map(paths_of).collect())
}

#[cfg(test)]
mod tests;
