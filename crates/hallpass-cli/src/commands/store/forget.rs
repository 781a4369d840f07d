//! `hallpass store forget URL`

use std::time::Duration;

use clap::Args;
use hallpass::{
    Record,
    store::{CredentialStore as _, StoreErrorKind},
};
use serde_json::json;

use crate::{exit::Failed, program::Program, remembered::Remembered, setup, store};

/// How long somebody else who works on the account is waited for.
const WAIT: Duration = Duration::from_secs(60);

/// One account.
#[derive(Debug, Args)]
pub(super) struct Forget {
    /// The MCP server's URL, or its name in the configuration file.
    url: String,

    /// Which of several accounts on the server. Without it, the one that the name stands for; of a
    /// URL, the one called `default`.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,

    /// Also while somebody is signed in. The tokens live on at the server.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(forget: &Forget, program: &Program) -> Result<(), Failed> {
    let slot = setup::slot(program, &forget.url, forget.account.as_deref())?;
    let store = store::files(program).await?;
    let mut guard = store.lock(&slot, WAIT).await?;
    let (had, aside) = match store.records(&slot).await {
        Ok(records) => {
            if records.iter().any(Record::is_signed_in) && !forget.yes {
                return Err(Failed::usage(format!("somebody is signed in to {slot}"))
                    .hint("`hallpass logout` revokes the tokens first; `--yes` forgets them as they are"));
            }
            (store.forget(&slot, &mut guard).await?, None)
        }
        // What can't be opened may open one day: it makes room, and is not deleted.
        Err(error) if matches!(error.kind(), StoreErrorKind::Damaged | StoreErrorKind::Key) => {
            (true, store.set_aside(&slot, &mut guard).await?)
        }
        Err(error) => return Err(error.into()),
    };
    let out_of_reach = store.is_out_of_reach(&slot).await?;
    guard.release().await?;
    Remembered::of(&slot, &store::folder(program)?).forget()?;
    if out_of_reach {
        program.output.say(
            "note: what another key sealed for this account stays, since that key is not here; the \
             account may be there again when the key is",
        );
    }
    let text = match &aside {
        Some(aside) => format!(
            "{slot} could not be opened; its file is set aside as {}",
            aside.display()
        ),
        None if had => format!("nothing is kept for {slot} any more"),
        None if out_of_reach => format!("nothing that opens was kept for {slot}"),
        None => format!("nothing was kept for {slot}"),
    };
    let data = json!({
        "server": slot.server.as_str(),
        "account": slot.profile.as_str(),
        "had_records": had,
        "out_of_reach": out_of_reach,
        "set_aside": aside,
    });
    program.output.result(&text, &data);
    Ok(())
}
