//! `hallpass add NAME URL`

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::{
    config::{Config, Entry, NAME_FORM, is_name},
    exit::CommandError,
    open_server,
    program::Program,
    server_options::{Server, credential_key},
    server_ref::ServerRef,
    settings,
};

/// Add a server to the configuration file.
#[derive(Debug, Args)]
#[command(mut_arg("url", |argument| argument.help("The MCP server's URL")))]
pub(crate) struct Add {
    /// The name of the server: letters, digits, `-`, `_` and `.`.
    pub(crate) name: String,

    /// Replace an existing server of that name.
    #[arg(long)]
    pub(crate) replace: bool,

    #[command(flatten)]
    pub(crate) server: Server,
}

pub(super) async fn run(add: &Add, program: &Program) -> Result<(), CommandError> {
    let name = &add.name;
    if !is_name(name) {
        let failed = CommandError::usage(format!("`{name}` can't name a server"));
        let url = &add.server.url;
        return Err(if name.contains('/') && is_name(url) {
            failed.hint(format!("the name comes first: hallpass add {url} {name}"))
        } else {
            failed.hint(NAME_FORM)
        });
    }
    let given = &add.server.options;
    for (option, name) in [
        ("--client-secret-env", &given.client_secret_env),
        ("--token-env", &given.token_env),
    ] {
        if name
            .as_ref()
            .is_some_and(|name| !program.environment.may_be_variable(name))
        {
            let what = format!("`{option}` takes the name of an environment variable");
            let hint = "put the secret into a variable, and give its name, such as CLIENT_SECRET";
            return Err(CommandError::usage(what).hint(hint));
        }
    }
    let config = Config::read(program)?;
    program.warn_of_config(config.warnings());
    let key = credential_key(&add.server.url, add.server.account.as_deref())?;
    config
        .check_free(name, &key, add.replace)
        .map_err(|failed| {
            if failed.has_hints() {
                return failed;
            }
            let server = ServerRef::by_url(&key, program).keeping(&add.server.options);
            failed.hint(server.replacing(name))
        })?;
    let mut options = add.server.options.clone();
    options.files_from(Path::new(""))?;
    settings::check(&options)?;
    for header in options.literal_headers() {
        program.output.status(&format!(
            "note: the header `{header}` is written to the file as typed; write its \
             secret part as ${{NAME}} to keep it in an environment variable"
        ));
    }
    let entry = Entry { key, options };
    config.add(name, &entry, add.replace)?;
    // The entry is written: the answer decides only the advice to the user.
    let is_open = if program.environment.is_interactive() {
        let answers = open_server::answers_without_token(program, &add.server).await;
        answers.unwrap_or_default()
    } else {
        None
    };
    let file = config.path().unwrap_or(Path::new("")).display();
    let data = json!({
        "name": name,
        "server": entry.key.server.as_str(),
        "account": entry.key.account.as_str(),
        "config": file.to_string(),
        "needs_sign_in": is_open.map(|is_open| !is_open),
    });
    let next = if is_open == Some(true) {
        format!("it needs no sign-in: `hallpass tools {name}` lists its tools")
    } else {
        format!("`hallpass login {name}` signs in")
    };
    let text = format!("`{name}` is in {file}; {next}");
    program.output.result(&text, &data);
    Ok(())
}
