//! A help text, taken apart: what comes before its options, and the options by section.

use std::fmt::Write;

/// A help text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Help<'a> {
    /// All but the options: what it is about, the usage, the arguments, the commands below it.
    pub(super) lead: String,
    pub(super) sections: Vec<Section<'a>>,
}

/// Options under a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub(super) heading: &'a str,
    /// Each option with all that is said of it.
    pub(super) options: Vec<String>,
}

impl<'a> Help<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let mut help = Self {
            lead: String::new(),
            sections: Vec::new(),
        };
        let mut in_options = false;
        for line in text.lines() {
            if is_heading(line) {
                in_options = true;
                help.sections.push(Section {
                    heading: line.trim_end_matches(':'),
                    options: Vec::new(),
                });
                continue;
            }
            in_options &= line.is_empty() || line.starts_with(' ');
            match help.sections.last_mut() {
                Some(section) if in_options => section.add(line),
                // Writing into a string never fails.
                _ => _ = writeln!(help.lead, "{line}"),
            }
        }
        help.lead.truncate(help.lead.trim_end().len());
        for section in &mut help.sections {
            for option in &mut section.options {
                option.truncate(option.trim_end().len());
            }
        }
        help
    }

    /// A section by its heading.
    pub(super) fn section(&self, heading: &str) -> Option<&Section<'a>> {
        self.sections
            .iter()
            .find(|section| section.heading == heading)
    }

    /// The text without the options of `shared`, and without sections of which nothing is left.
    pub(super) fn without(&self, shared: &[&Section<'_>]) -> String {
        let is_shared = |option: &String| shared.iter().any(|it| it.options.contains(option));
        let mut text = self.lead.clone();
        for section in &self.sections {
            let own = section.options.iter().filter(|option| !is_shared(option));
            let own = Section {
                heading: section.heading,
                options: own.cloned().collect(),
            };
            if !own.options.is_empty() {
                let _ = write!(text, "\n\n{}", own.text());
            }
        }
        text
    }
}

impl Section<'_> {
    fn add(&mut self, line: &str) {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with('-') && indent <= 6 {
            self.options.push(String::new());
        }
        if let Some(option) = self.options.last_mut() {
            let _ = writeln!(option, "{line}");
        }
    }

    /// The section as it stands in a help text.
    pub(super) fn text(&self) -> String {
        format!("{}:\n{}", self.heading, self.options.join("\n\n"))
    }
}

fn is_heading(line: &str) -> bool {
    line == "Options:" || !line.starts_with(' ') && line.ends_with(" options:")
}
