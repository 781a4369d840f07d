//! What the real servers need: Node and Python packages as they are pinned, and a Chromium.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{report::Failure, shell::Shell, steps::npm, workspace::Workspace};

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
        install_python(&home)?;
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

/// A virtual environment with the pinned Python packages, unless it is there already.
fn install_python(home: &Path) -> Result<(), Failure> {
    if !Shell::new("python3").args(["--version"]).succeeds() {
        return Err(Failure::new(
            "two of the real servers run on Python 3.11 or newer, which is not here",
        )
        .mend("install Python 3.11 or newer with venv, and run this again"));
    }
    let requirements = home.join("requirements.txt");
    let wanted = fs::read(&requirements)?;
    let stamp = home.join("installed-requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let environment = home.join("python");
    Shell::new("python3")
        .args(["-m", "venv", "--clear"])
        .args([&environment])
        .run()?;
    Shell::new(environment.join("bin").join("python"))
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"])
        .args([&requirements])
        .run()?;
    fs::copy(requirements, stamp)?;
    Ok(())
}

/// A Chromium on the path, else Debian's, installed where this runs as root.
fn chromium() -> Result<PathBuf, Failure> {
    if let Some(found) = on_path() {
        return Ok(found);
    }
    let root = Shell::new("id")
        .args(["-u"])
        .read()
        .is_ok_and(|id| id.trim() == "0");
    let apt = Shell::new("apt-get").args(["--version"]).succeeds();
    if root && apt {
        Shell::new("apt-get").args(["update", "-q"]).run()?;
        let install = ["install", "-q", "-y", "--no-install-recommends", "chromium"];
        Shell::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(install)
            .run()?;
    }
    on_path().ok_or_else(|| {
        Failure::new("one run goes through login pages in Chromium, which is not here")
            .mend("sudo apt-get install chromium, or your system's way to install it")
    })
}

fn on_path() -> Option<PathBuf> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    names.iter().find_map(|name| {
        let found = Shell::new("which").args([name]).read_quietly().ok()?;
        Some(PathBuf::from(found.trim()))
    })
}
