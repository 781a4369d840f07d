//! `docs/commands.md`: what the program says to `--help`, command by command. The options that many
//! commands take are there once.

use std::{fmt::Write, path::Path};

use crate::{report::Failure, shell::Shell};

const HEAD: &str = "# The commands\n\n\
    What `hallpass --help` says, command by command. Options that every command takes, and those that say something of a server, \
    are here once; `--help` shows all of them. Written by `cargo xtask codegen --write`.\n";

/// The headings of options that are in the document once.
const SHARED: [&str; 2] = ["Global options", "Server options"];

pub(super) fn render(program: &Path) -> Result<String, Failure> {
    let mut pages = Vec::new();
    ask(program, &[], &mut pages)?;
    // Every command takes the first; `add` takes all of the second.
    let shared = SHARED.map(|heading| {
        let sections = pages.iter().map(|(_, help)| section(help, heading));
        sections.filter(|it| !it.is_empty()).min_by_key(String::len)
    });
    let shared = shared.map(Option::unwrap_or_default);
    let mut text = HEAD.to_owned();
    // Writing into a string never fails.
    for (number, (name, help)) in pages.iter().enumerate() {
        let mut help = help.clone();
        let mut links = Vec::new();
        for (heading, shared) in SHARED.iter().zip(&shared) {
            if section(&help, heading).is_empty() {
                continue;
            }
            let title = heading.to_lowercase();
            links.push(format!("[{title}](#{})", title.replace(' ', "-")));
            help = without(&help, &options(shared));
        }
        if number > 0 {
            let mut print = options(&section(&help, "Options"));
            print.retain(|option| option.starts_with("\n  -h, --help"));
            help = without(&help, &print);
        }
        let _ = write!(text, "\n## `{name}`\n\n```text\n{help}\n```\n");
        if number == 0 {
            for (heading, section) in SHARED.iter().zip(&shared) {
                let options = section.split_once('\n').map_or("", |(_, options)| options);
                let _ = write!(text, "\n## {heading}\n\n```text\n{options}\n```\n");
            }
        } else {
            let _ = write!(text, "\nBesides: {}.\n", links.join(", "));
        }
    }
    Ok(text)
}

/// Adds the help of one command, and of those below it.
fn ask(program: &Path, command: &[&str], pages: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let help = help(program, command, "100")?;
    pages.push(([&["hallpass"], command].concat().join(" "), help.clone()));
    for line in section(&help, "Commands").lines().skip(1) {
        let name = line.split_whitespace().next().unwrap_or_default();
        if !line.starts_with("   ") && name != "help" {
            ask(program, &[command, &[name]].concat(), pages)?;
        }
    }
    Ok(())
}

/// What the program says to `--help` after a command, in lines of this width.
pub(super) fn help(program: &Path, command: &[&str], width: &str) -> Result<String, Failure> {
    let help = Shell::new(program).args(command).args(["--help"]);
    let help = help.env("COLUMNS", width).read()?.replace(".exe", "");
    Ok(help
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n"))
}

/// A help text without these options, and without a heading that has no option left.
fn without(help: &str, options: &[String]) -> String {
    let mut help = help.to_owned();
    for option in options {
        help = help.replace(option, "");
    }
    while help.contains("\n\n\n") {
        help = help.replace("\n\n\n", "\n\n");
    }
    for heading in ["Options", "Global options", "Server options"] {
        if section(&help, heading).lines().count() == 1 {
            help = help.replace(&format!("\n\n{heading}:"), "");
        }
        help = help.replace(&format!("\n{heading}:\n\n"), &format!("\n{heading}:\n"));
    }
    help.trim_end().to_owned()
}

/// The options of a section, each with the end of the line before it.
fn options(section: &str) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for line in section.lines().skip(1) {
        if line.starts_with("      --") || line.starts_with("  -") {
            options.push(String::new());
        }
        if let Some(option) = options.last_mut() {
            *option = format!("{option}\n{line}");
        }
    }
    for option in &mut options {
        option.truncate(option.trim_end().len());
    }
    options
}

/// A section of a help text, with its heading.
pub(super) fn section(help: &str, heading: &str) -> String {
    let heading = format!("{heading}:");
    let mut lines = help.lines().skip_while(|line| *line != heading);
    let head = lines.next().into_iter();
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let lines: Vec<&str> = head.chain(lines).collect();
    lines.join("\n").trim_end().to_owned()
}
