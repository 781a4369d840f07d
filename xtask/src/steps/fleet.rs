//! Replicas of a fleet on a real PostgreSQL: the tests of `hallpass-postgres`, and its example `fleet`, which
//! has the servers in its own process and starts itself again for each replica.

use crate::{
    report::{Failure, line, now},
    shell::{apt_install, which},
    workspace::Workspace,
};

const PACKAGES: &[&str] = &["postgresql", "pgbouncer"];
const MODES: &[&str] = &["rounds", "steps", "kills", "restart", "pause", "clocks"];
const LONG: &str = "--long";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    install()?;
    let wanted: Vec<_> = arguments.iter().filter(|name| *name != LONG).collect();
    let is_wanted = |mode: &str| wanted.is_empty() || wanted.iter().any(|name| *name == mode);
    if is_wanted("tests") {
        let test = [
            "test",
            "--quiet",
            "--locked",
            "--package",
            "hallpass-postgres",
        ];
        let test = workspace.cargo().args(test).run();
        test.map_err(|failure| {
            failure.fix("cargo test -p hallpass-postgres NAME, for the one that failed")
        })?;
    }
    let build = [
        "build",
        "--quiet",
        "--locked",
        "--package",
        "hallpass-postgres",
    ];
    workspace
        .cargo()
        .args(build)
        .args(["--example", "fleet"])
        .run()?;
    let long = arguments.iter().any(|word| word == LONG).then_some("long");
    for mode in MODES.iter().filter(|mode| is_wanted(mode)) {
        let began = now();
        let fleet = workspace.binary("debug/examples", "fleet");
        let check = crate::shell::Shell::new(fleet).args([*mode]).args(long);
        let again = format!("cargo xtask fleet {mode}, which shows the same again");
        check.run().map_err(|failure| failure.fix(again))?;
        let took = began.elapsed().as_secs_f32();
        line(&format!("{mode}: ok, {took:.1} s"));
    }
    Ok(())
}

/// Installs PostgreSQL and `PgBouncer` where they are missing and this runs as root on Debian.
fn install() -> Result<(), Failure> {
    // Debian keeps the server's programs out of the path; `pg_ctlcluster` comes with them.
    let server = || which(&["pg_ctlcluster", "initdb"]).is_some();
    let missing = || !server() || which(&["pgbouncer"]).is_none();
    if missing() {
        apt_install(PACKAGES)?;
    }
    if missing() {
        return Err(
            Failure::new("there is no PostgreSQL, or no PgBouncer, here")
                .fix(format!("sudo apt-get install {}", PACKAGES.join(" "))),
        );
    }
    Ok(())
}
