//! What is shown to the maintainer: a line and a time for each step, and a summary.

use std::{
    fmt,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Why a step failed, and what mends it or shows more.
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

    pub(crate) fn mend(mut self, command: impl Into<String>) -> Self {
        self.advice = Some(format!("mend it with: {}", command.into()));
        self
    }

    /// Where nothing is known to mend it, the command that shows it again by itself.
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

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    began: Option<Instant>,
    done: Vec<(&'static str, Duration, bool)>,
}

impl Report {
    pub(crate) fn begin(&mut self, name: &str, about: &str) {
        self.began = Some(now());
        self.line(&format!("== {name}: {about}"));
    }

    /// Records how a step ended; whether to go on.
    pub(crate) fn end(&mut self, name: &'static str, outcome: &Result<(), Failure>) -> bool {
        let took = self
            .began
            .take()
            .map_or(Duration::ZERO, |began| now() - began);
        let seconds = took.as_secs_f32();
        match outcome {
            Ok(()) => self.line(&format!("== {name}: ok, {seconds:.1} s\n")),
            Err(failure) => self.line(&format!(
                "== {name}: FAILED after {seconds:.1} s\n{failure}\n"
            )),
        }
        self.done.push((name, took, outcome.is_ok()));
        outcome.is_ok()
    }

    pub(crate) fn summary(&self) -> ExitCode {
        let (mut passed, mut failed) = (0, 0);
        for (name, took, ok) in &self.done {
            let verdict = if *ok { "ok" } else { "FAILED" };
            *if *ok { &mut passed } else { &mut failed } += 1;
            self.line(&format!(
                "{name:<12} {:>7.1} s  {verdict}",
                took.as_secs_f32()
            ));
        }
        self.line(&format!("steps: {passed} passed, {failed} failed"));
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    pub(crate) fn fatal(&self, failure: &Failure) -> ExitCode {
        self.line(&failure.to_string());
        ExitCode::FAILURE
    }

    #[expect(
        clippy::print_stdout,
        clippy::unused_self,
        reason = "the one place that prints"
    )]
    pub(crate) fn line(&self, text: &str) {
        println!("{text}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build tool measures its own steps"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
