//! `hallpass remove NAME`

use clap::Args;
use serde_json::json;

use crate::{config::Config, exit::CommandError, program::Program};

/// Remove a server from the configuration file.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The name of the server.
    pub(crate) name: String,
}

pub(super) fn run(remove: &Remove, program: &Program) -> Result<(), CommandError> {
    let config = Config::read(program)?;
    let name = &remove.name;
    let Some(entry) = config.servers().get(name) else {
        // The same words and the same advice as for a name that is used.
        return Err(match config.key(name, None) {
            Err(failed) => failed,
            Ok(key) => CommandError::usage(format!("{key} is named by its URL")),
        });
    };
    config.remove(name)?;
    let server = &entry.key.server;
    let data = json!({
        "name": name,
        "server": server.as_str(),
        "account": entry.key.account.as_str(),
    });
    let text = format!(
        "removed `{name}` from the configuration file; `hallpass logout {server}` signs out"
    );
    program.output.result(&text, &data);
    Ok(())
}
