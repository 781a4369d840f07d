//! The public API names no foreign type, so that an upgrade of a dependency is ours alone to make.
//!
//! This reads signatures as text. `unreachable_pub` keeps `pub` to what is really public, so every
//! `pub` counts; what a macro or an `impl` of a foreign trait adds is not seen.

use std::collections::BTreeSet;

use toml::Table;

use crate::{
    finding::Finding,
    tree::{RustFile, Tree, Used},
};

/// Crates whose types are part of ours.
const SHARED: &[&str] = &["bytes", "http", "secrecy", "url"];

/// Crates that are there to speak another's types, and whose. The facade hands on the transport of
/// one of them, and names nothing of rmcp itself.
pub(super) const ADAPTERS: Adapters =
    &[("hallpass-rmcp", "rmcp"), ("hallpass-rmcp-bridge", "rmcp")];

pub(crate) type Adapters = &'static [(&'static str, &'static str)];

pub(super) fn check(tree: &Tree, adapters: Adapters) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, manifest) in tree.packages() {
        if !tree.files.contains_key(&format!("{folder}/src/lib.rs")) {
            continue;
        }
        let package = folder.rsplit('/').next().unwrap_or_default();
        let adapts = |name: &str| adapters.contains(&(package, name));
        let (adapted, foreign): (BTreeSet<_>, _) =
            dependencies(&manifest).partition(|name| adapts(name));
        let foreign = foreign.iter().map(|name| name.replace('-', "_")).collect();
        let below = format!("{folder}/src/");
        let all = tree.rust_files();
        let files: Vec<_> = all
            .filter(|file| file.path.starts_with(&below) && !file.is_test())
            .collect();
        for file in &files {
            findings.extend(named(*file, &foreign).into_iter().map(|(number, name)| {
                let what = format!("the public item on line {number} names {name}");
                Finding::new(file.path, "public-api", what)
            }));
        }
        let rights = adapters.iter().filter(|(of, _)| *of == package);
        for (_, other) in rights {
            let only = BTreeSet::from([other.replace('-', "_")]);
            let is_named = |file: &RustFile<'_>| !named(*file, &only).is_empty();
            if !adapted.contains(*other) || !files.iter().any(is_named) {
                let what = format!("its API may name {other}, which it does not");
                findings.push(Finding::new(package, "public-api", what));
            }
        }
    }
    findings
}

/// The dependencies of others whose types are not part of ours.
fn dependencies(manifest: &Table) -> impl Iterator<Item = String> {
    let own = |name: &str| name == "hallpass" || name.starts_with("hallpass-");
    let names = Used::new(manifest).normal.into_iter();
    names.filter(move |name| !own(name) && !SHARED.contains(&name.as_str()))
}

/// The public items of a file that name one of some crates: their lines, and what they name.
fn named(file: RustFile<'_>, foreign: &BTreeSet<String>) -> Vec<(usize, String)> {
    let imported = imported(file, foreign);
    let mut named = Vec::new();
    for (number, signature) in signatures(file) {
        let signature = without_private_fields(&signature);
        let path = foreign.iter().find(|name| names_path(&signature, name));
        let word = || {
            words(&signature)
                .find(|word| imported.contains(*word))
                .map(str::to_owned)
        };
        named.extend(path.cloned().or_else(word).map(|name| (number, name)));
    }
    named
}

/// A tuple struct without the fields that are private.
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
