//! `hallpass store rekey`, `move` and `reset`

use std::sync::Arc;

use clap::{Args, ValueEnum};
use hallpass::store::{FileStore, KeyLocation, KeySource, KeySources};
use serde_json::json;

use super::Passphrase;
use crate::{exit::CommandError, passphrase::Passphrases, program::Program, store};

/// To another place.
#[derive(Debug, Args)]
pub(super) struct Move {
    /// The location of the new key.
    to: NewKeyLocation,

    #[command(flatten)]
    passphrase: Passphrase,
}

/// Where a key can be moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NewKeyLocation {
    /// The keyring of the operating system.
    Keyring,
    /// A file that only its owner can read.
    KeyFile,
    /// Not stored: the key is derived from a passphrase.
    Passphrase,
}

impl NewKeyLocation {
    fn key_location(self) -> KeyLocation {
        match self {
            Self::Keyring => KeyLocation::Keyring,
            Self::KeyFile => KeyLocation::KeyFile,
            Self::Passphrase => KeyLocation::Passphrase,
        }
    }
}

pub(super) async fn rekey(passphrase: &Passphrase, program: &Program) -> Result<(), CommandError> {
    let store = store::files(program).await?;
    let location = store.key_location()?;
    change(&store, location, passphrase, program).await
}

pub(super) async fn move_key(to: &Move, program: &Program) -> Result<(), CommandError> {
    let store = store::files(program).await?;
    let location = to.to.key_location();
    if store.key_location()? == location {
        return Err(CommandError::usage(format!(
            "the key is already in the location `{location}`"
        ))
        .hint("`hallpass store rekey` creates a new key in the same location"));
    }
    change(&store, location, &to.passphrase, program).await
}

/// Seals everything with a new key that `location` keeps.
async fn change(
    store: &FileStore,
    location: KeyLocation,
    passphrase: &Passphrase,
    program: &Program,
) -> Result<(), CommandError> {
    let source: Arc<dyn KeySource> = match location {
        KeyLocation::Passphrase => Arc::new(Passphrases::new(
            program,
            passphrase.named(),
            "the store from now on",
        )),
        location => store::source(program, location)?,
    };
    let rekeyed = store
        .rekey(KeySources::in_order(vec![source]))
        .await
        .map_err(|error| {
            CommandError::from(error)
                .hint("nothing is lost: fix the cause and run the command again")
        })?;
    let problems: Vec<_> = rekeyed.problems.iter().map(ToString::to_string).collect();
    for problem in &problems {
        program.output.status(&format!(
            "left as it was, since it can't be read: {problem}"
        ));
    }
    // Only what opens could be sealed anew; the new key is kept whatever is known of the others.
    let look = rekeyed.store.inventory(None).await.unwrap_or_default();
    let away = look.unreadable.iter().flatten();
    let away: Vec<_> = away.map(ToString::to_string).collect();
    for away in &away {
        program.output.status(&format!("not changed: {away}"));
    }
    let (location, id) = (rekeyed.store.key_location()?, rekeyed.store.key_id());
    let what = if problems.is_empty() && away.is_empty() {
        "the store"
    } else {
        "what can be read"
    };
    let text = format!("{what} is now encrypted with the key {id} (key location: {location})");
    let problems = [problems, away].concat();
    let data = json!({
        "key_location": location.as_str(),
        "key_id": id.to_string(),
        "replaced_key_id": rekeyed.replaced.to_string(),
        "problems": problems,
    });
    program.output.result(&text, &data);
    Ok(())
}

pub(super) async fn reset(program: &Program) -> Result<(), CommandError> {
    let folder = store::folder(program)?;
    let sources = store::new_store_sources(program, &folder)?;
    let (store, moved) = FileStore::reset(folder, sources).await?;
    let location = store.key_location()?;
    let text = match &moved {
        Some(moved) => format!(
            "created a new store (key location: {location}); the old files are in {}",
            moved.display()
        ),
        None => format!("created a new store (key location: {location}); there was no old one"),
    };
    let data = json!({
        "key_location": location.as_str(),
        "key_id": store.key_id().to_string(),
        "moved_to": moved,
    });
    program.output.result(&text, &data);
    Ok(())
}
