//! What may come into the tree, and which crate may use which: `deny.toml` and `layers.toml`, judged by a
//! pinned cargo-deny.
//!
//! An allowance that nothing needs fails too: a skipped duplicate that is no longer twice in the
//! tree, a licence that no dependency has, a crate that does not use what it may. Two rules are not
//! cargo-deny's: each crate that another uses has a row in `layers.toml`, and a host that takes one
//! crate alone does not get certain others with it, which `cargo tree` shows.

use std::collections::BTreeSet;

use crate::{
    finding::{self, Finding},
    report::Failure,
    shell::Shell,
    tools,
    workspace::{Workspace, uses},
};

const VERSION: &str = "0.20.2";

/// What must not be below a crate, on any platform.
#[rustfmt::skip]
const FREE_OF: &[(&str, &[&str])] = &[
    ("hallpass-core", &["hyper", "reqwest", "rmcp", "rustls", "tokio"]),
    ("hallpass-discovery", &["hyper", "reqwest", "rmcp", "rustls", "tokio"]),
    ("hallpass-http", &["rmcp"]),
    ("hallpass-keyring", &["hyper", "reqwest", "rmcp"]),
    ("hallpass-kms", &["hyper", "reqwest", "rmcp", "rustls"]),
    ("hallpass-login", &["reqwest", "rmcp"]),
    ("hallpass-mcp", &["hyper", "reqwest", "rmcp", "rustls"]),
    ("hallpass-oauth", &["hyper", "reqwest", "rmcp", "rustls", "tokio"]),
    ("hallpass-postgres", &["hyper", "reqwest", "rmcp"]),
    ("hallpass-seal", &["hyper", "reqwest", "rmcp", "rustls", "tokio"]),
    ("hallpass-service", &["reqwest", "rmcp"]),
    ("hallpass-session", &["hyper", "reqwest", "rmcp", "rustls"]),
    ("hallpass-store", &["hyper", "reqwest", "rmcp", "rustls"]),
];

/// The most crates that a host of `hallpass` compiles on Linux, its own proc macros and build
/// dependencies among them.
const MAX_HOST_CRATES: usize = 174;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let program = tools::install(workspace, "cargo-deny", VERSION)?;
    let check = |config: &str, what: &[&str]| {
        Shell::new(&program)
            .args(["--locked", "--config", config, "check"])
            .args(what)
            .current_dir(workspace.root())
            .run()
    };
    if arguments.iter().any(|argument| argument == "--advisories") {
        let check = check("deny.toml", &["advisories"]);
        return check.map_err(|failure| failure.fix("cargo update -p CRATE"));
    }
    let all = [
        "--hide-inclusion-graph",
        "--deny=unmatched-skip",
        "--deny=unnecessary-skip",
        "--deny=unused-wrapper",
        "--deny=license-not-encountered",
        "bans",
        "licenses",
        "sources",
    ];
    check("deny.toml", &all)
        .map_err(|failure| failure.fix("edit deny.toml, or take another dependency"))?;
    let layers = ["--hide-inclusion-graph", "--deny=unused-wrapper", "bans"];
    let fix = "edit layers.toml, or the Cargo.toml of what it names";
    check("layers.toml", &layers).map_err(|failure| failure.fix(fix))?;
    finding::report(&layers_and_trees(workspace)?, fix)
}

fn layers_and_trees(workspace: &Workspace) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let layers = std::fs::read_to_string(workspace.root().join("layers.toml"))?;
    let metadata = workspace.metadata()?;
    for used in uses(&metadata).into_values().flatten() {
        if !layers.contains(&format!("crate = \"{used}\"")) {
            let what = "layers.toml has no row of the crates that may use it";
            findings.push(Finding::new(used, "layers", what));
        }
    }
    let host = workspace
        .cargo()
        .args(["tree", "--locked", "--target=x86_64-unknown-linux-gnu"])
        .args(["--edges=normal,build", "--no-dedupe", "--prefix=none"])
        .args(["--package=hallpass", "--format={p}"])
        .read()?;
    let crates: BTreeSet<[&str; 2]> = host
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some([words.next()?, words.next()?])
        })
        .collect();
    if crates.len() > MAX_HOST_CRATES {
        let what = format!(
            "a host compiles {} crates, {MAX_HOST_CRATES} at most",
            crates.len()
        );
        findings.push(Finding::new("hallpass", "host-crates", what));
    }
    for (name, foreign) in FREE_OF {
        let tree = workspace
            .cargo()
            .args(["tree", "--locked", "--target=all", "--edges=normal,build"])
            .args(["--prefix=none", "--package", name])
            .read()?;
        let packages = tree.lines().filter_map(|line| line.split(' ').next());
        for other in *foreign {
            if packages.clone().any(|package| package == *other) {
                findings.push(Finding::new(
                    *name,
                    "free-of",
                    format!("{other} comes with it"),
                ));
            }
        }
    }
    Ok(findings)
}
