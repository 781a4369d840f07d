//! `hallpass completions SHELL`

use clap::Args;
use clap_complete::env::Shells;
use serde_json::json;

use crate::{completion::VARIABLE, exit::CommandError, program::Program};

/// Print completions.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    pub(crate) shell: String,
}

pub(super) fn run(completions: &Completions, program: &Program) -> Result<(), CommandError> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&completions.shell) {
        let name = "hallpass";
        shell.write_registration(VARIABLE, name, name, name, &mut script)?;
    }
    let script = String::from_utf8(script).map_err(CommandError::new)?;
    let data = json!({ "shell": completions.shell, "script": script });
    program.output.result(script.trim_end(), &data);
    Ok(())
}
