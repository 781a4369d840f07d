//! `store.json`: the keys that open a store.
//!
//! It holds no secret: where each key is kept, its id, and a value that differs for another key of that id. The
//! first key is made when the store is created. Each key begins an epoch: the files that are sealed with it.
//! A rekey replaces a key within its epoch. A missing key stays in the list, because its files stay and it may
//! come back, and the key after it begins an epoch of its own. A process that writes this file holds one of
//! the locks in [`lock`](super::lock).

use std::path::Path;

use hallpass_core::{
    Hint, Timestamp, quote,
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::Binding;
use serde::{Deserialize, Serialize};

use crate::{KeyId, KeyLocation, SealingKey, folder};

/// What the key before the current one is sealed for.
const PREVIOUS_KEY: &Binding = b"hallpass: the key of last time 1";

/// The version of a store with one epoch, which every version of Hallpass reads, and with several.
const SINGLE_EPOCH: u32 = 1;
const VERSION: u32 = 2;

/// What `store.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreHeader {
    version: u32,
    #[serde(flatten)]
    newest: KeyEpoch,
    /// The epochs before it, the newest first. Their keys are missing, or another machine's.
    #[serde(rename = "set_aside", default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<KeyEpoch>,
}

/// A key, and which files are sealed with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyEpoch {
    /// The number in the names of its files, see [`CredentialPaths`](super::records::CredentialPaths).
    #[serde(
        rename = "series",
        default = "first_number",
        skip_serializing_if = "is_first_number"
    )]
    number: u32,
    #[serde(rename = "policy")]
    location: String,
    key: String,
    check: String,
    /// The machine that the key was made on, by the name that it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_on: Option<String>,
    /// Why better key sources were not used when the store was created.
    #[serde(rename = "passed_over", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ignored: Vec<String>,
    /// The key before this one, sealed with this one, while a rekey is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<PreviousKey>,
    /// Set when the key was missing and a new one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<MissingKey>,
}

/// What is known about a missing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MissingKey {
    /// When, in seconds since the Unix epoch, by the file system's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// How many files were sealed with it.
    pub(crate) files: usize,
    /// On which machine, by the name that it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<String>,
    /// Whether the handler was called.
    #[serde(rename = "told", default)]
    pub(crate) reported: bool,
}

impl MissingKey {
    /// A key that sealed nothing needs no report.
    pub(crate) fn new(since: Option<Timestamp>, files: usize, on: Option<&str>) -> Self {
        Self {
            since,
            files,
            on: on.map(str::to_owned),
            reported: files == 0,
        }
    }

    /// Whether it may be this machine that missed the key.
    pub(crate) fn is_on(&self, machine: Option<&str>) -> bool {
        machine.is_none() || self.on.is_none() || self.on.as_deref() == machine
    }
}

/// The number of a store's first epoch.
pub(crate) const FIRST_EPOCH: u32 = 1;

fn first_number() -> u32 {
    FIRST_EPOCH
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_first_number(number: &u32) -> bool {
    *number == FIRST_EPOCH
}

/// A key that some records may still be sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreviousKey {
    #[serde(rename = "policy")]
    location: String,
    key: String,
    /// The key, sealed with the current one, in hexadecimal digits.
    sealed: String,
}

impl PreviousKey {
    /// Keeps the key that `file` names until every record is sealed with `new`.
    pub(crate) fn new(
        file: &KeyEpoch,
        old: &SealingKey,
        id: KeyId,
        new: &SealingKey,
    ) -> Result<Self, crate::KeyError> {
        Ok(Self {
            location: file.location.clone(),
            key: file.key.clone(),
            sealed: hex::encode(hallpass_seal::seal(id, new, PREVIOUS_KEY, old.expose())?),
        })
    }

    /// Where the key was kept, if that is known.
    pub(crate) fn key_location(&self) -> Option<KeyLocation> {
        KeyLocation::parse(&self.location)
    }

    pub(crate) fn open(&self, key: &SealingKey) -> Option<(KeyId, SealingKey)> {
        let sealed = hex::decode(&self.sealed).ok()?;
        let plain = hallpass_seal::open(key, PREVIOUS_KEY, &sealed).ok()?;
        let bytes = <[u8; 32]>::try_from(plain.as_slice()).ok()?;
        Some((KeyId::parse(&self.key)?, SealingKey::from_bytes(bytes)))
    }
}

#[derive(Deserialize)]
struct FormatVersion {
    version: u32,
}

impl StoreHeader {
    /// Of a store that begins.
    pub(crate) fn new(first: KeyEpoch) -> Self {
        Self {
            version: SINGLE_EPOCH,
            newest: first,
            earlier: Vec::new(),
        }
    }

    /// All epochs, the newest first.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = &KeyEpoch> {
        std::iter::once(&self.newest).chain(&self.earlier)
    }

    pub(crate) fn epochs_mut(&mut self) -> impl Iterator<Item = &mut KeyEpoch> {
        std::iter::once(&mut self.newest).chain(&mut self.earlier)
    }

    /// Replaces the epoch of the same number.
    pub(crate) fn replace(&mut self, with: KeyEpoch) {
        let number = with.number;
        if let Some(epoch) = self.epochs_mut().find(|epoch| epoch.number == number) {
            *epoch = with;
        }
    }

    /// Removes earlier epochs.
    pub(crate) fn drop_epochs(&mut self, numbers: &[u32]) {
        self.earlier
            .retain(|epoch| !numbers.contains(&epoch.number));
    }

    /// The newest epoch that may be of this machine; if all are of others, the newest.
    pub(crate) fn of_machine(&self, machine: Option<&str>) -> &KeyEpoch {
        let ours = self.epochs().find(|epoch| !epoch.is_of_another(machine));
        ours.unwrap_or(&self.newest)
    }

    /// Begins an epoch.
    pub(crate) fn begin(&mut self, mut next: KeyEpoch) {
        let highest = self
            .epochs()
            .map(KeyEpoch::number)
            .max()
            .unwrap_or(FIRST_EPOCH);
        next.number = highest + 1;
        let before = std::mem::replace(&mut self.newest, next);
        self.earlier.insert(0, before);
        // A version that reads one epoch must not take the files of another one for damaged.
        self.version = VERSION;
    }

    /// Reads the file; `None` where no store was created yet.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = folder::read(path)? else {
            return Ok(None);
        };
        let head: FormatVersion = parse(path, &bytes)?;
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
        let mut numbers: Vec<u32> = file.epochs().map(KeyEpoch::number).collect();
        numbers.sort_unstable();
        let distinct = numbers.windows(2).all(|pair| pair[0] != pair[1]);
        let names_keys = file.epochs().all(|it| KeyId::parse(&it.key).is_some());
        if !distinct || numbers.contains(&0) || !names_keys {
            return Err(damaged(path));
        }
        Ok(Some(file))
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            StoreError::new(StoreErrorKind::Io, "writing down the store's header failed")
                .with_source(error)
        })?;
        bytes.push(b'\n');
        folder::replace(path, &bytes)
    }
}

impl KeyEpoch {
    /// The first epoch of a store.
    pub(crate) fn new(location: KeyLocation, id: KeyId, key: &SealingKey) -> Self {
        Self {
            number: FIRST_EPOCH,
            location: location.to_string(),
            key: id.to_string(),
            check: key.check_value(id),
            made_on: None,
            ignored: Vec::new(),
            previous: None,
            lost: None,
        }
    }

    /// The key of another epoch's records, whose key was `replaced`.
    #[must_use]
    pub(crate) fn in_place_of(mut self, replaced: &Self) -> Self {
        self.number = replaced.number;
        self.ignored = Vec::new();
        self
    }

    /// The same, made on this machine.
    #[must_use]
    pub(crate) fn made_on(mut self, machine: Option<&str>) -> Self {
        self.made_on = machine.map(str::to_owned);
        self
    }

    /// Whether it is known to be another machine's.
    pub(crate) fn is_of_another(&self, machine: Option<&str>) -> bool {
        matches!((machine, &self.made_on), (Some(this), Some(other)) if this != other)
    }

    /// Whether it is known to be this machine's.
    pub(crate) fn is_made_on(&self, machine: Option<&str>) -> bool {
        machine.is_some() && self.made_on.as_deref() == machine
    }

    /// Whether its key is known to be lost on this machine.
    pub(crate) fn is_lost_on(&self, machine: Option<&str>) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.is_on(machine))
    }

    /// Whether its key is known to be lost on this machine, and no handler was called.
    pub(crate) fn is_unreported(&self, machine: Option<&str>) -> bool {
        self.is_lost_on(machine) && self.lost.as_ref().is_some_and(|lost| !lost.reported)
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn key_location(&self) -> Result<KeyLocation, StoreError> {
        KeyLocation::parse(&self.location).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Newer,
                format!(
                    "the store's key is kept in `{}`, which this Hallpass does not know",
                    quote(&self.location)
                ),
            )
        })
    }

    pub(crate) fn key_id(&self) -> KeyId {
        // Checked when it was read.
        KeyId::parse(&self.key).unwrap_or(KeyId::from_bytes([0; 16]))
    }

    /// Whether `key` is the one that was made for it.
    pub(crate) fn accepts(&self, key: &SealingKey) -> bool {
        key.check_value(self.key_id()) == self.check
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
    .with_hint(Hint::ResetStore)
}
