//! A good workspace is broken in one place at a time, and the right step says the right words.

mod breakages;
mod good;

use crate::tree::Tree;
use breakages::{BREAKAGES, FINE, WHOLE};

/// The tree after one edit: `from` replaced by `to` in a file, once. An empty `from` puts `to` in
/// front, and makes the file where there is none; [`WHOLE`] takes the file away.
#[track_caller]
fn edited(name: &str, path: &str, from: &str, to: &str) -> Tree {
    let mut tree = good::tree();
    if from == WHOLE {
        assert!(tree.files.remove(path).is_some(), "{name}: no {path}");
        return tree;
    }
    let text = tree.files.entry(path.to_owned()).or_default();
    assert!(text.contains(from), "{name}: `{from}` is not in {path}");
    *text = text.replacen(from, to, 1);
    tree
}

#[test]
fn each_breakage_makes_the_right_step_say_the_right_words() {
    assert_eq!(good::said_of(&good::tree()), [""; 0], "the good workspace");
    let mut wrong = Vec::new();
    for (name, path, from, to, expected) in BREAKAGES {
        let said = good::said_of(&edited(name, path, from, to));
        if said != *expected {
            wrong.push(format!("{name}\n  says {said:#?}\n  not {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_looks_like_a_breakage_is_none() {
    for (name, path, from, to) in FINE {
        let said = good::said_of(&edited(name, path, from, to));
        assert_eq!(said, [""; 0], "{name}");
    }
}

#[test]
fn each_row_has_a_name_of_its_own() {
    let mut names: Vec<&str> = BREAKAGES.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), BREAKAGES.len());
}
