//! `hallpass store forget URL`

use std::time::Duration;

use clap::Args;
use hallpass::{
    Record,
    store::{CredentialStore as _, Inventory, LockKind, StoreErrorKind},
};
use serde_json::json;

use crate::{
    exit::{Code, CommandError},
    program::Program,
    saved_options::SavedOptions,
    server_ref::ServerRef,
    setup, store,
};

/// How long to wait for another process that holds the account's lock.
const WAIT: Duration = Duration::from_secs(60);

/// One account.
#[derive(Debug, Args)]
pub(super) struct Forget {
    /// The MCP server's URL, or its name in the configuration file.
    url: String,

    /// The account on the server [default: the account of the configured server, or `default`].
    #[arg(long, value_name = "NAME")]
    account: Option<String>,

    /// Delete credentials of an account that is signed in, and credentials whose key is missing. The
    /// tokens stay valid at the server.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(forget: &Forget, program: &Program) -> Result<(), CommandError> {
    let key = setup::key(program, &forget.url, forget.account.as_deref())?;
    let store = store::files(program).await?;
    let mut guard = store.lock(&key, LockKind::Credential, WAIT).await?;
    if !forget.yes
        && let Some(why) = store.unreadable_reason(&key).await?
    {
        let what = format!("can't tell whether {key} is signed in");
        return Err(CommandError::from(why)
            .with_count(what)
            .code(Code::Usage)
            .hint("or `--yes` deletes it unread, for good; its tokens stay valid at the server"));
    }
    // No key is given up as lost for that, and one in trouble opens nothing.
    let mut look = match store.inventory(Some(&key)).await {
        Err(error) if error.kind() == StoreErrorKind::Key => Inventory::default(),
        look => look?,
    };
    let mut records = look.kept.values().flatten();
    if records.any(Record::is_signed_in) && !forget.yes {
        let logout = ServerRef::new(&key, program).line("logout");
        return Err(
            CommandError::usage(format!("{key} is signed in")).hint(format!(
                "`{logout}` revokes the tokens first; `--yes` deletes them without that"
            )),
        );
    }
    let moved = match look.problems.pop().filter(|_| look.is_damaged(&key)) {
        None => None,
        // What can't be read though its key is here may become readable one day: it makes room.
        Some(trouble)
            if matches!(
                trouble.kind(),
                StoreErrorKind::Damaged | StoreErrorKind::Key
            ) =>
        {
            store.move_aside(&key, &mut guard).await?
        }
        Some(trouble) => return Err(trouble.into()),
    };
    let forgotten = store.forget(&key, &mut guard).await?;
    guard.release().await?;
    SavedOptions::new(&key, &store::folder(program)?).forget()?;
    if forgotten.of_another_machine {
        program.output.status(
            "note: another machine that shares the folder has records of its own for this \
             account; they are not deleted",
        );
    }
    let had = forgotten.records || forgotten.unread > 0 || moved.is_some();
    let text = match &moved {
        Some(moved) => format!(
            "the credentials of {key} can't be read; their file is moved to {}",
            moved.display()
        ),
        None if forgotten.unread > 0 => format!(
            "deleted the credentials of {key}; those with a missing key were deleted unread, and \
             their tokens stay valid at the server"
        ),
        None if had => format!("deleted the credentials of {key}"),
        None => format!("there were no credentials of {key}"),
    };
    let data = json!({
        "server": key.server.as_str(),
        "account": key.account.as_str(),
        "had_records": had,
        "deleted_unreadable": forgotten.unread,
        "other_machine_records": forgotten.of_another_machine,
        "moved_to": moved,
    });
    program.output.result(&text, &data);
    Ok(())
}
