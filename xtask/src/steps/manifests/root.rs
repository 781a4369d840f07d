//! The rules of the root manifest: that it is virtual, that its members are the folders that are
//! there, and what it says of dependencies.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{
    Manifest,
    rules::{self, DEPENDENCY_TABLES, Findings, package_name, table},
};
use crate::{finding::Finding, tree::Tree};

const PLACE: &str = "workspace";

/// What would exchange a dependency for another without saying so in `Cargo.lock`'s sources.
const REPLACING: &[&str] = &["patch", "replace"];

pub(super) fn check(tree: &Tree, root: &Table, manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Findings::default();
    for name in ["package"].iter().chain(DEPENDENCY_TABLES) {
        if root.contains_key(*name) {
            let what = format!("the root manifest has `[{name}]`");
            findings.add(PLACE, "virtual-root", what);
        }
    }
    for name in REPLACING.iter().filter(|name| root.contains_key(**name)) {
        let what = format!("the root manifest has `[{name}]`");
        findings.add(PLACE, "replacing", what);
    }
    members(tree, root, manifests, &mut findings);
    shared(root, manifests, &mut findings);
    findings.0
}

/// Members are folders, and folders are members.
fn members(tree: &Tree, root: &Table, manifests: &[Manifest], findings: &mut Findings) {
    let members = table(root, &["workspace"]).get("members").cloned();
    let members: Vec<String> = members
        .and_then(|value| value.try_into().ok())
        .unwrap_or_default();
    for manifest in manifests {
        let folder = &manifest.folder;
        let is_member = members.iter().any(|member| covers(member, folder));
        if !is_member && !manifest.table.contains_key("workspace") {
            let what = "the folder is no member of the workspace".to_owned();
            findings.add(folder, "members", what);
        }
    }
    for member in &members {
        if !manifests.iter().any(|it| covers(member, &it.folder)) {
            let what = format!("the member `{member}` is no folder with a Cargo.toml");
            findings.add(PLACE, "members", what);
        }
    }
    let folders = tree.files.keys().filter_map(|path| {
        let (name, _) = path.strip_prefix("crates/")?.split_once('/')?;
        Some(format!("crates/{name}"))
    });
    for folder in folders.collect::<BTreeSet<_>>() {
        if !tree.files.contains_key(&format!("{folder}/Cargo.toml")) {
            findings.add(&folder, "members", "it has no Cargo.toml".to_owned());
        }
    }
}

fn covers(member: &str, folder: &str) -> bool {
    let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    member == folder || member.strip_suffix("/*") == Some(parent)
}

/// `[workspace.dependencies]`: ours with the path and the version they have, all used, none optional.
fn shared(root: &Table, manifests: &[Manifest], findings: &mut Findings) {
    let ours: BTreeMap<&str, &str> = manifests
        .iter()
        .filter(|manifest| !manifest.table.contains_key("workspace"))
        .filter_map(|manifest| Some((package_name(&manifest.table)?, manifest.folder.as_str())))
        .collect();
    let version = table(root, &["workspace", "package"])
        .get("version")
        .cloned();
    let used: BTreeSet<String> = manifests
        .iter()
        .filter(|manifest| !manifest.table.contains_key("workspace"))
        .flat_map(|manifest| rules::dependencies(&manifest.table))
        .filter(|(_, value)| rules::is_inherited(Some(value)))
        .map(|(name, _)| name)
        .collect();
    for (name, value) in table(root, &["workspace", "dependencies"]) {
        let mut add = |rule, what: String| findings.add(PLACE, rule, what);
        if value.get("optional").is_some() {
            add("optional", format!("`{name}` is optional"));
        }
        if !used.contains(&name) {
            add(
                "unused-dependency",
                format!("`{name}` is used by no package"),
            );
        }
        let path = value.get("path").and_then(Value::as_str);
        if let Some(folder) = ours.get(&*name) {
            if path != Some(folder) {
                let what = format!("`{name}` has another path than its folder");
                add("internal-path", what);
            }
            if value.get("version") != version.as_ref() {
                let what = format!("`{name}` has another version than the workspace");
                add("internal-version", what);
            }
            rules::check_no_features(PLACE, &name, &value, findings);
        } else if path.is_some() {
            let what = format!("`{name}` names a path that is no package of the workspace");
            add("internal-path", what);
        } else if value.get("git").is_some() {
            add(
                "registry",
                format!("`{name}` does not come from the registry"),
            );
        }
    }
}
