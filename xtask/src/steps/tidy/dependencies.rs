//! Who may depend on whom. ARCHITECTURE.md says why.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::{finding::Finding, tree::Tree};

/// The crates of the workspace that each crate may use. Tests may use more.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "hallpass",
        &[
            "hallpass-core",
            "hallpass-discovery",
            "hallpass-http",
            "hallpass-login",
            "hallpass-service",
            "hallpass-mcp",
            "hallpass-oauth",
            "hallpass-rmcp",
            "hallpass-session",
            "hallpass-store",
        ],
    ),
    (
        "hallpass-cli",
        &[
            "hallpass",
            "hallpass-doctor",
            "hallpass-keyring",
            "hallpass-proxy",
            "hallpass-testkit",
        ],
    ),
    ("hallpass-core", &[]),
    ("hallpass-discovery", &["hallpass-core"]),
    (
        "hallpass-doctor",
        &[
            "hallpass",
            "hallpass-core",
            "hallpass-discovery",
            "hallpass-http",
            "hallpass-login",
            "hallpass-mcp",
            "hallpass-session",
        ],
    ),
    ("hallpass-http", &["hallpass-core"]),
    ("hallpass-keyring", &["hallpass-core", "hallpass-seal"]),
    (
        "hallpass-login",
        &[
            "hallpass-core",
            "hallpass-discovery",
            "hallpass-oauth",
            "hallpass-session",
        ],
    ),
    (
        "hallpass-service",
        &[
            "hallpass-core",
            "hallpass-discovery",
            "hallpass-oauth",
            "hallpass-session",
        ],
    ),
    (
        "hallpass-mcp",
        &["hallpass-core", "hallpass-discovery", "hallpass-session"],
    ),
    ("hallpass-oauth", &["hallpass-core"]),
    ("hallpass-proxy", &["hallpass-core", "hallpass-mcp"]),
    (
        "hallpass-rmcp",
        &["hallpass-core", "hallpass-mcp", "hallpass-session"],
    ),
    (
        "hallpass-rmcp-bridge",
        &["hallpass-core", "hallpass-oauth", "hallpass-session"],
    ),
    (
        "hallpass-session",
        &["hallpass-core", "hallpass-discovery", "hallpass-oauth"],
    ),
    ("hallpass-seal", &["hallpass-core"]),
    ("hallpass-store", &["hallpass-core", "hallpass-seal"]),
    ("hallpass-testkit", &["hallpass-core"]),
    ("xtask", &[]),
];

/// A dependency that only some crates may name, and those. `dev:` before a crate: in its tests.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("clap", &["hallpass-cli"]),
    (
        "hyper",
        &["hallpass-http", "hallpass-login", "hallpass-testkit"],
    ),
    ("keyring-core", &["hallpass-keyring"]),
    ("oauth2", &["hallpass-oauth"]),
    ("reqwest", &["hallpass-http"]),
    (
        "rmcp",
        &[
            "dev:hallpass",
            "hallpass-cli",
            "hallpass-rmcp",
            "hallpass-rmcp-bridge",
            "hallpass-testkit",
        ],
    ),
    ("rustls", &["hallpass-http", "hallpass-testkit"]),
    (
        "tokio",
        &[
            "dev:hallpass",
            "dev:hallpass-discovery",
            "dev:hallpass-doctor",
            "dev:hallpass-rmcp",
            "hallpass-cli",
            "hallpass-http",
            "hallpass-keyring",
            "hallpass-login",
            "hallpass-service",
            "hallpass-mcp",
            "hallpass-proxy",
            "hallpass-rmcp-bridge",
            "hallpass-session",
            "hallpass-store",
            "hallpass-testkit",
        ],
    ),
    (
        "tracing-subscriber",
        &["dev:hallpass-session", "hallpass-cli"],
    ),
];

/// The two tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables {
    pub(crate) may_use: &'static [(&'static str, &'static [&'static str])],
    pub(crate) only_in: &'static [(&'static str, &'static [&'static str])],
}

pub(super) const TABLES: Tables = Tables {
    may_use: MAY_USE,
    only_in: ONLY_IN,
};

pub(super) fn check(tree: &Tree, tables: Tables) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used: BTreeMap<String, Used> = BTreeMap::new();
    for (folder, manifest) in tree.packages() {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        used.insert(name.to_owned(), Used::of(&manifest));
    }
    for (name, used) in &used {
        let Some((_, allowed)) = tables.may_use.iter().find(|(of, _)| of == name) else {
            findings.push(Finding::new(name, "may-use", "it is not in the table"));
            continue;
        };
        let ours = used.normal.iter().filter(|other| is_ours(other));
        for other in ours.filter(|other| !allowed.contains(&other.as_str())) {
            findings.push(Finding::new(
                name,
                "may-use",
                format!("it may not use {other}"),
            ));
        }
        for other in allowed
            .iter()
            .filter(|other| !used.normal.contains(**other))
        {
            let what = format!("the table lets it use {other}, which it does not");
            findings.push(Finding::new(name, "may-use", what));
        }
    }
    for (name, _) in tables
        .may_use
        .iter()
        .filter(|(name, _)| !used.contains_key(*name))
    {
        findings.push(Finding::new(
            *name,
            "may-use",
            "it is in the table and not there",
        ));
    }
    for (dependency, homes) in tables.only_in {
        for (name, used) in &used {
            let dev = format!("dev:{name}");
            let in_tests = used.dev.contains(*dependency);
            let in_code = used.normal.contains(*dependency);
            let at_home = homes.contains(&name.as_str());
            let at_home_in_tests = homes.contains(&dev.as_str());
            if (in_code && !at_home) || (in_tests && !at_home && !at_home_in_tests) {
                let what = format!("it may not use {dependency}");
                findings.push(Finding::new(name, "only-in", what));
            }
            if (at_home && !in_code) || (at_home_in_tests && !in_tests) {
                let what = format!("the table lets it use {dependency}, which it does not");
                findings.push(Finding::new(name, "only-in", what));
            }
        }
    }
    findings
}

fn is_ours(name: &str) -> bool {
    name == "hallpass" || name.starts_with("hallpass-") || name == "xtask"
}

/// What a package uses, for every platform.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) normal: BTreeSet<String>,
    pub(crate) dev: BTreeSet<String>,
}

impl Used {
    pub(crate) fn of(manifest: &Table) -> Self {
        let mut used = Self::default();
        let targets = manifest.get("target").and_then(Value::as_table);
        let platforms = targets.into_iter().flat_map(Table::values);
        for table in platforms.filter_map(Value::as_table).chain([manifest]) {
            let names = |key: &str| {
                let table = table.get(key).and_then(Value::as_table);
                table
                    .into_iter()
                    .flat_map(Table::keys)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            used.normal.extend(names("dependencies"));
            used.normal.extend(names("build-dependencies"));
            used.dev.extend(names("dev-dependencies"));
        }
        used
    }
}
