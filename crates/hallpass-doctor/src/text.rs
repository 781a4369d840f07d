//! A report for people.

use std::fmt;

use hallpass_core::{Hint, sanitize_line};

use crate::{Finding, Report, Severity, Step, Verdict};

/// What a line begins with that goes on with the one above.
const CONTINUED: &str = "| ";

/// How a report is written down.
#[derive(Clone, Copy)]
pub struct Style<'a> {
    /// Where lines are folded.
    pub width: usize,
    /// The text of a hint: the command that follows it, and notes on lines below.
    pub hint: &'a dyn Fn(&Hint) -> String,
    /// Paints a line. What it means is in its words as well.
    pub paint: &'a dyn Fn(Tone, &str) -> String,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tone {
    /// The head of a step.
    Step(Verdict),
    /// The head of a finding.
    Finding(Severity),
    /// A finding in words.
    Plain,
    /// What fixes it.
    Hint,
    /// What was asked and learnt.
    Quiet,
}

impl Report {
    /// The report as text, without a line break at its end.
    pub fn to_text(&self, style: &Style<'_>) -> String {
        let mut page = Page {
            style,
            lines: Vec::new(),
        };
        for step in &self.steps {
            page.step(step);
        }
        page.lines.push(String::new());
        page.line(Tone::Step(self.verdict()), 0, &self.summary());
        page.lines.join("\n")
    }

    /// The result, in one line.
    pub fn summary(&self) -> String {
        let count = |severity| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {}", severity.as_str())),
            more => Some(format!("{more} {}s", severity.as_str())),
        };
        let severities = [Severity::Fault, Severity::Warning, Severity::Note];
        let counts: Vec<_> = severities.into_iter().filter_map(count).collect();
        let counts = if counts.is_empty() {
            "no findings".to_owned()
        } else {
            counts.join(", ")
        };
        match self.first_fault() {
            Some(fault) => format!("{counts}; first fault: `{}`", fault.code.as_str()),
            None => format!("{counts}; no faults"),
        }
    }
}

/// The lines so far.
struct Page<'a> {
    style: &'a Style<'a>,
    lines: Vec<String>,
}

impl Page<'_> {
    fn step(&mut self, step: &Step) {
        let verdict = step.verdict();
        let head = match &step.skipped {
            None => format!("{}: {}", step.name.as_str(), verdict.as_str()),
            Some(why) => format!("{}: skipped, {why}", step.name.as_str()),
        };
        self.line(Tone::Step(verdict), 0, &head);
        for exchange in &step.exchanges {
            let text = format!("{}: {}", exchange.request, exchange.outcome);
            self.line(Tone::Quiet, 2, &text);
        }
        for fact in &step.facts {
            let text = format!("{}: {}", fact.name, fact.value);
            self.line(Tone::Quiet, 2, &text);
        }
        for finding in &step.findings {
            self.finding(finding);
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let head = format!(
            "{} `{}`, {} ({})",
            finding.severity.as_str(),
            finding.code.as_str(),
            finding.party.label(),
            finding.spec
        );
        self.line(Tone::Finding(finding.severity), 2, &head);
        self.line(Tone::Plain, 4, &finding.message);
        for cause in &finding.causes {
            self.line(Tone::Plain, 4, &format!("cause: {cause}"));
        }
        for hint in &finding.hints {
            let line = format!("hint: {}", (self.style.hint)(hint));
            match hint {
                Hint::Text { .. } | Hint::Retry { .. } | Hint::ContactOperator { .. } => {
                    self.line(Tone::Hint, 4, &line);
                }
                // A command is copied, and is one line.
                _ => {
                    let mut lines = line.lines();
                    let command = sanitize_line(lines.next().unwrap_or_default());
                    let command = (self.style.paint)(Tone::Hint, &format!("    {command}"));
                    self.lines.push(command);
                    for note in lines {
                        self.line(Tone::Plain, 6, &format!("{CONTINUED}{note}"));
                    }
                }
            }
        }
    }

    /// One line, folded. What does not fit goes on two columns further in behind a mark: words of a
    /// server there can't be taken for a line of the report.
    fn line(&mut self, tone: Tone, indent: usize, text: &str) {
        let text = sanitize_line(text);
        let mut folded: Vec<String> = Vec::new();
        let mut current = String::new();
        let (mut indent, mut mark) = (indent, "");
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let room = self.style.width.saturating_sub(indent + mark.len());
            let length = current.chars().count() + 1 + word.chars().count();
            if !current.is_empty() && length > room {
                folded.push(format!("{:indent$}{mark}{current}", ""));
                if folded.len() == 1 {
                    (indent, mark) = (indent + 2, CONTINUED);
                }
                current.clear();
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        folded.push(format!("{:indent$}{mark}{current}", ""));
        let painted = folded.iter().map(|line| (self.style.paint)(tone, line));
        self.lines.extend(painted);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style {
            width: 100,
            hint: &|hint: &Hint| hint.to_string(),
            paint: &|_, line: &str| line.to_owned(),
        };
        f.write_str(&self.to_text(&style))
    }
}

impl fmt::Debug for Style<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Style")
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}
