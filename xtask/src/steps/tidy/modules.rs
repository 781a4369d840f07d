//! Every Rust file is part of a crate: cargo finds it as a root, or a `mod` leads to it.

use std::collections::BTreeSet;

use crate::{finding::Finding, tree::Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut roots: Vec<&str> = tree
        .rust_files()
        .map(|file| file.path)
        .filter(|path| is_root(tree, path))
        .collect();
    while let Some(path) = roots.pop() {
        if !reached.insert(path) {
            continue;
        }
        let text = &tree.files[path];
        let folder = children(tree, path);
        for name in text.lines().filter_map(module) {
            let places = [
                format!("{folder}/{name}.rs"),
                format!("{folder}/{name}/mod.rs"),
            ];
            let found = tree.files.keys().find(|path| places.contains(path));
            roots.extend(found.map(String::as_str));
        }
    }
    let lost = tree
        .rust_files()
        .filter(|file| !reached.contains(file.path));
    lost.map(|file| Finding::new(file.path, "reached", "no `mod` leads to it"))
        .collect()
}

/// Whether cargo finds the file by itself.
fn is_root(tree: &Tree, path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else {
        return false;
    };
    let is_package = |folder: &str| tree.files.contains_key(&format!("{folder}/Cargo.toml"));
    let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder));
    let kinds = ["tests", "benches", "examples", "bin", "fuzz_targets"];
    match name {
        "lib.rs" | "main.rs" if last == "src" && is_package(above) => true,
        "build.rs" => is_package(folder),
        "main.rs" => above
            .rsplit('/')
            .next()
            .is_some_and(|kind| kinds.contains(&kind)),
        _ => {
            kinds.contains(&last) && (is_package(above) || last == "bin" || above.ends_with("fuzz"))
        }
    }
}

/// The folder that a file's modules lie in.
fn children(tree: &Tree, path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    if is_root(tree, path) || stem == "mod" {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    }
}

/// The name in `mod name;`, whatever its visibility.
fn module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("pub(super) ").unwrap_or(line);
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("mod ")?
        .split(';')
        .next()
        .filter(|_| line.trim_end().ends_with(';'))
}
