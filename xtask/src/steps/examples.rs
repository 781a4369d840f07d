//! The hosts below `examples/`, each in a workspace of its own, built and run against doubles.
//!
//! They share the target folder and the profile of the main workspace, so that what is compiled
//! there is not compiled again.

use std::fs;

use crate::{
    report::{Failure, Report},
    workspace::Workspace,
};

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let mut hosts = Vec::new();
    for entry in fs::read_dir(workspace.root().join("examples"))? {
        let manifest = entry?.path().join("Cargo.toml");
        if manifest.exists() {
            hosts.push(manifest);
        }
    }
    hosts.sort();
    if hosts.is_empty() {
        return Err(Failure::new("there is no host below examples/"));
    }
    let report = Report::default();
    for manifest in hosts {
        let name = manifest.parent().and_then(|folder| folder.file_name());
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        report.line(&format!("-- {name}"));
        let path = manifest.to_string_lossy().into_owned();
        let run = workspace
            .cargo()
            .env("CARGO_TARGET_DIR", workspace.target())
            .args(["run", "--quiet", "--locked", "--manifest-path", &path])
            .run();
        let update = format!(
            "cargo update --workspace --manifest-path examples/{name}/Cargo.toml, if its lock is old"
        );
        run.map_err(|failure| failure.mend(update))?;
    }
    Ok(())
}
