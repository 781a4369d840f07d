//! Packages from npm, as a lock file pins them, below the target folder.

use std::{fs, path::Path};

use crate::{report::Failure, shell::Shell};

/// Copies the files in `source`, and runs `npm ci` unless what its lock file names is installed in
/// `home`. `needed_by` needs them, as the start of a sentence.
pub(super) fn install(source: &Path, home: &Path, needed_by: &str) -> Result<(), Failure> {
    for program in ["node", "npm"] {
        if !Shell::new(program).args(["--version"]).succeeds() {
            return Err(Failure::new(format!(
                "{needed_by} Node.js 20 or newer with npm, which is not here"
            ))
            .fix("install Node.js 20 or newer with npm, and run this again"));
        }
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
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(home)
        .run()?;
    fs::copy(home.join("package-lock.json"), stamp)?;
    Ok(())
}
