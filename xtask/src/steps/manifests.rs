//! Every `Cargo.toml` says the same things in the same way.
//!
//! One source for versions, features and metadata: the root manifest. A crate says `workspace =
//! true` and nothing else, so that each dependency is built once and Bazel, which builds one
//! configuration, builds the same. Cargo features are crates here.

mod rules;

use std::{fs, path::Path};

use toml::Table;

use crate::{report::Failure, workspace::Workspace};

/// A manifest that may break a rule, and why. An exception that nothing needs is an error.
const EXCEPTIONS: &[Exception] = &[];

/// One exception.
struct Exception {
    package: &'static str,
    rule: &'static str,
    reason: &'static str,
}

/// One parsed manifest and the folder it lies in, relative to the root.
struct Manifest {
    folder: String,
    table: Table,
}

/// Something that is not as it must be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    package: String,
    rule: &'static str,
    what: String,
}

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let root = read(&workspace.root().join("Cargo.toml"))?;
    let mut manifests = Vec::new();
    collect(workspace.root(), workspace.root(), &mut manifests)?;
    let findings = judge(rules::check(&root, &manifests), EXCEPTIONS);
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {} ({})", finding.package, finding.what, finding.rule))
        .collect();
    Err(Failure::new(lines.join("\n")).mend("edit the Cargo.toml that is named"))
}

/// Takes out what is excepted, and puts in the exceptions that nothing needs.
fn judge(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let excepts = |exception: &Exception, finding: &Finding| {
        exception.package == finding.package && exception.rule == finding.rule
    };
    let stale = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| excepts(exception, finding)))
        .map(|exception| Finding {
            package: exception.package.to_owned(),
            rule: exception.rule,
            what: format!("the exception «{}» is no longer needed", exception.reason),
        })
        .collect::<Vec<_>>();
    let kept = findings.into_iter().filter(|finding| {
        !exceptions
            .iter()
            .any(|exception| excepts(exception, finding))
    });
    kept.chain(stale).collect()
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
