//! Colour, where the stream shows it. No meaning is in it alone: the words say the same.

use anstyle::{AnsiColor, Style};
use hallpass::text::sanitize_text;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A name that the eye looks for.
    Name,
    /// What went wrong.
    Bad,
    /// Advice.
    Advice,
    /// What can be passed over.
    Quiet,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Name => Style::new().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Advice => AnsiColor::Cyan.on_default(),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

/// The sequences that [`Paint::tone`] writes (ECMA-48 §8.3.117).
const SEQUENCES: [&str; 5] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[31m",
    "\u{1b}[36m",
];

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Leaves everything as it is.
    pub(crate) const PLAIN: Self = Self { on: false };

    pub(crate) fn new(on: bool) -> Self {
        Self { on }
    }

    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// The text in its tone (ECMA-48 §8.3.117).
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }

    /// Sanitized text that keeps the sequences of [`tone`](Self::tone).
    pub(crate) fn sanitize(self, text: &str) -> String {
        self.sanitize_but_for(text, |sequence| SEQUENCES.contains(&sequence))
    }

    /// Sanitized lines of the log, which has colours of its own: all colours stay.
    pub(crate) fn sanitize_log(self, text: &str) -> String {
        self.sanitize_but_for(text, |_| true)
    }

    fn sanitize_but_for(self, text: &str, is_paint: impl Fn(&str) -> bool) -> String {
        let mut sanitized = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{1b}').filter(|_| self.on) {
            sanitized.push_str(&sanitize_text(before));
            let sequence = rendition(&rest[before.len()..]);
            let paint = sequence.filter(|sequence| is_paint(sequence));
            sanitized.push_str(paint.unwrap_or_default());
            rest = paint.map_or(after, |paint| &rest[before.len() + paint.len()..]);
        }
        sanitized + &sanitize_text(rest)
    }
}

/// The sequence at the beginning of `text` that selects a graphic rendition, if there is one.
fn rendition(text: &str) -> Option<&str> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let length = text.len() - codes[end..].strip_prefix('m')?.len();
    Some(&text[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitized_text_keeps_own_colours_only() {
        let on = Paint::new(true);
        let painted = format!("{} a\n\tb", on.tone(Tone::Bad, "error:"));
        assert_eq!(on.sanitize(&painted), painted);
        assert_eq!(Paint::PLAIN.sanitize(&painted), "[1m[31merror:[0m a\n\tb");
        for (hostile, left) in [
            ("\u{1b}[8mx", "[8mx"),
            ("\u{1b}[2Jx", "[2Jx"),
            ("\u{1b}]0;t\u{7}x", "]0;tx"),
            ("\u{1b}\u{1b}[", "["),
            ("\u{1b}[1;3", "[1;3"),
            ("\u{9b}2Jx\u{202e}", "2Jx"),
        ] {
            assert_eq!(on.sanitize(hostile), left, "{hostile:?}");
        }
        assert_eq!(on.sanitize_log("\u{1b}[33mx\u{1b}[2J"), "\u{1b}[33mx[2J");
        assert_eq!(Paint::PLAIN.sanitize_log("\u{1b}[33mx"), "[33mx");
    }
}
