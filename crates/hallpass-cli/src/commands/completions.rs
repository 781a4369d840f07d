//! `hallpass completions SHELL`

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use serde_json::json;

use crate::{exit::CommandError, program::Program};

/// Print completions.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

pub(super) fn run(
    completions: &Completions,
    mut cli: clap::Command,
    program: &Program,
) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut cli, "hallpass", &mut script);
    let script = String::from_utf8(script).map_err(CommandError::new)?;
    let shell = completions.shell.to_possible_value();
    let data = json!({
        "shell": shell.map(|shell| shell.get_name().to_owned()),
        "script": script,
    });
    program.output.result(script.trim_end(), &data);
    Ok(())
}
