//! Each crate's `BUILD.bazel`, rendered from `cargo metadata`.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{finding::Finding, report::Failure};

/// What a `BUILD.bazel` or a `.bzl` may load from, besides the workspace's own files.
const LOADS: &[&str] = &["@rules_rust//rust:defs.bzl", "@crates//:defs.bzl"];

/// One file, its path relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BuildFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// The `BUILD.bazel` of every package of `cargo metadata`.
pub(super) fn render_all(metadata: &Value, root: &Path) -> Result<Vec<BuildFile>, Failure> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .map(|package| {
            let folder = package["manifest_path"]
                .as_str()
                .and_then(|path| Path::new(path).parent())
                .ok_or_else(|| Failure::new("cargo metadata names a package without a manifest"))?;
            let path = relative(&folder.join("BUILD.bazel"), root);
            Ok(BuildFile {
                path,
                text: render(package, folder),
            })
        })
        .collect()
}

/// The `BUILD.bazel` of one package of `cargo metadata`.
pub(super) fn render(package: &Value, folder: &Path) -> String {
    let name = package["name"].as_str().unwrap_or_default();
    let version = package["version"].as_str().unwrap_or_default();
    let targets = |kind: &str| -> BTreeMap<String, String> {
        let all = package["targets"].as_array().into_iter().flatten();
        all.filter(|target| target["kind"][0] == kind)
            .filter_map(|target| {
                let root = relative(Path::new(target["src_path"].as_str()?), folder);
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

/// Every Bazel file in the root and below the folders of crates.
pub(super) fn committed(root: &Path) -> Result<Vec<BuildFile>, Failure> {
    let mut folders = vec![root.to_owned(), root.join("xtask")];
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path: PathBuf = entry?.path();
            let is_bazel = path
                .file_name()
                .is_some_and(|name| name == "BUILD.bazel" || name == "MODULE.bazel")
                || path.extension().is_some_and(|extension| extension == "bzl");
            if is_bazel {
                let text = fs::read_to_string(&path)?;
                files.push(BuildFile {
                    path: relative(&path, root),
                    text,
                });
            }
        }
    }
    Ok(files)
}

/// Every way in which the committed files are not as they must be.
pub(super) fn check(rendered: &[BuildFile], committed: &[BuildFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in rendered {
        match committed.iter().find(|other| other.path == file.path) {
            Some(other) if other == file => {}
            Some(_) => findings.push(Finding::new(
                &file.path,
                "rendered",
                "it is not as rendered",
            )),
            None => findings.push(Finding::new(&file.path, "rendered", "it is missing")),
        }
    }
    for file in committed {
        let is_crate = file.path.starts_with("crates/") && file.path.ends_with("/BUILD.bazel");
        if is_crate && !rendered.iter().any(|other| other.path == file.path) {
            findings.push(Finding::new(
                &file.path,
                "rendered",
                "it belongs to no package",
            ));
        }
        for label in loads(&file.text) {
            if !label.starts_with("//") && !LOADS.contains(&label) {
                let what = format!("it loads from {label}");
                findings.push(Finding::new(&file.path, "loads", what));
            }
        }
    }
    findings
}

/// The first argument of each `load`.
fn loads(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("load(\"")?.split('"').next())
}

fn relative(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}
