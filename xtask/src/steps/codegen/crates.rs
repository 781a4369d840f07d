//! The tables of crates in ARCHITECTURE.md and README.md, from the crates' own manifests.
//!
//! A crate's one job is its `description`; what it must not know stands in
//! `[package.metadata.hallpass]`; what it uses are its dependencies.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::part::Part;
use crate::{
    finding::Finding,
    tree::{Tree, Used},
};

/// What a table says of a crate.
struct Crate {
    name: String,
    job: String,
    must_not_know: String,
    uses: BTreeSet<String>,
    is_published: bool,
}

/// The parts of documents that are made here, and what keeps them from being made.
pub(super) fn parts(tree: &Tree) -> (Vec<Part>, Vec<Finding>) {
    let mut findings = Vec::new();
    let crates = crates(tree, &mut findings);
    let part = |document, head: &str, rows: Vec<String>| Part {
        document,
        name: "The crates",
        text: format!("{head}{}", rows.concat()),
    };
    let published = crates.iter().filter(|one| one.is_published);
    let parts = vec![
        part(
            "ARCHITECTURE.md",
            "| crate | its one job | uses | must not know |\n|---|---|---|---|\n",
            crates.iter().map(row_of_the_map).collect(),
        ),
        part(
            "README.md",
            "| crate | what it is |\n|---|---|\n",
            published.map(row_of_the_readme).collect(),
        ),
    ];
    (parts, findings)
}

/// The crates, those that others use first.
fn crates(tree: &Tree, findings: &mut Vec<Finding>) -> Vec<Crate> {
    let mut crates = Vec::new();
    for (folder, manifest) in tree.packages() {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let text = |path: &[&str]| text(&manifest, path);
        let job = text(&["package", "description"]).unwrap_or_default();
        if job.is_empty() || job.contains(['|', '\n']) || job.ends_with('.') {
            let what = "its description is no row of a table: one line, no full stop";
            findings.push(Finding::new(name, "crate-map", what));
        }
        crates.push(Crate {
            name: name.to_owned(),
            job,
            must_not_know: text(&["package", "metadata", "hallpass", "must-not-know"])
                .unwrap_or_default(),
            uses: Used::new(&manifest).normal,
            is_published: manifest["package"].get("publish") != Some(&Value::Boolean(false)),
        });
    }
    let names: BTreeSet<String> = crates.iter().map(|it| it.name.clone()).collect();
    for one in &mut crates {
        one.uses.retain(|name| names.contains(name));
    }
    let uses: BTreeMap<String, BTreeSet<String>> = crates
        .iter()
        .map(|one| (one.name.clone(), one.uses.clone()))
        .collect();
    crates.sort_by_key(|one| (!one.is_published, depth(&uses, &one.name), one.name.clone()));
    crates
}

/// How many crates stand below one, at most, one on another.
fn depth(uses: &BTreeMap<String, BTreeSet<String>>, name: &str) -> usize {
    let below = uses.get(name).into_iter().flatten();
    below.map(|name| depth(uses, name) + 1).max().unwrap_or(0)
}

fn row_of_the_map(one: &Crate) -> String {
    let Crate {
        name,
        job,
        must_not_know,
        ..
    } = one;
    let short = |name: &String| match name.strip_prefix("hallpass-") {
        Some(rest) => rest.to_owned(),
        None => name.clone(),
    };
    let uses = one.uses.iter().map(short).collect::<Vec<_>>().join(", ");
    format!("| `{name}` | {job} | {uses} | {must_not_know} |\n")
}

fn row_of_the_readme(one: &Crate) -> String {
    let Crate { name, job, .. } = one;
    format!("| [`{name}`](crates/{name}) | {job} |\n")
}

fn text(manifest: &Table, path: &[&str]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let found = rest
        .iter()
        .try_fold(manifest.get(*first)?, |value, key| value.get(*key))?;
    found.as_str().map(str::to_owned)
}
