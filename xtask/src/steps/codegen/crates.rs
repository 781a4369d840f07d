//! The tables of crates in ARCHITECTURE.md and README.md: a crate's `description`, what it depends on,
//! and `must-not-know` of `[package.metadata.hallpass]`.

use serde_json::Value;

use super::Part;
use crate::workspace::{Uses, name, packages, uses};

pub(super) fn parts(metadata: &Value) -> [Part; 2] {
    let mut crates: Vec<&Value> = packages(metadata).collect();
    let uses = uses(metadata);
    let is_published = |one: &Value| one["publish"].is_null();
    crates.sort_by_key(|one| (!is_published(one), depth(&uses, name(one)), name(one)));
    let map = crates.iter().map(|one| {
        let short = |name: &&str| name.strip_prefix("hallpass-").unwrap_or(name).to_owned();
        let used: Vec<String> = uses[name(one)].iter().map(short).collect();
        let must_not_know = one["metadata"]["hallpass"]["must-not-know"].as_str();
        let (name, job) = (name(one), description(one));
        let (used, must_not_know) = (used.join(", "), must_not_know.unwrap_or_default());
        format!("| `{name}` | {job} | {used} | {must_not_know} |\n")
    });
    let readme = crates.iter().filter(|one| is_published(one)).map(|one| {
        let (name, job) = (name(one), description(one));
        format!("| [`{name}`](crates/{name}) | {job} |\n")
    });
    let part = |document, head: &str, rows: String| Part {
        document,
        name: "The crates",
        text: head.to_owned() + &rows,
    };
    [
        part(
            "ARCHITECTURE.md",
            "| crate | its one job | uses | must not know |\n|---|---|---|---|\n",
            map.collect(),
        ),
        part(
            "README.md",
            "| crate | what it is |\n|---|---|\n",
            readme.collect(),
        ),
    ]
}

/// The longest chain of crates below one.
fn depth(uses: &Uses<'_>, name: &str) -> usize {
    let below = uses.get(name).into_iter().flatten();
    below.map(|name| depth(uses, name) + 1).max().unwrap_or(0)
}

fn description(one: &Value) -> &str {
    one["description"].as_str().unwrap_or_default()
}
