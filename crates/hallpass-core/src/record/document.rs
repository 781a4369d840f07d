//! The credential document: every record of one credential as one piece of JSON, for a store to seal and write.
//!
//! One document a credential makes the change of the active issuer atomic: either all of a save is there
//! or none of it. This module alone turns secrets into bytes.
//!
//! The format is versioned. A document of a newer version is refused; fields that this version does
//! not know survive a rewrite.
//!
//! What grows, and how: a new *field* that an older version may overlook leaves [`VERSION`] as it is.
//! A new *value* of a known field (a state, a cause, a kind of grant, a scheme, an origin) raises it,
//! as does a field that must not be overlooked: an older version would take the document for damaged,
//! or the account for something that it is not. So a value that is unknown in a document of a known
//! version is damage. (Values that servers define, such as authentication methods, are open: they are
//! kept as they are.)

mod wire;

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use self::wire::{DocumentWire, RecordWire};
use super::{Generation, Record, UnknownFields};
use crate::{CredentialKey, Issuer, Subject, record::RefreshAttempt, store::Saved};

/// The version that this crate writes. Each new value in the format raises it, as said above.
pub const VERSION: u32 = 1;

/// Every record of one credential.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialDocument {
    key: CredentialKey,
    active: Option<Issuer>,
    last_generation: Generation,
    records: Vec<Record>,
    unknown: UnknownFields,
}

impl CredentialDocument {
    /// The document of a credential that holds nothing.
    pub fn empty(key: CredentialKey) -> Self {
        Self {
            key,
            active: None,
            last_generation: Generation::default(),
            records: Vec::new(),
            unknown: UnknownFields::default(),
        }
    }

    /// The credential.
    pub fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// The records, in no order that means anything.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The active record.
    pub fn active(&self) -> Option<&Record> {
        self.record(self.active.as_ref()?)
    }

    /// The record for one exact issuer.
    pub fn record(&self, issuer: &Issuer) -> Option<&Record> {
        self.records.iter().find(|record| record.issuer == *issuer)
    }

    /// A copy of every record, the active one first.
    pub fn to_records(&self) -> Vec<Record> {
        let mut records = self.records.clone();
        records.sort_by_key(|record| self.active.as_ref() != Some(&record.issuer));
        records
    }

    /// Puts `record` in place of the one at generation `expected`, and makes it active, as
    /// [`CredentialStore::save`](crate::CredentialStore::save) says.
    ///
    /// The generation is the one after the last one of the credential.
    pub fn save(&mut self, record: &Record, expected: Option<Generation>) -> Saved {
        self.save_as(record, expected, self.last_generation.next())
    }

    /// The same with a generation from a sequence of the store, so that an erased credential leaves nothing: no
    /// later generation of the credential is an earlier one again. A generation that is not after the last one
    /// is replaced by the one after it.
    pub fn save_as(
        &mut self,
        record: &Record,
        expected: Option<Generation>,
        generation: Generation,
    ) -> Saved {
        let found = self.record(&record.issuer);
        if found.map(|found| found.generation) != expected {
            return match found {
                Some(found) if self.is_repeated(record, found, expected) => {
                    Saved::Written(found.generation)
                }
                found => Saved::Conflict {
                    found: found.map(|found| found.generation),
                },
            };
        }
        let generation = generation.max(self.last_generation.next());
        self.last_generation = generation;
        self.active = Some(record.issuer.clone());
        self.records.retain(|old| old.issuer != record.issuer);
        self.records.push(Record {
            generation,
            ..record.clone()
        });
        Saved::Written(generation)
    }

    /// Whether the save of `record` is the one that made `found`: its answer was lost, and the caller repeats it.
    ///
    /// A new grant is told from others by its tokens. Two processes may note the same post in the same second,
    /// so that a record with a pending refresh is never taken for a repeated one.
    fn is_repeated(&self, record: &Record, found: &Record, expected: Option<Generation>) -> bool {
        record.pending_refresh.is_none()
            && expected.is_none_or(|expected| found.generation > expected)
            && self.active.as_ref() == Some(&found.issuer)
            && Record {
                generation: found.generation,
                ..record.clone()
            } == *found
    }

    /// Notes in the active record that its refresh token is about to be posted, if that record is the one that
    /// the attempt is for and no later attempt is noted in it. Whether it did. Generations stay as they are.
    pub fn mark(&mut self, attempt: &RefreshAttempt) -> bool {
        let active = self.active.as_ref();
        let mut records = self.records.iter_mut();
        let record = records.find(|record| active == Some(&record.issuer));
        record.is_some_and(|record| record.mark(attempt))
    }

    /// Removes the record for one issuer; whether there was one. Generations go on from where they
    /// were.
    pub fn remove(&mut self, issuer: &Issuer) -> bool {
        let before = self.records.len();
        self.records.retain(|record| record.issuer != *issuer);
        if self.active.as_ref() == Some(issuer) {
            self.active = None;
        }
        self.records.len() < before
    }

    /// The document as JSON, secrets included. The bytes are wiped when they are dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let wire = DocumentWire {
            version: VERSION,
            server: self.key.server.clone(),
            tenant: self.key.subject.tenant().as_str().into(),
            subject: self.key.subject.user().into(),
            account: self.key.account.clone(),
            active: self.active.clone(),
            last_generation: self.last_generation,
            records: self.records.iter().map(RecordWire::from).collect(),
            unknown: self.unknown.clone(),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        // Serializing into memory fails only for maps whose keys are not strings; these have none.
        if let Err(error) = serde_json::to_writer(&mut *bytes, &wire) {
            debug_assert!(false, "a credential document is always JSON: {error}");
        }
        bytes
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Newer`] for a version after [`VERSION`]; [`DocumentError::Malformed`] for
    /// anything that is no credential document. Neither error repeats any of the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }

        let head: Head = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if head.version > VERSION {
            return Err(DocumentError::Newer {
                version: head.version,
            });
        }
        let wire: DocumentWire =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        let key = CredentialKey {
            server: wire.server,
            subject: Subject::from_parts(&wire.tenant, &wire.subject),
            account: wire.account,
        };
        let records = wire
            .records
            .into_iter()
            .map(|record| record.into_record(&key))
            .collect();
        Ok(Self {
            key,
            active: wire.active,
            last_generation: wire.last_generation,
            records,
            unknown: wire.unknown,
        })
    }
}

/// Bytes that are no credential document of this version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// Written by a newer version of Hallpass.
    Newer {
        /// The version found.
        version: u32,
    },
    /// No credential document.
    Malformed {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column where reading stopped, from 1.
        column: usize,
    },
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version } => write!(
                f,
                "the record has format version {version}, this Hallpass reads up to {VERSION}"
            ),
            Self::Malformed { line, column } => {
                write!(
                    f,
                    "the record is no credential document (line {line}, column {column})"
                )
            }
        }
    }
}

impl std::error::Error for DocumentError {}

/// The messages of `serde_json` repeat what they read, so only the position is kept.
fn malformed(error: &serde_json::Error) -> DocumentError {
    DocumentError::Malformed {
        line: error.line(),
        column: error.column(),
    }
}

#[cfg(test)]
mod tests;
