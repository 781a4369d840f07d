//! What may stand in a Rust file: its length, its documentation, its tests, and where a secret is
//! opened.

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

/// How many lines a file may have. Files are cut by idea; this is the upper bound.
const MAX_LINES: usize = 700;

pub(super) fn check(tree: &Tree, may_expose: &[&str]) -> Vec<Finding> {
    let mut findings: Vec<_> = tree
        .rust_files()
        .flat_map(|file| check_file(file, may_expose))
        .collect();
    for path in may_expose.iter().filter(|path| {
        let file = tree.files.get(**path).map(String::as_str);
        !file.is_some_and(opens_a_secret)
    }) {
        findings.push(Finding::new(
            *path,
            "expose",
            "it is listed and opens no secret",
        ));
    }
    findings
}

fn check_file(file: RustFile<'_>, may_expose: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |rule, what: String| findings.push(Finding::new(file.path, rule, what));
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        add(
            "length",
            format!("it has {lines} lines, and may have {MAX_LINES}"),
        );
    }
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
    let ours = file.path.starts_with("crates/") && !file.path.contains("/examples/");
    if ours && !file.is_test() && opens_a_secret(file.text) && !may_expose.contains(&file.path) {
        add("expose", "it opens a secret and is not listed".to_owned());
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

fn opens_a_secret(text: &str) -> bool {
    let code = RustFile { path: "", text };
    let opens = |line: &str| line.contains(".expose()") || line.contains(".expose_secret()");
    // Unit tests at the end of a file may look into their own secrets.
    let code = code
        .code()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    code.into_iter().any(|(_, line)| opens(line))
}
