//! Each `Cargo.lock` says of our packages what their manifests say: that of the workspace, and those
//! of the hosts and programs beside it, which nothing brings up to date by itself.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{
    Manifest,
    rules::{DEPENDENCY_TABLES, package_name, table},
};
use crate::{finding::Finding, tree::Tree};

pub(super) fn check(tree: &Tree, manifests: &[Manifest]) -> Vec<Finding> {
    let ours: BTreeMap<&str, &Manifest> = manifests
        .iter()
        .filter_map(|manifest| Some((package_name(&manifest.table)?, manifest)))
        .collect();
    let mut findings = Vec::new();
    let locks = tree.files.iter();
    for (path, text) in locks.filter(|(path, _)| path.ends_with("Cargo.lock")) {
        let folder = path.strip_suffix("/Cargo.lock").unwrap_or_default();
        let lock: Table = text.parse().unwrap_or_default();
        let packages = lock.get("package").and_then(Value::as_array);
        for package in packages.into_iter().flatten() {
            let name = package.get("name").and_then(Value::as_str);
            let Some((name, manifest)) = name.and_then(|name| ours.get_key_value(name)) else {
                continue;
            };
            // A lock has what tests need of its own workspace's packages alone.
            let is_member = folder.is_empty() || folder == manifest.folder;
            if package.get("source").is_none() && locked(package) != needed(manifest, is_member) {
                let what = format!("`{name}` has other dependencies in it than in its Cargo.toml");
                findings.push(Finding::new(path, "lock", what));
            }
        }
    }
    findings
}

/// The names behind a package in a lock.
fn locked(package: &Value) -> BTreeSet<String> {
    let names = package.get("dependencies").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let names = names.filter_map(|name| name.split(' ').next());
    names.map(str::to_owned).collect()
}

fn needed(manifest: &Manifest, is_member: bool) -> BTreeSet<String> {
    let targets = table(&manifest.table, &["target"]);
    let places = targets.values().filter_map(Value::as_table);
    let mut names = BTreeSet::new();
    for place in places.chain([&manifest.table]) {
        for kind in DEPENDENCY_TABLES {
            if is_member || *kind != "dev-dependencies" {
                names.extend(table(place, &[kind]).into_iter().map(|(name, _)| name));
            }
        }
    }
    names
}
