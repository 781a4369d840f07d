//! What may come into the tree: `deny.toml`, judged by a pinned cargo-deny.
//!
//! An allowance that nothing needs fails too: a skipped duplicate that is no longer twice in the
//! tree, a licence that no dependency has. Advisories need a network and are asked for by
//! `--advisories`.

use std::path::PathBuf;

use crate::{report::Failure, shell::Shell, workspace::Workspace};

const VERSION: &str = "0.20.2";

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let program = cargo_deny(workspace)?;
    if arguments.iter().any(|argument| argument == "--advisories") {
        let check = Shell::new(program)
            .args(["--locked", "check", "advisories"])
            .current_dir(workspace.root())
            .run();
        return check.map_err(|failure| failure.mend("cargo update -p CRATE"));
    }
    let check = [
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "--deny=unmatched-skip",
        "--deny=unnecessary-skip",
        "--deny=license-not-encountered",
        "bans",
        "licenses",
        "sources",
    ];
    let check = Shell::new(program)
        .args(check)
        .current_dir(workspace.root())
        .run();
    check.map_err(|failure| failure.mend("edit deny.toml, or take another dependency"))
}

/// The pinned cargo-deny: installed below the target folder unless it is there already.
fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let home = workspace.below_target("tools");
    let program = home
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let version = |program: &PathBuf| Shell::new(program).args(["--version"]).read().ok();
    let wanted = format!("cargo-deny {VERSION}");
    let is_there = program.exists() && version(&program).is_some_and(|text| text.trim() == wanted);
    if !is_there {
        let install = ["install", "cargo-deny", "--version", VERSION, "--locked"];
        let build = home.join("build");
        // Built to be there soon: its own profile for releases takes several times as long.
        workspace
            .cargo()
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .args(install)
            .args(["--root".as_ref(), home.as_os_str()])
            .args(["--target-dir".as_ref(), build.as_os_str()])
            .run()?;
    }
    Ok(program)
}
