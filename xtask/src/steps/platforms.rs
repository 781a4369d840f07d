//! Clippy for other platforms: what `lint` is for this system's own, and what GitHub's workflow runs
//! on macOS and Windows themselves.
//!
//! A target whose standard library is not here is SKIPPED, loudly. Nothing is linked, so no SDK is
//! needed; but the build script of ring asks for a C compiler, and gets zig's.

mod c_compiler;

use std::path::PathBuf;

use crate::{
    report::{Failure, line},
    shell::Shell,
    workspace::Workspace,
};
use c_compiler::CCompiler;

/// What `MODULE.bazel` and `deny.toml` name too, and what zig calls each. Zig has no headers of MSVC,
/// and ring compiles with MinGW's.
const TARGETS: &[(&str, &str)] = &[
    ("aarch64-apple-darwin", "aarch64-macos"),
    ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu"),
    ("x86_64-pc-windows-msvc", "x86_64-windows-gnu"),
    ("x86_64-unknown-linux-gnu", "x86_64-linux-gnu"),
];

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let host = host()?;
    let mut compiler = None;
    for (target, zig_name) in TARGETS.iter().filter(|(target, _)| *target != host) {
        if !is_installed(target) {
            line(&format!(
                "-- SKIPPED: {target} is not installed. To have it: rustup target add {target}"
            ));
            continue;
        }
        if !cfg!(unix) {
            line("-- SKIPPED: the C compiler for other platforms is found by a shell script");
            return Ok(());
        }
        line(&format!("-- {target}"));
        let compiler = match &compiler {
            Some(compiler) => compiler,
            None => compiler.insert(CCompiler::install(workspace)?),
        };
        let [(cc, compile), (ar, archive)] = compiler.variables(target, zig_name)?;
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
        ];
        let clippy = workspace
            .cargo()
            .args(clippy)
            .args(["--target", target, "--", "-D", "warnings"])
            .env(&cc, compile)
            .env(&ar, archive)
            .run();
        clippy.map_err(|failure| {
            failure.fix("edit what is named: a `#[cfg]` that covers too much, or too little")
        })?;
    }
    Ok(())
}

/// The target that rustc builds for by default.
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
