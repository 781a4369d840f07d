//! Whether a release could be made now. It publishes nothing.
//!
//! In the order in which it fails fast: the version, the changelog from `changes/`, the
//! documentation as docs.rs builds it, every crate that is published packed as the registry would
//! get it and built from that, and the archive of the program.

mod archive;
mod changelog;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    report::{Failure, line},
    shell::Shell,
    workspace::{Workspace, name, packages},
};

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !asked("--dry-run") {
        return Err(Failure::new("publishing is not automated")
            .fix("cargo xtask release --dry-run, to see whether it would go through"));
    }
    let metadata = workspace.metadata()?;
    let version = version(&metadata)?;
    line(&format!("-- the version: {version}"));
    is_new(workspace, &version)?;
    let changelog = changelog::make(workspace, &version)?;
    line(&format!("-- the changelog\n{changelog}"));
    docs(workspace)?;
    package(workspace, &metadata, asked("--allow-dirty"))?;
    archive::make(workspace, &version, &changelog)
}

/// The one version of all packages.
fn version(metadata: &Value) -> Result<String, Failure> {
    let versions = packages(metadata).filter_map(|package| package["version"].as_str());
    let versions: BTreeSet<&str> = versions.collect();
    match Vec::from_iter(versions)[..] {
        [version] => Ok(version.to_owned()),
        ref all => {
            let what = format!("there are several versions: {}", all.join(", "));
            Err(Failure::new(what).fix("cargo xtask manifests"))
        }
    }
}

/// A version is released once.
fn is_new(workspace: &Workspace, version: &str) -> Result<(), Failure> {
    let tag = format!("refs/tags/v{version}");
    let commit = |name: &str| {
        let git = Shell::new("git").args(["rev-parse", "--verify", "--quiet", name]);
        git.current_dir(workspace.root()).read_quietly()
    };
    match (commit(&format!("{tag}^{{commit}}")), commit("HEAD")) {
        // The tag that this very release is made from.
        (Ok(there), Ok(here)) if there != here => {
            let what = format!("v{version} is the tag of another commit");
            let fix = "raise `version` in the root Cargo.toml, there twice for each of our crates";
            Err(Failure::new(what).fix(fix))
        }
        _ => Ok(()),
    }
}

/// As docs.rs does it: each crate alone, with its cfg, and warnings are errors.
fn docs(workspace: &Workspace) -> Result<(), Failure> {
    let doc = workspace
        .cargo()
        .env("RUSTDOCFLAGS", "--cfg docsrs -D warnings")
        .args(["doc", "--workspace", "--exclude", "xtask"])
        .args(["--no-deps", "--locked"])
        .run();
    doc.map_err(|failure| failure.fix("cargo doc --workspace --no-deps"))
}

/// Packs every crate that is published, those that others need first, and builds each from that.
fn package(workspace: &Workspace, metadata: &Value, dirty: bool) -> Result<(), Failure> {
    let unpublished = packages(metadata).filter(|package| !package["publish"].is_null());
    let excluded = unpublished.flat_map(|package| ["--exclude", name(package)]);
    let dirty = dirty.then_some("--allow-dirty");
    let packed = workspace
        .cargo()
        .args(["package", "--workspace", "--locked"])
        .args(excluded)
        .args(dirty)
        .run();
    packed.map_err(|failure| failure.fix("commit what is open, or fix the crate that is named"))
}
