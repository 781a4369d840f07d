//! A row of a credential: sealed for its key and its generation, and opened.

use std::borrow::Cow;

use hallpass_core::{
    CredentialKey, Generation, Record, Remedy, Timestamp,
    record::{
        RefreshAttempt,
        document::{CredentialDocument, DocumentError},
    },
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::{Algorithm, Binding, DataKeys, KeyError, KeyId, OpenError, WrappedKey};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use crate::database::column;

/// The columns of a credential's row, its data key and its noted refresh. They follow `SELECT`.
pub(crate) const COLUMNS: &str = "
  c.key_id, c.tenant, c.generation, c.sealed,
  k.id AS data_key, k.wrapping_key, k.algorithm, k.wrapped,
  l.attempt_record, l.posts, l.first_post, l.last_post, l.not_before
FROM hallpass.credential c
JOIN hallpass.data_key k ON k.id = c.data_key
LEFT JOIN hallpass.lease l ON l.key_id = c.key_id AND l.kind = 0";

/// A credential's row, opened.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The generation of the row.
    pub(crate) generation: i64,
    /// The key that sealed it.
    pub(crate) data_key: KeyId,
    /// The document.
    pub(crate) document: CredentialDocument,
}

/// Opens a row with the [`COLUMNS`], and adds the refresh that is noted beside it. Where the caller knows
/// whose credential it is, the row must be that one's.
pub(crate) async fn open(
    row: &Row,
    data_keys: &DataKeys,
    key: Option<&CredentialKey>,
) -> Result<Stored, StoreError> {
    let mut stored = open_sealed(row, data_keys, key).await?;
    note(row, &mut stored.document)?;
    Ok(stored)
}

/// The same, as it was sealed.
pub(crate) async fn open_sealed(
    row: &Row,
    data_keys: &DataKeys,
    key: Option<&CredentialKey>,
) -> Result<Stored, StoreError> {
    let key_id: &[u8] = column(row, "key_id")?;
    let name = hex::encode(&key_id[..key_id.len().min(8)]);
    let generation = column(row, "generation")?;
    let tenant = match key {
        Some(key) => key.subject.tenant().as_str().to_owned(),
        None => from_column(column(row, "tenant")?),
    };
    let wrapped = wrapped_key(row)?;
    let data_key = data_keys.open(&wrapped, tenant.as_bytes()).await;
    let data_key = data_key
        .map_err(|error| key_error(&format!("credential {name} can't be opened"), error))?;
    let sealed: &[u8] = column(row, "sealed")?;
    let found = hallpass_seal::key_id(sealed).map_err(|error| open_error(&name, error))?;
    if found != wrapped.id {
        return Err(open_error(&name, OpenError::Misplaced));
    }
    let plain = hallpass_seal::open(&data_key, &binding(key_id, generation), sealed);
    let plain = plain.map_err(|error| open_error(&name, error))?;
    let document = CredentialDocument::decode(&plain).map_err(|error| {
        let kind = match error {
            DocumentError::Newer { .. } => StoreErrorKind::Newer,
            _ => StoreErrorKind::Damaged,
        };
        StoreError::new(kind, format!("credential {name} can't be read")).with_source(error)
    })?;
    let digest = document.key().digest();
    if digest != key_id || document.key().subject.tenant().as_str() != tenant {
        return Err(open_error(&name, OpenError::Misplaced));
    }
    Ok(Stored {
        generation,
        data_key: wrapped.id,
        document,
    })
}

/// Adds the refresh that is noted beside the row, if it is for the active record.
fn note(row: &Row, document: &mut CredentialDocument) -> Result<(), StoreError> {
    let Some(record) = column::<Option<&[u8]>>(row, "attempt_record")? else {
        return Ok(());
    };
    let Some(active) = document
        .active()
        .filter(|active| record_id(active)[..] == *record)
    else {
        return Ok(());
    };
    let seconds = |name| -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_unix_seconds(column(row, name)?))
    };
    let attempt = RefreshAttempt {
        issuer: active.issuer.clone(),
        generation: active.generation,
        posts: u32::try_from(column::<i32>(row, "posts")?).unwrap_or(u32::MAX),
        last: seconds("last_post")?,
        not_before: seconds("not_before")?,
    };
    // The record keeps the time of the first post when a later one is noted.
    document.mark(&RefreshAttempt {
        posts: 1,
        last: seconds("first_post")?,
        ..attempt.clone()
    });
    document.mark(&attempt);
    Ok(())
}

/// Seals a document as the row of this generation.
pub(crate) fn seal(
    document: &CredentialDocument,
    generation: i64,
    (id, key): (KeyId, &hallpass_seal::SealingKey),
) -> Result<Vec<u8>, StoreError> {
    let binding = binding(&document.key().digest(), generation);
    let sealed = hallpass_seal::seal(id, key, &binding, &document.encode());
    sealed.map_err(|error| key_error("the credential can't be sealed", error))
}

/// What a row is sealed for: the credential, whose digest has the tenant in it, and the generation.
fn binding(key_id: &[u8], generation: i64) -> Binding {
    let mut digest = Sha256::new();
    digest.update(b"hallpass credential row 1\0");
    digest.update(generation.to_be_bytes());
    digest.update(key_id);
    digest.finalize().into()
}

/// A record of a credential: its issuer and its generation, as a digest.
pub(crate) fn record_id(record: &Record) -> [u8; 16] {
    attempt_id(record.issuer.as_str(), record.generation)
}

/// The record that an attempt is for.
pub(crate) fn attempt_id(issuer: &str, generation: Generation) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(b"hallpass record 1\0");
    digest.update(generation.get().to_be_bytes());
    digest.update(issuer);
    let digest: [u8; 32] = digest.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

/// The data key's columns.
pub(crate) fn wrapped_key(row: &Row) -> Result<WrappedKey, StoreError> {
    let id: &[u8] = column(row, "data_key")?;
    let number: i16 = column(row, "algorithm")?;
    let algorithm = u8::try_from(number).ok().and_then(Algorithm::from_byte);
    let (Ok(id), Some(algorithm)) = (<[u8; 16]>::try_from(id), algorithm) else {
        let what = format!(
            "the data key {} is for another cipher ({number})",
            hex::encode(id)
        );
        return Err(StoreError::new(StoreErrorKind::Newer, what)
            .with_hint("use a newer release of Hallpass"));
    };
    Ok(WrappedKey {
        id: KeyId::from_bytes(id),
        algorithm,
        wrapping_key: column(row, "wrapping_key")?,
        wrapped: column(row, "wrapped")?,
    })
}

/// A name as a column of text holds it: PostgreSQL's text has no NUL.
pub(crate) fn to_column(name: &str) -> Cow<'_, str> {
    if name.contains(['\\', '\0']) {
        name.replace('\\', r"\\").replace('\0', r"\0").into()
    } else {
        name.into()
    }
}

/// The name of a column of text.
pub(crate) fn from_column(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => name.push(if rest.next() == Some('0') { '\0' } else { '\\' }),
            c => name.push(c),
        }
    }
    name
}

/// A key that can't be used now, or not at all.
pub(crate) fn key_error(what: &str, error: KeyError) -> StoreError {
    let kind = match error.remedy() {
        Remedy::Retry => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Key,
    };
    StoreError::new(kind, what).with_cause(error)
}

fn open_error(name: &str, error: OpenError) -> StoreError {
    let kind = match error {
        OpenError::Newer { .. } => StoreErrorKind::Newer,
        _ => StoreErrorKind::Damaged,
    };
    let what = format!("the row of credential {name} can't be opened");
    StoreError::new(kind, what)
        .with_source(error)
        .with_hint("restore the row from a backup, or erase the credential and sign in again")
}

#[cfg(test)]
mod tests;
