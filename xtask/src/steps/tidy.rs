//! The rules that the compiler and clippy don't know: who may depend on whom, how long a file may
//! be, where a secret may be opened, and what must not stand in a tracked file.
//!
//! The rules are data in the modules below; what breaks one for a good reason is in [`EXCEPTIONS`],
//! and an exception that nothing needs is an error.

mod api;
mod dependencies;
mod exceptions;
mod lines;
mod machine;
mod modules;
mod trees;

use std::{collections::BTreeMap, fs, path::Path};

use toml::Table;

use crate::{
    finding::{self, Finding},
    report::Failure,
    shell::Shell,
    workspace::Workspace,
};
use dependencies::{TABLES, Tables};
use exceptions::{EXCEPTIONS, MAY_EXPOSE};
use machine::Machine;

/// What the rules are about.
#[derive(Debug, Clone, Default)]
struct Tree {
    /// The text of each file that is tracked or could be, by its path from the root.
    files: BTreeMap<String, String>,
}

/// A Rust file below a crate.
#[derive(Debug, Clone, Copy)]
struct RustFile<'a> {
    path: &'a str,
    text: &'a str,
}

impl Tree {
    fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let listed = Shell::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(workspace.root())
            .read()?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file that was deleted and one that is no text have nothing to be looked at.
            if let Ok(text) = fs::read_to_string(workspace.root().join(path)) {
                files.insert(path.to_owned(), text);
            }
        }
        Ok(Self { files })
    }

    fn rust_files(&self) -> impl Iterator<Item = RustFile<'_>> {
        let files = self.files.iter();
        files
            .filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"))
            .map(|(path, text)| RustFile { path, text })
    }

    /// The manifest of each package of the workspace, by its folder.
    fn manifests(&self) -> impl Iterator<Item = (&str, Table)> {
        self.files.iter().filter_map(|(path, text)| {
            let folder = path.strip_suffix("/Cargo.toml")?;
            let ours = folder == "xtask" || folder.starts_with("crates/");
            Some((folder, text.parse().ok()?)).filter(|_| ours)
        })
    }
}

impl<'a> RustFile<'a> {
    /// Whether it is compiled for tests only.
    fn is_test(self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The lines that are no comments, with their numbers.
    fn code(self) -> impl Iterator<Item = (usize, &'a str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(number, line)| (number + 1, line.trim()))
            .filter(|(_, line)| !line.starts_with("//"))
    }
}

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let tree = Tree::read(workspace)?;
    let rules = Rules {
        tables: TABLES,
        may_expose: MAY_EXPOSE,
        machine: Machine::this(workspace),
    };
    let mut findings = check(&tree, &rules);
    findings.extend(trees::check(&trees::read(workspace)?));
    let findings = finding::judge(findings, EXCEPTIONS);
    finding::report(
        &findings,
        "edit the file that is named, or say why in tidy/exceptions.rs",
    )
}

/// What the tree is checked against.
#[derive(Debug)]
struct Rules {
    tables: Tables,
    /// The files that may open a secret.
    may_expose: &'static [&'static str],
    machine: Machine,
}

/// Every way in which the tree breaks a rule.
fn check(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let mut findings = dependencies::check(tree, rules.tables);
    findings.extend(api::check(tree));
    findings.extend(lines::check(tree, rules.may_expose));
    findings.extend(rules.machine.check(tree));
    findings.extend(modules::check(tree));
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
