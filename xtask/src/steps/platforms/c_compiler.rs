//! A C compiler for other platforms: zig's, which has their headers. It comes from `PyPI`, pinned.

use std::path::{Path, PathBuf};

use crate::{
    report::Failure,
    shell::{Shell, write},
    steps::python,
    workspace::Workspace,
};

/// Zig, and the folder where the scripts that call it lie.
#[derive(Debug)]
pub(super) struct CCompiler {
    zig: PathBuf,
    home: PathBuf,
}

impl CCompiler {
    /// Installs it below the target folder, unless the pinned version is there.
    pub(super) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("platforms");
        let requirements = workspace
            .root()
            .join("xtask/platforms")
            .join("requirements.txt");
        let python = python::install(
            &requirements,
            &home,
            "the C compiler for other targets needs",
        )?;
        let zig = Shell::new(python)
            .args(["-c", "import ziglang; print(ziglang.__path__[0])"])
            .read()?;
        let zig = Path::new(zig.trim()).join("zig");
        Ok(Self { zig, home })
    }

    /// The variables by which the `cc` crate finds the compiler and the archiver of a target.
    pub(super) fn variables(
        &self,
        target: &str,
        zig_name: &str,
    ) -> Result<[(String, PathBuf); 2], Failure> {
        // What comes from MSVC is called another way than what comes from Unix.
        let is_msvc = target.ends_with("-msvc");
        let archiver = if is_msvc { "lib" } else { "ar" };
        let variable = target.replace('-', "_");
        let compile = format!("cc -target {zig_name}");
        Ok([
            (
                format!("CC_{variable}"),
                self.script(&format!("cc-{target}"), &compile)?,
            ),
            (
                format!("AR_{variable}"),
                self.script(&format!("ar-{target}"), archiver)?,
            ),
        ])
    }

    /// A program that is zig with its first arguments. `--target=` of clang is left out, since
    /// `-target` of zig is there.
    fn script(&self, name: &str, first: &str) -> Result<PathBuf, Failure> {
        let path = self.home.join(name);
        let text = format!(
            "#!/bin/sh\n\
             export ZIG_GLOBAL_CACHE_DIR='{cache}' ZIG_LOCAL_CACHE_DIR='{cache}'\n\
             for argument do\n  shift\n  case $argument in\n    --target=*) ;;\n    \
             *) set -- \"$@\" \"$argument\" ;;\n  esac\ndone\n\
             exec '{zig}' {first} \"$@\"\n",
            cache = self.home.join("cache").display(),
            zig = self.zig.display(),
        );
        write(&path, text)?;
        Shell::new("chmod")
            .args(["+x".as_ref(), path.as_os_str()])
            .run()?;
        Ok(path)
    }
}
