//! What may stand in a Rust file: its documentation and its tests.

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust_files().flat_map(check_file).collect()
}

fn check_file(file: RustFile<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |rule, what: String| findings.push(Finding::new(file.path, rule, what));
    let documented = file.text.lines().find(|line| !line.trim().is_empty());
    if !file.is_test() && !documented.is_some_and(|line| line.starts_with("//!")) {
        add(
            "module-docs",
            "it does not begin with its documentation".to_owned(),
        );
    }
    for (number, line) in file.code() {
        let ignores = line.starts_with("#[cfg_attr(") && line.contains("ignore");
        if line.starts_with("#[ignore") || ignores {
            add("ignore", format!("line {number} ignores a test"));
        }
        let ours = ["crates/", "xtask/"]
            .iter()
            .any(|root| file.path.starts_with(root));
        if ours && is_sleep(line) {
            add(
                "sleep",
                format!("line {number} sleeps: order comes from gates, waiting from a `Clock`"),
            );
        }
    }
    findings
}

/// Whether a line waits by the operating system's clock.
fn is_sleep(line: &str) -> bool {
    ["thread::sleep(", "time::sleep("]
        .iter()
        .any(|call| line.contains(call))
        || (line.contains("sleep(") && line.trim_start().starts_with("sleep("))
}
