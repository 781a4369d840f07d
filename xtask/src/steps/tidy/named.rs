//! Each dependency of a crate is named somewhere in it: one that nobody names is not needed.

use std::collections::BTreeSet;

use crate::{finding::Finding, tree::Tree};

use super::{api::words, dependencies::Used};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, manifest) in tree.packages() {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let used = Used::of(&manifest);
        let code = named(tree, &format!("{folder}/src/"));
        let all = named(tree, &format!("{folder}/"));
        let unnamed = |dependencies: BTreeSet<String>, named: &BTreeSet<&str>| {
            let is_named = |name: &String| named.contains(&*name.replace('-', "_"));
            let lost = dependencies.into_iter().filter(|it| !is_named(it));
            lost.collect::<Vec<_>>()
        };
        let lost = unnamed(used.normal, &code).into_iter();
        for other in lost.chain(unnamed(used.dev, &all)) {
            let what = format!("it depends on {other} and never names it");
            findings.push(Finding::new(name, "named", what));
        }
    }
    findings
}

/// The words of the Rust files below a folder, documentation and its tests included.
fn named<'a>(tree: &'a Tree, below: &str) -> BTreeSet<&'a str> {
    let files = tree
        .rust_files()
        .filter(|file| file.path.starts_with(below));
    files.flat_map(|file| words(file.text)).collect()
}
