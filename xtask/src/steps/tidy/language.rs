//! The project's language: names that the standards' own words have replaced, and sentences without a
//! named subject.

use std::collections::BTreeMap;

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

use super::api::words;

/// The rules of names and sentences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Language {
    /// Names that are declared nowhere: of types, functions, constants and modules.
    pub(crate) retired: &'static [&'static str],
    /// Names that go as well, and how often each is still declared. A number is only ever lowered;
    /// a name without a declaration moves to the names above.
    pub(crate) leaving: &'static [(&'static str, usize)],
    /// How many lines may have a word for an unnamed person. The number is only ever lowered.
    pub(crate) unnamed: usize,
    /// Lines with these texts do not count: people are meant.
    pub(crate) people: &'static [&'static str],
}

pub(super) const LANGUAGE: Language = Language {
    retired: RETIRED,
    leaving: LEAVING,
    unnamed: 14,
    people: &[
        "anybody can send one",
        "a name that somebody made to point here",
        "Greets somebody",
    ],
};

/// Words for a person without a name, where a sentence should name its subject: the caller, the
/// process, the user, the operator, the authorization server.
const UNNAMED: [&str; 4] = ["anybody", "nobody", "somebody", "whoever"];

#[rustfmt::skip]
const RETIRED: &[&str] = &[
    "Answered", "Asked", "Boarding", "Called", "Door", "Ended", "EndedWhy", "EveryKey",
    "Examination", "ExchangePolicy", "ExpectedClient", "Explaining", "Failed", "Fence", "Handover",
    "Handshakes", "InUse", "Knock", "Known", "Landing", "Lane", "Late", "Leg", "LoginOutlook",
    "Look", "Machine", "MachineGrant", "MachineLogin", "Means", "Mend", "Metered", "Misuse",
    "NoMemory", "NoTokens", "NobodyAsked", "OutOfReach", "Overtaken", "OwnStream", "Pacing",
    "PasteError", "Piece", "ProofFailed", "RefreshFailed", "RegisterAnew", "Remembered",
    "SecretCommand", "SharedTurn", "SignInFailed", "SignInNeeded", "Silence", "Slot", "StoreFailed",
    "TokenBook", "TokenSourceFailed", "Visit", "Watching",
    "Done", "Flights", "Held", "Kept", "LoginFailed", "Offer", "Reading", "Rounds", "Seen", "Stop",
    "Taken", "Typed", "Wrong",
    "CLOSING", "JUST_NOW", "LAST_WORDS", "LONGEST", "MOMENT", "PARTING", "PATIENCE", "ROOM",
    "another", "because", "in_words", "nowhere", "say", "weighing", "answer_challenge", "asked_nobody", "asking_a_person", "bare_url", "ends_login",
    "examining", "first_of", "for_one_request", "forget_troubles", "goes_on_after", "handed_in",
    "has_words", "identifies", "in_circles", "is_nobody_asked", "is_out_of_reach", "keeps_changing",
    "kept_token", "let_go", "lists_scope", "makes_config", "move_away", "must_be_dpop",
    "of_refresh_token", "or_begin_anew", "or_worse", "passed_over", "refresh_ahead", "remembering",
    "repeat_after", "same_but_for_root_slash", "saw", "say_what_is_set_otherwise", "shown_url",
    "sign_in_as", "sign_in_through", "sign_in_with", "somebody_types", "start_over", "stays",
    "still_known", "tell_of_lost_keys", "wanted_nonce", "why_out_of_reach", "with_store_trouble",
    "with_store_words",
];

#[rustfmt::skip]
const LEAVING: &[(&str, usize)] = &[
    ("Addition", 1), ("Endless", 1), ("Listed", 2), ("Place", 4), ("Trouble", 1), ("Why", 1),
    ("answered", 1), ("mend", 2), ("of", 28), ("one", 2),
];

pub(super) fn check(tree: &Tree, language: &Language) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut declared = BTreeMap::<&str, usize>::new();
    let mut unnamed = 0;
    let is_source = |path: &str| {
        ["crates/", "xtask/"].iter().any(|it| path.starts_with(it)) && path.contains("/src/")
    };
    for file in tree.rust_files().filter(|file| is_source(file.path)) {
        for (number, name) in declarations(file) {
            if language.retired.contains(&name) {
                let what = format!("line {number} declares `{name}`, a name that was replaced");
                findings.push(Finding::new(file.path, "retired-name", what));
            }
            *declared.entry(name).or_default() += 1;
        }
        let people = |line: &&str| language.people.iter().any(|text| line.contains(text));
        let lines = file.text.lines().filter(|line| !people(line));
        unnamed += lines.filter(|line| is_unnamed(line)).count();
    }
    for (name, limit) in language.leaving {
        let found = declared.get(name).copied().unwrap_or_default();
        if found > *limit {
            let what = format!("`{name}` is declared {found} times, and may be {limit} times");
            findings.push(Finding::new("crates", "retired-name", what));
        }
    }
    if unnamed > language.unnamed {
        let what = format!(
            "{unnamed} lines say {}, and {} may: name the subject",
            UNNAMED.join(", "),
            language.unnamed
        );
        findings.push(Finding::new("crates", "unnamed-person", what));
    }
    findings
}

fn is_unnamed(line: &str) -> bool {
    words(line).any(|word| UNNAMED.iter().any(|one| word.eq_ignore_ascii_case(one)))
}

/// The names that the items of a file declare, and where.
fn declarations(file: RustFile<'_>) -> impl Iterator<Item = (usize, &str)> {
    const KINDS: [&str; 8] = [
        "const", "enum", "fn", "mod", "static", "struct", "trait", "type",
    ];
    file.code().filter_map(|(number, line)| {
        let mut words = words(line);
        let mut name = words.find(|word| KINDS.contains(word)).and(words.next())?;
        // `const fn name`
        if name == "fn" {
            name = words.next()?;
        }
        Some((number, name))
    })
}
