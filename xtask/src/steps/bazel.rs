//! Bazel builds what Cargo builds, from the same `Cargo.lock`.
//!
//! Each crate's `BUILD.bazel` is rendered from its manifest, and what `MODULE.bazel.lock` holds of
//! `Cargo.lock` is computed from cargo's own index; both need no Bazel and no network. Buildifier,
//! which comes by npm with a lock file, judges format and lint.

mod build_files;
mod index;
mod lock;

use std::{ffi::OsString, fs};

use toml::Table;

use super::npm;
use crate::{
    finding::{self, Finding},
    report::{Failure, line},
    shell::{Shell, write},
    tree::Tree,
    workspace::Workspace,
};
use lock::{FOREIGN, LOCK};

const FIX: &str = "cargo xtask bazel --write";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if asked("--complete") {
        complete(workspace)?;
    }
    let root = workspace.root();
    let rendered = build_files::render_all(workspace)?;
    let facts = index::facts(workspace)?;
    let home = workspace.below_target("buildifier");
    npm::install(
        &root.join("xtask").join("buildifier"),
        &home,
        "buildifier needs",
    )?;
    let buildifier = |how: &[&str], tree: &Tree| {
        let program = home.join("node_modules/@bazel/buildifier/buildifier.js");
        let command = Shell::new("node").args([program]).args(how);
        command
            .args(build_files::paths(tree))
            .current_dir(root)
            .run()
    };
    let mut tree = Tree::read(workspace)?;
    if asked("--write") {
        buildifier(&["-mode=fix", "-lint=fix"], &tree)?;
        for (path, text) in &rendered {
            write(&root.join(path), text)?;
        }
        write(&root.join(LOCK), lock::render(&tree, &facts))?;
        tree = Tree::read(workspace)?;
    }
    let mut findings = build_files::check(&rendered, &tree);
    findings.extend(module_version(&tree));
    findings.extend(lock::check(&tree, &facts));
    finding::report(&findings, FIX)?;
    buildifier(&["-mode=check", "-lint=warn"], &tree).map_err(|failure| failure.fix(FIX))?;
    if asked("--build") {
        build(workspace)
    } else {
        Ok(())
    }
}

/// The workspace's version is in `MODULE.bazel` once more.
fn module_version(tree: &Tree) -> Option<Finding> {
    let root: Table = tree.text("Cargo.toml").parse().unwrap_or_default();
    let version = root.get("workspace")?.get("package")?.get("version")?;
    let mut modules = lock::calls(tree.text("MODULE.bazel"), "module").into_iter();
    let is_same = modules.any(|(_, it)| Some(&*it) == version.as_str());
    let what = "it has another version than the workspace";
    (!is_same).then(|| Finding::new("MODULE.bazel", "module-version", what))
}

/// Has a Bazel with a network complete the lock, and notes which facts are `rules_rs`'s own.
fn complete(workspace: &Workspace) -> Result<(), Failure> {
    let update = ["mod", "deps", "--lockfile_mode=update"];
    let completed = Shell::new(program())
        .args(update)
        .current_dir(workspace.root());
    let fix = "run this where Bazel and a network are";
    completed.run().map_err(|failure| failure.fix(fix))?;
    let facts = index::facts(workspace)?;
    let text = fs::read_to_string(workspace.root().join(LOCK))?;
    let mut foreign: Vec<String> = lock::facts(&text).into_keys().collect();
    foreign.retain(|key| !facts.contains_key(key));
    let lines = foreign.iter().flat_map(|key| [key, "\n"]);
    write(&workspace.root().join(FOREIGN), lines.collect::<String>())
}

fn build(workspace: &Workspace) -> Result<(), Failure> {
    let bazel = program();
    if !Shell::new(&bazel).args(["--version"]).succeeds() {
        line("SKIPPED: no Bazel here, so it built nothing. Install Bazelisk as `bazel`.");
        return Ok(());
    }
    let build = Shell::new(bazel)
        .args(["build", "//..."])
        .current_dir(workspace.root());
    build
        .run()
        .map_err(|failure| failure.fix("bazel build //..."))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the documented way to name another Bazel"
)]
fn program() -> OsString {
    std::env::var_os("BAZEL").unwrap_or_else(|| "bazel".into())
}
