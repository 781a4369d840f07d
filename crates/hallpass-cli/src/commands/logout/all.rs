//! `hallpass logout --all`

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Logout;
use crate::{
    commands::status, exit::CommandError, program::Program, server_options::Server, store::Store,
    terminal,
};

/// Signs out of every account, one after the other. One that fails keeps none of the others signed in.
pub(super) async fn run(logout: &Logout, program: &Program) -> Result<(), CommandError> {
    let listing = Store::open(program).await?.port().list().await?;
    let unreadable: Vec<String> = listing.problems.iter().map(ToString::to_string).collect();
    let mut credentials = BTreeSet::from_iter(listing.credentials);
    credentials.extend(status::with_a_token_source(program)?);
    if !credentials.is_empty() && !logout.yes {
        let names: Vec<String> = credentials.iter().map(ToString::to_string).collect();
        agree(&names, program).await?;
    }
    for problem in &unreadable {
        program.output.status(&format!("can't be read: {problem}"));
    }
    let (mut accounts, mut first, mut failures) = (Vec::new(), None, 0);
    for key in &credentials {
        let url = key.server.as_str().to_owned();
        let account = key.account.as_str().to_owned();
        let server = Server::new(url, Some(account), logout.options.clone());
        match super::sign_out(logout, &server, program).await {
            Ok((text, data)) => {
                program.output.line(&text);
                accounts.push(with(data, Value::Null));
            }
            Err(failed) => {
                program
                    .output
                    .status(&format!("not signed out of {key}\n{failed}"));
                let data = json!({
                    "server": key.server.as_str(),
                    "account": key.account.as_str(),
                    "was_signed_in": null,
                    "refresh_token": null,
                    "access_token": null,
                    "registration": null,
                });
                accounts.push(with(data, failed.to_json()));
                failures += 1;
                first.get_or_insert(failed);
            }
        }
    }
    if credentials.is_empty() {
        program.output.line("no accounts");
    }
    let count = accounts.len();
    let data = json!({ "accounts": accounts, "problems": unreadable });
    let Some(failed) = first else {
        program.output.data_only(&data);
        return Ok(());
    };
    let what = format!("{failures} of {count} accounts could not be signed out");
    Err(failed.with_count(what).data(data))
}

/// The outcome of one account, with its error.
fn with(mut data: Value, error: Value) -> Value {
    data["error"] = error;
    data
}

async fn agree(names: &[String], program: &Program) -> Result<(), CommandError> {
    let question = match names {
        [_] => "sign out of this account? [y/N] ".to_owned(),
        names => format!("sign out of these {} accounts? [y/N] ", names.len()),
    };
    let question = format!("{}\n{question}", names.join("\n"));
    let canceled = "canceled: no account was signed out";
    terminal::confirm("`logout --all`", &question, canceled, program).await
}
