//! `MODULE.bazel.lock`, checked against `Cargo.lock` without Bazel.
//!
//! The facts of `rules_rs`'s `crate` extension are written here in full. All else in the lock comes
//! from a Bazel with a network; `MODULE.bazel.lock.md` says what, and how.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::index::{self, Facts};
use crate::{finding::Finding, tree::Tree};

pub(super) const LOCK: &str = "MODULE.bazel.lock";

/// The facts in the lock that are `rules_rs`'s own, one key a line. Absent while no networked Bazel
/// has completed the lock.
pub(super) const FOREIGN: &str = "xtask/foreign-facts.txt";

/// The extension that turns `Cargo.lock` into `@crates`.
const EXTENSION: &str = "@@rules_rs+//rs:extensions.bzl%crate";

/// The version of the lock that each Bazel with facts writes, by the beginning of its own.
const VERSIONS: &[(&str, u64)] = &[
    ("8.5.", 24),
    ("8.6.", 24),
    ("8.7.", 24),
    ("8.8.", 28),
    ("9.0.", 26),
];

/// Hosts that mean something on one machine or in one network only begin so.
const LOCAL: &[&str] = &[
    "localhost",
    "127.",
    "10.",
    "192.168.",
    "169.254.",
    "[",
    "0.",
];

/// The facts of the extension in a lock.
pub(super) fn facts(text: &str) -> BTreeMap<String, Value> {
    let lock: Value = serde_json::from_str(text).unwrap_or_default();
    let facts = lock["facts"][EXTENSION].as_object().cloned();
    facts.unwrap_or_default().into_iter().collect()
}

/// The version of the lock that the workspace's Bazel writes.
fn version(tree: &Tree) -> Option<u64> {
    let bazel = tree.text(".bazelversion");
    let known = VERSIONS.iter().find(|(start, _)| bazel.starts_with(start));
    known.map(|(_, version)| *version)
}

fn foreign(tree: &Tree) -> BTreeSet<&str> {
    tree.text(FOREIGN).lines().collect()
}

/// Every way in which a lock does not fit.
pub(super) fn check(tree: &Tree, facts: &Facts) -> Vec<Finding> {
    let text = tree.text(LOCK);
    let Ok(lock) = serde_json::from_str::<Value>(text) else {
        return vec![Finding::new(LOCK, "lock", "it is missing or no JSON")];
    };
    let mut findings = Vec::new();
    let mut require = |holds: bool, rule, what: String| {
        if !holds {
            findings.push(Finding::new(LOCK, rule, what));
        }
    };
    let wanted = version(tree);
    let what = format!("the Bazel in .bazelversion writes version {wanted:?}");
    let is_known = wanted.is_some() && wanted == lock["lockFileVersion"].as_u64();
    require(is_known, "lock-version", what);
    let (present, foreign) = (self::facts(text), foreign(tree));
    for (key, fact) in facts {
        let found = present.get(key).and_then(Value::as_str);
        let is_same = found.is_some_and(|found| index::same(found, fact));
        let what = format!("the fact of {key} is missing, or not what the index says");
        require(is_same, "facts", what);
    }
    for key in present.keys() {
        let is_known = facts.contains_key(key) || foreign.contains(&**key);
        let what = format!("{key} is no registry package of Cargo.lock");
        require(is_known, "facts", what);
    }
    for key in foreign {
        let what = format!("{key} is in {FOREIGN} and not there");
        require(present.contains_key(key), "facts", what);
    }
    let hashes = lock["registryFileHashes"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (name, version) in calls(tree.text("MODULE.bazel"), "bazel_dep") {
        let file = format!("/modules/{name}/{version}/MODULE.bazel");
        let is_there = hashes.is_empty() || hashes.keys().any(|url| url.ends_with(&file));
        let what = format!("{name} {version} is not among registryFileHashes");
        require(is_there, "registry-hashes", what);
    }
    // Every string of the lock, keys too.
    for text in text.split('"').filter(|text| is_local(text)) {
        require(false, "local-url", format!("it names {text}"));
    }
    findings
}

/// The name and the version in each call of a function of `MODULE.bazel`.
pub(super) fn calls(module: &str, function: &str) -> Vec<(String, String)> {
    let opening = format!("{function}(");
    let calls = module.split(&opening).skip(1);
    calls
        .filter_map(|call| {
            let call = call.split(')').next()?;
            let value = |key: &str| {
                let rest = call.split(&format!("{key} = \"")).nth(1)?;
                Some(rest.split('"').next()?.to_owned())
            };
            Some((value("name")?, value("version")?))
        })
        .collect()
}

/// Whether a text is an address that means something on one machine only.
fn is_local(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    match scheme.rsplit(|c: char| !c.is_ascii_alphanumeric()).next() {
        Some("https") => LOCAL.iter().any(|start| host.starts_with(start)) || !host.contains('.'),
        Some("http" | "file") => true,
        _ => false,
    }
}

/// The lock with these facts: the one before with its facts exchanged, or a new one. A fact that
/// says the same already stays as it is.
pub(super) fn render(tree: &Tree, facts: &Facts) -> String {
    let before = tree.text(LOCK);
    let lock: Value = serde_json::from_str(before).unwrap_or_default();
    let version = version(tree).unwrap_or_default();
    let is_kept = lock["lockFileVersion"] == version && lock["facts"][EXTENSION].is_object();
    let mut all = facts.clone();
    if is_kept {
        let foreign = foreign(tree);
        for (key, fact) in self::facts(before) {
            let Some(fact) = fact.as_str() else { continue };
            let same = facts.get(&key).is_some_and(|new| index::same(new, fact));
            if same || foreign.contains(&*key) {
                all.insert(key, fact.to_owned());
            }
        }
    }
    let line = |(key, fact): (&String, &String)| {
        format!("      {}: {}", Value::from(&**key), Value::from(&**fact))
    };
    let lines = all.iter().map(line).collect::<Vec<_>>().join(",\n");
    let opening = format!("    \"{EXTENSION}\": {{\n");
    // The extension is among `moduleExtensions` too, which come before.
    if is_kept && let Some(begin) = before.rfind(&opening).map(|at| at + opening.len()) {
        let rest = &before[begin - 1..];
        let end = rest.find("\n    }").map_or("", |at| &rest[at..]);
        return format!("{}{lines}{end}", &before[..begin]);
    }
    format!(
        "{{\n  \"lockFileVersion\": {version},\n  \"registryFileHashes\": {{}},\n  \
         \"selectedYankedVersions\": {{}},\n  \"moduleExtensions\": {{}},\n  \"facts\": {{\n\
         {opening}{lines}\n    }}\n  }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(bazel: &str, foreign: &str, lock: &str) -> Tree {
        let module = "bazel_dep(name = \"rules_rs\", version = \"0.0.102\")\n";
        let files = [
            (".bazelversion", bazel),
            (FOREIGN, foreign),
            (LOCK, lock),
            ("MODULE.bazel", module),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        Tree {
            files: files.into(),
        }
    }

    fn some(keys: &[&str]) -> Facts {
        let fact = |name: &str| format!("{{\"dependencies\":[],\"features\":{{\"{name}\":[]}}}}");
        keys.iter()
            .map(|key| ((*key).to_owned(), fact(key)))
            .collect()
    }

    #[test]
    fn lock_that_does_not_fit_is_found() {
        let facts = some(&["a_1.0.0", "b_2.0.0+more"]);
        let good = render(&tree("9.0.0", "", ""), &facts);
        let broken = |bazel: &str, from: &str, to: &str| {
            let tree = tree(bazel, "", &good.replacen(from, to, 1));
            check(&tree, &facts)
                .into_iter()
                .map(|it| it.rule)
                .collect::<Vec<_>>()
        };
        assert_eq!(broken("9.0.0", "", ""), [""; 0]);
        let hashes = "registryFileHashes\": {\"https://r.example/x\": \"h\"";
        for (bazel, from, to, rule) in [
            ("8.6.1", "", "", "lock-version"),
            ("10.0.0", "", "", "lock-version"),
            ("9.0.0", "{", "", "lock"),
            ("9.0.0", "\\\"a_1.0.0\\\":[]", "", "facts"),
            (
                "9.0.0",
                "{}",
                "{\"x\": \"git+http://h.example\"}",
                "local-url",
            ),
            ("9.0.0", "{}", "{\"https://10.0.0.1/x\": \"\"}", "local-url"),
            ("9.0.0", "{}", "{\"https://mirror/x\": \"\"}", "local-url"),
            (
                "9.0.0",
                "registryFileHashes\": {",
                hashes,
                "registry-hashes",
            ),
        ] {
            let found = broken(bazel, from, to);
            assert!(found.contains(&rule), "{bazel} {from} -> {to}: {found:?}");
        }
        assert_eq!(broken("9.0.0", "\"a_1.0.0\"", "\"c_1.0.0\""), ["facts"; 2]);
    }

    #[test]
    fn writing_exchanges_facts_and_keeps_the_rest() {
        let completed = render(&tree("9.0.0", "", ""), &some(&["a_1.0.0", "theirs_2.0.0"]))
            .replace(
                "registryFileHashes\": {}",
                "registryFileHashes\": {\"kept\": \"h\"}",
            );
        let with =
            |lock: &str, bazel| render(&tree(bazel, "theirs_2.0.0\n", lock), &some(&["b_3.0.0"]));
        let written = with(&completed, "9.0.0");
        let keys: Vec<String> = facts(&written).into_keys().collect();
        assert_eq!(keys, ["b_3.0.0", "theirs_2.0.0"]);
        assert!(written.contains("{\"kept\": \"h\"}"));
        assert_eq!(with(&written, "9.0.0"), written);
        let other = with(&completed, "8.6.1");
        assert!(
            !other.contains("kept"),
            "a lock of another Bazel is written again"
        );
    }
}
