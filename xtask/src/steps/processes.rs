//! Real processes that share credentials: a storm of calls, kills at each step of a refresh, a store
//! that eight of them create at once, token endpoints that break, and a wall clock that is set.
//!
//! The checks themselves are two examples, which have the servers in their own process: `processes` of
//! `hallpass-session` starts itself again for each of the other processes, `refresh_faults` of
//! `hallpass-cli` starts the program.

use std::{fs, path::PathBuf};

use crate::{
    report::{Failure, line, now},
    shell::{Shell, which},
    steps::storm,
    workspace::Workspace,
};

const MODES: &[&str] = &["creations", "kills", "storm", FAULTS, CLOCK];
const FAULTS: &str = "faults";
const CLOCK: &str = "clock";

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
        let check = match *mode {
            FAULTS => Shell::new(&faults).args([FAULTS.as_ref(), program.as_os_str()]),
            CLOCK => {
                let Some([program, library]) = with_clock(workspace)? else {
                    continue;
                };
                let words = [CLOCK.as_ref(), program.as_os_str(), library.as_os_str()];
                Shell::new(&faults).args(words)
            }
            mode => Shell::new(&processes).args([mode]),
        };
        let again = format!("cargo xtask processes {mode}, which shows the same again");
        check.run().map_err(|failure| failure.fix(again))?;
        let took = began.elapsed().as_secs_f32();
        line(&format!("{mode}: ok, {took:.1} s"));
    }
    Ok(())
}

/// The program, and the library that sets its wall clock. The program is built to ask the C library for
/// the time: otherwise `rustix` asks the kernel, and no library is in between.
fn with_clock(workspace: &Workspace) -> Result<Option<[PathBuf; 2]>, Failure> {
    let compiler = which(&["cc", "gcc", "clang"]).filter(|_| cfg!(target_os = "linux"));
    let Some(compiler) = compiler else {
        line("clock: SKIPPED, since there is no Linux with a C compiler");
        return Ok(None);
    };
    let folder = workspace.below_target(CLOCK);
    fs::create_dir_all(&folder)?;
    let library = folder.join("set_clock.so");
    let source = workspace.root().join("xtask/clock/set_clock.c");
    Shell::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .args(["-ldl"])
        .run()?;
    let build = ["build", "--quiet", "--locked", "--package", "hallpass-cli"];
    let built = |features: &[&str]| {
        let cargo = workspace.cargo().args(build).args(["--bin", "hallpass"]);
        cargo.args(features).run()
    };
    built(&["--features", "rustix/use-libc"])?;
    let program = folder.join("hallpass");
    fs::copy(workspace.binary("debug", "hallpass"), &program)?;
    // The program that the other steps start is the usual one again.
    built(&[])?;
    Ok(Some([program, library]))
}
