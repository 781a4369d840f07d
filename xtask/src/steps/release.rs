//! Whether a release could be made now. It publishes nothing.
//!
//! In the order in which it fails fast: the version, the changelog from `changes/`, the
//! documentation as docs.rs builds it, every crate that is published packed as the registry would
//! get it and built from that, and the archive of the program.

mod archive;
mod changelog;

use serde_json::Value;

use crate::{
    report::{Failure, Report},
    shell::Shell,
    workspace::Workspace,
};

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !asked("--dry-run") {
        return Err(Failure::new("publishing is a person's decision")
            .mend("cargo xtask release --dry-run, to see whether it would go through"));
    }
    let report = Report::default();
    let packages = Packages::of(workspace)?;
    let version = packages.version()?;
    report.line(&format!("-- the version: {version}"));
    is_new(workspace, &version)?;
    let changelog = changelog::make(workspace, &version)?;
    report.line(&format!("-- the changelog\n{changelog}"));
    docs(workspace)?;
    package(workspace, &packages, asked("--allow-dirty"))?;
    archive::make(workspace, &version, &changelog)
}

/// The workspace's packages: name, version, and whether it is published.
struct Packages(Vec<(String, String, bool)>);

impl Packages {
    fn of(workspace: &Workspace) -> Result<Self, Failure> {
        let metadata = workspace.metadata()?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let packages = packages.map(|package| {
            let is_published = package["publish"]
                .as_array()
                .is_none_or(|it| !it.is_empty());
            (
                text(&package["name"]),
                text(&package["version"]),
                is_published,
            )
        });
        Ok(Self(packages.collect()))
    }

    /// The one version of all.
    fn version(&self) -> Result<String, Failure> {
        let mut versions: Vec<&str> = self.0.iter().map(|(_, version, _)| &**version).collect();
        versions.sort_unstable();
        versions.dedup();
        match versions[..] {
            [version] => Ok(version.to_owned()),
            _ => Err(Failure::new(format!(
                "there are several versions: {}",
                versions.join(", ")
            ))
            .mend("cargo xtask manifests")),
        }
    }

    fn unpublished(&self) -> impl Iterator<Item = &str> {
        let packages = self.0.iter();
        packages.filter_map(|(name, _, is_published)| (!is_published).then_some(&**name))
    }
}

/// A version is released once.
fn is_new(workspace: &Workspace, version: &str) -> Result<(), Failure> {
    let tag = format!("refs/tags/v{version}");
    let there = Shell::new("git")
        .args(["rev-parse", "--verify", "--quiet"])
        .args([format!("{tag}^{{commit}}")])
        .current_dir(workspace.root());
    let here = Shell::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(workspace.root());
    match (there.read_quietly(), here.read_quietly()) {
        // The tag that this very release is made from.
        (Ok(there), Ok(here)) if there != here => Err(Failure::new(format!(
            "v{version} is the tag of another commit"
        ))
        .mend("raise `version` in the root Cargo.toml, there twice for each of our crates")),
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
    doc.map_err(|failure| failure.mend("cargo doc --workspace --no-deps"))
}

/// Packs every crate that is published, those that others need first, and builds each from that.
fn package(workspace: &Workspace, packages: &Packages, dirty: bool) -> Result<(), Failure> {
    let unpublished = packages.unpublished();
    let excluded = unpublished.flat_map(|name| ["--exclude".to_owned(), name.to_owned()]);
    let dirty = dirty.then_some("--allow-dirty");
    let packed = workspace
        .cargo()
        .args(["package", "--workspace", "--locked"])
        .args(excluded)
        .args(dirty)
        .run();
    packed.map_err(|failure| failure.mend("commit what is open, or mend the crate that is named"))
}
