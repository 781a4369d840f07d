//! Each crate's `BUILD.bazel`, rendered from `cargo metadata`.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::Value;

use crate::{finding::Finding, report::Failure, tree::Tree};

/// What a `BUILD.bazel` or a `.bzl` may load from, besides the workspace's own files.
const LOADS: &[&str] = &["@rules_rust//rust:defs.bzl", "@crates//:defs.bzl"];

/// One file, its path relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The `BUILD.bazel` of every package of `cargo metadata`.
pub(crate) fn render_all(metadata: &Value, root: &Path) -> Result<Vec<BuildFile>, Failure> {
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

/// The files of the tree that Bazel reads.
fn committed(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.files
        .iter()
        .filter(|(path, _)| is_build_file(path) || is_code(path))
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

/// Their paths.
pub(super) fn paths(tree: &Tree) -> Vec<&str> {
    committed(tree).map(|(path, _)| path).collect()
}

fn is_build_file(path: &str) -> bool {
    matches!(name(path), "BUILD" | "BUILD.bazel")
}

fn is_code(path: &str) -> bool {
    name(path) == "MODULE.bazel" || Path::new(path).extension().is_some_and(|end| end == "bzl")
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Every way in which the files of the tree are not as they must be.
pub(super) fn check(rendered: &[BuildFile], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in rendered {
        let what = match tree.files.get(&file.path) {
            Some(text) if *text == file.text => continue,
            Some(_) => "it is not as rendered",
            None => "it is missing",
        };
        findings.push(Finding::new(&file.path, "rendered", what));
    }
    for (path, text) in committed(tree) {
        let is_root = !path.contains('/');
        let is_rendered = rendered.iter().any(|file| file.path == path);
        if is_build_file(path) && !is_root && !is_rendered {
            let what = "it belongs to no package";
            findings.push(Finding::new(path, "rendered", what));
        }
        for label in loads(text) {
            if !label.starts_with("//") && !LOADS.contains(&label) {
                let what = format!("it loads from {label}");
                findings.push(Finding::new(path, "loads", what));
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
