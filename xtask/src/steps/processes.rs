//! Real processes that share credentials: a storm of calls, kills at each step of a refresh, a store
//! that eight of them create at once, and token endpoints that break.
//!
//! The checks themselves are two examples, which have the servers in their own process: `processes` of
//! `hallpass-session` starts itself again for each of the other processes, `refresh_faults` of
//! `hallpass-cli` starts the program.

use crate::{
    report::{Failure, line, now},
    shell::Shell,
    steps::storm,
    workspace::Workspace,
};

const MODES: &[&str] = &["creations", "kills", "storm", FAULTS];
const FAULTS: &str = "faults";

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
    let processes = workspace.binary("debug/examples", "processes");
    let [faults, program] = storm::programs(workspace)?;
    for mode in MODES {
        if !arguments.is_empty() && !arguments.iter().any(|wanted| wanted == mode) {
            continue;
        }
        let began = now();
        let check = if *mode == FAULTS {
            Shell::new(&faults).args([FAULTS.as_ref(), program.as_os_str()])
        } else {
            Shell::new(&processes).args([mode])
        };
        let again = format!("cargo xtask processes {mode}, which shows the same again");
        check.run().map_err(|failure| failure.fix(again))?;
        let took = began.elapsed().as_secs_f32();
        line(&format!("{mode}: ok, {took:.1} s"));
    }
    Ok(())
}
