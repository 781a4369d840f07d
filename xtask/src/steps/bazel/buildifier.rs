//! The format and the lint of Bazel's files, by buildifier, which comes by npm with a lock file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{report::Failure, shell::Shell, workspace::Workspace};

/// Files of one project in a fixed version, below the target folder.
#[derive(Debug)]
pub(super) struct Buildifier(PathBuf);

impl Buildifier {
    /// Installs it unless what is there is what the lock file names.
    pub(super) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        if !Shell::new("npm").args(["--version"]).succeeds() {
            return Err(Failure::new("buildifier comes by npm, which is not here")
                .mend("install Node.js 20 or newer with npm, and run this again"));
        }
        let home = workspace.below_target("buildifier");
        let source = workspace.root().join("xtask").join("buildifier");
        fs::create_dir_all(&home)?;
        let stamp = home.join("installed-package-lock.json");
        let lock = fs::read(source.join("package-lock.json"))?;
        if !fs::read(&stamp).is_ok_and(|installed| installed == lock) {
            for name in ["package.json", "package-lock.json"] {
                fs::copy(source.join(name), home.join(name))?;
            }
            Shell::new("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&home)
                .run()?;
            fs::copy(source.join("package-lock.json"), stamp)?;
        }
        let package = home.join("node_modules").join("@bazel").join("buildifier");
        Ok(Self(package.join("buildifier.js")))
    }

    /// Fails if a file is not formatted, or if the lint finds something.
    pub(super) fn check(&self, root: &Path, files: &[&str]) -> Result<(), Failure> {
        self.run(root, &["-mode=check", "-lint=warn"], files)
    }

    /// Formats the files.
    pub(super) fn fix(&self, root: &Path, files: &[&str]) -> Result<(), Failure> {
        self.run(root, &["-mode=fix", "-lint=fix"], files)
    }

    fn run(&self, root: &Path, how: &[&str], files: &[&str]) -> Result<(), Failure> {
        Shell::new("node")
            .args([&self.0])
            .args(how)
            .args(files)
            .current_dir(root)
            .run()
    }
}
