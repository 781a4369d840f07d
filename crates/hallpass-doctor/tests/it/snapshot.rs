//! Reports as files. What differs from run to run is made the same first.
//!
//! A report that is not as its file says is written below the target folder; the failed test names
//! the line that takes it over.

use std::{fs, path::Path};

use hallpass_doctor::{Report, Style};

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
    let file = format!("{name}.txt");
    let expected = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reports")
        .join(&file);
    if fs::read_to_string(&expected).is_ok_and(|expected| expected == text) {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    fs::create_dir_all(&folder).unwrap();
    let got = folder.join(&file);
    fs::remove_file(&got).ok();
    let mut out = fs::File::create(&got).unwrap();
    std::io::Write::write_all(&mut out, text.as_bytes()).unwrap();
    panic!(
        "the report `{name}` differs:\n{text}\nif it is right: cp {} {}",
        got.display(),
        expected.display()
    );
}

/// Puts fixed words in the place of what differs from run to run: `names` in their order, durations,
/// digests, ports and process ids.
pub(crate) fn normalised(text: &str, names: &[(String, &str)]) -> String {
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
        return format!("{head}127.0.0.1:PORT{rest}");
    }
    word.to_owned()
}
