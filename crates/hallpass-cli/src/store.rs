//! The credential store, and where its key is kept.
//!
//! Which place it is gets decided once, when the store is created: `auto` takes the keyring if it
//! answers in time, else a file. It is written into the store, and from then on a keyring that is
//! locked or gone is an error, never a reason to take another key. That a key is lost is said once,
//! by whichever command needs it first; those that only look say so each time, and change nothing.

mod inventory;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum as _;
use hallpass::store::{
    CredentialStore, FileStore, KeyFile, KeyLocation, KeySource, KeySources, MemoryStore,
    StoreError, Unreadable,
};
use hallpass_keyring::Keyring;

pub(crate) use self::inventory::{Inventory, in_a_line, with_hints};
use crate::{
    exit::CommandError, global_options::KeyStore, passphrase::Passphrases, program::Program,
};

/// How long a keyring may take where the user did not ask for one. A dead bus should not seem a dead program.
const AUTO_TIMEOUT: Duration = Duration::from_secs(3);

impl KeyStore {
    /// What was asked for: `--key-store`, else `HALLPASS_KEY_STORE`, else `auto`.
    fn asked(program: &Program) -> Result<Self, CommandError> {
        if let Some(asked) = program.options.key_store {
            return Ok(asked);
        }
        let Some(word) = program.environment.get("HALLPASS_KEY_STORE") else {
            return Ok(Self::Auto);
        };
        Self::from_str(word, false).map_err(|_| {
            CommandError::usage("`HALLPASS_KEY_STORE` is not a key location")
                .hint("it is `auto`, `keyring`, `key-file`, `passphrase` or `memory`")
        })
    }

    /// The only location that will do, unless any does.
    fn key_location(self) -> Option<KeyLocation> {
        match self {
            Self::Keyring => Some(KeyLocation::Keyring),
            Self::KeyFile => Some(KeyLocation::KeyFile),
            Self::Passphrase => Some(KeyLocation::Passphrase),
            Self::Auto | Self::Memory => None,
        }
    }
}

/// An open store.
#[derive(Debug)]
pub(crate) enum Store {
    /// Sealed files.
    Files(FileStore),
    /// Gone when the program ends.
    Memory(MemoryStore),
    /// Not created yet, in this folder; empty meanwhile.
    Absent(MemoryStore, PathBuf),
}

impl Store {
    /// Opens the store that the command line names. One that does not exist yet is empty: the first login
    /// decides where its key is kept.
    pub(crate) async fn open(program: &Program) -> Result<Self, CommandError> {
        let folder = folder(program)?;
        let in_files = KeyStore::asked(program)? != KeyStore::Memory;
        if in_files && is_empty_folder(&folder) {
            return Ok(Self::Absent(MemoryStore::new(), folder));
        }
        Self::open_or_create(program).await
    }

    /// Opens the store read-only: it is neither created nor changed. The inner error is why it does not
    /// open.
    pub(crate) async fn open_read_only(
        program: &Program,
    ) -> Result<Result<Self, StoreError>, CommandError> {
        if KeyStore::asked(program)? == KeyStore::Memory {
            return Ok(Ok(Self::Memory(MemoryStore::new())));
        }
        let folder = folder(program)?;
        let sources = match FileStore::key_locations(&folder).await {
            Ok(locations) => existing_store_sources(program, &folder, &locations)?,
            Err(error) => return Ok(Err(error)),
        };
        let found = FileStore::open_read_only(&folder, sources).await;
        Ok(found.map(|store| match store {
            Some(store) => Self::Files(store),
            None => Self::Absent(MemoryStore::new(), folder),
        }))
    }

    /// Opens the store that the command line names, or creates it.
    pub(crate) async fn open_or_create(program: &Program) -> Result<Self, CommandError> {
        let asked = KeyStore::asked(program)?;
        if asked == KeyStore::Memory {
            return Ok(Self::Memory(MemoryStore::new()));
        }
        let folder = folder(program)?;
        let locations = FileStore::key_locations(&folder).await?;
        let sources = if locations.is_empty() {
            new_store_sources(program, &folder)?
        } else {
            existing_store_sources(program, &folder, &locations)?
        };
        let store = FileStore::open(folder, sources).await?;
        if locations.is_empty() {
            note_ignored_locations(&store, program);
        }
        let output = program.output.clone();
        store.set_missing_key_handler(move |lost| output.notice("key-lost", &describe_lost(lost)));
        Ok(Self::Files(store))
    }

    /// The store as what the libraries ask for.
    pub(crate) fn port(&self) -> Arc<dyn CredentialStore> {
        match self {
            Self::Files(store) => Arc::new(store.clone()),
            Self::Memory(store) | Self::Absent(store, _) => Arc::new(store.clone()),
        }
    }

    /// Whether it outlives the program.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Self::Files(_))
    }
}

/// Notes that the key is not in the best location, where the user did not choose one.
fn note_ignored_locations(store: &FileStore, program: &Program) {
    for ignored in store.ignored() {
        let why = ignored.split_once(": ").map_or("", |(_, why)| why);
        program.output.status(&format!(
            "note: the key of the credential store is in a file that only you can read, not in the \
             keyring: {why}"
        ));
    }
}

/// The folder of the store and of the remembered options.
pub(crate) fn folder(program: &Program) -> Result<PathBuf, CommandError> {
    let named = program.options.store.clone();
    named
        .or_else(|| program.environment.data_folder())
        .ok_or_else(|| {
            CommandError::usage("no folder for credentials is known")
                .hint("set `--store` or `HALLPASS_HOME`")
        })
}

/// Whether there is no store and nothing that could be one: no folder, or one without files.
fn is_empty_folder(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(Result::ok).all(|entry| {
            [
                "options",
                "failed-logins",
                "capabilities",
                "sign-ins",
                "tools",
                "config.toml",
                ".config.toml.lock",
            ]
            .iter()
            .any(|ours| entry.file_name() == *ours)
        }),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The store in files that is there.
pub(crate) async fn files(program: &Program) -> Result<FileStore, CommandError> {
    match Store::open(program).await? {
        Store::Files(store) => Ok(store),
        Store::Absent(_, folder) => Err(CommandError::usage(format!(
            "there is no store in `{}`",
            folder.display()
        ))
        .hint("`hallpass login` creates one; `--store` names another folder")),
        Store::Memory(_) => Err(CommandError::usage(
            "a store in memory does not outlast the command",
        )),
    }
}

/// The store in files that is there, or a new one.
pub(crate) async fn create_files(program: &Program) -> Result<FileStore, CommandError> {
    match Store::open_or_create(program).await? {
        Store::Files(store) => Ok(store),
        _ => files(program).await,
    }
}

fn describe_lost(lost: &Unreadable) -> String {
    format!(
        "the key {} of the store is lost. What it sealed ({}) can't be read until \
         the key is restored. The store has a new key; sign in again",
        lost.key,
        account_count(lost.files)
    )
}

/// So many accounts.
fn account_count(files: usize) -> String {
    match files {
        1 => "1 account".to_owned(),
        files => format!("{files} accounts"),
    }
}

/// What keeps the keys of a store in a folder, if it is what the command line asks for.
fn existing_store_sources(
    program: &Program,
    folder: &Path,
    locations: &[KeyLocation],
) -> Result<KeySources, CommandError> {
    // Another machine's key may be kept by another location than this one's.
    if let (Some(wanted), Some(location)) =
        (KeyStore::asked(program)?.key_location(), locations.first())
        && !locations.contains(&wanted)
    {
        let folder = folder.display();
        let what = format!(
            "the key of the store in `{folder}` is in the location `{location}`, not `{wanted}`"
        );
        return Err(CommandError::usage(what)
            .hint("leave out `--key-store`, or move the key with `hallpass store move`"));
    }
    let sources = locations.iter().map(|location| source(program, *location));
    let sources = KeySources::in_order(sources.collect::<Result<_, _>>()?);
    Ok(with_machine_name(program, sources))
}

/// What keeps keys by a location.
pub(crate) fn source(
    program: &Program,
    location: KeyLocation,
) -> Result<Arc<dyn KeySource>, CommandError> {
    Ok(match location {
        KeyLocation::Keyring => keyring(match KeyStore::asked(program)? {
            KeyStore::Keyring => Keyring::new(),
            _ => Keyring::new().with_timeout(AUTO_TIMEOUT),
        }),
        KeyLocation::KeyFile => Arc::new(KeyFile::in_folder(folder(program)?)),
        KeyLocation::Passphrase => Arc::new(Passphrases::of_the_store(program)),
        location => {
            let what = format!("the key of the store is in the location `{location}`");
            return Err(CommandError::usage(what)
                .hint("the store was created by another program: use that program"));
        }
    })
}

/// What may keep the key of a store that does not exist yet, the best first.
pub(crate) fn new_store_sources(
    program: &Program,
    folder: &Path,
) -> Result<KeySources, CommandError> {
    let asked = KeyStore::asked(program)?;
    let sources = match asked.key_location() {
        Some(location) => KeySources::from(source(program, location)?),
        None => KeySources::in_order(vec![
            source(program, KeyLocation::Keyring)?,
            Arc::new(KeyFile::in_folder(folder)),
        ]),
    };
    Ok(with_machine_name(program, sources))
}

/// Names the machine, so that those that share the folder know whose key is whose.
fn with_machine_name(program: &Program, sources: KeySources) -> KeySources {
    match program.environment.machine() {
        Some(name) => sources.on_machine(name),
        None => sources,
    }
}

fn keyring(keyring: Keyring) -> Arc<dyn KeySource> {
    Arc::new(keyring)
}
