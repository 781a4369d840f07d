//! The list of codes, and what is made of it.

use std::{collections::BTreeSet, fs, path::Path};

use hallpass::doctor::Code;

#[test]
fn codes_are_words_of_their_own() {
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    for word in words {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(word.chars().all(fits), "{word}");
    }
    for code in Code::ALL {
        assert!(!code.meaning().ends_with('.'), "{}", code.as_str());
        assert!(!code.rule().is_empty(), "{}", code.as_str());
    }
}

/// A code that no report shows is one that nobody has seen come up.
#[test]
fn every_code_is_in_a_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    let mut reports = String::new();
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        reports += &fs::read_to_string(file.unwrap().path()).unwrap();
        files += 1;
    }
    let missing: Vec<_> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|word| !reports.contains(&format!(" `{word}`, ")))
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(files >= 30, "{files} reports");
}
