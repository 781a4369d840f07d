//! What cargo-deny can't say of who uses whom.
//!
//! A host that takes one crate alone does not get certain others with it. `Cargo.lock` tells: for each
//! package of a registry what it needs on any platform. It may name more than one crate alone would
//! bring, never less. And a crate of ours that another uses has a row in `layers.toml`: cargo-deny
//! lets every crate use one without a row.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::{
    finding::Finding,
    tree::{Tree, Used},
};

/// What must not be anywhere below a crate, on any platform.
const FREE_OF: &[(&str, &[&str])] = &[
    (
        "hallpass-core",
        &["hyper", "reqwest", "rmcp", "rustls", "tokio"],
    ),
    (
        "hallpass-discovery",
        &["hyper", "reqwest", "rmcp", "rustls", "tokio"],
    ),
    ("hallpass-http", &["rmcp"]),
    ("hallpass-keyring", &["hyper", "reqwest", "rmcp"]),
    ("hallpass-login", &["reqwest", "rmcp"]),
    ("hallpass-service", &["reqwest", "rmcp"]),
    ("hallpass-mcp", &["hyper", "reqwest", "rmcp", "rustls"]),
    (
        "hallpass-oauth",
        &["hyper", "reqwest", "rmcp", "rustls", "tokio"],
    ),
    ("hallpass-session", &["hyper", "reqwest", "rmcp", "rustls"]),
    (
        "hallpass-seal",
        &["hyper", "reqwest", "rmcp", "rustls", "tokio"],
    ),
    ("hallpass-store", &["hyper", "reqwest", "rmcp", "rustls"]),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let below = below(tree);
    let mut findings = Vec::new();
    for (name, foreign) in FREE_OF {
        if !below.contains_key(*name) {
            continue;
        }
        let all = reach(&below, name);
        for other in foreign.iter().filter(|other| all.contains(**other)) {
            findings.push(Finding::new(
                *name,
                "free-of",
                format!("{other} comes with it"),
            ));
        }
    }
    let layers = tree.text("layers.toml");
    let ours: BTreeSet<&str> = tree.packages().map(|(folder, _)| name(folder)).collect();
    let used = below.iter().filter(|(user, _)| ours.contains(&***user));
    let used: BTreeSet<&String> = used.flat_map(|(_, used)| used).collect();
    for used in used.into_iter().filter(|used| ours.contains(&***used)) {
        if !layers.contains(&format!("crate = \"{used}\"")) {
            let what = "layers.toml has no row of who may use it";
            findings.push(Finding::new(used, "layers", what));
        }
    }
    findings
}

/// What each package needs: ours by their manifests, without what only their tests need.
fn below(tree: &Tree) -> BTreeMap<String, BTreeSet<String>> {
    let mut below = BTreeMap::<String, BTreeSet<String>>::new();
    let lock: Table = tree.text("Cargo.lock").parse().unwrap_or_default();
    let packages = lock.get("package").and_then(Value::as_array);
    for package in packages.into_iter().flatten() {
        let (Some(name), Some(_)) = (package.get("name"), package.get("source")) else {
            continue;
        };
        let needs = package.get("dependencies").and_then(Value::as_array);
        // `name`, or `name version` where there are several.
        let needs = needs.into_iter().flatten().filter_map(Value::as_str);
        let needs = needs.filter_map(|need| need.split(' ').next());
        let name = name.as_str().unwrap_or_default().to_owned();
        below
            .entry(name)
            .or_default()
            .extend(needs.map(str::to_owned));
    }
    for (folder, manifest) in tree.packages() {
        below.insert(name(folder).to_owned(), Used::new(&manifest).normal);
    }
    below
}

fn reach<'a>(below: &'a BTreeMap<String, BTreeSet<String>>, name: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(below.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

fn name(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}
