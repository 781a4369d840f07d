//! The promises of `SECURITY.md` have tests: `docs/security-tests.md` names them.

use std::collections::BTreeSet;

use crate::{finding::Finding, tree::Tree};

const PROMISES: &str = "SECURITY.md";
const TESTS: &str = "docs/security-tests.md";
const RULE: &str = "security-tests";

/// The section whose entries each need a test.
const DEFENDED: &str = "## What Hallpass defends against";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let promises = words(tree.text(PROMISES));
    let rows = rows(tree.text(TESTS));
    let tests = tests(tree);
    let mut findings = Vec::new();
    let mut add = |place, what: String| findings.push(Finding::new(place, RULE, what));
    for (promise, named) in &rows {
        if !promises.contains(&words(promise)) {
            add(TESTS, format!("{PROMISES} does not say «{promise}»"));
        }
        if named.is_empty() {
            add(TESTS, format!("«{promise}» names no test"));
        }
        for test in named.iter().filter(|test| !tests.contains(**test)) {
            add(TESTS, format!("there is no test `{test}`"));
        }
    }
    for entry in entries(tree.text(PROMISES)) {
        if !rows
            .iter()
            .any(|(promise, _)| entry.contains(&words(promise)))
        {
            let begin: String = entry.chars().take(60).collect();
            add(PROMISES, format!("«{begin}…» has no test in {TESTS}"));
        }
    }
    findings
}

/// A text with single spaces, as lines are broken anywhere.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each promise, and the tests that are named for it as `CRATE::TEST`.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = lines.filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
    cells
        .filter(|(promise, _)| *promise != "promise")
        .map(|(promise, tests)| {
            let named = tests.split('`').filter(|word| word.contains("::"));
            (promise, named.collect())
        })
        .collect()
}

/// The entries of the list, each with single spaces.
fn entries(text: &str) -> Vec<String> {
    let section = text.split_once(DEFENDED).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    section.split("\n- ").skip(1).map(words).collect()
}

/// Every test of the crates, as it is named in the table.
fn tests(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in tree.rust_files() {
        let path = file.path.strip_prefix("crates/");
        let Some((name, _)) = path.and_then(|path| path.split_once('/')) else {
            continue;
        };
        let mut is_test = false;
        for (_, line) in file.code() {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let function = line.strip_prefix("async ").unwrap_or(line);
            if let Some(rest) = function.strip_prefix("fn ") {
                if is_test {
                    let test = rest.split('(').next().unwrap_or_default();
                    found.insert(format!("{name}::{test}"));
                }
                is_test = false;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_without_test_and_test_without_promise_are_found() {
        let check = |row: &str, expected: &[&str]| {
            let files = [
                (
                    PROMISES,
                    "## What Hallpass defends against\n\n- **A.** One\n  thing.\n- **B.** Two.\n\n## C\n",
                ),
                (TESTS, row),
                ("crates/a/src/b.rs", "#[test]\nfn one() {}\nfn two() {}\n"),
            ];
            let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
            let tree = Tree {
                files: files.into_iter().collect(),
            };
            let found: Vec<_> = super::check(&tree).into_iter().map(|it| it.what).collect();
            assert_eq!(found, expected, "{row}");
        };
        check("| One thing. | `a::one` |\n| Two | `a::one` |\n", &[]);
        check(
            "| One thing. | `a::two` |\n",
            &[
                "there is no test `a::two`",
                "«**B.** Two.…» has no test in docs/security-tests.md",
            ],
        );
        check(
            "| One | `a::one` |\n| Two | none |\n| Three | `a::one` |\n",
            &["«Two» names no test", "SECURITY.md does not say «Three»"],
        );
    }
}
