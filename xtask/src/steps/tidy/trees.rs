//! What a host that takes one crate alone gets with it, and what it does not.

use std::collections::BTreeMap;

use crate::{finding::Finding, report::Failure, workspace::Workspace};

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
    ("hallpass-machine", &["reqwest", "rmcp"]),
    ("hallpass-mcp-http", &["reqwest", "rmcp", "tokio"]),
    (
        "hallpass-oauth",
        &["hyper", "reqwest", "rmcp", "rustls", "tokio"],
    ),
    ("hallpass-session", &["hyper", "reqwest", "rmcp", "rustls"]),
    ("hallpass-store", &["hyper", "reqwest", "rmcp", "rustls"]),
];

/// The names below each crate of the table.
pub(super) type Trees = BTreeMap<&'static str, Vec<String>>;

pub(super) fn read(workspace: &Workspace) -> Result<Trees, Failure> {
    let mut trees = Trees::new();
    for (name, _) in FREE_OF {
        let tree = [
            "tree",
            "--locked",
            "--edges=normal",
            "--target=all",
            "--prefix=none",
        ];
        let text = workspace
            .cargo()
            .args(tree)
            .args(["--format={p}", "--package", name])
            .read()?;
        let names = text.lines().filter_map(|line| line.split(' ').next());
        trees.insert(*name, names.map(str::to_owned).collect());
    }
    Ok(trees)
}

pub(super) fn check(trees: &Trees) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, foreign) in FREE_OF {
        let Some(tree) = trees.get(name) else {
            continue;
        };
        for other in foreign
            .iter()
            .filter(|other| tree.iter().any(|it| it == *other))
        {
            findings.push(Finding::new(
                *name,
                "free-of",
                format!("{other} comes with it"),
            ));
        }
    }
    findings
}
