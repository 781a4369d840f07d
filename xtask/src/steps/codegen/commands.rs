//! The command reference: what the program says to `--help`, command by command. Options that many
//! commands take are there once.

use std::{fmt::Write, path::Path};

use super::help::{Help, Section};
use crate::{report::Failure, shell::Shell, workspace::Workspace};

pub(super) const PATH: &str = "docs/commands.md";

const HEAD: &str = "# The commands\n\n\
    What `hallpass --help` says, command by command. Options that every command takes, and those that say something of a server, \
    are here once; `--help` shows all of them. Written by `cargo xtask codegen --write`.\n";

/// The options that every command takes.
const COMMON: &str = "Global options";

/// Those that say something of a server.
const SERVER: &str = "Server options";

/// One command's help.
struct Page {
    name: String,
    help: String,
}

/// Builds the program and asks it.
pub(super) fn render(workspace: &Workspace) -> Result<String, Failure> {
    let mut pages = Vec::new();
    ask(&workspace.program()?, &[], &mut pages)?;
    Ok(text(&pages))
}

/// Adds the help of one command, and of those below it.
fn ask(program: &Path, command: &[&str], pages: &mut Vec<Page>) -> Result<(), Failure> {
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
    pages.push(Page {
        name,
        help: help.clone(),
    });
    for below in commands(&help) {
        ask(program, &[command, &[below]].concat(), pages)?;
    }
    Ok(())
}

/// The whole document.
fn text(pages: &[Page]) -> String {
    let helps: Vec<Help<'_>> = pages.iter().map(|page| Help::read(&page.help)).collect();
    let common = common(&helps);
    let server = helps.iter().find_map(|help| help.section(SERVER).cloned());
    let mut text = HEAD.to_owned();
    for (number, (page, help)) in pages.iter().zip(&helps).enumerate() {
        let mut shared: Vec<&Section<'_>> = vec![&common];
        let mut links = Vec::new();
        if number > 0 {
            links.push(link(COMMON));
        }
        if let (Some(server), Some(_)) = (&server, help.section(SERVER)) {
            shared.push(server);
            links.push(link(SERVER));
        }
        let rest = help.without(&shared);
        // Writing into a string never fails.
        let _ = write!(text, "\n## `{}`\n\n```text\n{rest}\n```\n", page.name);
        if !links.is_empty() {
            let _ = write!(text, "\nBesides: {}.\n", links.join(", "));
        }
        if number == 0 {
            write_section(&mut text, COMMON, &common);
            if let Some(server) = &server {
                write_section(&mut text, SERVER, server);
            }
        }
    }
    text
}

/// What the program itself takes, and so does every command: of the words for help there are two
/// forms.
fn common<'a>(helps: &[Help<'a>]) -> Section<'a> {
    let program = helps.first();
    let sections =
        [COMMON, "Options"].map(|heading| program.and_then(|help| help.section(heading)));
    let mut options: Vec<String> = sections
        .into_iter()
        .flatten()
        .flat_map(|section| section.options.clone())
        .collect();
    let forms = helps.iter().filter_map(|help| help.section("Options"));
    let forms = forms.flat_map(|section| &section.options);
    for form in forms.filter(|option| option.trim_start().starts_with("-h, --help")) {
        if !options.contains(form) {
            options.push(form.clone());
        }
    }
    Section {
        heading: "Options",
        options,
    }
}

fn write_section(text: &mut String, title: &str, section: &Section<'_>) {
    let mut options = section.options.clone();
    let mut seen = false;
    // One form of the words for help is enough for a reader.
    options.retain(|option| {
        let is_help = option.trim_start().starts_with("-h, --help");
        !is_help || !std::mem::replace(&mut seen, true)
    });
    let _ = write!(
        text,
        "\n## {title}\n\n```text\n{}\n```\n",
        options.join("\n\n")
    );
}

/// A link to a heading of the same page.
fn link(title: &str) -> String {
    let anchor = title.to_lowercase().replace(' ', "-");
    format!("[{}](#{anchor})", title.to_lowercase())
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
