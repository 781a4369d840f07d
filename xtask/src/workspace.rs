//! Where things are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{report::Failure, shell::Shell};

/// The workspace that holds the current folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, Failure> {
        let metadata = metadata(Shell::cargo())?;
        let path = |key: &str| match metadata[key].as_str() {
            Some(path) => Ok(PathBuf::from(path)),
            None => Err(Failure::new(format!("cargo metadata has no `{key}`"))),
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A folder of this program's own below cargo's target folder.
    pub(crate) fn below_target(&self, name: &str) -> PathBuf {
        self.target.join("xtask").join(name)
    }

    /// Where cargo puts the binaries of a profile.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target
            .join(profile)
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// The folders with a Cargo.toml right below one of the root's, sorted.
    pub(crate) fn hosts(&self, parent: &str) -> Result<Vec<PathBuf>, Failure> {
        let mut hosts = Vec::new();
        for entry in fs::read_dir(self.root.join(parent))? {
            hosts.push(entry?.path());
        }
        hosts.retain(|folder| folder.join("Cargo.toml").exists());
        hosts.sort();
        Ok(hosts)
    }

    /// What cargo says of the workspace's packages.
    pub(crate) fn metadata(&self) -> Result<Value, Failure> {
        metadata(self.cargo())
    }

    /// The program, built as the tests have it.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        let build = ["build", "--quiet", "--locked", "--package", "hallpass-cli"];
        self.cargo().args(build).run()?;
        Ok(self.binary("debug", "hallpass"))
    }

    pub(crate) fn cargo(&self) -> Shell {
        Shell::cargo().current_dir(&self.root)
    }
}

fn metadata(cargo: Shell) -> Result<Value, Failure> {
    let metadata = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let text = cargo.args(metadata).read()?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("cargo metadata is no JSON: {error}")))
}

/// What each crate uses of the others, by name.
pub(crate) type Uses<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// What the code of each crate uses of the workspace, in every target.
pub(crate) fn uses(metadata: &Value) -> Uses<'_> {
    let is_ours = |it: &&str| packages(metadata).any(|one| name(one) == *it);
    packages(metadata)
        .map(|one| {
            let dependencies = one["dependencies"].as_array().into_iter().flatten();
            let code = dependencies.filter(|it| it["kind"] != "dev");
            let mut used: Vec<&str> = code.map(name).filter(is_ours).collect();
            used.sort_unstable();
            used.dedup();
            (name(one), used)
        })
        .collect()
}

/// The packages of `cargo metadata`.
pub(crate) fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

pub(crate) fn name(one: &Value) -> &str {
    one["name"].as_str().unwrap_or_default()
}
