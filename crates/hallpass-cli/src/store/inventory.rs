//! What a look at the store found, for people and for scripts: each key is asked for once.

use std::{collections::BTreeMap, error::Error, path::PathBuf};

use hallpass::{
    CredentialKey, Hint, Record, Timestamp,
    store::{self, FileStore, KeyLocation, StoreError, Unreadable},
};
use serde_json::{Value, json};

use super::Store;
use crate::{
    output::{Output, Tone},
    setting_options, text,
};

/// What is kept, what is out of reach, and where that is.
#[derive(Debug)]
pub(crate) struct Inventory {
    found: store::Inventory,
    place: StoreLocation,
}

impl Store {
    /// Looks at what is kept, or only at one account.
    pub(crate) async fn inventory(
        &self,
        only: Option<&CredentialKey>,
    ) -> Result<Inventory, StoreError> {
        let found = match self {
            Self::Files(store) => store.inventory(only).await?,
            Self::Memory(_) | Self::Absent(..) => store::Inventory::default(),
        };
        // Which of several keys is in use is known now.
        let place = self.place()?;
        Ok(Inventory { found, place })
    }

    /// Where credentials are kept. No key is asked for.
    pub(crate) fn place(&self) -> Result<StoreLocation, StoreError> {
        let files = match self {
            Self::Files(store) => Some(store),
            Self::Memory(_) | Self::Absent(..) => None,
        };
        let (backend, folder, location) = match self {
            Self::Files(store) => {
                let folder = store.folder().to_owned();
                ("sealed-files", Some(folder), Some(store.key_location()?))
            }
            Self::Absent(_, folder) => ("none", Some(folder.clone()), None),
            Self::Memory(_) => ("memory", None, Some(KeyLocation::Memory)),
        };
        Ok(StoreLocation {
            backend,
            folder,
            location,
            description: location.and_then(|_| Some(self.port().diagnostics()?.describe())),
            key: files.map(|store| store.key_id().to_string()),
            ignored: files.map(FileStore::ignored).unwrap_or_default(),
        })
    }
}

impl Inventory {
    /// The records of each account whose key is here.
    pub(crate) fn kept(&self) -> &BTreeMap<CredentialKey, Vec<Record>> {
        &self.found.kept
    }

    /// The active record of an account.
    pub(crate) fn record(&self, key: &CredentialKey) -> Option<&Record> {
        self.found.kept.get(key)?.first()
    }

    pub(crate) fn is_unreadable(&self, key: &CredentialKey) -> bool {
        self.found.is_unreadable(key)
    }

    /// The trouble of a single account that was looked at, if its file can't be read.
    pub(crate) fn error_of(self, key: &CredentialKey) -> Result<Self, StoreError> {
        let mut look = self;
        match look.found.problems.pop() {
            Some(trouble) if look.found.is_damaged(key) => Err(trouble),
            other => {
                look.found.problems.extend(other);
                Ok(look)
            }
        }
    }

    /// What can't be read and why, one text each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.found.problems.iter();
        problems.map(|problem| in_a_line(problem)).collect()
    }

    /// The same for a user, with what to do.
    pub(crate) fn describe_problems(&self, output: &Output) -> Vec<String> {
        let problems = self.found.problems.iter();
        let describe =
            problems.map(|problem| with_hints(&in_a_line(problem), problem.hints(), output));
        describe.collect()
    }

    /// Backend, location and key in words, by what they are, and what is out of reach. No secret is
    /// among them.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = self.place.rows();
        for away in self.found.unreadable.iter().flatten() {
            rows.push(("unreadable", away.to_string()));
        }
        rows
    }

    /// The same for a script: every member is always there.
    pub(crate) fn as_data(&self) -> Value {
        let as_data = |away: &Unreadable| {
            json!({
                "key_id": away.key.to_string(),
                "key_location": away.key_location.map(KeyLocation::as_str),
                "accounts": away.files,
                "since": away.since.map(Timestamp::as_unix_seconds),
            })
        };
        let away = self.found.unreadable.as_ref();
        let away = away.map(|all| all.iter().map(as_data).collect::<Vec<_>>());
        let place = &self.place;
        let folder = place.folder.as_ref();
        json!({
            "backend": place.backend,
            "description": place.description,
            "folder": folder.map(|folder| folder.display().to_string()),
            "key_location": place.location.map(KeyLocation::as_str),
            "key_id": place.key,
            "ignored": place.ignored,
            "unreadable": away,
        })
    }
}

/// Where credentials are kept.
#[derive(Debug)]
pub(crate) struct StoreLocation {
    backend: &'static str,
    folder: Option<PathBuf>,
    location: Option<KeyLocation>,
    description: Option<String>,
    key: Option<String>,
    ignored: Vec<String>,
}

impl StoreLocation {
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let kept_in = match (&self.description, &self.folder) {
            (None, Some(folder)) => {
                let folder = folder.display();
                format!("nothing yet: the first sign-in creates a store in {folder}")
            }
            (description, _) => description.clone().unwrap_or_default(),
        };
        let mut rows = vec![("kept in", kept_in)];
        if let (Some(location), Some(key)) = (self.location, &self.key) {
            rows.push(("key location", location.to_string()));
            rows.push(("key id", key.clone()));
        }
        for why in &self.ignored {
            rows.push(("ignored", format!("when the store was created: {why}")));
        }
        rows
    }
}

/// A problem for a user, with its hints on lines of their own.
pub(crate) fn with_hints(problem: &str, hints: &[Hint], output: &Output) -> String {
    let lead = output.stderr_paint().tone(Tone::Advice, "  hint:");
    hints.iter().fold(text::line(problem), |lines, advice| {
        let advice = text::line(&setting_options::describe(advice));
        format!("{lines}\n{lead} {advice}")
    })
}

/// An error, with what lies behind it.
pub(crate) fn in_a_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}
