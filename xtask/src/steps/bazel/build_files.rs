//! Each crate's `BUILD.bazel`, rendered from `cargo metadata`.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::Value;

use crate::{
    finding::Finding,
    report::Failure,
    tree::Tree,
    workspace::{Workspace, name, packages},
};

/// What a `BUILD.bazel` or a `.bzl` may load from, besides the workspace's own files.
const LOADS: &[&str] = &["@rules_rust//rust:defs.bzl", "@crates//:defs.bzl"];

/// Texts by their paths from the root.
pub(super) type Files = BTreeMap<String, String>;

/// The `BUILD.bazel` of every package.
pub(super) fn render_all(workspace: &Workspace) -> Result<Files, Failure> {
    let metadata = workspace.metadata()?;
    let files = packages(&metadata).map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().unwrap_or(manifest);
        let path = relative(&folder.join("BUILD.bazel"), workspace.root());
        (path, render(package, folder))
    });
    Ok(files.collect())
}

fn render(package: &Value, folder: &Path) -> String {
    let targets = |kind: &str| -> Vec<String> {
        let all = package["targets"].as_array().into_iter().flatten();
        let of_kind = all.filter(|target| target["kind"][0] == kind);
        let mut entries: Vec<String> = of_kind
            .map(|target| {
                let root = Path::new(target["src_path"].as_str().unwrap_or_default());
                format!("\"{}\": \"{}\"", name(target), relative(root, folder))
            })
            .collect();
        entries.sort();
        entries
    };
    let mut text = String::from("load(\"//:defs.bzl\", \"hallpass_crate\")\n\nhallpass_crate(\n");
    // Writing into a string never fails.
    let _ = writeln!(text, "    name = \"{}\",", name(package));
    let (binaries, tests) = (targets("bin"), targets("test"));
    if !binaries.is_empty() {
        let _ = writeln!(text, "    binaries = {{{}}},", binaries.join(", "));
    }
    if targets("lib").is_empty() {
        text.push_str("    library = False,\n");
    }
    if !tests.is_empty() {
        let _ = writeln!(text, "    tests = {{{}}},", tests.join(", "));
    }
    let version = package["version"].as_str().unwrap_or_default();
    let _ = writeln!(text, "    version = \"{version}\",\n)");
    text
}

/// The files of the tree that Bazel reads.
pub(super) fn paths(tree: &Tree) -> Vec<&str> {
    let paths = tree.files.keys().map(String::as_str);
    let is_code = |path: &str| {
        file_name(path) == "MODULE.bazel"
            || Path::new(path).extension().is_some_and(|end| end == "bzl")
    };
    paths
        .filter(|path| is_build_file(path) || is_code(path))
        .collect()
}

fn is_build_file(path: &str) -> bool {
    matches!(file_name(path), "BUILD" | "BUILD.bazel")
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Every way in which the files of the tree are not as they must be.
pub(super) fn check(rendered: &Files, tree: &Tree) -> Vec<Finding> {
    let stale = rendered
        .iter()
        .filter(|(path, text)| tree.text(path) != *text);
    let stale = stale.map(|(path, _)| Finding::new(path, "rendered", "it is not as rendered"));
    let mut findings: Vec<Finding> = stale.collect();
    for path in paths(tree) {
        if is_build_file(path) && path.contains('/') && !rendered.contains_key(path) {
            findings.push(Finding::new(path, "rendered", "it belongs to no package"));
        }
        let lines = tree.text(path).lines();
        let loads = lines.filter_map(|line| line.strip_prefix("load(\"")?.split('"').next());
        for label in loads.filter(|label| !label.starts_with("//") && !LOADS.contains(label)) {
            let what = format!("it loads from {label}");
            findings.push(Finding::new(path, "loads", what));
        }
    }
    findings
}

fn relative(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}
