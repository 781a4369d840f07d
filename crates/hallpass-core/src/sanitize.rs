//! Foreign text made fit for a terminal, a log or a page.
//!
//! Servers choose most of what a client shows: names, descriptions, errors. A control character moves
//! the cursor, renames the window or overwrites earlier text; a bidi control makes text look like other
//! text (<https://trojansource.codes>); an invisible character hides text in text. This module is the
//! one place that decides which characters these are, and it leaves them out.

/// The most characters of one line. A longer one is not read.
const MAX_LINE: usize = 4_000;

/// The most characters of a text that an error quotes.
const MAX_QUOTED: usize = 200;

/// One line of foreign text: white space of any kind becomes a space, and a line that is too long ends
/// in `…`.
pub fn sanitize_line(text: &str) -> String {
    let spaced = |c: char| if c.is_whitespace() { ' ' } else { c };
    let mut harmless = text.chars().map(spaced).filter(|&c| is_printable(c));
    let mut line: String = harmless.by_ref().take(MAX_LINE).collect();
    line.truncate(line.trim_end().len());
    if harmless.any(|c| c != ' ') {
        line.push('…');
    }
    line
}

/// Foreign text that may have several lines, such as what a tool answers: line feeds and tabs stay. It
/// is not cut.
pub fn sanitize_text(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .filter(|&c| matches!(c, '\n' | '\t') || is_printable(c))
        .collect()
}

/// Foreign text as an error quotes it: escapes stand for the characters that [`sanitize_line`] leaves
/// out, so that the error shows what is wrong with the text.
pub fn quote(text: &str) -> String {
    let mut rest = text.chars();
    let mut quoted: String = rest
        .by_ref()
        .take(MAX_QUOTED)
        .map(|c| match c {
            '\\' => r"\\".to_owned(),
            c if is_printable(c) => c.to_string(),
            c => c.escape_default().to_string(),
        })
        .collect();
    if rest.next().is_some() {
        quoted.push('…');
    }
    quoted
}

/// Whether a terminal shows the character and does nothing else: no control, bidi control or invisible
/// character.
pub fn is_printable(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// Format characters, separators of lines, and what else shows nothing (Unicode's general categories Cf,
/// Zl and Zp, and its `Default_Ignorable_Code_Point`), but for the variation selectors that emoji need.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal obeys, and what does not show.
    const HOSTILE: [&str; 12] = [
        "\u{1b}[2J",
        "\u{1b}]0;title\u{7}",
        "\u{8}\u{c}\u{b}",
        "\u{7f}",
        "\u{80}\u{85}\u{90}\u{9b}2J\u{9d}\u{9f}",
        "\u{200e}\u{200f}\u{61c}",
        "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}",
        "\u{2066}\u{2067}\u{2068}\u{2069}",
        "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
        "\u{2028}\u{2029}",
        "\u{ad}\u{180e}\u{fff9}",
        "\u{e0001}\u{e0041}\u{e007f}",
    ];

    #[test]
    fn hostile_characters_are_removed() {
        for hostile in HOSTILE {
            let text = format!("a{hostile}b");
            for clean in [sanitize_line(&text), sanitize_text(&text), quote(&text)] {
                assert!(clean.chars().all(is_printable), "{text:?}: {clean:?}");
                assert!(clean.starts_with('a') && clean.ends_with('b'), "{clean:?}");
            }
        }
        assert_eq!(
            sanitize_line("a\u{1b}[31mb\r\nc\u{7}\u{202e}d"),
            "a[31mb  cd"
        );
        assert_eq!(
            sanitize_text("a\r\n\tb\rc\u{9b}2J\u{2028}d\n"),
            "a\n\tbc2Jd\n"
        );
        assert_eq!(
            quote("a\u{1b}\u{9b}\u{202e}\n"),
            "a\\u{1b}\\u{9b}\\u{202e}\\n"
        );
    }

    #[test]
    fn text_of_any_language_is_kept() {
        for text in ["grüße, 你好", "नमस्ते", "שלום", "e\u{301}", "☂\u{fe0f} 🦀"]
        {
            assert_eq!(sanitize_line(text), text);
            assert_eq!(sanitize_text(text), text);
            assert_eq!(quote(text), text);
        }
    }

    #[test]
    fn quoted_text_shows_invisible_characters_as_escapes() {
        assert_eq!(
            quote("a\u{1b}[31m\u{202e}b\u{3164}"),
            r"a\u{1b}[31m\u{202e}b\u{3164}"
        );
    }

    #[test]
    fn long_line_is_cut() {
        let endless = "x".repeat(100_000);
        assert_eq!(sanitize_line(&endless).chars().count(), MAX_LINE + 1);
        assert!(sanitize_line(&endless).ends_with("x…"));
        assert!(quote(&endless).ends_with("x…"));
        let whole = "x".repeat(MAX_LINE);
        assert_eq!(sanitize_line(&format!("{whole} \n")), whole);
        assert_eq!(sanitize_text(&endless), endless);
    }
}
