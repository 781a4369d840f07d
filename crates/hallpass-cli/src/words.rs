//! Words that a server chose, made fit for a terminal, and lines broken at its edge.

/// One line of a server's words: without anything that a terminal would obey, and without breaks.
pub(crate) fn line(text: &str) -> String {
    let breaks = |c: char| if c.is_whitespace() { ' ' } else { c };
    text.chars()
        .map(breaks)
        .filter(|&c| is_harmless(c))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Several lines of a server's words: the breaks and tabs stay.
pub(crate) fn text(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .filter(|&c| matches!(c, '\n' | '\t') || is_harmless(c))
        .collect()
}

/// Whether a character only shows itself. Control characters move the cursor and worse; the
/// directional ones let text seem other than it is (<https://trojansource.codes>).
fn is_harmless(c: char) -> bool {
    let turns_text = matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}')
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c);
    !c.is_control() && !turns_text && !matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests;
