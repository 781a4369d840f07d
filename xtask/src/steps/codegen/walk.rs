//! The recording in README.md: parts of docs/walk-through.md, which a test of the program records.

use super::part::Part;
use crate::tree::Tree;

const RECORDING: &str = "docs/walk-through.md";

/// The sections that README.md shows.
const SECTIONS: [&str; 3] = ["A server to try it on", "Signing in", "Calling"];

pub(super) fn part(tree: &Tree) -> Part {
    let recording = tree.text(RECORDING);
    let sections = SECTIONS.map(|name| section(recording, name));
    Part {
        document: "README.md",
        name: "The recording",
        text: sections.concat(),
    }
}

/// A section without its title.
pub(super) fn section<'a>(recording: &'a str, name: &str) -> &'a str {
    let begin = format!("## {name}\n\n");
    let rest = recording.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split("## ").next().unwrap_or_default()
}
