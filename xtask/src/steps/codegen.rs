//! What is made from code and manifests, compared with what is committed; `--write` makes it.
//!
//! - the crates in ARCHITECTURE.md and README.md, and the steps in CONTRIBUTING.md;
//! - the host in README.md, which is an example that is compiled;
//! - the recording in README.md, which is part of docs/walk-through.md;
//! - the codes of `hallpass doctor` in docs/troubleshooting.md;
//! - `docs/environment.md`, the variables that the program reads;
//! - `docs/troubleshooting.md` is written by hand, and has a row for each code of the program;
//! - `docs/commands.md`, what the program says to `--help`, command by command;
//! - `docs/configuration.md`, the keys of `config.toml`;
//! - each crate's `BUILD.bazel`, which is `cargo xtask bazel`'s too.

mod codes;
mod commands;
mod configuration;
mod crates;
mod environment;
mod findings;
mod help;
mod host;
mod part;
mod walk;

use std::collections::BTreeMap;

use super::{STEPS, bazel};
use crate::{
    finding::{self, Finding},
    report::Failure,
    shell,
    tree::Tree,
    workspace::Workspace,
};
use part::Part;

const MEND: &str = "cargo xtask codegen --write";

/// Whole files, by their path from the root.
type Files = BTreeMap<String, String>;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let tree = Tree::read(workspace)?;
    let (mut files, findings) = documents(&tree);
    finding::report(&findings, "edit the file that is named")?;
    finding::report(
        &environment::check(&tree),
        "edit the table in xtask/src/steps/codegen/environment.rs",
    )?;
    finding::report(
        &codes::check(&tree),
        "add the row to docs/troubleshooting.md",
    )?;
    let build_files = bazel::rendered(workspace)?.into_iter();
    files.extend(build_files.map(|file| (file.path, file.text)));
    let write = arguments.iter().any(|argument| argument == "--write");
    if !write {
        // What needs no compiler first.
        finding::report(&compare(&tree, &files), MEND)?;
    }
    files.insert(commands::PATH.to_owned(), commands::render(workspace)?);
    let configuration = configuration::render(workspace)?;
    files.insert(configuration::PATH.to_owned(), configuration);
    if !write {
        return finding::report(&compare(&tree, &files), MEND);
    }
    for (path, text) in &files {
        shell::write(&workspace.root().join(path), text)?;
    }
    Ok(())
}

/// The documents that are made without running the program, and what keeps one from being made.
pub(super) fn documents(tree: &Tree) -> (Files, Vec<Finding>) {
    let (mut parts, mut findings) = crates::parts(tree);
    parts.extend([steps(), host::part(tree), walk::part(tree)]);
    let (part, missing) = findings::part(tree);
    parts.extend(part);
    findings.extend(missing);
    let mut files = Files::new();
    for part in parts {
        let so_far = files.get(part.document).map(String::as_str);
        let so_far = so_far.unwrap_or_else(|| tree.text(part.document));
        if let Some(text) = part.put_into(so_far) {
            files.insert(part.document.to_owned(), text);
        } else {
            let what = format!("it has no line `{}`", part.mark().trim_end());
            findings.push(Finding::new(part.document, "place", what));
        }
    }
    files.insert(environment::PATH.to_owned(), environment::render());
    (files, findings)
}

/// The files of a tree that are not as made.
fn compare(tree: &Tree, files: &Files) -> Vec<Finding> {
    let differ = files.iter().filter(|(path, text)| tree.text(path) != *text);
    differ
        .map(|(path, _)| Finding::new(path, "made", "it is not what code and manifests say"))
        .collect()
}

/// CONTRIBUTING.md's table of steps.
fn steps() -> Part {
    let rows = STEPS.iter().map(|step| {
        let takes: Vec<String> = step.takes.iter().map(|it| format!("`{it}`")).collect();
        let (name, about, needs) = (step.name, step.about, step.needs);
        let runs = if step.in_ci { "yes" } else { "by hand" };
        format!(
            "| `{name}` | {about} | {needs} | {} | {runs} |\n",
            takes.join(" ")
        )
    });
    let head = "| step | what it holds | needs | options | in `ci` |\n|---|---|---|---|---|\n";
    Part {
        document: "CONTRIBUTING.md",
        name: "The steps",
        text: format!("{head}{}", rows.collect::<Vec<_>>().concat()),
    }
}

/// What is wrong with the documents of a tree, without running the program.
#[cfg(test)]
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (files, findings) = documents(tree);
    if findings.is_empty() {
        compare(tree, &files)
    } else {
        findings
    }
}

#[cfg(test)]
mod tests;
