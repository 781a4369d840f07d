//! The environment of a program that Hallpass starts for the user: the command of `exec`, a token command,
//! a browser.
//!
//! It is the one that Hallpass was started in, without what is Hallpass's own: the passphrase opens the
//! whole store, and a token of an outer `hallpass exec` was handed to Hallpass alone. `exec` then adds
//! what it is for.

use std::{ffi::OsStr, path::PathBuf, process::Command};

use hallpass::service::CommandSource;

use crate::environment::Environment;

/// The variables that hold a secret of Hallpass by their usual names.
const SECRETS: &[&str] = &[
    "HALLPASS_PASSPHRASE",
    "HALLPASS_TOKEN",
    "HALLPASS_TOKEN_AUTHORIZATION",
    "HALLPASS_TOKEN_DPOP",
];

/// A program to start, without arguments yet.
pub(crate) fn command(program: impl AsRef<OsStr>, environment: &Environment) -> Command {
    let mut command = Command::new(program);
    for name in secrets(environment) {
        command.env_remove(name);
    }
    command
}

/// A program that prints a token.
pub(crate) fn token_command(
    program: PathBuf,
    arguments: impl IntoIterator<Item = String>,
    environment: &Environment,
) -> CommandSource {
    CommandSource::new(program, arguments).without_variables(secrets(environment))
}

fn secrets(environment: &Environment) -> impl Iterator<Item = &str> {
    let named = environment.passphrase_variable();
    SECRETS.iter().copied().chain(named)
}
