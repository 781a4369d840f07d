//! The store of a fleet against a real PostgreSQL, direct and through `PgBouncer`, and replicas on it.
//!
//! The tests of `hallpass-postgres` start both servers themselves. `test` runs them as well; where PostgreSQL is missing
//! it skips them, which is a failure here. The replicas are processes: the example `fleet` has the servers in its own
//! process, and starts itself again for each of them.

use crate::{
    report::{Failure, line, now},
    shell::{Shell, apt_install},
    workspace::Workspace,
};

const PACKAGES: [&str; 2] = ["postgresql", "pgbouncer"];

/// What a test writes that did not run.
const SKIPPED: &str = "SKIPPED:";

const MODES: &[&str] = &["rounds", "steps", "kills", "restart", "pause", "clocks"];
const LONG: &str = "--long";

/// Runs the tests, or the checks with replicas that are named.
pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let is_wanted = |name: &str| arguments.iter().any(|word| word == name);
    let wanted: Vec<_> = MODES.iter().filter(|mode| is_wanted(mode)).collect();
    if wanted.is_empty() {
        return tests(workspace);
    }
    let build = [
        "build",
        "--quiet",
        "--locked",
        "--package",
        "hallpass-postgres",
    ];
    let build = workspace.cargo().args(build).args(["--example", "fleet"]);
    build.run()?;
    let fleet = workspace.binary("debug/examples", "fleet");
    let long = is_wanted(LONG).then_some("long");
    for mode in wanted {
        let began = now();
        let check = Shell::new(&fleet).args([*mode]).args(long);
        let again = format!("cargo xtask fleet {mode}, which shows the same again");
        check.run().map_err(|failure| failure.fix(again))?;
        let took = began.elapsed().as_secs_f32();
        line(&format!("{mode}: ok, {took:.1} s"));
    }
    Ok(())
}

/// The tests, once what is missing is installed.
fn tests(workspace: &Workspace) -> Result<(), Failure> {
    let test = || {
        let test = ["test", "--locked", "--package", "hallpass-postgres"];
        workspace
            .cargo()
            .args(test)
            .args(["--test", "it"])
            .complete()
    };
    let mut completed = test()?;
    if completed.stderr.contains(SKIPPED) {
        apt_install(&PACKAGES)?;
        completed = test()?;
    }
    if completed.stderr.contains(SKIPPED) {
        let install = format!("apt-get install -y {}", PACKAGES.join(" "));
        return Err(Failure::new("PostgreSQL or PgBouncer is not installed").fix(install));
    }
    let fix = "cargo test -p hallpass-postgres NAME, for the one that failed";
    let shown = completed.success().map_err(|failure| failure.fix(fix))?;
    for result in shown.lines().filter(|line| line.starts_with("test result")) {
        line(result);
    }
    Ok(())
}
