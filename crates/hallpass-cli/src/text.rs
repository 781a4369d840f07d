//! Words that a server chose, made fit for a terminal, and lines broken at its edge.

use std::{error::Error, fmt::Write as _};

pub(crate) use hallpass::text::{sanitize_line as line, sanitize_text as text};

use crate::paint::{Paint, Tone};

/// An error and its causes in one line: the server's own words are among them.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let causes: Vec<String> = causes.map(|cause| line(&cause.to_string())).collect();
    causes.join(": ")
}

/// Several lines of a server's text to a user, each marked after the first: none of them can be taken for
/// advice of this program.
pub(crate) fn marked(text: &str) -> String {
    self::text(text).replace('\n', "\n  | ")
}

/// JSON for a terminal: escapes stand for control and invisible characters, and the JSON means the same
/// (RFC 8259 §7).
pub(crate) fn json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || hallpass::text::is_printable(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// Breaks words into lines of at most `width` columns, each but the first after `indent` spaces. A
/// word that is longer than a line stays whole, so that it can be copied.
pub(crate) fn wrap(text: &str, width: Option<usize>, indent: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(width) = width else {
        return text;
    };
    let options = textwrap::Options::new(width.saturating_sub(indent).max(20))
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(&text, options).join(&format!("\n{}", " ".repeat(indent)))
}

/// A time of so many seconds in its largest unit, rounded to the nearest.
pub(crate) fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_570 => ((seconds + 30) / 60, "minute"),
        3_570..84_600 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds.saturating_add(43_200)) / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// A word, quoted for a POSIX shell where it has to be.
pub(crate) fn quoted(text: &str) -> String {
    // Only a NUL can't be quoted, and no argument holds one.
    shlex::try_quote(text).map_or_else(|_| text.replace('\0', ""), Into::into)
}

/// A word that a server chose, for a command line that is shown; none where it has characters that can't be
/// pasted.
pub(crate) fn word(text: &str) -> Option<String> {
    text.chars()
        .all(hallpass::text::is_printable)
        .then(|| quoted(text))
}

/// Lines of a name and what stands for it, aligned, each broken at the edge.
pub(crate) fn table(rows: &[(&str, String)], width: Option<usize>, paint: Paint) -> String {
    let longest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = longest + 4;
    let line = |(name, value): &(&str, String)| {
        let name = paint.tone(Tone::Quiet, &format!("{name:longest$}"));
        format!("  {name}  {}", wrap(value, width, indent))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The one of `known` that was probably meant by `given`: one that begins so, or that differs in at most
/// a third of the characters, but not in all.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let length = lower.chars().count();
    let near = known.into_iter().filter_map(|name| {
        let name_lower = name.to_lowercase();
        let begins = !lower.is_empty() && name_lower.starts_with(&lower);
        let changes = strsim::osa_distance(&lower, &name_lower);
        let is_near = changes <= length.max(3) / 3 && changes < length;
        (begins || is_near).then_some((if begins { 1 } else { changes }, name))
    });
    near.min_by_key(|(changes, _)| *changes)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
