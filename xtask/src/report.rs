//! What is printed for the maintainer.

use std::{fmt, time::Instant};

/// The error of a step, and the command that fixes it or shows more.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    advice: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: None,
        }
    }

    pub(crate) fn fix(mut self, command: impl Into<String>) -> Self {
        self.advice = Some(format!("fix it with: {}", command.into()));
        self
    }

    /// Where nothing is known to fix it, the command that shows it again by itself.
    pub(crate) fn or_again(mut self, command: &str) -> Self {
        let again = || format!("see it again with: {command}");
        self.advice.get_or_insert_with(again);
        self
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "the one place that prints")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build tool measures its own steps"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
