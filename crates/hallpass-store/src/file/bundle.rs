//! A store's records as one sealed piece, to carry to another machine.
//!
//! Inside are the credential documents, one a line, sealed like a credential's file. The key's id is in the
//! header, so that a key that is derived from a passphrase is found again.

use std::time::Duration;

use hallpass_core::{
    CredentialKey, CredentialStore,
    record::document::CredentialDocument,
    store::{LockKind, Saved, StoreError, StoreErrorKind},
};
use hallpass_seal::{Binding, OpenError};
use zeroize::Zeroizing;

use super::{creation::no_key, file_store::FileStore, records::document_error};
use crate::{KeyId, KeySource, blocking};

const BUNDLE: &Binding = b"hallpass: an export of a store 1";

/// A sealed copy of a store's records.
#[derive(Debug)]
pub struct Exported {
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// The credentials in it.
    pub credentials: Vec<CredentialKey>,
    /// The files that could not be opened, and so are not in it.
    pub problems: Vec<StoreError>,
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// The credentials that were saved.
    pub saved: Vec<CredentialKey>,
    /// The credentials that have records in the store already. These stay as they are.
    pub kept: Vec<CredentialKey>,
}

impl FileStore {
    /// Copies every record into one piece that is sealed with a key that `with` makes.
    ///
    /// A refresh token that rotates works for one store: after an import elsewhere, the store that refreshes
    /// first signs the other one out. So this is for moving and for backups.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Key`] when one of the two keys is not available.
    pub async fn export(&self, with: &dyn KeySource) -> Result<Exported, StoreError> {
        let (mut documents, problems) = self.documents().await?;
        documents.retain(|document| !document.records().is_empty());
        documents.sort_by(|a, b| a.key().cmp(b.key()));
        let no_key = |error| no_key(with.key_location(), error);
        let id = KeyId::generate().map_err(no_key)?;
        let key = with.create(id).await.map_err(no_key)?;
        let encoded: Vec<_> = documents.iter().map(CredentialDocument::encode).collect();
        // The full length at once: a vector that grows leaves copies behind.
        let length = encoded.iter().map(|bytes| bytes.len() + 1).sum();
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        for bytes in &encoded {
            plain.extend_from_slice(bytes);
            plain.push(b'\n');
        }
        Ok(Exported {
            bytes: hallpass_seal::seal(id, &key, BUNDLE, &plain).map_err(no_key)?,
            credentials: documents.iter().map(|d| d.key().clone()).collect(),
            problems,
        })
    }

    /// Adds the credentials of an export to this store. Those that have records here stay as they are. Waits at
    /// most `wait` for each credential.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Key`] when `with` does not have the key; [`StoreErrorKind::Damaged`] and
    /// [`StoreErrorKind::Newer`] when it is not an export of this version, or sealed with another key. Any other error of [`save`](CredentialStore::save) ends the import half
    /// done; it can be repeated.
    pub async fn import(
        &self,
        bytes: &[u8],
        with: &dyn KeySource,
        wait: Duration,
    ) -> Result<Imported, StoreError> {
        let id = hallpass_seal::key_id(bytes).map_err(open_error)?;
        let key = with.load(id).await;
        let key = key.map_err(|error| no_key(with.key_location(), error))?;
        let bytes = bytes.to_vec();
        let documents = blocking::run(move || {
            let plain = hallpass_seal::open(&key, BUNDLE, &bytes).map_err(open_error)?;
            let lines = plain.split(|byte| *byte == b'\n');
            lines
                .filter(|line| !line.is_empty())
                .map(|line| {
                    CredentialDocument::decode(line)
                        .map_err(|error| document_error("the export", error))
                })
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
        let mut imported = Imported::default();
        for document in documents {
            let credential = document.key().clone();
            if self.import_credential(&document, wait).await? {
                imported.saved.push(credential);
            } else {
                imported.kept.push(credential);
            }
        }
        Ok(imported)
    }

    /// Saves a credential's records, the active one last; false when the credential has records already.
    async fn import_credential(
        &self,
        document: &CredentialDocument,
        wait: Duration,
    ) -> Result<bool, StoreError> {
        let credential = document.key();
        let mut guard = self.lock(credential, LockKind::Credential, wait).await?;
        let lease = self.lease(credential, &mut guard)?.for_change();
        let active = document.active().map(|record| record.issuer.clone());
        let mut records = document.records().to_vec();
        records.sort_by_key(|record| Some(&record.issuer) == active.as_ref());
        self.change(credential, lease, move |present| {
            if !present.records().is_empty() {
                return (false, false);
            }
            let saved = records.iter().map(|record| present.save(record, None));
            let written = saved.filter(|saved| matches!(saved, Saved::Written(_)));
            (true, written.count() == records.len())
        })
        .await
    }
}

fn open_error(why: OpenError) -> StoreError {
    match why {
        OpenError::Newer { version } => StoreError::new(
            StoreErrorKind::Newer,
            format!("the export was sealed by a newer Hallpass (version {version})"),
        )
        .with_hint("use the newer Hallpass"),
        OpenError::Altered => StoreError::new(
            StoreErrorKind::Damaged,
            "the export was changed after it was sealed, or sealed with another key",
        )
        .with_hint("check the passphrase"),
        OpenError::Torn => StoreError::new(StoreErrorKind::Damaged, "the export is incomplete"),
        OpenError::Foreign | OpenError::Misplaced => {
            StoreError::new(StoreErrorKind::Damaged, "this is not an export of a store")
        }
    }
}

#[cfg(test)]
mod tests;
