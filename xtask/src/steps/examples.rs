//! The hosts below `examples/`, each in a workspace of its own, built and run against doubles.
//!
//! They share the target folder and the profile of the main workspace, so that what is compiled
//! there is not compiled again.

use crate::{
    report::{Failure, line},
    workspace::Workspace,
};

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let hosts = workspace.hosts("examples")?;
    if hosts.is_empty() {
        return Err(Failure::new("there is no host below examples/"));
    }
    for folder in hosts {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        line(&format!("-- {name}"));
        let run = workspace
            .cargo()
            .env("CARGO_TARGET_DIR", workspace.target())
            .args(["run", "--quiet", "--locked", "--manifest-path"])
            .args([folder.join("Cargo.toml")])
            .run();
        let update = format!(
            "cargo update --workspace --manifest-path examples/{name}/Cargo.toml, if its lock is old"
        );
        run.map_err(|failure| failure.fix(update))?;
    }
    Ok(())
}
