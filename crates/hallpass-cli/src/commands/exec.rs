//! `hallpass exec URL -- COMMAND …`
//!
//! The command takes the place of this program: its exit code, its signals and its streams are its
//! own, and no shell reads its arguments.

use std::{ffi::OsString, io, process::Command};

use clap::Args;

use crate::{
    bearer::{Bearer, ForRequest},
    child,
    exit::{Code, CommandError},
    program::Program,
    server_options::Server,
};

/// Run a command.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) server: Server,

    /// The environment variable for the token. With `--method` and `--url`, the variables
    /// `<NAME>_AUTHORIZATION` and `<NAME>_DPOP` hold the two request headers.
    #[arg(long, value_name = "NAME", default_value = "HALLPASS_TOKEN")]
    pub(crate) env: String,

    #[command(flatten)]
    pub(crate) request: ForRequest,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

pub(super) async fn run(exec: &Exec, program: &Program) -> Result<(), CommandError> {
    let name = &exec.env;
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(CommandError::usage(format!(
            "`{name}` can't name an environment variable"
        )));
    }
    let Some((file, arguments)) = exec.command.split_first() else {
        return Err(CommandError::usage("there is no command to run"));
    };
    let bearer = Bearer::fresh(program, &exec.server, &exec.request).await?;
    let mut command = child::command(file, &program.environment);
    command.args(arguments).env(name, bearer.secret());
    if exec.request.method.is_some() {
        command.env(format!("{name}_AUTHORIZATION"), &bearer.authorization);
        command.envs(bearer.proof.map(|proof| (format!("{name}_DPOP"), proof)));
    }
    // Nothing of this program is left once the command runs.
    program.close().await;
    let error = replace_process(command)?;
    let code = match error.kind() {
        io::ErrorKind::NotFound => Code::CommandNotFound,
        _ => Code::NotExecutable,
    };
    let what = format!("can't run `{}`", file.to_string_lossy());
    Err(CommandError::new(what).context(error).code(code))
}

/// Becomes the command. Comes back with why it could not.
#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "elsewhere the command may have ended"
)]
fn replace_process(mut command: Command) -> Result<io::Error, CommandError> {
    Ok(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Runs the command and ends as it did. An interrupt goes to it as well, and is its matter.
#[cfg(not(unix))]
fn replace_process(mut command: Command) -> Result<io::Error, CommandError> {
    match command.status() {
        Ok(status) => Err(CommandError::of_command(status.code().unwrap_or(1))),
        Err(error) => Ok(error),
    }
}
