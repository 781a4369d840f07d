//! A look at a store: what is kept, what is out of reach, and what is in trouble. It changes nothing,
//! and asks for each key once.
//!
//! Records are out of reach while their key is not at hand. They are set aside once it was given up
//! as lost, see [`lost`](super::lost): no file moves by that, and they are there again when it comes
//! back.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::PathBuf,
};

use hallpass_core::{
    CredentialKey, Record, Timestamp,
    store::{StoreError, StoreErrorKind},
};
use hallpass_seal::Binding;

use super::{
    FileStore,
    creation::{no_policy, policy_path},
    header::{KeyEpoch, MissingKey, PolicyFile},
    records::{self, CredentialPaths},
};
use crate::{KeyId, KeyLocation, KeySources, blocking, folder};

/// Records whose key is not at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The key's id.
    pub key: KeyId,
    /// Where it was kept, unless that is a place that this version does not know.
    pub policy: Option<KeyLocation>,
    /// How many files are sealed with it: one for each account.
    pub files: usize,
    /// Whether this machine gave the key up as lost: the records are set aside then. Otherwise the
    /// key is another machine's, or nobody who needed it has missed it yet.
    pub is_lost: bool,
    /// Since when it is known to be lost, by the file system's clock.
    pub since: Option<Timestamp>,
}

impl Unreadable {
    pub(super) fn new(epoch: &KeyEpoch, files: usize, machine: Option<&str>) -> Self {
        let lost = epoch.lost.as_ref().filter(|lost| lost.is_on(machine));
        Self {
            key: epoch.key_id(),
            policy: epoch.policy().ok(),
            files,
            is_lost: lost.is_some(),
            since: lost.and_then(MissingKey::since),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (are, owner) = match self.files {
            1 => ("one account is".to_owned(), "its"),
            files => (format!("{files} accounts are"), "their"),
        };
        let (where_to, what) = if self.is_lost {
            ("set aside", "lost")
        } else {
            ("out of reach", "not here")
        };
        write!(f, "{are} {where_to}: {owner} key {} is {what}", self.key)
    }
}

/// What a look at a store found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inventory {
    /// The records of each credential, the active one first, as far as their key is here.
    pub kept: BTreeMap<CredentialKey, Vec<Record>>,
    /// The records whose key is not here, each key's together, those of the newest first. `None`
    /// where that can't be said, since a key can't be asked for.
    pub unreadable: Option<Vec<Unreadable>>,
    /// What is in trouble, the key first: that it is lost, that another can't be asked for, and each
    /// file that can't be read.
    pub problems: Vec<StoreError>,
    /// The credentials with a file whose key is not at hand.
    away: HashSet<Binding>,
    /// The credentials with a file that can't be read, though the key of its series is here.
    unread: HashSet<Binding>,
}

/// Of a store with nothing in it.
impl Default for Inventory {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            unreadable: Some(Vec::new()),
            problems: Vec::new(),
            away: HashSet::new(),
            unread: HashSet::new(),
        }
    }
}

impl Inventory {
    /// Whether a credential has a file that is in trouble itself: torn, altered, of a newer version or of
    /// another store.
    pub fn is_unread(&self, credential: &CredentialKey) -> bool {
        self.unread.contains(&records::binding(credential))
    }

    /// Whether a credential has records that are out of reach.
    pub fn is_unreadable(&self, credential: &CredentialKey) -> bool {
        self.away.contains(&records::binding(credential))
    }
}

impl FileStore {
    /// Opens the store in a folder to look at it: nothing is created or changed there, and a key that
    /// turns out to be lost is an error. `None` where no store was created yet.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn examine(
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
            match PolicyFile::read(&policy_path(&place))? {
                None if !records::all(&place)?.is_empty() => Err(no_policy(&place)),
                found => Ok(found),
            }
        });
        let Some(policy) = found.await? else {
            return Ok(None);
        };
        Self::of(root, sources, policy).map(|store| Some(store.as_read_only()))
    }

    /// The same store for a diagnosis: where it finds that the key is lost, that is an error, and
    /// nothing is changed.
    pub(super) fn as_read_only(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            is_read_only: true,
        }
    }

    /// What is kept here, or for one credential `only`, and what is out of reach. For a status page. A key
    /// that is lost stays what it is: that is for whoever needs its records.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Key`] when the key of this machine can't be asked for, or is not the right
    /// one; [`StoreErrorKind::Io`].
    pub async fn look(&self, only: Option<&CredentialKey>) -> Result<Inventory, StoreError> {
        self.reload().await?;
        let root = self.folder().to_owned();
        let files = blocking::run(move || records::all(&root)).await?;
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
        // Nobody is asked for a key, as for a passphrase, that opens nothing.
        let has_one_key = self.policy_file().epochs().count() == 1;
        if all.is_empty() && wanted.is_empty() || has_one_key && wanted.is_empty() {
            return Ok(Inventory::default());
        }
        let lost = match self.newest_available().await? {
            Some(_) => None,
            None => Some(self.missing_key_error()),
        };
        let (keys, unasked) = self.all_keys().await;
        let policy = self.policy_file();
        let (mut away, mut unreadable) = (HashSet::new(), Vec::new());
        for epoch in policy.epochs().filter(|it| keys.is_missing(it.number())) {
            let files = all.iter().filter(|paths| paths.epoch == epoch.number());
            let credentials: Vec<Binding> = files.map(|paths| paths.binding).collect();
            if !credentials.is_empty() {
                let machine = self.sources().machine();
                unreadable.push(Unreadable::new(epoch, credentials.len(), machine));
                away.extend(credentials);
            }
        }
        let mut look = Inventory {
            unreadable: unasked.is_empty().then_some(unreadable),
            problems: lost.into_iter().chain(unasked).collect(),
            away,
            ..Inventory::default()
        };
        let here = wanted.iter().flatten();
        let here = here.filter(|paths| !keys.is_missing(paths.epoch));
        look.unread = here.map(|paths| paths.binding).collect();
        let read = move || Ok::<_, StoreError>(records::read_all(&keys, wanted));
        let (documents, problems) = blocking::run(read).await?;
        look.problems.extend(problems);
        for document in documents {
            let credential = document.key().clone();
            look.unread.remove(&records::binding(&credential));
            if !document.records().is_empty() {
                look.kept.insert(credential, document.to_records());
            }
        }
        Ok(look)
    }

    /// The error of whoever only looks.
    pub(super) fn missing_key_error(&self) -> StoreError {
        let policy = self.policy_file();
        let epoch = policy.of_machine(self.sources().machine());
        let place = epoch.policy().ok();
        let place = place.and_then(|policy| self.sources().of(policy));
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
             records sets them aside and begins with a new key",
        )
    }
}
