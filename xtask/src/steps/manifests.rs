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

/// The dependencies whose features are named by the crates that use them. Their union would make each
/// host compile what only tests and adapters need.
const PER_CRATE: &[&str] = &["reqwest", "rmcp", "tracing"];

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

/// A lock is not behind its manifests. Cargo's own update of it tells, which changes nothing here; it
/// needs a network where a package was never looked up.
fn lock(workspace: &Workspace, folder: &str) -> Result<(), Failure> {
    let manifest = format!("{folder}Cargo.toml");
    let update = |offline: Option<&str>| {
        let cargo = workspace
            .cargo()
            .args(["update", "--quiet", "--workspace", "--locked"]);
        cargo
            .args(["--manifest-path", &manifest])
            .args(offline)
            .complete()
    };
    if update(Some("--offline"))?.status.success() {
        return Ok(());
    }
    let fix = format!("cargo update --workspace --manifest-path {manifest}");
    let updated = update(None)?.success().map(drop);
    updated.map_err(|failure| failure.fix(fix))
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
    let names = manifests
        .values()
        .filter_map(|it| it["package"]["name"].as_str());
    let names: Vec<&str> = names.collect();
    let mut findings = Vec::new();
    let mut judge = |path: &str, rules: Vec<Rule>| {
        let broken = rules.into_iter().filter(|(holds, ..)| !holds);
        findings.extend(broken.map(|(_, rule, what)| Finding::new(path, rule, what)));
    };
    judge("Cargo.toml", self::root(&root, &names));
    for (path, manifest) in &manifests {
        if manifest.contains_key("workspace") {
            judge(path, own_workspace(manifest, &root));
        } else {
            judge(path, member(path, manifest, tree));
        }
        judge(path, features(manifest, &names));
    }
    findings
}

/// Whether it holds, its name, and what is wrong otherwise.
type Rule = (bool, &'static str, String);

/// The root has no package, replaces no dependency, and asks no crate of ours for features.
fn root(root: &Table, names: &[&str]) -> Vec<Rule> {
    let keys = ["package", "patch", "replace"].into_iter();
    let keys = keys.map(|key| (!root.contains_key(key), "root", format!("it has `[{key}]`")));
    let mut rules: Vec<Rule> = keys.collect();
    let workspace = root.get("workspace").and_then(Value::as_table);
    for (name, value) in workspace.map(dependencies).unwrap_or_default() {
        let path = value.get("path").and_then(Value::as_str);
        let wanted = names.contains(&name).then(|| format!("crates/{name}"));
        let what = format!("`{name}` has another path than its folder");
        rules.push((path == wanted.as_deref(), "internal-path", what));
        let holds = path.is_none() || !asks_for_features(value);
        rules.push((
            holds,
            "internal-features",
            format!("`{name}` is asked for features"),
        ));
    }
    rules
}

/// A workspace of its own, as a host's would be: it can inherit nothing.
fn own_workspace(manifest: &Table, root: &Table) -> Vec<Rule> {
    const RULE: &str = "own-workspace";
    let (package, ours) = (&manifest["package"], &root["workspace"]["package"]);
    let same = ["edition", "license"].into_iter().map(|key| {
        let what = format!("it has another {key} than the workspace");
        (package.get(key) == ours.get(key), RULE, what)
    });
    let what = "`publish = false` is missing".to_owned();
    same.chain([(is(package, "publish", false), RULE, what)])
        .collect()
}

fn member(path: &str, manifest: &Table, tree: &Tree) -> Vec<Rule> {
    let package = &manifest["package"];
    let folder = path.trim_end_matches("/Cargo.toml");
    let is_named = package["name"].as_str() == folder.rsplit('/').next();
    let script = tree.files.contains_key(&format!("{folder}/build.rs"));
    let script = script || package.get("build").is_some();
    let mut rules = vec![
        (
            is_named,
            "name-is-folder",
            "its name is not its folder's".to_owned(),
        ),
        (!script, "build-script", "it has a build script".to_owned()),
    ];
    let inherited = INHERITED.iter().map(|key| (*key, package.get(key)));
    for (key, value) in inherited.chain([("lints", manifest.get("lints"))]) {
        let holds = value.is_some_and(|value| is(value, "workspace", true));
        rules.push((
            holds,
            "inherit",
            format!("`{key}.workspace = true` is missing"),
        ));
    }
    let lists = ["bin", "test"].map(|kind| manifest.get(kind).and_then(Value::as_array));
    let targets = lists
        .into_iter()
        .flatten()
        .flatten()
        .chain(manifest.get("lib"));
    let tables: Vec<&Value> = targets.chain([package]).collect();
    for key in ["autotests", "doctest", "harness", "test"] {
        let is_off = tables.iter().any(|table| is(table, key, false));
        rules.push((
            !is_off,
            "tests-run",
            format!("`{key} = false` leaves tests out"),
        ));
    }
    for (name, value) in dependencies(manifest) {
        let what = format!("`{name}` is not taken with `workspace = true`");
        rules.push((is(value, "workspace", true), "inherit", what));
        let is_per_crate = PER_CRATE.contains(&name) && value.get("default-features").is_none();
        let what = format!("the features of `{name}` belong in the root manifest");
        rules.push((
            !asks_for_features(value) || is_per_crate,
            "features-in-root",
            what,
        ));
    }
    if !is(package, "publish", false) {
        rules.extend(published(package));
    }
    rules
}

fn published(package: &Value) -> Vec<Rule> {
    const RULE: &str = "published";
    let keys = PUBLISHED.iter();
    let keys = keys.map(|key| {
        (
            package.get(key).is_some(),
            RULE,
            format!("`{key}` is missing"),
        )
    });
    let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_row = !text("description").contains(['|', '\n']) && !text("description").ends_with('.');
    let row = "its description is not one line without a full stop".to_owned();
    let keywords = package.get("keywords").and_then(Value::as_array);
    let keywords = keywords.map(Vec::as_slice).unwrap_or_default();
    let is_short = |it: &Value| it.as_str().is_some_and(|it| it.len() <= MAX_KEYWORD);
    let is_taken = keywords.len() <= MAX_KEYWORDS && keywords.iter().all(is_short);
    let taken = format!("the registry takes {MAX_KEYWORDS} keywords of {MAX_KEYWORD} letters");
    keys.chain([(is_row, RULE, row), (is_taken, RULE, taken)])
        .collect()
}

fn features(manifest: &Table, names: &[&str]) -> Vec<Rule> {
    let what = "it has `[features]`: make it a crate".to_owned();
    let mut rules = vec![(!manifest.contains_key("features"), "features", what)];
    for (name, value) in dependencies(manifest) {
        let what = format!("`{name}` is optional: make it a crate");
        rules.push((value.get("optional").is_none(), "features", what));
        let holds = !names.contains(&name) || !asks_for_features(value);
        rules.push((
            holds,
            "internal-features",
            format!("`{name}` is asked for features"),
        ));
    }
    rules
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

fn is(table: &Value, key: &str, value: bool) -> bool {
    table.get(key) == Some(&Value::Boolean(value))
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
