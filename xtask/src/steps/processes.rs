//! Real processes that share credentials: a storm of calls, kills at each step of a refresh, and a
//! store that eight of them create at once.
//!
//! The checks themselves are the example `processes` of `hallpass-session`, which has the servers in
//! its own process and starts itself again for each of the others.

use crate::{
    report::{Failure, Report, now},
    shell::Shell,
    workspace::Workspace,
};

const MODES: &[&str] = &["creations", "kills", "storm"];

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let build = [
        "build",
        "--quiet",
        "--locked",
        "--package",
        "hallpass-session",
        "--example",
        "processes",
    ];
    workspace.cargo().args(build).run()?;
    let program = workspace.binary("debug/examples", "processes");
    for mode in MODES {
        if !arguments.is_empty() && !arguments.iter().any(|wanted| wanted == mode) {
            continue;
        }
        let began = now();
        let outcome = Shell::new(&program).args([mode]).run();
        let again = format!("cargo xtask processes {mode}, which shows the same again");
        outcome.map_err(|failure| failure.mend(again))?;
        let took = began.elapsed().as_secs_f32();
        Report::default().line(&format!("{mode}: ok, {took:.1} s"));
    }
    Ok(())
}
