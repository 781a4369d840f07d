//! Clippy for other platforms: what `lint` is for this system's own, and what GitHub's workflow runs
//! on macOS and Windows themselves.
//!
//! A target whose standard library is not here is SKIPPED, loudly. Nothing is linked, so no SDK is
//! needed; but the build script of ring asks for a C compiler, and gets zig's.

mod c_compiler;

use std::path::PathBuf;

use crate::{
    report::{Failure, Report},
    shell::Shell,
    workspace::Workspace,
};
use c_compiler::CCompiler;

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
    let others = TARGETS.iter().filter(|target| **target != host);
    let (here, missing): (Vec<&str>, Vec<&str>) = others.partition(|target| is_installed(target));
    for target in missing {
        report.line(&format!(
            "-- SKIPPED: {target} is not installed. To have it: rustup target add {target}"
        ));
    }
    if here.is_empty() {
        return Ok(());
    }
    if !cfg!(unix) {
        report.line("-- SKIPPED: the C compiler for other platforms is found by a shell script");
        return Ok(());
    }
    let compiler = CCompiler::install(workspace)?;
    for target in here {
        report.line(&format!("-- {target}"));
        lint(workspace, &compiler, target)?;
    }
    Ok(())
}

fn lint(workspace: &Workspace, compiler: &CCompiler, target: &str) -> Result<(), Failure> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
    let mut clippy = workspace
        .cargo()
        .args(clippy)
        .args(["--quiet", "--target", target])
        .args(["--", "-D", "warnings"]);
    for (name, program) in compiler.variables(target)? {
        clippy = clippy.env(&name, program);
    }
    let linted = clippy.run();
    linted.map_err(|failure| {
        failure.mend("edit what is named: a `#[cfg]` that covers too much, or too little")
    })
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
