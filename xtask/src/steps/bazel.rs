//! Bazel builds what Cargo builds: each crate's `BUILD.bazel` is rendered from its manifest.
//!
//! Without an argument the committed files are compared byte for byte with what would be rendered.
//! `--write` renders them. `--build` runs `$BAZEL` (or `bazel`) over the workspace besides.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use serde_json::Value;

use crate::{
    report::{Failure, Report},
    shell::Shell,
    workspace::Workspace,
};

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let text = workspace
        .cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .read()?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("cargo metadata is no JSON: {error}")))?;
    let mut stale = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(folder) = package["manifest_path"]
            .as_str()
            .and_then(|path| Path::new(path).parent())
        else {
            return Err(Failure::new(
                "cargo metadata names a package without a manifest",
            ));
        };
        let file = folder.join("BUILD.bazel");
        let rendered = render(package, folder);
        if asked("--write") {
            fs::File::create(&file)
                .and_then(|mut out| std::io::Write::write_all(&mut out, rendered.as_bytes()))?;
        } else if fs::read_to_string(&file).ok().as_deref() != Some(&rendered) {
            stale.push(
                file.strip_prefix(workspace.root())
                    .unwrap_or(&file)
                    .display()
                    .to_string(),
            );
        }
    }
    if !stale.is_empty() {
        return Err(
            Failure::new(format!("not as rendered: {}", stale.join(", ")))
                .mend("cargo xtask bazel --write"),
        );
    }
    if asked("--build") {
        build(workspace)
    } else {
        Ok(())
    }
}

/// The `BUILD.bazel` of one package of `cargo metadata`.
fn render(package: &Value, folder: &Path) -> String {
    let name = package["name"].as_str().unwrap_or_default();
    let version = package["version"].as_str().unwrap_or_default();
    let targets = |kind: &str| -> BTreeMap<String, String> {
        let all = package["targets"].as_array().into_iter().flatten();
        all.filter(|target| target["kind"][0] == kind)
            .filter_map(|target| {
                let root = Path::new(target["src_path"].as_str()?)
                    .strip_prefix(folder)
                    .ok()?;
                let root = root.to_string_lossy().replace('\\', "/");
                Some((target["name"].as_str()?.to_owned(), root))
            })
            .collect()
    };
    let mut text = String::from("load(\"//:defs.bzl\", \"hallpass_crate\")\n\nhallpass_crate(\n");
    // Writing into a string never fails.
    let _ = writeln!(text, "    name = \"{name}\",");
    if !targets("bin").is_empty() {
        let _ = writeln!(text, "    binaries = {},", dictionary(&targets("bin")));
    }
    if targets("lib").is_empty() {
        text.push_str("    library = False,\n");
    }
    if !targets("test").is_empty() {
        let _ = writeln!(text, "    tests = {},", dictionary(&targets("test")));
    }
    let _ = writeln!(text, "    version = \"{version}\",\n)");
    text
}

fn dictionary(entries: &BTreeMap<String, String>) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, value)| format!("\"{key}\": \"{value}\""))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

fn build(workspace: &Workspace) -> Result<(), Failure> {
    let bazel = program();
    if !Shell::new(&bazel).args(["--version"]).succeeds() {
        Report::default().line(
            "SKIPPED: no Bazel here, so nothing was built by it. Install Bazelisk as `bazel`.",
        );
        return Ok(());
    }
    let build = Shell::new(bazel)
        .args(["build", "//..."])
        .current_dir(workspace.root())
        .run();
    build.map_err(|failure| failure.mend("bazel build //..."))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the documented way to name another Bazel"
)]
fn program() -> std::ffi::OsString {
    std::env::var_os("BAZEL").unwrap_or_else(|| "bazel".into())
}
