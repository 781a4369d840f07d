//! No dependency that is not used, and no file that no `mod` leads to: a pinned cargo-shear, for the
//! workspace and those below `examples/` and `bench/`.

use crate::{report::Failure, shell::Shell, tools, workspace::Workspace};

const VERSION: &str = "1.12.4";

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let program = tools::install(workspace, "cargo-shear", VERSION)?;
    let mut folders = vec![workspace.root().to_owned()];
    for parent in ["examples", "bench"] {
        folders.extend(workspace.hosts(parent)?);
    }
    for folder in folders {
        let options = ["--locked", "--offline", "--deny-warnings"];
        let check = Shell::new(&program).args(options).args([&folder]);
        // A command of cargo, it runs cargo.
        let check = check.current_dir(&folder).run();
        check.map_err(|failure| failure.fix("edit the Cargo.toml or the file that is named"))?;
    }
    Ok(())
}
