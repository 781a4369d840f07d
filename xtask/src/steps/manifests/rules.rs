//! The rules, over parsed manifests.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::Manifest;
use crate::finding::Finding;

/// What every package inherits from `[workspace.package]`.
const INHERITED: &[&str] = &[
    "version",
    "edition",
    "rust-version",
    "license",
    "repository",
    "authors",
];

/// What a package that is published must say of itself.
const PUBLISHED: &[&str] = &["description", "keywords", "categories", "readme"];

const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Every way in which the manifests break a rule.
pub(super) fn check(root: &Table, manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let shared = table(root, &["workspace", "dependencies"]);
    let internal: BTreeSet<&str> = manifests
        .iter()
        .filter_map(|m| package_name(&m.table))
        .collect();
    check_root(root, &shared, manifests, &internal, &mut findings);
    let mut used = BTreeSet::new();
    for manifest in manifests {
        if manifest.table.contains_key("workspace") {
            check_other_workspace(root, manifest, &mut findings);
            continue;
        }
        check_package(manifest, &mut findings);
        check_dependencies(manifest, &internal, &mut used, &mut findings);
    }
    for name in shared.keys().filter(|name| !used.contains(name.as_str())) {
        findings.add(
            "workspace",
            "unused-dependency",
            format!("`{name}` is used by no package"),
        );
    }
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, package: &str, rule: &'static str, what: String) {
        self.0.push(Finding::new(package, rule, what));
    }
}

fn check_root(
    root: &Table,
    shared: &Table,
    manifests: &[Manifest],
    internal: &BTreeSet<&str>,
    findings: &mut Findings,
) {
    if root.contains_key("package") {
        findings.add(
            "workspace",
            "virtual-root",
            "the root manifest has a `[package]`".to_owned(),
        );
    }
    for name in DEPENDENCY_TABLES {
        if root.contains_key(*name) {
            findings.add(
                "workspace",
                "virtual-root",
                format!("the root manifest has `[{name}]`"),
            );
        }
    }
    let version = table(root, &["workspace", "package"])
        .get("version")
        .cloned();
    let folders: BTreeMap<&str, &str> = manifests
        .iter()
        .filter_map(|manifest| Some((package_name(&manifest.table)?, manifest.folder.as_str())))
        .collect();
    for (name, value) in shared {
        if value.get("optional").is_some() {
            findings.add("workspace", "optional", format!("`{name}` is optional"));
        }
        match (internal.contains(name.as_str()), value.get("path")) {
            (true, path) => {
                let folder = folders.get(name.as_str()).copied();
                if path.and_then(Value::as_str) != folder {
                    let what = format!("`{name}` has another path than its folder");
                    findings.add("workspace", "internal-path", what);
                }
                if value.get("version") != version.as_ref() {
                    let what = format!("`{name}` has another version than the workspace");
                    findings.add("workspace", "internal-version", what);
                }
                check_no_features("workspace", name, value, findings);
            }
            (false, Some(_)) => {
                let what = format!("`{name}` names a path that is no package of the workspace");
                findings.add("workspace", "internal-path", what);
            }
            (false, None) => {}
        }
    }
    let members = table(root, &["workspace"]).get("members").cloned();
    let members: Vec<String> = members
        .and_then(|value| value.try_into().ok())
        .unwrap_or_default();
    for manifest in manifests {
        let folder = &manifest.folder;
        let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_member = members
            .iter()
            .any(|m| m == folder || *m == format!("{parent}/*"));
        if !is_member && !manifest.table.contains_key("workspace") {
            findings.add(
                folder,
                "members",
                "the folder is no member of the workspace".to_owned(),
            );
        }
    }
}

/// A package in a workspace of its own, as a stranger's would be: it can inherit nothing.
fn check_other_workspace(root: &Table, manifest: &Manifest, findings: &mut Findings) {
    let package = table(&manifest.table, &["package"]);
    let ours = table(root, &["workspace", "package"]);
    if package.get("publish") != Some(&Value::Boolean(false)) {
        let what = "`publish = false` is missing".to_owned();
        findings.add(&manifest.folder, "own-workspace", what);
    }
    if package.get("edition") != ours.get("edition") {
        let what = "it has another edition than the workspace".to_owned();
        findings.add(&manifest.folder, "own-workspace", what);
    }
}

fn check_package(manifest: &Manifest, findings: &mut Findings) {
    let name = package_name(&manifest.table).unwrap_or(&manifest.folder);
    let folder = manifest.folder.rsplit('/').next().unwrap_or_default();
    if name != folder {
        findings.add(
            name,
            "name-is-folder",
            format!("the package lies in the folder `{folder}`"),
        );
    }
    let package = table(&manifest.table, &["package"]);
    for key in INHERITED {
        if !is_inherited(package.get(*key)) {
            findings.add(
                name,
                "inherit",
                format!("`{key}.workspace = true` is missing"),
            );
        }
    }
    if !is_inherited(manifest.table.get("lints")) {
        findings.add(
            name,
            "inherit-lints",
            "`[lints] workspace = true` is missing".to_owned(),
        );
    }
    if manifest.table.contains_key("features") {
        findings.add(
            name,
            "features",
            "it has `[features]`: make it a crate".to_owned(),
        );
    }
    if package.get("publish") != Some(&Value::Boolean(false)) {
        for key in PUBLISHED.iter().filter(|key| !package.contains_key(**key)) {
            findings.add(name, "published", format!("`{key}` is missing"));
        }
    }
}

fn check_dependencies(
    manifest: &Manifest,
    internal: &BTreeSet<&str>,
    used: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    let package = package_name(&manifest.table).unwrap_or(&manifest.folder);
    let targets = table(&manifest.table, &["target"]);
    let places = targets
        .values()
        .filter_map(Value::as_table)
        .chain([&manifest.table]);
    let tables =
        places.flat_map(|place| DEPENDENCY_TABLES.iter().map(|name| table(place, &[name])));
    for (name, value) in tables.flatten() {
        let shared_name = name.clone();
        if !is_inherited(Some(&value)) {
            let what = format!("`{name}` is not taken with `workspace = true`");
            findings.add(package, "inherit-dependency", what);
        }
        if value.get("optional").is_some() {
            findings.add(
                package,
                "optional",
                format!("`{name}` is optional: make it a crate"),
            );
        }
        if internal.contains(name.as_str()) {
            check_no_features(package, &name, &value, findings);
        } else if value.get("features").is_some() || value.get("default-features").is_some() {
            let what = format!("the features of `{name}` belong in the root manifest");
            findings.add(package, "features-in-root", what);
        }
        used.insert(shared_name);
    }
}

fn check_no_features(package: &str, name: &str, value: &Value, findings: &mut Findings) {
    if value.get("features").is_some() || value.get("default-features").is_some() {
        findings.add(
            package,
            "internal-features",
            format!("`{name}` is asked for features"),
        );
    }
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}

fn package_name(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// The table at a path; empty where there is none.
fn table(from: &Table, path: &[&str]) -> Table {
    let found = path
        .iter()
        .try_fold(from, |table, key| table.get(*key)?.as_table());
    found.cloned().unwrap_or_default()
}
