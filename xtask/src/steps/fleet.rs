//! The store of a fleet against a real PostgreSQL, direct and through `PgBouncer`. The tests start both themselves.
//!
//! They are tests of `hallpass-postgres`, which `test` runs as well; where PostgreSQL is missing it skips them. Here that
//! is a failure.

use crate::{report::Failure, shell::apt_install, workspace::Workspace};

const PACKAGES: [&str; 2] = ["postgresql", "pgbouncer"];

/// What a test writes that did not run.
const SKIPPED: &str = "SKIPPED:";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let test = || {
        let test = [
            "test",
            "--locked",
            "--package",
            "hallpass-postgres",
            "--test",
            "it",
            "--",
        ];
        workspace.cargo().args(test).args(arguments).complete()
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
    for line in shown.lines().filter(|line| line.starts_with("test result")) {
        println!("{line}");
    }
    Ok(())
}
