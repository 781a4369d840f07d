//! Bazel builds what Cargo builds, from the same `Cargo.lock`.
//!
//! Each crate's `BUILD.bazel` is rendered from its manifest, and what `MODULE.bazel.lock` holds of
//! `Cargo.lock` is recomputed from cargo's own index; both need no Bazel and no network. Buildifier
//! judges format and lint.
//!
//! - without an argument, the committed files are compared with what would be written;
//! - `--write` writes them;
//! - `--build` also runs `$BAZEL` (or `bazel`) over the workspace;
//! - `--complete` has a Bazel with a network fill in the rest of `MODULE.bazel.lock`.

pub(super) mod build_files;
mod buildifier;
pub(super) mod index;
pub(super) mod lock;

use std::{collections::BTreeMap, ffi::OsString, fs};

use toml::Table;

use crate::{
    finding::{self, Finding},
    report::{Failure, Report},
    shell::{Shell, write},
    tree::Tree,
    workspace::Workspace,
};
use build_files::BuildFile;
use buildifier::Buildifier;
use index::Index;
use lock::Inputs;

const LOCK: &str = "MODULE.bazel.lock";

/// The facts in the lock that are `rules_rs`'s own, one key a line. Absent while no networked Bazel
/// has completed the lock.
const FOREIGN: &str = "xtask/foreign-facts.txt";

const MEND: &str = "cargo xtask bazel --write";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if asked("--complete") {
        complete(workspace)?;
    }
    let root = workspace.root();
    let rendered = rendered(workspace)?;
    let facts = facts(workspace)?;
    let buildifier = Buildifier::install(workspace)?;
    if asked("--write") {
        let tree = Tree::read(workspace)?;
        buildifier.fix(root, &build_files::paths(&tree))?;
        for BuildFile { path, text } in &rendered {
            write(&root.join(path), text)?;
        }
        let before = fs::read_to_string(root.join(LOCK)).ok();
        let after = lock::render(before.as_deref(), &facts, &Inputs::of(&tree));
        write(&root.join(LOCK), after)?;
    }
    let tree = Tree::read(workspace)?;
    finding::report(&check(&tree, &rendered, &facts), MEND)?;
    let formatted = buildifier.check(root, &build_files::paths(&tree));
    formatted.map_err(|failure| failure.mend(MEND))?;
    if asked("--build") {
        build(workspace)
    } else {
        Ok(())
    }
}

/// Every way in which the files that Bazel reads are not as they must be.
pub(super) fn check(
    tree: &Tree,
    rendered: &[BuildFile],
    facts: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let mut findings = build_files::check(rendered, tree);
    findings.extend(module_version(tree));
    match tree.files.get(LOCK) {
        Some(text) => findings.extend(lock::check(text, facts, &Inputs::of(tree))),
        None => findings.push(Finding::new(LOCK, "lock-is-there", "it is missing")),
    }
    findings
}

/// The workspace's version stands in `MODULE.bazel` once more.
fn module_version(tree: &Tree) -> Option<Finding> {
    let root: Table = tree.text("Cargo.toml").parse().unwrap_or_default();
    let version = root.get("workspace")?.get("package")?.get("version")?;
    let modules = lock::called(tree.text("MODULE.bazel"), "module");
    let is_wanted = |(_, it): &(String, String)| Some(&**it) == version.as_str();
    let what = "it has another version than the workspace";
    let wrong = !modules.iter().any(is_wanted);
    wrong.then(|| Finding::new("MODULE.bazel", "module-version", what))
}

/// Each crate's `BUILD.bazel`.
pub(super) fn rendered(workspace: &Workspace) -> Result<Vec<BuildFile>, Failure> {
    build_files::render_all(&workspace.metadata()?, workspace.root())
}

/// The fact of each registry package of `Cargo.lock`.
fn facts(workspace: &Workspace) -> Result<BTreeMap<String, String>, Failure> {
    let text = fs::read_to_string(workspace.root().join("Cargo.lock"))?;
    let index = Index::of_cargo()?;
    let (facts, missing) = index::facts(&text, |package| index.entry(package))?;
    finding::report(&missing, "cargo fetch --locked")?;
    Ok(facts)
}

/// Has a Bazel with a network complete the lock, and notes which facts are `rules_rs`'s own.
fn complete(workspace: &Workspace) -> Result<(), Failure> {
    let update = ["mod", "deps", "--lockfile_mode=update"];
    let completed = Shell::new(program())
        .args(update)
        .current_dir(workspace.root())
        .run();
    completed.map_err(|failure| failure.mend("run this where Bazel and a network are"))?;
    let facts = facts(workspace)?;
    let text = fs::read_to_string(workspace.root().join(LOCK))?;
    let foreign = lock::facts(&text)
        .into_keys()
        .filter(|key| !facts.contains_key(key));
    let lines: Vec<String> = foreign.map(|key| key + "\n").collect();
    write(&workspace.root().join(FOREIGN), lines.concat())
}

fn build(workspace: &Workspace) -> Result<(), Failure> {
    let bazel = program();
    if !Shell::new(&bazel).args(["--version"]).succeeds() {
        Report::default().line(
            "SKIPPED: no Bazel here, so nothing was built by it. Install Bazelisk as `bazel`.",
        );
        return Ok(());
    }
    let build = Shell::new(bazel)
        .args(["build", "//..."])
        .current_dir(workspace.root())
        .run();
    build.map_err(|failure| failure.mend("bazel build //..."))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the documented way to name another Bazel"
)]
fn program() -> OsString {
    std::env::var_os("BAZEL").unwrap_or_else(|| "bazel".into())
}

#[cfg(test)]
mod tests;
