//! Whether a release could be made now. It publishes nothing.
//!
//! The changelog from `changes/`, the documentation, every crate packed as a registry would get it
//! and built from that, and the program: its size, and that it needs nothing but the C library.

use std::{fs, path::PathBuf};

use crate::{
    report::{Failure, Report},
    shell::Shell,
    workspace::Workspace,
};

const MUSL: &str = "x86_64-unknown-linux-musl";

/// What a Linux program may be linked to: the C library and what belongs to it.
const C_LIBRARY: &[&str] = &[
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "linux-vdso.so",
    "ld-linux",
];

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if !arguments.iter().any(|argument| argument == "--dry-run") {
        return Err(Failure::new("publishing is a person's decision")
            .mend("cargo xtask release --dry-run, to see whether it would go through"));
    }
    changelog(workspace)?;
    super::docs(workspace, &[])?;
    let mut package = vec!["package", "--workspace", "--exclude", "xtask", "--locked"];
    if arguments.iter().any(|argument| argument == "--allow-dirty") {
        package.push("--allow-dirty");
    }
    let packed = workspace.cargo().args(package).run();
    packed
        .map_err(|failure| failure.mend("commit what is open, or mend the crate that is named"))?;
    program(workspace)
}

/// Shows the changelog: one file for each change.
fn changelog(workspace: &Workspace) -> Result<(), Failure> {
    let report = Report::default();
    let mut changes = Vec::new();
    for entry in fs::read_dir(workspace.root().join("changes"))
        .into_iter()
        .flatten()
    {
        changes.push(entry?.path());
    }
    changes.sort();
    if changes.is_empty() {
        return Err(Failure::new("no change is written down below changes/")
            .mend("put a file there, with a line or two for the changelog"));
    }
    report.line("-- the changelog");
    for path in changes {
        let text = fs::read_to_string(&path)?;
        report.line(&format!("- {}", text.trim().replace('\n', "\n  ")));
    }
    Ok(())
}

/// Builds the program as it would be released, and shows what it needs.
fn program(workspace: &Workspace) -> Result<(), Failure> {
    let report = Report::default();
    let mut build = vec![
        "build",
        "--release",
        "--locked",
        "--package",
        "hallpass-cli",
    ];
    let is_musl = has_musl();
    if is_musl {
        build.extend(["--target", MUSL]);
    } else {
        report.line(&format!(
            "-- SKIPPED: {MUSL} is not installed, so the program is built for this system"
        ));
    }
    workspace.cargo().args(build).run()?;
    let profile = if is_musl {
        format!("{MUSL}/release")
    } else {
        "release".to_owned()
    };
    let program = workspace.binary(&profile, "hallpass");
    let size = fs::metadata(&program)?.len();
    report.line(&format!("-- the program: {} KiB", size / 1024));
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    // It fails for a program that is not linked to anything, which is what musl gives.
    let linked = Shell::new("ldd").args([&program]).read_quietly();
    let linked = linked.unwrap_or_default();
    report.line(linked.trim_end());
    let more: Vec<&str> = linked
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(".so") && !C_LIBRARY.iter().any(|name| line.contains(name)))
        .collect();
    if more.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the program needs {}",
        more.join(", ")
    )))
}

fn has_musl() -> bool {
    let libraries = Shell::new("rustc")
        .args(["--print", "target-libdir", "--target", MUSL])
        .read_quietly();
    libraries.is_ok_and(|path| PathBuf::from(path.trim()).exists())
}
