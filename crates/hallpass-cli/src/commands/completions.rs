//! `hallpass completions SHELL`

use clap::Args;
use serde_json::json;

use crate::{
    completion::{SHELLS, VARIABLE},
    exit::CommandError,
    program::Program,
};

/// How each shell loads them.
const INSTALLATION: &str = "\
To load them in each new shell, add one line to its start-up file:
  bash        ~/.bashrc: source <(hallpass completions bash)
  zsh         ~/.zshrc, after `compinit`: source <(hallpass completions zsh)
  fish        ~/.config/fish/config.fish: hallpass completions fish | source
  elvish      ~/.config/elvish/rc.elv: eval (hallpass completions elvish | slurp)
  powershell  $PROFILE: hallpass completions powershell | Out-String | Invoke-Expression";

/// Print completions.
#[derive(Debug, Args)]
#[command(after_help = INSTALLATION)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    pub(crate) shell: String,
}

pub(super) fn run(completions: &Completions, program: &Program) -> Result<(), CommandError> {
    let mut script = Vec::new();
    if let Some(shell) = SHELLS.completer(&completions.shell) {
        let name = "hallpass";
        shell.write_registration(VARIABLE, name, name, name, &mut script)?;
    }
    let script = String::from_utf8(script).map_err(CommandError::new)?;
    let data = json!({ "shell": completions.shell, "script": script });
    program.output.result(script.trim_end(), &data);
    Ok(())
}
