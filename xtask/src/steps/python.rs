//! Packages from `PyPI`, as a requirements file pins them, in a virtual environment below the target
//! folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{report::Failure, shell::Shell};

/// The environment's Python, with what `requirements` names installed in `home`. `needed_by` needs them,
/// as the start of a sentence.
pub(super) fn install(
    requirements: &Path,
    home: &Path,
    needed_by: &str,
) -> Result<PathBuf, Failure> {
    if !Shell::new("python3").args(["--version"]).succeeds() {
        return Err(Failure::new(format!(
            "{needed_by} Python 3.11 or newer with venv, which is not here"
        ))
        .fix("install Python 3.11 or newer with venv, and run this again"));
    }
    let environment = home.join("python");
    let python = environment.join("bin").join("python");
    let wanted = fs::read(requirements)?;
    let stamp = home.join("installed-requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    fs::create_dir_all(home)?;
    Shell::new("python3")
        .args(["-m", "venv", "--clear"])
        .args([&environment])
        .run()?;
    Shell::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"])
        .args([requirements])
        .run()?;
    fs::copy(requirements, stamp)?;
    Ok(python)
}
