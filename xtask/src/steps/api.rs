//! The public API of each crate that hosts use, as a pinned cargo-public-api lists it, is the one in
//! `xtask/api`; `--write` writes it.
//!
//! A line that goes breaks hosts (semver), a new line is a promise: the difference is read before it is
//! committed. The first line names the foreign crates whose types or traits are part of the API.
//!
//! The list is made from rustdoc's JSON, whose format is that of one Rust alone. Where another one
//! runs this, or where the tool can't be installed, the step says SKIPPED.

use std::collections::BTreeSet;

use crate::{
    finding::{self, Finding},
    report::{Failure, line},
    shell::{Shell, write},
    tools,
    workspace::{Workspace, name, packages},
};

const VERSION: &str = "0.52.0";

/// The Rust that the lists are made with.
const RUST: &str = "1.95.";

/// How many lines of a difference are shown.
const MAX_SHOWN: usize = 40;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let skipped = |reason: &str| {
        line(&format!(
            "-- SKIPPED: the public API was not compared: {reason}"
        ));
    };
    let rust = Shell::new("rustc").args(["--version"]).read()?;
    if !rust.contains(&format!(" {RUST}")) || !cfg!(target_os = "linux") {
        skipped(&format!(
            "it needs Rust {RUST}x on Linux: rustup run {RUST}0 cargo xtask api"
        ));
        return Ok(());
    }
    let program = match tools::install(workspace, "cargo-public-api", VERSION) {
        Ok(program) => program,
        Err(failure) => {
            skipped(&failure.to_string());
            return Ok(());
        }
    };
    let metadata = workspace.metadata()?;
    let has_library = |one: &&serde_json::Value| {
        let mut targets = one["targets"].as_array().into_iter().flatten();
        one["publish"].is_null() && targets.any(|target| target["kind"][0] == "lib")
    };
    let names: Vec<&str> = packages(&metadata).filter(has_library).map(name).collect();
    let home = workspace.root().join("xtask").join("api");
    workspace
        .cargo()
        .env("RUSTDOC", home.join("rustdoc"))
        .env(
            "RUSTDOCFLAGS",
            "-Z unstable-options --output-format json --cap-lints allow",
        )
        .args(["doc", "--quiet", "--locked", "--no-deps", "--lib"])
        .args(names.iter().flat_map(|name| ["--package", name]))
        .run()?;
    let mut findings = Vec::new();
    for name in names {
        let json = format!("{}.json", name.replace('-', "_"));
        let json = workspace.target().join("doc").join(json);
        let list = Shell::new(&program)
            .args(["-sss", "--color=never", "--rustdoc-json"])
            .args([json])
            .read()?;
        let list = format!("# Foreign crates:{}\n{list}", foreign(&list));
        let path = home.join(format!("{name}.txt"));
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        if arguments.iter().any(|argument| argument == "--write") {
            write(&path, list)?;
        } else if before != list {
            findings.push(Finding::new(name, "public-api", difference(&before, &list)));
        }
    }
    let fix = "cargo xtask api --write, and a file below changes/ if hosts notice";
    finding::report(&findings, fix)
}

/// The crates of others that a list names, where a path begins.
fn foreign(list: &str) -> String {
    let words = list.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let roots = words.filter_map(|word| Some(word.split_once("::")?.0));
    let is_foreign = |root: &&str| {
        root.starts_with(|c: char| c.is_lowercase())
            && !root.starts_with("hallpass")
            && !["alloc", "core", "std"].contains(root)
    };
    let roots: BTreeSet<&str> = roots.filter(is_foreign).collect();
    roots.into_iter().flat_map(|root| [" ", root]).collect()
}

/// The lines that go and come.
fn difference(before: &str, after: &str) -> String {
    let without = |one: &str, other: &str, mark: char| {
        let other: BTreeSet<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !other.contains(line));
        lines
            .map(|line| format!("\n  {mark} {line}"))
            .collect::<Vec<_>>()
    };
    let gone = without(before, after, '-');
    let new = without(after, before, '+');
    let count = format!("{} lines go, {} are new", gone.len(), new.len());
    let shown = gone.into_iter().chain(new).take(MAX_SHOWN);
    count + &shown.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_crates_of_list_are_named() {
        let list = "pub fn hallpass_a::B::c(&http::header::Map) -> core::Option<Self::X>\n\
            impl serde_core::Serialize for hallpass_a::B\npub fn x(&'a url::Url)\n";
        assert_eq!(foreign(list), " http serde_core url");
    }

    #[test]
    fn removed_and_added_lines_are_shown() {
        let expected = "1 lines go, 1 are new\n  - b\n  + c";
        assert_eq!(difference("a\nb\n", "a\nc\n"), expected);
    }
}
