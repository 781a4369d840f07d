//! The format and the lint of Bazel's files, by buildifier, which comes by npm with a lock file.

use std::path::{Path, PathBuf};

use crate::{report::Failure, shell::Shell, steps::npm, workspace::Workspace};

/// Files of one project in a fixed version, below the target folder.
#[derive(Debug)]
pub(super) struct Buildifier(PathBuf);

impl Buildifier {
    pub(super) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("buildifier");
        let source = workspace.root().join("xtask").join("buildifier");
        npm::install(&source, &home, "buildifier needs")?;
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
