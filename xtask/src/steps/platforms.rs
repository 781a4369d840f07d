//! The parts for other platforms, compiled for those whose standard library is here.
//!
//! A target that is not installed is SKIPPED, loudly. This system's own is left to `lint`; GitHub's
//! workflow runs that on Linux, macOS and Windows.

use std::path::PathBuf;

use crate::{
    report::{Failure, Report},
    shell::Shell,
    workspace::Workspace,
};

/// What `MODULE.bazel` and `deny.toml` name too.
const TARGETS: &[&str] = &[
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-gnu",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-linux-gnu",
];

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let report = Report::default();
    let host = host()?;
    for target in TARGETS.iter().filter(|target| **target != host) {
        if !is_installed(target) {
            report.line(&format!(
                "-- SKIPPED: {target} is not installed. To have it: rustup target add {target}"
            ));
            continue;
        }
        report.line(&format!("-- {target}"));
        let check = [
            "check",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--locked",
        ];
        let check = workspace
            .cargo()
            .args(check)
            .args(["--target", target])
            .run();
        let again = format!(
            "cargo check --workspace --all-targets --target {target}, with a C compiler for it"
        );
        check.map_err(|failure| failure.mend(again))?;
    }
    Ok(())
}

/// The target that rustc builds for unless it is told another.
pub(super) fn host() -> Result<String, Failure> {
    let text = Shell::new("rustc").args(["-vV"]).read()?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::new("rustc -vV names no host"))?;
    Ok(host.to_owned())
}

/// Whether the standard library of a target is here.
pub(super) fn is_installed(target: &str) -> bool {
    let libraries = Shell::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .read_quietly();
    libraries.is_ok_and(|path| PathBuf::from(path.trim()).exists())
}
