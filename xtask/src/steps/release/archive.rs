//! The program as it is handed out: built for release, linked to nothing but the C library, with
//! its completions and manual pages beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    report::{Failure, line},
    shell::{Shell, write},
    steps::platforms,
    workspace::Workspace,
};

/// The shells that completions are made for, and what each calls the file.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "hallpass.bash"),
    ("elvish", "hallpass.elv"),
    ("fish", "hallpass.fish"),
    ("powershell", "_hallpass.ps1"),
    ("zsh", "_hallpass"),
];

/// What goes along as it is.
const TEXTS: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT", "README.md", "docs"];

/// What a Linux program may be linked to: the C library and what belongs to it.
#[rustfmt::skip]
const C_LIBRARY: &[&str] = &[
    "libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "librt.so", "linux-vdso.so", "ld-linux",
];

/// Builds the program and puts the archive below the target folder.
pub(super) fn make(workspace: &Workspace, version: &str, changelog: &str) -> Result<(), Failure> {
    let target = target()?;
    let program = build(workspace, &target)?;
    let size = fs::metadata(&program)?.len();
    line(&format!("-- the program for {target}: {} KiB", size / 1024));
    linked(&program)?;

    let name = format!("hallpass-{version}-{target}");
    let home = workspace.below_target("release");
    let folder = home.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let file_name = program.file_name().unwrap_or_default();
    fs::copy(&program, folder.join(file_name))?;
    write(&folder.join("CHANGELOG.md"), changelog)?;
    help(&program, &folder)?;
    for text in TEXTS {
        copy(&workspace.root().join(text), &folder.join(text))?;
    }
    let archive = format!("{name}.tar.gz");
    // Prints what it packs.
    let tar = Shell::new("tar").args(["-czvf", &archive, &name]);
    tar.current_dir(&home).run()?;
    let archive = home.join(archive);
    let size = fs::metadata(&archive)?.len();
    line(&format!("-- {}: {} KiB", archive.display(), size / 1024));
    Ok(())
}

/// The completions for each shell, and the manual pages, as the program itself makes them.
fn help(program: &Path, folder: &Path) -> Result<(), Failure> {
    let (completions, man) = (folder.join("completions"), folder.join("man"));
    fs::create_dir_all(&completions)?;
    fs::create_dir_all(&man)?;
    for (shell, file) in COMPLETIONS {
        let text = Shell::new(program).args(["completions", shell]).read()?;
        write(&completions.join(file), &text)?;
    }
    Shell::new(program)
        .args(["man".as_ref(), man.as_os_str()])
        .run()
}

/// What the program is built for: this system, but with musl where that is installed.
fn target() -> Result<String, Failure> {
    let host = platforms::host()?;
    let Some(machine) = host.strip_suffix("-linux-gnu") else {
        return Ok(host);
    };
    let musl = format!("{machine}-linux-musl");
    if platforms::is_installed(&musl) {
        return Ok(musl);
    }
    line(&format!(
        "-- SKIPPED: {musl} is not installed, so the program is built for {host}. \
         To have it: rustup target add {musl}"
    ));
    Ok(host)
}

fn build(workspace: &Workspace, target: &str) -> Result<PathBuf, Failure> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "hallpass-cli",
        "--target",
        target,
    ];
    let built = workspace.cargo().args(build).run();
    built.map_err(|failure| failure.fix(format!("cargo {}", build.join(" "))))?;
    Ok(workspace.binary(&format!("{target}/release"), "hallpass"))
}

/// Shows what a Linux program is linked to, and fails if that is more than the C library.
fn linked(program: &Path) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    // It fails for a program that is linked to nothing, which is what musl gives.
    let text = Shell::new("ldd").args([program]).read_quietly();
    let text = text.unwrap_or_else(|_| "\tnot a dynamic executable".to_owned());
    line(text.trim_end());
    match foreign(&text)[..] {
        [] => Ok(()),
        ref more => Err(Failure::new(format!(
            "the program needs {}",
            more.join(", ")
        ))),
    }
}

/// The libraries in what `ldd` says that do not belong to the C library.
fn foreign(ldd: &str) -> Vec<&str> {
    let libraries = ldd
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(".so"));
    libraries
        .filter(|line| !C_LIBRARY.iter().any(|name| line.contains(name)))
        .collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_beside_the_c_library_is_found() {
        let plain = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\
            \tlibgcc_s.so.1 => /lib/libgcc_s.so.1 (0x3)\n\t/lib64/ld-linux-x86-64.so.2 (0x4)\n";
        assert_eq!(foreign(plain), [""; 0]);
        assert_eq!(foreign("\tnot a dynamic executable"), [""; 0]);
        let more = "\tlibdbus-1.so.3 => /lib/libdbus-1.so.3 (0x5)";
        assert_eq!(foreign(&format!("{plain}{more}")), [more.trim()]);
    }
}
