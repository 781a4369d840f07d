//! The public API names no foreign type, so that an upgrade of a dependency is ours alone to make.
//!
//! This reads signatures as text. `unreachable_pub` keeps `pub` to what is really public, so every
//! `pub` counts; what a macro or an `impl` of a foreign trait adds is not seen.

use std::collections::BTreeSet;

use toml::Table;

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

use super::dependencies::Used;

/// Crates whose types are part of ours.
const SHARED: &[&str] = &["bytes", "http", "secrecy", "url"];

/// Crates that are there to speak another's types, and whose.
const ADAPTERS: &[(&str, &str)] = &[
    ("hallpass", "rmcp"),
    ("hallpass-rmcp", "rmcp"),
    ("hallpass-rmcp-bridge", "rmcp"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, manifest) in tree.packages() {
        if !tree.files.contains_key(&format!("{folder}/src/lib.rs")) {
            continue;
        }
        let foreign = foreign(folder, &manifest);
        let below = format!("{folder}/src/");
        let files = tree
            .rust_files()
            .filter(|file| file.path.starts_with(&below));
        for file in files.filter(|file| !file.is_test()) {
            findings.extend(check_file(file, &foreign));
        }
    }
    findings
}

/// The dependencies whose types must not be seen, as they are written in Rust.
fn foreign(folder: &str, manifest: &Table) -> BTreeSet<String> {
    let package = folder.rsplit('/').next().unwrap_or_default();
    let own = |name: &str| name == "hallpass" || name.starts_with("hallpass-");
    let adapts = |name: &str| ADAPTERS.contains(&(package, name));
    let names = Used::of(manifest).normal.into_iter();
    names
        .filter(|name| !own(name) && !SHARED.contains(&name.as_str()) && !adapts(name))
        .map(|name| name.replace('-', "_"))
        .collect()
}

fn check_file(file: RustFile<'_>, foreign: &BTreeSet<String>) -> Vec<Finding> {
    let imported = imported(file, foreign);
    let mut findings = Vec::new();
    for (number, signature) in signatures(file) {
        let signature = without_private_fields(&signature);
        let path = foreign.iter().find(|name| names_path(&signature, name));
        let word = || {
            words(&signature)
                .find(|word| imported.contains(*word))
                .map(str::to_owned)
        };
        if let Some(named) = path.cloned().or_else(word) {
            let what = format!("the public item on line {number} names {named}");
            findings.push(Finding::new(file.path, "public-api", what));
        }
    }
    findings
}

/// A tuple struct without the fields that nobody else sees.
fn without_private_fields(signature: &str) -> String {
    let tuple = signature.starts_with("pub struct ") && signature.ends_with(';');
    match signature.split_once('(').filter(|_| tuple) {
        Some((head, fields)) => {
            let public = fields
                .split(',')
                .filter(|field| field.trim().starts_with("pub "));
            format!("{head}({}", public.collect::<Vec<_>>().join(","))
        }
        None => signature.to_owned(),
    }
}

fn names_path(signature: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let starts = signature.match_indices(&path);
    let is_word =
        |at: usize| !signature[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
    starts.map(|(at, _)| at).any(is_word)
}

/// What a file imports from foreign crates.
fn imported<'a>(file: RustFile<'a>, foreign: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let mut imported = BTreeSet::new();
    for statement in file.text.split("\nuse ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        let root = words(statement).next().unwrap_or_default();
        if foreign.contains(root) {
            let types = words(statement).filter(|word| word.starts_with(char::is_uppercase));
            imported.extend(types);
        }
    }
    imported
}

/// The public items of a file, each up to where its body begins.
fn signatures(file: RustFile<'_>) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    // Inside of a public trait or enum every line is public.
    let mut inside = false;
    for (number, line) in file.code() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let begins = line.starts_with("pub ")
            || (line.starts_with("impl") && line.contains("From<"))
            || (inside && !open && !line.starts_with("#["));
        if open && let Some((_, signature)) = found.last_mut() {
            signature.push(' ');
            signature.push_str(line);
        } else if begins {
            found.push((number, line.to_owned()));
            open = true;
        }
        if line.ends_with(['{', ';', ',', '}']) && !is_argument(found.last(), line) {
            open = false;
        }
        if line.starts_with("pub trait ") || line.starts_with("pub enum ") {
            inside = !line.ends_with('}');
        } else if file.text.lines().nth(number - 1) == Some("}") {
            inside = false;
        }
    }
    found
}

/// Whether a line that ends in a comma is within the parentheses of a signature.
fn is_argument(signature: Option<&(usize, String)>, line: &str) -> bool {
    let open = |text: &str| text.matches(['(', '<']).count() > text.matches([')', '>']).count();
    line.ends_with(',') && signature.is_some_and(|(_, text)| open(&text.replace("->", "")))
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}
