//! Each code that the program ends with has a row in the page on troubleshooting.

use crate::{finding::Finding, tree::Tree};

const PROGRAM: &str = "crates/hallpass-cli/src/exit.rs";
const PAGE: &str = "docs/troubleshooting.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.text(PAGE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let lost = codes(tree.text(PROGRAM)).filter(|code| !rows.contains(code));
    lost.map(|code| Finding::new(PAGE, "codes", format!("the code `{code}` has no row")))
        .collect()
}

/// The names in `Code::name`.
fn codes(program: &str) -> impl Iterator<Item = &str> {
    let arms = program.split_once("fn name(self)").map(|(_, rest)| rest);
    let arms = arms.and_then(|rest| rest.split("\n    }\n").next());
    let arms = arms.unwrap_or_default().lines();
    arms.filter_map(|arm| arm.split_once("=> \"")?.1.split('"').next())
}
