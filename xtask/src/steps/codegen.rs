//! Documents that are made from code, compared with what is committed; `--write` makes them.
//!
//! `docs/commands.md` is what the program says to `--help`, command by command;
//! `docs/environment.md` are the variables that it reads.

mod environment;

use std::{fs, io::Write, path::Path};

use crate::{finding, report::Failure, shell::Shell, workspace::Workspace};

const COMMANDS: &str = "docs/commands.md";

const ENVIRONMENT: &str = "docs/environment.md";

const HEAD: &str = "# The commands\n\n\
    What `hallpass --help` says, command by command. Written by `cargo xtask codegen --write`.\n";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let build = ["build", "--quiet", "--locked", "--package", "hallpass-cli"];
    workspace.cargo().args(build).run()?;
    let mut text = HEAD.to_owned();
    let program = workspace.binary("debug", "hallpass");
    describe(&program, &[], &mut text)?;
    finding::report(
        &environment::check(workspace.root())?,
        "edit the table in xtask/src/steps/codegen/environment.rs",
    )?;
    for (name, text) in [(COMMANDS, text), (ENVIRONMENT, environment::render())] {
        let path = workspace.root().join(name);
        if arguments.iter().any(|argument| argument == "--write") {
            fs::File::create(&path)?.write_all(text.as_bytes())?;
        } else if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            return Err(Failure::new(format!("{name} is not what the code says"))
                .mend("cargo xtask codegen --write"));
        }
    }
    Ok(())
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
    text.push_str(
        "
## `",
    );
    text.push_str(&name);
    text.push_str(
        "`

```text
",
    );
    text.push_str(help.trim_end());
    text.push_str(
        "
```
",
    );
    for below in commands(&help) {
        describe(program, &[command, &[below]].concat(), text)?;
    }
    Ok(())
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[cfg(test)]
mod tests;
