//! What the real servers need: Node and Python packages as they are pinned, and a Chromium.

use std::path::{Path, PathBuf};

use crate::{
    report::Failure,
    shell::{apt_install, which},
    steps::{npm, python},
    workspace::Workspace,
};

/// Packages below the target folder, and the path of a Chromium.
#[derive(Debug)]
pub(super) struct Tools {
    home: PathBuf,
    chromium: PathBuf,
}

impl Tools {
    pub(super) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("real");
        npm::install(
            &workspace.root().join("xtask").join("real"),
            &home,
            "the real servers need",
        )?;
        python::install(
            &home.join("requirements.txt"),
            &home,
            "two of the real servers need",
        )?;
        Ok(Self {
            home,
            chromium: chromium()?,
        })
    }

    pub(super) fn script(&self, name: &str) -> String {
        self.home.join(name).to_string_lossy().into_owned()
    }

    /// What runs a script.
    pub(super) fn interpreter(&self, script: &str) -> PathBuf {
        if Path::new(script).extension().is_some_and(|end| end == "py") {
            self.home.join("python").join("bin").join("python")
        } else {
            PathBuf::from("node")
        }
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn chromium(&self) -> String {
        self.chromium.to_string_lossy().into_owned()
    }
}

/// A Chromium on the path, else Debian's, installed where this runs as root.
fn chromium() -> Result<PathBuf, Failure> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    if let Some(found) = which(&names) {
        return Ok(found);
    }
    apt_install(&["chromium"])?;
    which(&names).ok_or_else(|| {
        Failure::new("one run goes through login pages in Chromium, which is not here")
            .mend("sudo apt-get install chromium, or your system's way to install it")
    })
}
