//! `hallpass store …`: looking after what is kept. Nothing is lost by any of it that was not named.

mod bundle;
mod forget;
mod key;
mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{exit::CommandError, passphrase::Named, program::Program};

/// Manage the credential store.
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    task: Task,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
enum Task {
    /// List the stored accounts, and those that can't be read.
    List,
    /// Encrypt the store with a new key in the same location.
    Rekey(Passphrase),
    /// Encrypt the store with a new key in another location.
    Move(key::Move),
    /// Export the store to one file that is encrypted with a passphrase.
    ///
    /// Saved options are not exported. A refresh token works for one copy only: the first copy that
    /// refreshes it signs the other one out.
    Export(bundle::Export),
    /// Import accounts from an export. Existing accounts are not replaced.
    Import(bundle::Import),
    /// Delete the credentials of one account without contacting the server.
    Forget(forget::Forget),
    /// Create a new store if the old one can't be opened.
    ///
    /// For a forgotten passphrase, an overwritten key or a missing `store.json`. The old files are moved
    /// to a folder beside the store. (If only the key is missing, the store recovers by itself.) `--undo`
    /// puts them back.
    #[command(alias = "start-over")]
    Reset(key::Reset),
}

/// The passphrase of the new key or of the export. Without these options it is prompted for.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Passphrase {
    /// Read the passphrase of the new key or of the export from this file.
    #[arg(long, value_name = "FILE")]
    with_passphrase_file: Option<PathBuf>,

    /// Read the passphrase of the new key or of the export from this environment variable.
    #[arg(long, value_name = "NAME")]
    with_passphrase_env: Option<String>,
}

impl Passphrase {
    fn named(&self) -> Named {
        Named {
            file: self.with_passphrase_file.clone(),
            variable: self.with_passphrase_env.clone(),
        }
    }
}

pub(super) async fn run(store: &Store, program: &Program) -> Result<(), CommandError> {
    match &store.task {
        Task::List => list::run(program).await,
        Task::Rekey(passphrase) => key::rekey(passphrase, program).await,
        Task::Move(to) => key::move_key(to, program).await,
        Task::Export(export) => bundle::export(export, program).await,
        Task::Import(import) => bundle::import(import, program).await,
        Task::Forget(forget) => forget::run(forget, program).await,
        Task::Reset(reset) => key::reset(reset, program).await,
    }
}
