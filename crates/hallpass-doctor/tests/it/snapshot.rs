//! Reports as files. What differs from run to run is made the same first.
//!
//! `SNAPSHOTS=overwrite cargo test -p hallpass-doctor` writes the files anew.

use std::path::Path;

use hallpass_doctor::{Report, Style};
use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV, data::DataFormat};

/// The report on one line for each thing that it says.
pub(crate) fn text(report: &Report) -> String {
    let style = Style {
        width: usize::MAX,
        hint: &|hint| hint.to_string(),
        paint: &|_, line| line.to_owned(),
    };
    report.to_text(&style) + "\n"
}

/// Compares a text with the file of this name.
#[track_caller]
pub(crate) fn check(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reports")
        .join(format!("{name}.txt"));
    let expected = Data::read_from(&file, Some(DataFormat::Text)).raw();
    Assert::new()
        .action_env(DEFAULT_ACTION_ENV)
        .eq(text, expected);
}

/// Puts fixed words in the place of what differs from run to run: `names` in their order, durations,
/// digests, ports and process ids.
pub(crate) fn normalized(text: &str, names: &[(String, &str)]) -> String {
    let text = names
        .iter()
        .filter(|(from, _)| !from.is_empty())
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |at: usize| word(&words, at);
        (0..words.len()).map(word).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn word(words: &[&str], at: usize) -> String {
    let word = words[at];
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    let after = words.get(at + 1).copied().unwrap_or_default();
    let after = after.trim_end_matches([',', '.', ':']);
    let before = at.checked_sub(1).map(|at| words[at]).unwrap_or_default();
    let is_time = matches!(
        after,
        "ms" | "second" | "seconds" | "minute" | "minutes" | "hours" | "days"
    );
    if is_number && !word.is_empty() && (is_time || before == "process") {
        return "N".to_owned();
    }
    if matches!(
        word.trim_end_matches(['.', ',']),
        "second" | "seconds" | "minute"
    ) {
        return word
            .replace("seconds", "time")
            .replace("second", "time")
            .replace("minute", "time");
    }
    if word.len() >= 64 && word.bytes().take(64).all(|byte| byte.is_ascii_hexdigit()) {
        return "DIGEST".to_owned();
    }
    if before == "error" && word.trim_end_matches(')').parse::<u32>().is_ok() {
        // Each operating system has its own numbers.
        return "N)".to_owned();
    }
    if let Some((head, port)) = word.split_once("127.0.0.1:") {
        let rest = port.trim_start_matches(|c: char| c.is_ascii_digit());
        // A redirect URI has a digest of its issuer, whose port is another one each time.
        let rest = match rest.rsplit_once('/') {
            Some((path, digest)) if is_digest(digest) => path,
            _ => rest,
        };
        return format!("{head}127.0.0.1:PORT{rest}");
    }
    word.to_owned()
}

/// Whether a part of a path is 64 bits of a digest.
fn is_digest(part: &str) -> bool {
    part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}
