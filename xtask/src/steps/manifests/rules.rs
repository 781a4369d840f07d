//! The rules of each package's manifest.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Manifest;
use crate::{finding::Finding, tree::Tree};

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

/// How many keywords the registry takes, and how long each may be.
const KEYWORDS: (usize, usize) = (5, 20);

/// The dependencies whose features stand with the crates that use them: the union of them would
/// cost each host what only tests and adapters need.
const PER_CRATE: &[&str] = &["rmcp"];

pub(super) const DEPENDENCY_TABLES: &[&str] =
    &["dependencies", "dev-dependencies", "build-dependencies"];

/// Every way in which the packages' manifests break a rule.
pub(super) fn check(tree: &Tree, root: &Table, manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let internal: BTreeSet<&str> = manifests
        .iter()
        .filter_map(|manifest| package_name(&manifest.table))
        .collect();
    for manifest in manifests {
        if manifest.table.contains_key("workspace") {
            check_other_workspace(root, manifest, &mut findings);
        } else {
            check_package(tree, manifest, &mut findings);
            check_inheritance(manifest, &internal, &mut findings);
        }
        check_features(manifest, &internal, &mut findings);
    }
    findings.0
}

#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, place: &str, rule: &'static str, what: String) {
        self.0.push(Finding::new(place, rule, what));
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
    for key in ["edition", "license"] {
        if package.get(key) != ours.get(key) {
            let what = format!("it has another {key} than the workspace");
            findings.add(&manifest.folder, "own-workspace", what);
        }
    }
}

fn check_package(tree: &Tree, manifest: &Manifest, findings: &mut Findings) {
    let name = manifest.name();
    let folder = manifest.folder.rsplit('/').next().unwrap_or_default();
    if name != folder {
        let what = format!("the package lies in the folder `{folder}`");
        findings.add(name, "name-is-folder", what);
    }
    let package = table(&manifest.table, &["package"]);
    for key in INHERITED {
        if !is_inherited(package.get(*key)) {
            let what = format!("`{key}.workspace = true` is missing");
            findings.add(name, "inherit", what);
        }
    }
    if !is_inherited(manifest.table.get("lints")) {
        let what = "`[lints] workspace = true` is missing".to_owned();
        findings.add(name, "inherit-lints", what);
    }
    if package.contains_key("build") || tree.files.contains_key(&manifest.file("build.rs")) {
        let what = "it has a build script".to_owned();
        findings.add(name, "build-script", what);
    }
    for what in left_out(&package, &manifest.table) {
        let what = format!("`{what} = false` leaves tests out");
        findings.add(name, "tests-run", what);
    }
    if package.get("publish") == Some(&Value::Boolean(false)) {
        return;
    }
    for key in PUBLISHED.iter().filter(|key| !package.contains_key(**key)) {
        findings.add(name, "published", format!("`{key}` is missing"));
    }
    if let Some(readme) = package.get("readme").and_then(Value::as_str)
        && !tree.files.contains_key(&manifest.file(readme))
    {
        let what = format!("its readme, {readme}, is not there");
        findings.add(name, "published", what);
    }
    let keywords = package.get("keywords").and_then(Value::as_array);
    let keywords = keywords.map(Vec::as_slice).unwrap_or_default();
    let (most, longest) = KEYWORDS;
    let too_long = |keyword: &Value| keyword.as_str().is_none_or(|it| it.len() > longest);
    if keywords.len() > most || keywords.iter().any(too_long) {
        let what = format!("the registry takes {most} keywords of {longest} letters");
        findings.add(name, "published", what);
    }
}

/// What keeps tests from being found or run.
fn left_out(package: &Table, manifest: &Table) -> Vec<&'static str> {
    let off = |table: &Table, key: &str| table.get(key) == Some(&Value::Boolean(false));
    let library = table(manifest, &["lib"]);
    let lists = ["bin", "test"].map(|kind| manifest.get(kind).and_then(Value::as_array));
    let lists = lists.into_iter().flatten().flatten();
    let targets: Vec<&Table> = lists
        .filter_map(Value::as_table)
        .chain([&library])
        .collect();
    let autotests = ["autotests"].into_iter().filter(|key| off(package, key));
    let flags = ["doctest", "harness", "test"].into_iter();
    autotests
        .chain(flags.filter(|key| targets.iter().any(|target| off(target, key))))
        .collect()
}

fn check_inheritance(manifest: &Manifest, internal: &BTreeSet<&str>, findings: &mut Findings) {
    for (name, value) in dependencies(&manifest.table) {
        if !is_inherited(Some(&value)) {
            let what = format!("`{name}` is not taken with `workspace = true`");
            findings.add(manifest.name(), "inherit-dependency", what);
        }
        let is_per_crate = PER_CRATE.contains(&&*name) && value.get("default-features").is_none();
        if !internal.contains(&*name) && asks_for_features(&value) && !is_per_crate {
            let what = format!("the features of `{name}` belong in the root manifest");
            findings.add(manifest.name(), "features-in-root", what);
        }
    }
}

fn check_features(manifest: &Manifest, internal: &BTreeSet<&str>, findings: &mut Findings) {
    if manifest.table.contains_key("features") {
        let what = "it has `[features]`: make it a crate".to_owned();
        findings.add(manifest.name(), "features", what);
    }
    for (name, value) in dependencies(&manifest.table) {
        if value.get("optional").is_some() {
            let what = format!("`{name}` is optional: make it a crate");
            findings.add(manifest.name(), "optional", what);
        }
        if internal.contains(&*name) {
            check_no_features(manifest.name(), &name, &value, findings);
        }
    }
}

pub(super) fn check_no_features(
    place: &str,
    name: &str,
    dependency: &Value,
    findings: &mut Findings,
) {
    if asks_for_features(dependency) {
        let what = format!("`{name}` is asked for features");
        findings.add(place, "internal-features", what);
    }
}

fn asks_for_features(dependency: &Value) -> bool {
    dependency.get("features").is_some() || dependency.get("default-features").is_some()
}

/// What a manifest depends on, in every table and for every platform.
pub(super) fn dependencies(manifest: &Table) -> Vec<(String, Value)> {
    let targets = table(manifest, &["target"]);
    let platforms = targets.values().filter_map(Value::as_table);
    let places = platforms.chain([manifest]);
    let tables =
        places.flat_map(|place| DEPENDENCY_TABLES.iter().map(|name| table(place, &[name])));
    tables.flatten().collect()
}

impl Manifest {
    fn name(&self) -> &str {
        package_name(&self.table).unwrap_or(&self.folder)
    }

    /// A file beside it, relative to the root.
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

pub(super) fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}

pub(super) fn package_name(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// The table at a path; empty where there is none.
pub(super) fn table(from: &Table, path: &[&str]) -> Table {
    let found = path
        .iter()
        .try_fold(from, |table, key| table.get(*key)?.as_table());
    found.cloned().unwrap_or_default()
}
