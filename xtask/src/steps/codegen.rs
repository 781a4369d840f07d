//! Documents that are made from code and manifests, compared with what is committed; `--write` makes
//! them.
//!
//! - parts of README.md, ARCHITECTURE.md, CONTRIBUTING.md, docs/configuration.md and
//!   docs/troubleshooting.md, each between two marks;
//! - `docs/commands.md`, what the program says to `--help`.
//!
//! docs/environment.md and the exit codes in docs/troubleshooting.md are written by hand; they name
//! what the program's source names.

mod commands;
mod crates;
mod tables;

use std::collections::BTreeMap;

use super::STEPS;
use crate::{
    finding::{self, Finding},
    report::Failure,
    shell,
    tree::Tree,
    workspace::Workspace,
};

const END: &str = "<!-- The end of what is written. -->\n";

/// A part of a document that is made, between two marks; the rest is written by hand.
struct Part {
    document: &'static str,
    /// The name in the mark where it begins.
    name: &'static str,
    text: String,
}

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let tree = Tree::read(workspace)?;
    finding::report(&tables::check(&tree), "edit the document that is named")?;
    let program = workspace.program()?;
    let mut parts = Vec::from(crates::parts(&workspace.metadata()?));
    parts.extend([
        steps(),
        host(&tree),
        recording(&tree),
        tables::doctor(&tree),
        tables::configuration(&program)?,
    ]);
    let mut files = BTreeMap::new();
    for part in parts {
        let before = files
            .get(part.document)
            .map_or_else(|| tree.text(part.document), String::as_str);
        let after = part.put_into(before)?;
        files.insert(part.document, after);
    }
    files.insert("docs/commands.md", commands::render(&program)?);
    files.retain(|path, text| tree.text(path) != text);
    if arguments.iter().any(|argument| argument == "--write") {
        for (path, text) in &files {
            shell::write(&workspace.root().join(path), text)?;
        }
        return Ok(());
    }
    let what = "it is not what code and manifests say";
    let stale = files
        .into_keys()
        .map(|path| Finding::new(path, "made", what));
    finding::report(&stale.collect::<Vec<_>>(), "cargo xtask codegen --write")
}

impl Part {
    /// The document with this part between its marks.
    fn put_into(&self, document: &str) -> Result<String, Failure> {
        let Self {
            document: path,
            name,
            text,
        } = self;
        let mark = format!("<!-- {name}, written by `cargo xtask codegen --write`. -->\n");
        let parts = document
            .split_once(&mark)
            .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = parts
            .ok_or_else(|| Failure::new(format!("{path} has no lines `{mark}` and `{END}`")))?;
        Ok(format!("{before}{mark}{text}{END}{after}"))
    }
}

/// CONTRIBUTING.md's table of steps.
fn steps() -> Part {
    let rows = STEPS.iter().map(|step| {
        let runs = if step.in_ci { "yes" } else { "by hand" };
        let takes = step
            .takes
            .iter()
            .map(|(option, about)| format!("`{option}` {about}"));
        let takes: Vec<String> = takes.collect();
        let (name, about, needs, takes) = (step.name, step.about, step.needs, takes.join("; "));
        format!("| `{name}` | {about} | {needs} | {takes} | {runs} |\n")
    });
    let head = "| step | what it checks | needs | options | in `ci` |\n|---|---|---|---|---|\n";
    Part {
        document: "CONTRIBUTING.md",
        name: "The steps",
        text: head.to_owned() + &rows.collect::<String>(),
    }
}

/// README.md's host: the example, from its store to the end of its `main`.
fn host(tree: &Tree) -> Part {
    let lines = tree.text("crates/hallpass/examples/host.rs").lines();
    let lines = lines.skip_while(|line| !line.trim().starts_with("let store ="));
    let lines = lines.take_while(|line| line.trim() != "Ok(())");
    let body = lines.map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n");
    Part {
        document: "README.md",
        name: "The host",
        text: format!("```rust\n{}```\n", body.collect::<String>()),
    }
}

/// README.md's recording: three sections of docs/walk-through.md, which a test of the program records.
fn recording(tree: &Tree) -> Part {
    let section = |name: &str| {
        let rest = tree
            .text("docs/walk-through.md")
            .split_once(&format!("## {name}\n\n"));
        rest.map_or("", |(_, rest)| rest.split("## ").next().unwrap_or_default())
    };
    Part {
        document: "README.md",
        name: "The recording",
        text: ["A server to try it on", "Signing in", "Calling"]
            .map(section)
            .concat(),
    }
}
