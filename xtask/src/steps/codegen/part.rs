//! A part of a document that is made, between two marks; the rest of it is written by hand.

/// One part.
#[derive(Debug)]
pub(super) struct Part {
    /// The document, by its path from the root.
    pub(super) document: &'static str,
    /// What stands in the mark where it begins.
    pub(super) name: &'static str,
    pub(super) text: String,
}

const END: &str = "<!-- The end of what is written. -->\n";

impl Part {
    /// The document with this part in its place; none where the place is not marked.
    pub(super) fn put_into(&self, document: &str) -> Option<String> {
        let begin = self.mark();
        let (before, rest) = document.split_once(&begin)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{begin}{}{END}{after}", self.text))
    }

    pub(super) fn mark(&self) -> String {
        format!(
            "<!-- {}, written by `cargo xtask codegen --write`. -->\n",
            self.name
        )
    }
}
