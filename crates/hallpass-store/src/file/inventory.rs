//! What a store holds: the records, and why some can't be read. Changes nothing, and asks for each key once.
//!
//! Records are unreadable while their key is missing. No file moves, so they are readable again when the key
//! comes back, see [`missing_key`](super::missing_key).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use hallpass_core::{
    CredentialKey, Record,
    record::document::CredentialDocument,
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::Binding;

use super::{
    creation::{header_path, no_header},
    file_store::FileStore,
    header::StoreHeader,
    key_cache::AllKeys,
    records::{self, CredentialPaths, Keys},
    unreadable::Unreadable,
};
use crate::{KeySources, blocking, folder};

/// What a store holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inventory {
    /// The readable records of each credential, the active one first.
    pub kept: BTreeMap<CredentialKey, Vec<Record>>,
    /// The unreadable records by key, the newest key first. `None` if that can't be said, because a key's
    /// source fails.
    pub unreadable: Option<Vec<Unreadable>>,
    /// All problems: the missing key first, then sources that fail, then files that can't be read.
    pub problems: Vec<StoreError>,
    /// The credentials with a file whose key is missing.
    with_missing_key: HashSet<Binding>,
    /// The credentials with a damaged file: its key is available, and it can't be read.
    damaged: HashSet<Binding>,
}

/// The inventory of an empty store.
impl Default for Inventory {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            unreadable: Some(Vec::new()),
            problems: Vec::new(),
            with_missing_key: HashSet::new(),
            damaged: HashSet::new(),
        }
    }
}

impl Inventory {
    /// Whether a credential has a file that its key does not open: incomplete, changed, of a newer version or
    /// of another store.
    pub fn is_damaged(&self, credential: &CredentialKey) -> bool {
        self.damaged.contains(&records::binding(credential))
    }

    /// Whether a credential has records whose key is missing.
    pub fn is_unreadable(&self, credential: &CredentialKey) -> bool {
        self.with_missing_key
            .contains(&records::binding(credential))
    }
}

impl FileStore {
    /// Opens the store in a folder for reading: nothing is created or changed there, and a missing key is an
    /// error. `None` if there is no store.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_read_only(
        folder: impl Into<PathBuf>,
        keys: impl Into<KeySources>,
    ) -> Result<Option<Self>, StoreError> {
        let (root, sources) = (folder.into(), keys.into());
        let place = root.clone();
        let found = blocking::run(move || {
            for folder in [&place, &place.join("slots")] {
                if folder::kind(folder)?.is_some() {
                    folder::check(folder)?;
                }
            }
            match StoreHeader::read(&header_path(&place))? {
                None if !records::all(&place)?.is_empty() => Err(no_header(&place)),
                found => Ok(found),
            }
        });
        let Some(header) = found.await? else {
            return Ok(None);
        };
        Self::of(root, sources, header).map(|store| Some(store.as_read_only()))
    }

    /// The same store for reading: a missing key is an error, and nothing is changed.
    pub(super) fn as_read_only(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            is_read_only: true,
        }
    }

    /// What the store holds, or what it holds for `only` one credential. For a status page: a missing key is
    /// not replaced.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Key`] when the source of this machine's key fails or returns another key;
    /// [`StoreErrorKind::Io`].
    pub async fn inventory(&self, only: Option<&CredentialKey>) -> Result<Inventory, StoreError> {
        self.reload().await?;
        let files = self.files().await?;
        let only = only.map(records::binding);
        let all: Vec<CredentialPaths> = files.iter().flatten().cloned().collect();
        let wanted: Vec<_> = files
            .into_iter()
            .filter(|file| match (&only, file) {
                (None, _) => true,
                (Some(only), Ok(paths)) => paths.binding == *only,
                (Some(_), Err(_)) => false,
            })
            .collect();
        // The user is not asked for a passphrase that opens nothing.
        let has_one_key = self.header().epochs().count() == 1;
        if wanted.is_empty() && (all.is_empty() || has_one_key) {
            return Ok(Inventory::default());
        }
        let lost = match self.newest_available().await? {
            Some(_) => None,
            None => Some(self.missing_key_error()),
        };
        let (keys, unasked) = self.all_keys().await;
        let header = self.header();
        let (mut with_missing_key, mut unreadable) = (HashSet::new(), Vec::new());
        for epoch in header.epochs().filter(|it| keys.is_missing(it.number())) {
            let files = all.iter().filter(|paths| paths.epoch == epoch.number());
            let credentials: Vec<Binding> = files.map(|paths| paths.binding).collect();
            if !credentials.is_empty() {
                let machine = self.sources().machine();
                unreadable.push(Unreadable::new(epoch, credentials.len(), machine));
                with_missing_key.extend(credentials);
            }
        }
        let mut inventory = Inventory {
            unreadable: unasked.is_empty().then_some(unreadable),
            problems: lost.into_iter().chain(unasked).collect(),
            with_missing_key,
            ..Inventory::default()
        };
        let here = wanted.iter().flatten();
        let here = here.filter(|paths| !keys.is_missing(paths.epoch));
        inventory.damaged = here.map(|paths| paths.binding).collect();
        let read = move || Ok::<_, StoreError>(read_all(&keys, wanted));
        let (documents, problems) = blocking::run(read).await?;
        inventory.problems.extend(problems);
        for document in documents {
            let credential = document.key().clone();
            inventory.damaged.remove(&records::binding(&credential));
            if !document.records().is_empty() {
                inventory.kept.insert(credential, document.to_records());
            }
        }
        Ok(inventory)
    }

    /// The error of a missing key, if it is not replaced.
    pub(super) fn missing_key_error(&self) -> StoreError {
        let header = self.header();
        let epoch = header.of_machine(self.sources().machine());
        let place = epoch.key_location().ok();
        let place = place.and_then(|location| self.sources().of(location));
        let place = place.map_or_else(|| "its place".to_owned(), |source| source.describe());
        StoreError::new(
            StoreErrorKind::Key,
            format!(
                "the key {} of the store is lost: {place} does not have it",
                epoch.key_id()
            ),
        )
        .with_hint(
            "bring the key back, as from a backup; or go on: the next command that needs the \
             records leaves them unreadable and makes a new key",
        )
    }
}

impl FileStore {
    /// The files of all credentials in all epochs, and an error for each that has no such name.
    pub(super) async fn files(
        &self,
    ) -> Result<Vec<Result<CredentialPaths, StoreError>>, StoreError> {
        let root = self.folder().to_owned();
        blocking::run(move || records::all(&root)).await
    }

    /// Every document that opens, and why the others don't.
    pub(crate) async fn documents(
        &self,
    ) -> Result<(Vec<CredentialDocument>, Vec<StoreError>), StoreError> {
        let found = self.files().await?;
        if found.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        self.reload().await?;
        self.key_in_use().await?;
        let (keys, mut problems) = self.all_keys().await;
        blocking::run(move || {
            let (documents, unread) = read_all(&keys, found);
            problems.extend(unread);
            Ok((documents, problems))
        })
        .await
    }
}

/// Of each credential the newest document that a key is here for, and why others can't be read.
fn read_all(
    keys: &AllKeys,
    found: Vec<Result<CredentialPaths, StoreError>>,
) -> (Vec<CredentialDocument>, Vec<StoreError>) {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    let mut at_hand: Vec<(CredentialPaths, Arc<Keys>)> = Vec::new();
    for paths in found {
        match paths.and_then(|paths| Ok(keys.of(&paths)?.map(|keys| (paths, keys)))) {
            Ok(found) => at_hand.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    at_hand.sort_by_key(|(paths, _)| (paths.binding, Reverse(paths.epoch)));
    at_hand.dedup_by_key(|(paths, _)| paths.binding);
    for (paths, keys) in at_hand {
        match read(&keys, &paths) {
            Ok(document) => documents.extend(document),
            Err(problem) => problems.push(problem),
        }
    }
    (documents, problems)
}

/// `None` when the file went away in the meantime.
fn read(keys: &Keys, paths: &CredentialPaths) -> Result<Option<CredentialDocument>, StoreError> {
    match folder::read(&paths.sealed)? {
        Some(bytes) => records::open(keys, paths, None, &bytes).map(Some),
        None => Ok(None),
    }
}
