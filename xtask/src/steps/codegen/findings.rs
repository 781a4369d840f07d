//! The table of what `hallpass doctor` finds, from the list in its source.

use super::part::Part;
use crate::{finding::Finding, tree::Tree};

const SOURCE: &str = "crates/hallpass-doctor/src/code.rs";

/// The part of docs/troubleshooting.md, and what keeps it from being made. A tree without the source
/// has no such part.
pub(super) fn part(tree: &Tree) -> (Option<Part>, Vec<Finding>) {
    let source = tree.text(SOURCE);
    if source.is_empty() {
        return (None, Vec::new());
    }
    let list = source.split("\ncodes! {").nth(1);
    let rows = rows(list.unwrap_or_default());
    let findings = if rows.is_empty() {
        let what = "it has no list `codes! {` of codes, each on two lines";
        vec![Finding::new(SOURCE, "made", what)]
    } else {
        Vec::new()
    };
    let head =
        "| code | explanation | severity | responsible | specification |\n|---|---|---|---|---|\n";
    let part = Part {
        document: "docs/troubleshooting.md",
        name: "The codes",
        text: format!("{head}{}", rows.concat()),
    };
    (Some(part), findings)
}

/// A row for each code: its name, word, gravity, side, remedy and rule on one line, what it means on
/// the next.
fn rows(list: &str) -> Vec<String> {
    let lines: Vec<&str> = list.lines().map(str::trim).collect();
    let pairs = lines.windows(2);
    pairs
        .filter_map(|pair| {
            let mut quoted = pair[0].split('"');
            let (_, word, middle, rule) = (
                quoted.next()?,
                quoted.next()?,
                quoted.next()?,
                quoted.next()?,
            );
            let [severity, side, _] = middle.split_whitespace().collect::<Vec<_>>()[..] else {
                return None;
            };
            let meaning = pair[1].strip_prefix('"')?.strip_suffix('"')?;
            let severity = severity.to_lowercase();
            let side = match side {
                "Server" => "the MCP server",
                "AuthorizationServer" => "the authorization server",
                "Network" => "the network",
                _ => "this side",
            };
            Some(format!(
                "| `{word}` | {meaning} | {severity} | {side} | {rule} |\n"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_row() {
        let list = "\n    // The network\n    NoWay \"no-way\" Fault Here Retry \"RFC 1 \u{a7}2\"\n        \"there is none\"\n}\n";
        let expected = "| `no-way` | there is none | fault | this side | RFC 1 \u{a7}2 |\n";
        assert_eq!(rows(list), [expected]);
        assert!(rows("").is_empty());
    }
}
