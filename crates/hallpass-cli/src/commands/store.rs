//! `hallpass store …`: looking after what is kept. Nothing is lost by any of it that was not named.

mod bundle;
mod forget;
mod key;
mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{exit::CommandError, passphrase::Named, program::Program};

/// Look after what is kept.
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    task: Task,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
enum Task {
    /// List what is kept, account by account, and what can't be opened.
    List,
    /// Seal everything with a new key, which is kept where the old one was.
    Rekey(Passphrase),
    /// Move the key to another place: everything is sealed with a new one there.
    Move(key::Move),
    /// Copy everything into one file that a passphrase opens, as for another machine.
    ///
    /// Options that were given at login are not in it. A refresh token is good for one holder:
    /// whoever refreshes first signs the other one out.
    Export(bundle::Export),
    /// Take in what an export holds. Accounts that are here already stay as they are.
    Import(bundle::Import),
    /// Remove what is kept for one account, and tell its server nothing.
    Forget(forget::Forget),
    /// Begin a new store where the old one can't be opened: its passphrase is forgotten, its key
    /// was overwritten, its `store.json` is gone. What there is goes into a folder beside it. (Where
    /// the key is just not there any more, this happens by itself.)
    StartOver,
}

/// A passphrase for what is made or opened, where that needs one. Without these it is asked for.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Passphrase {
    /// The file that holds the passphrase for what is made or opened by this.
    #[arg(long, value_name = "FILE")]
    with_passphrase_file: Option<PathBuf>,

    /// The environment variable that holds the passphrase for what is made or opened by this.
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
        Task::Move(to) => key::to_another_place(to, program).await,
        Task::Export(export) => bundle::export(export, program).await,
        Task::Import(import) => bundle::import(import, program).await,
        Task::Forget(forget) => forget::run(forget, program).await,
        Task::StartOver => key::reset(program).await,
    }
}
