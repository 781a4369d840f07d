//! What the checks of files find.

use std::fmt;

use crate::report::Failure;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The package or the file, relative to the root.
    pub(crate) place: String,
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

impl Finding {
    pub(crate) fn new(
        place: impl Into<String>,
        rule: &'static str,
        what: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            rule,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.place, self.what, self.rule)
    }
}

/// Fails with a line for each finding, if there is one.
pub(crate) fn report(findings: &[Finding], fix: &str) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(Failure::new(lines.join("\n")).fix(fix))
}
