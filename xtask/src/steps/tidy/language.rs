//! The project's language, in numbers that are only ever lowered: names that say nothing of the thing,
//! and sentences whose subject is not named.

use crate::{finding::Finding, tree::Tree};

/// Names that tell a reader nothing: of items, fields and parameters.
const VAGUE: [&str; 14] = [
    "answered", "door", "endless", "kept", "knock", "lane", "leg", "listed", "nowhere", "of",
    "place", "said", "trouble", "why",
];

/// How often they are declared in the sources.
const MAX_VAGUE: usize = 81;

/// Words for a person without a name. A sentence names its subject: the caller, the process, the user,
/// the operator, the authorization server.
const UNNAMED: [&str; 4] = ["anybody", "nobody", "somebody", "whoever"];

/// How many lines of the sources and the documents have such a word.
const MAX_UNNAMED: usize = 4;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (mut vague, mut unnamed) = (Vec::new(), Vec::new());
    for (path, text) in &tree.files {
        let end = path.rsplit('.').next();
        let is_source = end == Some("rs") && path.contains("/src/");
        if !is_source && end != Some("md") || path.ends_with("tidy/language.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let at = format!("{path}:{}", number + 1);
            let is_unnamed = |word: &str| UNNAMED.iter().any(|it| it.eq_ignore_ascii_case(word));
            if words(line).any(is_unnamed) {
                unnamed.push(at.clone());
            }
            if is_source && !line.trim_start().starts_with("//") {
                let names = declared(line).filter(|name| VAGUE.contains(&&*name.to_lowercase()));
                vague.extend(names.map(|name| format!("{at} `{name}`")));
            }
        }
    }
    let rules = [
        ("vague-name", vague, MAX_VAGUE),
        ("unnamed-person", unnamed, MAX_UNNAMED),
    ];
    let broken = rules
        .into_iter()
        .filter(|(_, found, most)| found.len() > *most);
    broken
        .map(|(rule, found, most)| {
            let what = format!("{} are more than {most}: {}", found.len(), found.join(", "));
            Finding::new("xtask/src/steps/tidy/language.rs", rule, what)
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The names that a line declares: after a keyword, or before a single colon.
fn declared(line: &str) -> impl Iterator<Item = &str> {
    const KEYWORDS: [&str; 8] = [
        "const", "enum", "fn", "mod", "static", "struct", "trait", "type",
    ];
    let line = line.split("//").next().unwrap_or_default();
    let pairs = words(line).zip(words(line).skip(1));
    let items = pairs
        .filter(|(keyword, _)| KEYWORDS.contains(keyword))
        .map(|(_, name)| name);
    let typed = line.replace("::", "  ");
    let ends: Vec<usize> = typed.match_indices(": ").map(|(at, _)| at).collect();
    let before = ends
        .into_iter()
        .filter_map(|end| words(&line[..end]).last());
    items.chain(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_items_fields_and_parameters_are_found() {
        let names = |line| declared(line).collect::<Vec<_>>();
        assert_eq!(names("pub struct Place;"), ["Place"]);
        assert_eq!(
            names("    fn of(why: &str, it: x::Door) -> u8 {"),
            ["of", "why", "it"]
        );
        assert_eq!(names("    pub leg: Leg, // door: "), ["leg"]);
        assert_eq!(names("let it = door::Knock::new(place);"), [""; 0]);
    }
}
