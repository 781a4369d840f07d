//! What the checks of files find, and what is excepted from it.

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

/// A place that may break a rule, and why. An exception that nothing needs is a finding itself.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) place: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) reason: &'static str,
}

/// Takes out what is excepted, and puts in the exceptions that nothing needs.
pub(crate) fn judge(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let excepts = |exception: &Exception, finding: &Finding| {
        exception.place == finding.place && exception.rule == finding.rule
    };
    let stale: Vec<_> = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| excepts(exception, finding)))
        .map(|exception| {
            let what = format!("the exception «{}» is no longer needed", exception.reason);
            Finding::new(exception.place, exception.rule, what)
        })
        .collect();
    let kept = findings.into_iter().filter(|finding| {
        !exceptions
            .iter()
            .any(|exception| excepts(exception, finding))
    });
    kept.chain(stale).collect()
}

/// Fails with a line for each finding, if there is one.
pub(crate) fn report(findings: &[Finding], mend: &str) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(Failure::new(lines.join("\n")).mend(mend))
}

#[cfg(test)]
mod tests;
