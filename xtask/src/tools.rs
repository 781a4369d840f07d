//! Programs of cargo's ecosystem in fixed versions, installed below the target folder.

use std::{fs, path::PathBuf};

use crate::{report::Failure, workspace::Workspace};

/// The program of this name and version: installed, unless it is there already.
pub(crate) fn install(
    workspace: &Workspace,
    name: &str,
    version: &str,
) -> Result<PathBuf, Failure> {
    let home = workspace.below_target("tools");
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let program = home.join("bin").join(file);
    // What cargo notes of the programs that it installs.
    let installed = fs::read_to_string(home.join(".crates.toml")).unwrap_or_default();
    if program.exists() && installed.contains(&format!("\"{name} {version} (")) {
        return Ok(program);
    }
    // Built to be there soon: a profile for releases takes several times as long.
    workspace
        .cargo()
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .args(["install", name, "--version", version, "--locked"])
        .args(["--root".as_ref(), home.as_os_str()])
        .args(["--target-dir".as_ref(), home.join("build").as_os_str()])
        .run()?;
    Ok(program)
}
