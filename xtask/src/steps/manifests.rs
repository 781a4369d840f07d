//! Every `Cargo.toml` says the same things in the same way.
//!
//! One source for versions, features and metadata: the root manifest. A crate says `workspace =
//! true` and nothing else, so that each dependency is built once and Bazel, which builds one
//! configuration, builds the same. Cargo features are crates here.

mod rules;

use std::{fs, path::Path};

use toml::Table;

use crate::{
    finding::{self, Exception},
    report::Failure,
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
    let root = read(&workspace.root().join("Cargo.toml"))?;
    let mut manifests = Vec::new();
    collect(workspace.root(), workspace.root(), &mut manifests)?;
    let findings = finding::judge(rules::check(&root, &manifests), EXCEPTIONS);
    finding::report(&findings, "edit the Cargo.toml that is named")
}

/// Every manifest below `folder`, leaving out what is built or hidden.
fn collect(root: &Path, folder: &Path, manifests: &mut Vec<Manifest>) -> Result<(), Failure> {
    let mut folders: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            !name.starts_with('.') && name != "target" && name != "node_modules"
        })
        .collect();
    folders.sort();
    for folder in folders {
        let manifest = folder.join("Cargo.toml");
        if manifest.exists() {
            let relative = folder.strip_prefix(root).unwrap_or(&folder);
            let name = relative.to_string_lossy().replace('\\', "/");
            manifests.push(Manifest {
                folder: name,
                table: read(&manifest)?,
            });
        }
        collect(root, &folder, manifests)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Table, Failure> {
    let text = fs::read_to_string(path)?;
    text.parse()
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests;
