//! What a user calls a server, and the command lines that are shown to them.

use std::path::PathBuf;

use hallpass::{Account, CredentialKey};

use crate::{
    config::Config,
    exit::{Code, CommandError},
    global_options::GlobalOptions,
    program::Program,
    server_options::Server,
    text,
};

/// A server as it stands in a command line: its name, where the configuration has one, else its URL.
#[derive(Debug)]
pub(crate) struct ServerRef {
    server: String,
    /// The account, where it has to be said.
    account: Option<Account>,
    /// The options of this call that say where the credentials are, and how the server is spoken to.
    options: String,
    /// What a URL leaves out: its query may hold a key and is not shown.
    lacks_query: bool,
}

impl ServerRef {
    /// What the account of a credential is called. A configuration that was named for one run is not the
    /// one of the next.
    pub(crate) fn new(key: &CredentialKey, program: &Program) -> Self {
        let config = match program.options.config {
            Some(_) => Config::default(),
            // What is wrong with it has been said where it matters.
            None => Config::read(program).unwrap_or_default(),
        };
        let name = |key: &CredentialKey| {
            let mut servers = config.servers().iter();
            let (name, _) = servers.find(|(_, entry)| entry.key == *key)?;
            Some(name.clone())
        };
        let usual = CredentialKey::new(key.server.clone());
        let own_name = name(key);
        let account =
            (own_name.is_none() && key.account != usual.account).then(|| key.account.clone());
        let named = own_name.or_else(|| name(&usual));
        Self {
            account,
            options: store_options(&program.options),
            lacks_query: named.is_none() && key.server.url().query().is_some(),
            server: named.unwrap_or_else(|| text::quoted(&key.server.to_string())),
        }
    }

    /// With the options of this command line that later ones need as well.
    pub(crate) fn keeping(mut self, server: &Server) -> Self {
        self.options += &server.kept_options();
        self
    }

    /// The line that runs a command on it.
    pub(crate) fn line(&self, command: &str) -> String {
        self.line_with(command, "")
    }

    /// The line that runs a command with these options on it.
    pub(crate) fn line_with(&self, command: &str, options: &str) -> String {
        let mut line = format!("hallpass {command} {}", self.server);
        if let Some(account) = &self.account {
            line.extend([" --account ", account.as_str()]);
        }
        line += &self.options;
        if !options.is_empty() {
            line.extend([" ", options]);
        }
        if self.lacks_query {
            line += " (with the whole query)";
        }
        line
    }

    /// A failure at the server, with the line that leads on: the one that signs in where that is what
    /// is missing, else, where nothing else is advised, the one that looks closer.
    pub(crate) fn with_advice(&self, failed: CommandError) -> CommandError {
        if failed.is(Code::SignInRequired) {
            return failed.hint(self.line("login"));
        }
        let at_the_server = failed.is(Code::Network) || failed.is(Code::Usage);
        if at_the_server && !failed.has_hints() {
            return failed.hint(format!(
                "`{}` diagnoses it step by step",
                self.line("doctor")
            ));
        }
        failed
    }
}

/// The options that another call needs to reach the same store.
fn store_options(options: &GlobalOptions) -> String {
    let path = |path: &PathBuf| path.display().to_string();
    [
        ("--store", options.store.as_ref().map(path)),
        (
            "--passphrase-file",
            options.passphrase_file.as_ref().map(path),
        ),
        ("--passphrase-env", options.passphrase_env.clone()),
    ]
    .into_iter()
    .filter_map(|(option, value)| Some(format!(" {option} {}", text::quoted(&value?))))
    .collect()
}
