//! Every `Cargo.toml` says the same things in the same way.
//!
//! One source for versions, features and metadata: the root manifest. A crate says `workspace =
//! true` and nothing else except for the features in `PER_CRATE`, so that each dependency is built once and Bazel, which builds one
//! configuration, builds the same. Cargo features are crates here.

mod locks;
mod root;
mod rules;

use toml::Table;

use crate::{
    finding::{self, Exception, Finding},
    report::Failure,
    tree::Tree,
    workspace::Workspace,
};

/// A manifest that may break a rule, and why. An exception that nothing needs is an error.
const EXCEPTIONS: &[Exception] = &[];

/// One parsed manifest and the folder it lies in, relative to the root.
struct Manifest {
    folder: String,
    table: Table,
}

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let findings = check(&Tree::read(workspace)?, EXCEPTIONS);
    finding::report(
        &findings,
        "edit the Cargo.toml that is named; for a lock, cargo update --workspace --manifest-path of it",
    )
}

/// Every way in which the manifests of a tree break a rule.
pub(super) fn check(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let mut manifests = Vec::new();
    let mut unread = Vec::new();
    for (path, text) in &tree.files {
        let Some(folder) = path.strip_suffix("Cargo.toml") else {
            continue;
        };
        let folder = folder.strip_suffix('/').unwrap_or(folder).to_owned();
        match text.parse() {
            Ok(table) => manifests.push(Manifest { folder, table }),
            Err(error) => unread.push(Finding::new(path, "toml", error.message())),
        }
    }
    let root = manifests
        .iter()
        .position(|manifest| manifest.folder.is_empty());
    let Some(root) = root.filter(|_| unread.is_empty()) else {
        return unread;
    };
    let root = manifests.swap_remove(root).table;
    manifests.sort_by(|one, other| one.folder.cmp(&other.folder));
    let mut findings = root::check(tree, &root, &manifests);
    findings.extend(rules::check(tree, &root, &manifests));
    findings.extend(locks::check(tree, &manifests));
    finding::judge(findings, exceptions)
}
