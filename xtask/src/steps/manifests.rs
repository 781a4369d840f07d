//! Every `Cargo.toml` says the same things in the same way.
//!
//! One source for versions, features and metadata: the root manifest. A crate says `workspace =
//! true` and nothing else, except for the features in `PER_CRATE`, so that each dependency is built once
//! and Bazel, which builds one configuration, builds the same. Cargo features are crates here. Each `Cargo.lock` says of our
//! packages what their manifests say, those beside the workspace too, which nothing updates by itself.
//!
//! What cargo refuses is not checked again; an unused dependency and one from a repository are
//! `deny`'s.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::{
    finding::{self, Exception, Finding},
    report::Failure,
    tree::Tree,
    workspace::Workspace,
};

/// A manifest that may break a rule, and why. An exception that nothing needs is an error.
const EXCEPTIONS: &[Exception] = &[];

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

/// The dependencies whose features are listed by the crates that use them. Their union would make each
/// host compile what only tests and adapters need.
const PER_CRATE: &[&str] = &["rmcp", "tracing"];

const DEPENDENCY_TABLES: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let findings = check(&Tree::read(workspace)?, EXCEPTIONS);
    finding::report(
        &findings,
        "edit the Cargo.toml that is named; for a lock, cargo update --workspace --manifest-path of it",
    )
}

/// Every way in which the manifests of a tree break a rule.
pub(super) fn check(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let (mut manifests, mut unread) = (BTreeMap::new(), Vec::new());
    for (path, text) in &tree.files {
        let Some(folder) = path.strip_suffix("Cargo.toml") else {
            continue;
        };
        match text.parse() {
            Ok(table) => _ = manifests.insert(folder.trim_end_matches('/'), Manifest(table)),
            Err(error) => unread.push(Finding::new(path, "toml", error.message())),
        }
    }
    let Some(root) = manifests.remove("").filter(|_| unread.is_empty()) else {
        return unread;
    };
    let ours = manifests.iter();
    let mut check = Check {
        tree,
        ours: ours
            .map(|(folder, it)| (it.name(folder), *folder))
            .collect(),
        findings: Vec::new(),
    };
    check.root(&root, &manifests);
    for (folder, manifest) in &manifests {
        if manifest.is_workspace() {
            check.other_workspace(folder, manifest, &root);
        } else {
            check.package(folder, manifest);
        }
        check.features(manifest.name(folder), manifest);
    }
    check.locks(&manifests);
    finding::judge(check.findings, exceptions)
}

struct Manifest(Table);

impl Manifest {
    fn name<'a>(&'a self, folder: &'a str) -> &'a str {
        let name = self
            .0
            .get("package")
            .and_then(|package| package.get("name"));
        name.and_then(Value::as_str).unwrap_or(folder)
    }

    fn is_workspace(&self) -> bool {
        self.0.contains_key("workspace")
    }

    /// The table at a path; empty where there is none.
    fn table(&self, path: &[&str]) -> Table {
        table(&self.0, path)
    }

    /// What it depends on, in some of the tables, for every platform.
    fn dependencies(&self, tables: &[&str]) -> Vec<(String, Value)> {
        let targets = self.table(&["target"]);
        let targets = targets.values().filter_map(Value::as_table);
        let all = targets.chain([&self.0]);
        all.flat_map(|from| tables.iter().flat_map(|name| table(from, &[name])))
            .collect()
    }
}

fn table(from: &Table, path: &[&str]) -> Table {
    let found = path
        .iter()
        .try_fold(from, |table, key| table.get(*key)?.as_table());
    found.cloned().unwrap_or_default()
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}

fn asks_for_features(dependency: &Value) -> bool {
    dependency.get("features").is_some() || dependency.get("default-features").is_some()
}

struct Check<'a> {
    tree: &'a Tree,
    /// The folder of each package of this repository.
    ours: BTreeMap<&'a str, &'a str>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn require(&mut self, holds: bool, place: &str, rule: &'static str, what: impl Into<String>) {
        if !holds {
            self.findings.push(Finding::new(place, rule, what));
        }
    }

    /// The root is virtual, exchanges no dependency for another, and its members are the folders that
    /// are there.
    fn root(&mut self, root: &Manifest, manifests: &BTreeMap<&str, Manifest>) {
        let place = "workspace";
        for (key, rule) in [
            ("package", "virtual-root"),
            ("patch", "replacing"),
            ("replace", "replacing"),
        ] {
            let what = format!("the root manifest has `[{key}]`");
            self.require(!root.0.contains_key(key), place, rule, what);
        }
        let members = root.table(&["workspace"]).get("members").cloned();
        let members: Vec<String> = members
            .and_then(|value| value.try_into().ok())
            .unwrap_or_default();
        let covers = |member: &str, folder: &str| {
            let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
            member == folder || member.strip_suffix("/*") == Some(parent)
        };
        for (folder, manifest) in manifests {
            let is_member = members.iter().any(|member| covers(member, folder));
            let what = "the folder is no member of the workspace";
            let holds = is_member || manifest.is_workspace();
            self.require(holds, folder, "members", what);
        }
        let paths = self.tree.files.keys();
        let folders = paths.filter_map(|path| path.strip_prefix("crates/")?.split_once('/'));
        for name in folders.map(|(name, _)| name).collect::<BTreeSet<_>>() {
            let folder = format!("crates/{name}");
            let holds = manifests.contains_key(&*folder);
            self.require(holds, &folder, "members", "it has no Cargo.toml");
        }
        let version = root.table(&["workspace", "package"]);
        let version = version.get("version");
        for (name, value) in root.table(&["workspace", "dependencies"]) {
            let path = value.get("path").and_then(Value::as_str);
            let folder = self.ours.get(&*name).copied();
            if folder.is_none() {
                let what = format!("`{name}` names a path that is no package of the workspace");
                self.require(path.is_none(), place, "internal-path", what);
                continue;
            }
            let what = format!("`{name}` has another path than its folder");
            self.require(path == folder, place, "internal-path", what);
            let what = format!("`{name}` has another version than the workspace");
            let same = value.get("version") == version;
            self.require(same, place, "internal-version", what);
            let what = format!("`{name}` is asked for features");
            self.require(!asks_for_features(&value), place, "internal-features", what);
        }
    }

    /// A package in a workspace of its own, as a stranger's would be: it can inherit nothing.
    fn other_workspace(&mut self, folder: &str, manifest: &Manifest, root: &Manifest) {
        let package = manifest.table(&["package"]);
        let ours = root.table(&["workspace", "package"]);
        let rule = "own-workspace";
        let is_private = package.get("publish") == Some(&Value::Boolean(false));
        self.require(is_private, folder, rule, "`publish = false` is missing");
        for key in ["edition", "license"] {
            let what = format!("it has another {key} than the workspace");
            self.require(package.get(key) == ours.get(key), folder, rule, what);
        }
    }

    fn package(&mut self, folder: &str, manifest: &Manifest) {
        let name = manifest.name(folder);
        let last = folder.rsplit('/').next().unwrap_or_default();
        let what = format!("the package lies in the folder `{last}`");
        self.require(name == last, name, "name-is-folder", what);
        let package = manifest.table(&["package"]);
        for key in INHERITED {
            let what = format!("`{key}.workspace = true` is missing");
            self.require(is_inherited(package.get(*key)), name, "inherit", what);
        }
        let lints = is_inherited(manifest.0.get("lints"));
        let what = "`[lints] workspace = true` is missing";
        self.require(lints, name, "inherit-lints", what);
        let files = &self.tree.files;
        let script =
            package.contains_key("build") || files.contains_key(&format!("{folder}/build.rs"));
        self.require(!script, name, "build-script", "it has a build script");
        for key in left_out(&package, manifest) {
            let what = format!("`{key} = false` leaves tests out");
            self.require(false, name, "tests-run", what);
        }
        for (other, value) in manifest.dependencies(&DEPENDENCY_TABLES) {
            let what = format!("`{other}` is not taken with `workspace = true`");
            self.require(is_inherited(Some(&value)), name, "inherit-dependency", what);
            let is_per_crate =
                PER_CRATE.contains(&&*other) && value.get("default-features").is_none();
            let holds =
                self.ours.contains_key(&*other) || !asks_for_features(&value) || is_per_crate;
            let what = format!("the features of `{other}` belong in the root manifest");
            self.require(holds, name, "features-in-root", what);
        }
        if package.get("publish") != Some(&Value::Boolean(false)) {
            self.published(folder, name, &package);
        }
    }

    fn published(&mut self, folder: &str, name: &str, package: &Table) {
        let rule = "published";
        for key in PUBLISHED {
            let what = format!("`{key}` is missing");
            self.require(package.contains_key(*key), name, rule, what);
        }
        if let Some(readme) = package.get("readme").and_then(Value::as_str) {
            let holds = self.tree.files.contains_key(&format!("{folder}/{readme}"));
            let what = format!("its readme, {readme}, is not there");
            self.require(holds, name, rule, what);
        }
        let keywords = package.get("keywords").and_then(Value::as_array);
        let keywords = keywords.map(Vec::as_slice).unwrap_or_default();
        let (most, longest) = KEYWORDS;
        let is_short = |keyword: &Value| keyword.as_str().is_some_and(|it| it.len() <= longest);
        let holds = keywords.len() <= most && keywords.iter().all(is_short);
        let what = format!("the registry takes {most} keywords of {longest} letters");
        self.require(holds, name, rule, what);
    }

    fn features(&mut self, name: &str, manifest: &Manifest) {
        let holds = !manifest.0.contains_key("features");
        let what = "it has `[features]`: make it a crate";
        self.require(holds, name, "features", what);
        for (other, value) in manifest.dependencies(&DEPENDENCY_TABLES) {
            let what = format!("`{other}` is optional: make it a crate");
            self.require(value.get("optional").is_none(), name, "optional", what);
            let holds = !self.ours.contains_key(&*other) || !asks_for_features(&value);
            let what = format!("`{other}` is asked for features");
            self.require(holds, name, "internal-features", what);
        }
    }

    fn locks(&mut self, manifests: &BTreeMap<&str, Manifest>) {
        let files = &self.tree.files;
        for (path, text) in files
            .iter()
            .filter(|(path, _)| path.ends_with("Cargo.lock"))
        {
            let lock_folder = path.strip_suffix("/Cargo.lock").unwrap_or_default();
            let lock: Table = text.parse().unwrap_or_default();
            let packages = lock.get("package").and_then(Value::as_array);
            for package in packages.into_iter().flatten() {
                let name = package.get("name").and_then(Value::as_str);
                let name = name.unwrap_or_default();
                let folder = self.ours.get(name).copied().unwrap_or_default();
                let (Some(manifest), None) = (manifests.get(folder), package.get("source")) else {
                    continue;
                };
                // A lock has what tests need of its own workspace's packages alone.
                let is_member = lock_folder.is_empty() || lock_folder == folder;
                let tables = &DEPENDENCY_TABLES[..if is_member { 3 } else { 2 }];
                let needed = manifest.dependencies(tables).into_iter();
                let needed: BTreeSet<String> = needed.map(|(name, _)| name).collect();
                let what = format!("`{name}` has other dependencies in it than in its Cargo.toml");
                self.require(locked(package) == needed, path, "lock", what);
            }
        }
    }
}

/// The names behind a package in a lock.
fn locked(package: &Value) -> BTreeSet<String> {
    let names = package.get("dependencies").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let names = names.filter_map(|name| name.split(' ').next());
    names.map(str::to_owned).collect()
}

/// What keeps tests from being found or run.
fn left_out(package: &Table, manifest: &Manifest) -> Vec<&'static str> {
    let off = |table: &Table, key: &str| table.get(key) == Some(&Value::Boolean(false));
    let library = manifest.table(&["lib"]);
    let lists = ["bin", "test"].map(|kind| manifest.0.get(kind).and_then(Value::as_array));
    let lists = lists.into_iter().flatten().flatten();
    let targets = lists.filter_map(Value::as_table).chain([&library]);
    let targets: Vec<&Table> = targets.collect();
    let mut keys = vec!["autotests"];
    keys.retain(|key| off(package, key));
    let flags = ["doctest", "harness", "test"].into_iter();
    keys.extend(flags.filter(|key| targets.iter().any(|target| off(target, key))));
    keys
}
