//! The command reference: what the program says to `--help`, command by command.

use std::{fmt::Write, path::Path};

use crate::{report::Failure, shell::Shell, workspace::Workspace};

pub(super) const PATH: &str = "docs/commands.md";

const HEAD: &str = "# The commands\n\n\
    What `hallpass --help` says, command by command. Written by `cargo xtask codegen --write`.\n";

/// Builds the program and asks it.
pub(super) fn render(workspace: &Workspace) -> Result<String, Failure> {
    let mut text = HEAD.to_owned();
    describe(&workspace.program()?, &[], &mut text)?;
    Ok(text)
}

/// Adds the help of one command, and of those below it.
fn describe(program: &Path, command: &[&str], text: &mut String) -> Result<(), Failure> {
    let help = Shell::new(program)
        .args(command)
        .args(["--help"])
        .env("COLUMNS", "100")
        .read()?;
    let name = ["hallpass"]
        .iter()
        .chain(command)
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let help = lines.join("\n").replace(".exe", "");
    // Writing into a string never fails.
    let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
    for below in commands(&help) {
        describe(program, &[command, &[below]].concat(), text)?;
    }
    Ok(())
}

/// The commands that a help text lists.
pub(super) fn commands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}
