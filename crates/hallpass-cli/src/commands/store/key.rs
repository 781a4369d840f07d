//! `hallpass store rekey`, `move` and `reset`

use std::{path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use hallpass::store::{FileStore, KeyLocation, KeySource, KeySources};
use serde_json::json;

use super::Passphrase;
use crate::{exit::CommandError, passphrase::Passphrases, program::Program, store, terminal};

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
        )?),
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

/// A new store, or the old one again.
#[derive(Debug, Args)]
pub(super) struct Reset {
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Put the store back that the last reset moved away. The store in its place is moved away.
    #[arg(long)]
    undo: bool,
}

pub(super) async fn reset(reset: &Reset, program: &Program) -> Result<(), CommandError> {
    let folder = store::folder(program)?;
    if reset.undo {
        return undo_reset(folder, program).await;
    }
    let sources = store::new_store_sources(program, &folder)?;
    if !reset.yes {
        let shown = folder.display();
        let question = format!("move the store in {shown} away and create a new one? [y/N] ");
        let canceled = "canceled: the store was not reset";
        terminal::confirm("`store reset`", &question, canceled, program).await?;
    }
    let (store, moved) = FileStore::reset(folder, sources).await?;
    let location = store.key_location()?;
    let text = match &moved {
        Some(moved) => format!(
            "created a new store (key location: {location}); the old files are in {}; \
             `hallpass store reset --undo` puts them back",
            moved.display()
        ),
        None => format!("created a new store (key location: {location}); there was no old one"),
    };
    let data = json!({
        "key_location": location.as_str(),
        "key_id": store.key_id().to_string(),
        "moved_to": moved,
        "restored_from": null,
    });
    program.output.result(&text, &data);
    Ok(())
}

async fn undo_reset(folder: PathBuf, program: &Program) -> Result<(), CommandError> {
    let Some(undone) = FileStore::undo_reset(folder).await? else {
        return Err(CommandError::usage("no store was moved away by a reset"));
    };
    let restored = format!("the store from {} is back", undone.restored_from.display());
    let text = match &undone.moved_to {
        Some(moved) => format!("{restored}; the newer one is in {}", moved.display()),
        None => restored,
    };
    let data = json!({
        "key_location": null,
        "key_id": null,
        "moved_to": undone.moved_to,
        "restored_from": undone.restored_from,
    });
    program.output.result(&text, &data);
    Ok(())
}
