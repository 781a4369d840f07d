//! `MODULE.bazel.lock`, checked against `Cargo.lock` without Bazel.
//!
//! The facts of `rules_rs`'s `crate` extension are written here in full. All else in the lock comes
//! from a Bazel with a network; `MODULE.bazel.lock.md` says what, and how.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{FOREIGN, LOCK, index};
use crate::{finding::Finding, tree::Tree};

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

/// What in an address says that it is one machine's own.
const LOCAL: &[&str] = &[
    "localhost",
    "127.",
    "10.",
    "192.168.",
    "169.254.",
    "[",
    "0.",
];

/// What the lock is checked against, besides the facts.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// What `.bazelversion` says.
    pub(super) bazel: String,
    /// The text of `MODULE.bazel`.
    pub(super) module: String,
    /// The keys of facts that are `rules_rs`'s own.
    pub(super) foreign: BTreeSet<String>,
}

impl Inputs {
    pub(crate) fn of(tree: &Tree) -> Self {
        Self {
            bazel: tree.text(".bazelversion").trim().to_owned(),
            module: tree.text("MODULE.bazel").to_owned(),
            foreign: tree.text(FOREIGN).lines().map(str::to_owned).collect(),
        }
    }

    fn version(&self) -> Option<u64> {
        let known = VERSIONS
            .iter()
            .find(|(bazel, _)| self.bazel.starts_with(bazel));
        known.map(|(_, version)| *version)
    }
}

/// The facts of the extension in a lock; none where it is no lock.
pub(super) fn facts(text: &str) -> BTreeMap<String, Value> {
    let lock: Value = serde_json::from_str(text).unwrap_or_default();
    let facts = lock["facts"][EXTENSION].as_object().cloned();
    facts.unwrap_or_default().into_iter().collect()
}

/// Every way in which a lock does not fit.
pub(super) fn check(text: &str, facts: &BTreeMap<String, String>, inputs: &Inputs) -> Vec<Finding> {
    let Ok(lock) = serde_json::from_str::<Value>(text) else {
        return vec![Finding::new(LOCK, "lock-is-json", "it is no JSON")];
    };
    let mut findings = Vec::new();
    let mut add = |rule, what: String| findings.push(Finding::new(LOCK, rule, what));
    let version = lock["lockFileVersion"].as_u64();
    match inputs.version() {
        None => add(
            "lock-version",
            format!("no lock version is known for Bazel {}", inputs.bazel),
        ),
        wanted if wanted != version => add(
            "lock-version",
            format!(
                "Bazel {} writes version {}",
                inputs.bazel,
                wanted.unwrap_or_default()
            ),
        ),
        Some(_) => {}
    }
    let present = self::facts(text);
    for (key, fact) in facts {
        match present.get(key).map(Value::as_str) {
            Some(Some(other)) if index::same(other, fact) => {}
            Some(_) => add(
                "facts",
                format!("the fact of {key} is not what the index says"),
            ),
            None => add("facts", format!("the fact of {key} is missing")),
        }
    }
    for key in present.keys().filter(|key| !facts.contains_key(*key)) {
        if !inputs.foreign.contains(key) {
            add(
                "facts",
                format!("{key} is no registry package of Cargo.lock"),
            );
        }
    }
    for key in inputs
        .foreign
        .iter()
        .filter(|key| !present.contains_key(*key))
    {
        add(
            "foreign-facts",
            format!("{key} is listed as rules_rs's own and not there"),
        );
    }
    let hashes = lock["registryFileHashes"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (name, version) in called(&inputs.module, "bazel_dep") {
        let file = format!("/modules/{name}/{version}/MODULE.bazel");
        if !hashes.is_empty() && !hashes.keys().any(|url| url.ends_with(&file)) {
            add(
                "registry-hashes",
                format!("{name} {version} is not among registryFileHashes"),
            );
        }
    }
    let mut urls = BTreeSet::new();
    collect_urls(&lock, &mut urls);
    for url in urls {
        add("local-url", format!("it names {url}"));
    }
    findings
}

/// The name and the version in each call of a function of `MODULE.bazel`.
pub(super) fn called(module: &str, function: &str) -> Vec<(String, String)> {
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

/// The addresses in a lock that mean something on one machine only.
fn collect_urls(value: &Value, urls: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => urls.extend(local_url(text)),
        Value::Array(values) => values.iter().for_each(|value| collect_urls(value, urls)),
        Value::Object(entries) => {
            for (key, value) in entries {
                urls.extend(local_url(key));
                collect_urls(value, urls);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn local_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let scheme = scheme
        .rsplit(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let local = match scheme {
        "https" => LOCAL.iter().any(|start| host.starts_with(start)) || !host.contains('.'),
        "http" | "file" => true,
        _ => false,
    };
    local.then(|| format!("{scheme}://{host}"))
}

/// The lock with these facts: the one before with its facts exchanged, or a new one. A fact that
/// says the same already stays as it is.
pub(crate) fn render(
    before: Option<&str>,
    facts: &BTreeMap<String, String>,
    inputs: &Inputs,
) -> String {
    let version = inputs.version().unwrap_or_default();
    let kept = before.filter(|text| {
        let lock: Value = serde_json::from_str(text).unwrap_or_default();
        lock["lockFileVersion"] == version && lock["facts"][EXTENSION].is_object()
    });
    let mut all = facts.clone();
    for (key, fact) in kept.map(self::facts).unwrap_or_default() {
        let Some(fact) = fact.as_str() else { continue };
        let same = facts.get(&key).is_some_and(|new| index::same(new, fact));
        if same || inputs.foreign.contains(&key) {
            all.insert(key, fact.to_owned());
        }
    }
    let lines: Vec<String> = all
        .iter()
        .map(|(key, fact)| format!("      {}: {}", Value::from(&**key), Value::from(&**fact)))
        .collect();
    let lines = lines.join(",\n");
    let opening = format!("    \"{EXTENSION}\": {{\n");
    let exchanged = kept.and_then(|text| {
        // The extension has a place among `moduleExtensions` too, which comes before.
        let begin = text.rfind(&opening)? + opening.len();
        let end = begin - 1 + text[begin - 1..].find("\n    }")?;
        Some(format!("{}{lines}{}", &text[..begin], &text[end..]))
    });
    exchanged.unwrap_or_else(|| {
        format!(
            "{{\n  \"lockFileVersion\": {version},\n  \"registryFileHashes\": {{}},\n  \
             \"selectedYankedVersions\": {{}},\n  \"moduleExtensions\": {{}},\n  \"facts\": {{\n\
             {opening}{lines}\n    }}\n  }}\n}}\n"
        )
    })
}
