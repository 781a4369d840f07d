//! What the real servers need: Node packages from a lock file, and a Chromium.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{report::Failure, shell::Shell, workspace::Workspace};

/// Node packages below the target folder, and the path of a Chromium.
pub(super) struct Tools {
    home: PathBuf,
    chromium: PathBuf,
}

impl Tools {
    pub(super) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("real");
        install_packages(&workspace.root().join("xtask").join("real"), &home)?;
        Ok(Self {
            home,
            chromium: chromium()?,
        })
    }

    pub(super) fn script(&self, name: &str) -> String {
        self.home.join(name).to_string_lossy().into_owned()
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn chromium(&self) -> String {
        self.chromium.to_string_lossy().into_owned()
    }
}

/// Copies the scripts, and runs `npm ci` unless the installed packages are those of the lock file.
fn install_packages(source: &Path, home: &Path) -> Result<(), Failure> {
    if !Shell::new("node").args(["--version"]).succeeds()
        || !Shell::new("npm").args(["--version"]).succeeds()
    {
        return Err(
            Failure::new("the real servers run on Node.js 20 or newer, which is not here")
                .mend("install Node.js 20 or newer with npm, and run this again"),
        );
    }
    fs::create_dir_all(home)?;
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, home.join(name))?;
        }
    }
    let lock = fs::read(home.join("package-lock.json"))?;
    let stamp = home.join("installed-package-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    Shell::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(home)
        .run()?;
    fs::copy(home.join("package-lock.json"), stamp)?;
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
