//! Callers and proxies on one account that are killed at random, before a server that revokes a family
//! when a refresh token comes back.
//!
//! The work is done by the example `refresh_faults` of `hallpass-cli`, which has the servers in its own
//! process, starts the program again and again, and judges what the server was sent.

use std::path::PathBuf;

use crate::{report::Failure, shell::Shell, workspace::Workspace};

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let [example, program] = programs(workspace)?;
    let words = ["storm".as_ref(), program.as_os_str()];
    let outcome = Shell::new(example).args(words).args(arguments).run();
    outcome.map_err(|failure| {
        failure.fix("cargo xtask storm --check --seed N, with the seed that is printed above")
    })
}

/// The example, and the program that it starts, as the tests have them.
pub(super) fn programs(workspace: &Workspace) -> Result<[PathBuf; 2], Failure> {
    let build = ["build", "--quiet", "--locked", "--package", "hallpass-cli"];
    let targets = ["--bin", "hallpass", "--example", "refresh_faults"];
    workspace.cargo().args(build).args(targets).run()?;
    Ok([
        workspace.binary("debug/examples", "refresh_faults"),
        workspace.binary("debug", "hallpass"),
    ])
}
