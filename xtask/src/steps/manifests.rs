//! Every `Cargo.toml` says the same things in the same way, and each `Cargo.lock` follows them.
//!
//! One source for versions, features and metadata: the root manifest. A crate says `workspace =
//! true` and nothing else, except for the features in `PER_CRATE`, so that each dependency is built once
//! and Bazel, which builds one configuration, builds the same. Cargo features are crates here.
//!
//! What cargo refuses is not checked again; an unused dependency is `shear`'s, a wildcard and one from a
//! repository are `deny`'s.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{
    finding::{self, Finding},
    report::Failure,
    tree::Tree,
    workspace::Workspace,
};

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

/// The registry takes so many keywords, each of so many letters.
const MAX_KEYWORDS: usize = 5;
const MAX_KEYWORD: usize = 20;

/// The dependencies whose features are listed by the crates that use them. Their union would make each
/// host compile what only tests and adapters need.
const PER_CRATE: &[&str] = &["rmcp", "tracing"];

const DEPENDENCIES: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    let tree = Tree::read(workspace)?;
    finding::report(&check(&tree), "edit the Cargo.toml that is named")?;
    let locks = tree
        .files
        .keys()
        .filter_map(|path| path.strip_suffix("Cargo.lock"));
    locks
        .into_iter()
        .try_for_each(|folder| lock(workspace, folder))
}

/// A lock is not behind its manifests. Only cargo's own update of it tells, which changes nothing here;
/// it needs a network where a package was never looked up.
fn lock(workspace: &Workspace, folder: &str) -> Result<(), Failure> {
    let manifest = format!("{folder}Cargo.toml");
    let update = |more: &[&str]| {
        let update = [
            "update",
            "--quiet",
            "--workspace",
            "--locked",
            "--manifest-path",
        ];
        workspace
            .cargo()
            .args(update)
            .args([&manifest])
            .args(more)
            .complete()
    };
    if update(&["--offline"])?.status.success() {
        return Ok(());
    }
    let fix = format!("cargo update --workspace --manifest-path {manifest}");
    update(&[])?
        .success()
        .map(drop)
        .map_err(|failure| failure.fix(fix))
}

/// Every way in which the manifests of a tree break a rule.
fn check(tree: &Tree) -> Vec<Finding> {
    let mut manifests = BTreeMap::new();
    for (path, text) in &tree.files {
        if path == "Cargo.toml" || path.ends_with("/Cargo.toml") {
            match text.parse::<Table>() {
                Ok(table) => _ = manifests.insert(&**path, table),
                Err(error) => return vec![Finding::new(path, "toml", error.message())],
            }
        }
    }
    let root = manifests.remove("Cargo.toml").unwrap_or_default();
    let mut findings = Vec::new();
    let names: Vec<&str> = manifests
        .values()
        .filter_map(|it| it["package"]["name"].as_str())
        .collect();
    for (path, manifest) in &manifests {
        let mut rules = Rules {
            path,
            ours: &names,
            findings: &mut findings,
        };
        if manifest.contains_key("workspace") {
            rules.own_workspace(manifest, &root);
        } else {
            rules.member(manifest, tree);
        }
        rules.features(manifest);
    }
    let mut rules = Rules {
        path: "Cargo.toml",
        ours: &names,
        findings: &mut findings,
    };
    rules.root(&root);
    findings
}

/// The rules, for one manifest.
struct Rules<'a> {
    path: &'a str,
    /// The packages of this repository.
    ours: &'a [&'a str],
    findings: &'a mut Vec<Finding>,
}

impl Rules<'_> {
    fn require(&mut self, holds: bool, rule: &'static str, what: impl Into<String>) {
        if !holds {
            self.findings.push(Finding::new(self.path, rule, what));
        }
    }

    /// The root has no package, replaces no dependency, and asks no crate of ours for features.
    fn root(&mut self, root: &Table) {
        for key in ["package", "patch", "replace"] {
            self.require(!root.contains_key(key), "root", format!("it has `[{key}]`"));
        }
        let workspace = root.get("workspace");
        let dependencies = workspace
            .and_then(|it| it.get("dependencies"))
            .and_then(Value::as_table);
        for (name, value) in dependencies.into_iter().flatten() {
            let path = value.get("path").and_then(Value::as_str);
            let wanted = self
                .ours
                .contains(&&**name)
                .then(|| format!("crates/{name}"));
            let what = format!("`{name}` has another path than its folder");
            self.require(path == wanted.as_deref(), "internal-path", what);
            let what = format!("`{name}` is asked for features");
            self.require(
                path.is_none() || !asks_for_features(value),
                "internal-features",
                what,
            );
        }
    }

    /// A workspace of its own, as a host's would be: it can inherit nothing.
    fn own_workspace(&mut self, manifest: &Table, root: &Table) {
        let package = &manifest["package"];
        let is_private = package.get("publish") == Some(&Value::Boolean(false));
        self.require(is_private, "own-workspace", "`publish = false` is missing");
        for key in ["edition", "license"] {
            let same = package.get(key) == root["workspace"]["package"].get(key);
            let what = format!("it has another {key} than the workspace");
            self.require(same, "own-workspace", what);
        }
    }

    fn member(&mut self, manifest: &Table, tree: &Tree) {
        let package = &manifest["package"];
        let folder = self.path.trim_end_matches("/Cargo.toml");
        let last = folder.rsplit('/').next();
        self.require(
            package["name"].as_str() == last,
            "name-is-folder",
            "its name is not its folder's",
        );
        for key in INHERITED {
            let what = format!("`{key}.workspace = true` is missing");
            self.require(is_inherited(package.get(key)), "inherit", what);
        }
        let lints = is_inherited(manifest.get("lints"));
        self.require(lints, "inherit", "`[lints] workspace = true` is missing");
        let script = package.get("build").is_some()
            || tree.files.contains_key(&format!("{folder}/build.rs"));
        self.require(!script, "build-script", "it has a build script");
        for key in ["autotests", "doctest", "harness", "test"] {
            let lists = ["bin", "test"].map(|kind| manifest.get(kind).and_then(Value::as_array));
            let targets = lists
                .into_iter()
                .flatten()
                .flatten()
                .chain(manifest.get("lib"));
            let mut tables = targets.chain([package]);
            let is_off = tables.any(|table| table.get(key) == Some(&Value::Boolean(false)));
            self.require(
                !is_off,
                "tests-run",
                format!("`{key} = false` leaves tests out"),
            );
        }
        for (name, value) in dependencies(manifest) {
            let what = format!("`{name}` is not taken with `workspace = true`");
            self.require(is_inherited(Some(value)), "inherit", what);
            let is_per_crate = PER_CRATE.contains(&name) && value.get("default-features").is_none();
            let what = format!("the features of `{name}` belong in the root manifest");
            self.require(
                !asks_for_features(value) || is_per_crate,
                "features-in-root",
                what,
            );
        }
        if package.get("publish") == Some(&Value::Boolean(false)) {
            return;
        }
        for key in PUBLISHED {
            self.require(
                package.get(key).is_some(),
                "published",
                format!("`{key}` is missing"),
            );
        }
        let job = package
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_row = !job.contains(['|', '\n']) && !job.ends_with('.');
        self.require(
            is_row,
            "published",
            "its description is not one line without a full stop",
        );
        let keywords = package.get("keywords").and_then(Value::as_array);
        let keywords = keywords.map(Vec::as_slice).unwrap_or_default();
        let is_short = |it: &Value| it.as_str().is_some_and(|it| it.len() <= MAX_KEYWORD);
        let holds = keywords.len() <= MAX_KEYWORDS && keywords.iter().all(is_short);
        let what = format!("the registry takes {MAX_KEYWORDS} keywords of {MAX_KEYWORD} letters");
        self.require(holds, "published", what);
    }

    fn features(&mut self, manifest: &Table) {
        let what = "it has `[features]`: make it a crate";
        self.require(!manifest.contains_key("features"), "features", what);
        for (name, value) in dependencies(manifest) {
            let what = format!("`{name}` is optional: make it a crate");
            self.require(value.get("optional").is_none(), "features", what);
            let holds = !self.ours.contains(&name) || !asks_for_features(value);
            self.require(
                holds,
                "internal-features",
                format!("`{name}` is asked for features"),
            );
        }
    }
}

/// What a manifest depends on, for every platform.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let platforms = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let tables = platforms.chain([manifest]);
    let lists =
        tables.flat_map(|table| DEPENDENCIES.into_iter().filter_map(|name| table.get(name)));
    let lists = lists.filter_map(Value::as_table).flatten();
    lists.map(|(name, value)| (&**name, value)).collect()
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}

fn asks_for_features(dependency: &Value) -> bool {
    dependency.get("features").is_some() || dependency.get("default-features").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace]\n[workspace.package]\nedition = \"2024\"\nlicense = \"MIT\"\n\
        [workspace.dependencies]\na = { path = \"crates/a\", version = \"1.2.3\" }\n";
    const MEMBER: &str = "lints.workspace = true\n[package]\nname = \"a\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
        repository.workspace = true\nauthors.workspace = true\ndescription = \"What it is\"\n\
        keywords = [\"oauth\"]\ncategories = [\"authentication\"]\nreadme = \"README.md\"\n\
        [dev-dependencies]\ntokio.workspace = true\n";
    const HOST: &str = "[workspace]\n[package]\nname = \"host\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
        publish = false\n[dependencies]\na = { path = \"../../crates/a\" }\n";

    /// The rules that are broken once `from` is `to`.
    fn broken(from: &str, to: &str) -> Vec<&'static str> {
        let files = [
            ("Cargo.toml", ROOT),
            ("crates/a/Cargo.toml", MEMBER),
            ("examples/host/Cargo.toml", HOST),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.replacen(from, to, 1)));
        let tree = Tree {
            files: files.into(),
        };
        check(&tree)
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[rustfmt::skip]
    const BREAKAGES: &[(&str, &str, &str)] = &[
        ("[workspace.package]", "[patch.crates-io]\n[workspace.package]", "root"),
        ("\"crates/a\"", "\"crates/b\"", "internal-path"),
        ("\"1.2.3\"", "\"1.2.3\", default-features = false", "internal-features"),
        ("authors.workspace = true", "authors = []", "inherit"),
        ("lints.workspace = true", "", "inherit"),
        ("tokio.workspace = true", "tokio = \"1\"", "inherit"),
        ("tokio.workspace = true", "tokio = { workspace = true, features = [] }", "features-in-root"),
        ("lints.workspace", "lib.test = false\nlints.workspace", "tests-run"),
        ("readme", "build = \"b.rs\"\nreadme", "build-script"),
        ("keywords = [\"oauth\"]", "keywords = [\"authorization-for-everyone\"]", "published"),
        ("[dependencies]", "[features]\n[dependencies]", "features"),
        ("publish = false", "", "own-workspace"),
        ("../crates/a\" }", "../crates/a\", optional = true }", "features"),
    ];

    #[test]
    fn manifest_that_breaks_rule_is_found() {
        assert_eq!(broken("", ""), [""; 0]);
        for (from, to, rule) in BREAKAGES {
            assert_eq!(broken(from, to), [*rule], "{from} -> {to}");
        }
    }
}
