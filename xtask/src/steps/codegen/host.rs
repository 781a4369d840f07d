//! The host in README.md: what `crates/hallpass/examples/host.rs` does between its arguments and its
//! end.

use super::part::Part;
use crate::tree::Tree;

const EXAMPLE: &str = "crates/hallpass/examples/host.rs";

pub(super) fn part(tree: &Tree) -> Part {
    Part {
        document: "README.md",
        name: "The host",
        text: format!("```rust\n{}```\n", body(tree.text(EXAMPLE))),
    }
}

/// The lines of `main` from the store on.
pub(super) fn body(example: &str) -> String {
    let lines = example.lines();
    let lines = lines.skip_while(|line| !line.trim().starts_with("let store ="));
    let lines = lines.take_while(|line| line.trim() != "Ok(())");
    let mut body = String::new();
    for line in lines {
        body = body + line.strip_prefix("    ").unwrap_or(line) + "\n";
    }
    body
}
