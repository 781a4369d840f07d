//! Colour, where the stream shows it. No meaning is in it alone: the words say the same.

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

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Leaves everything as it is.
    pub(crate) const PLAIN: Self = Self { on: false };

    pub(super) fn new(on: bool) -> Self {
        Self { on }
    }

    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// The text in its tone (ECMA-48 §8.3.117).
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Name => "1",
            Tone::Bad => "1;31",
            Tone::Advice => "36",
            Tone::Quiet => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
