//! Tables of what the program reads and prints.

use std::{collections::BTreeSet, path::Path};

use super::{
    Part,
    commands::{help, section},
};
use crate::{finding::Finding, report::Failure, tree::Tree};

const TROUBLESHOOTING: &str = "docs/troubleshooting.md";
const ENVIRONMENT: &str = "docs/environment.md";

/// Each exit code of the program and each environment variable that it reads has a row in its
/// document, and each variable of the document is read.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rows = |path: &str| -> BTreeSet<String> {
        let rows = tree
            .text(path)
            .lines()
            .filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| Some(row.split('`').next()?.to_owned()))
            .collect()
    };
    let exit = tree.text("crates/hallpass-cli/src/exit.rs");
    let arms = exit
        .split_once("fn name(self)")
        .map_or("", |(_, rest)| rest);
    let arms = arms.split("\n    }\n").next().unwrap_or_default();
    let codes = arms
        .lines()
        .filter_map(|arm| arm.split_once("=> \"")?.1.split('"').next());
    let with_row = rows(TROUBLESHOOTING);
    for code in codes.filter(|code| !with_row.contains(*code)) {
        let what = format!("the code `{code}` has no row");
        findings.push(Finding::new(TROUBLESHOOTING, "codes", what));
    }
    let program = tree.rust_files().filter(|file| {
        file.path.starts_with("crates/hallpass-cli/src")
            || file.path == "crates/hallpass-http/src/trust.rs"
    });
    let read: BTreeSet<String> = program.flat_map(|file| variables(file.text)).collect();
    for name in read.symmetric_difference(&rows(ENVIRONMENT)) {
        let what = format!("`{name}` is read and has no row, or the other way round");
        findings.push(Finding::new(ENVIRONMENT, "environment", what));
    }
    findings
}

/// The names in `.get("NAME")`, `below("NAME", …)`, `read("NAME")` and `VARIABLE: &str = "NAME"`.
fn variables(text: &str) -> impl Iterator<Item = String> {
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let calls = [".get(\"", "below(\"", "read(\"", "VARIABLE: &str = \""].into_iter();
    let names = calls.flat_map(|call| text.split(call).skip(1));
    names.filter_map(move |rest| rest.split('"').next().filter(is_name).map(str::to_owned))
}

/// The codes of `hallpass doctor`: in the source each has its words on one line and its explanation on
/// the next.
pub(super) fn doctor(tree: &Tree) -> Part {
    let source = tree.text("crates/hallpass-doctor/src/code.rs");
    let list = source.split("\ncodes! {").nth(1).unwrap_or_default();
    let lines: Vec<&str> = list.lines().map(str::trim).collect();
    let row = |pair: &[&str]| {
        let [_, word, middle, spec, ..] = pair[0].split('"').collect::<Vec<_>>()[..] else {
            return None;
        };
        let [severity, party, _] = middle.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let explanation = pair[1].strip_prefix('"')?.strip_suffix('"')?;
        let severity = severity.to_lowercase();
        let party = match party {
            "Server" => "the MCP server",
            "AuthorizationServer" => "the authorization server",
            "Network" => "the network",
            _ => "this side",
        };
        Some(format!(
            "| `{word}` | {explanation} | {severity} | {party} | {spec} |\n"
        ))
    };
    let head =
        "| code | explanation | severity | responsible | specification |\n|---|---|---|---|---|\n";
    Part {
        document: TROUBLESHOOTING,
        name: "The codes",
        text: head.to_owned() + &lines.windows(2).filter_map(row).collect::<String>(),
    }
}

/// The keys of `config.toml`: the server options of `hallpass add`.
pub(super) fn configuration(program: &Path) -> Result<Part, Failure> {
    let help = help(program, &["add"], "5000")?;
    let head = "| key | value | meaning |\n|---|---|---|\n\
        | `url` | text | The MCP server's URL |\n\
        | `account` | text | Which of several accounts on the server is meant |\n";
    Ok(Part {
        document: "docs/configuration.md",
        name: "The keys",
        text: head.to_owned() + &rows(&section(&help, "Server options")).concat(),
    })
}

/// A row for each option of a section: its name, the kind of its value, and its meaning.
fn rows(section: &str) -> Vec<String> {
    let options = section.split("\n      --").skip(1);
    let row = |option: &str| {
        let (usage, text) = option.split_once('\n').unwrap_or((option, ""));
        let (name, value) = usage.split_at(usage.find([' ', '[']).unwrap_or(usage.len()));
        let value = match value.trim() {
            _ if text.contains("Repeatable") => "text, or a list",
            "[=<BOOL>]" => "`true` or `false`",
            "<NUMBER>" | "<PORT>" => "number",
            _ => "text",
        };
        let lines = text.lines().map(str::trim);
        let values = lines
            .clone()
            .filter_map(|line| line.strip_prefix("- ")?.split(':').next());
        let values: Vec<String> = values.map(|value| format!("`{value}`")).collect();
        let about =
            lines.filter(|line| !line.starts_with("- ") && !line.contains("ossible values:"));
        let mut about = about.collect::<String>().replace('|', "\\|");
        if !values.is_empty() {
            about = about + ". One of " + &values.join(", ");
        }
        format!("| `{name}` | {value} | {about} |\n")
    };
    options.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_source_are_found_by_their_calls() {
        let text = "self.get(\"HOME\"); below(\"XDG\", x); map.get(\"error\"); read(\"SSL\")";
        assert_eq!(variables(text).collect::<Vec<_>>(), ["HOME", "XDG", "SSL"]);
    }

    #[test]
    fn server_option_becomes_row() {
        let section = "Server options:\n      --dpop[=<BOOL>]\n          Bind\n\n          \
            [possible values: true, false]\n\n      --method <M>\n          How\n\n          \
            Possible values:\n          - none: Nothing\n          - basic: A header\n";
        let expected = [
            "| `dpop` | `true` or `false` | Bind |\n",
            "| `method` | text | How. One of `none`, `basic` |\n",
        ];
        assert_eq!(rows(section), expected);
    }
}
