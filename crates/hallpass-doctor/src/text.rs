//! A report for people.

use std::fmt;

use hallpass_core::sanitize_line;

use crate::{Finding, Fix, Report, Severity, Step, Verdict};

/// How a report is written down.
#[derive(Clone, Copy)]
pub struct Style<'a> {
    /// Where lines are folded.
    pub width: usize,
    /// The line that mends something.
    pub mend: &'a dyn Fn(&Fix) -> String,
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
    /// What mends it.
    Fix,
    /// What was asked and learnt.
    Quiet,
}

impl Report {
    /// The report in words, without a line break at its end.
    pub fn in_words(&self, style: &Style<'_>) -> String {
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

    /// What it comes to, in one line.
    pub fn summary(&self) -> String {
        let count = |severity| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {}", severity.as_str())),
            more => Some(format!("{more} {}s", severity.as_str())),
        };
        let severities = [Severity::Fault, Severity::Warning, Severity::Note];
        let counts: Vec<_> = severities.into_iter().filter_map(count).collect();
        let counts = if counts.is_empty() {
            "nothing to say".to_owned()
        } else {
            counts.join(", ")
        };
        match self.first_fault() {
            Some(fault) => format!(
                "{counts}; what stands in the way first: `{}`",
                fault.code.as_str()
            ),
            None => format!("{counts}; nothing stands in the way"),
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
            let text = format!("{}: {}", exchange.asked, exchange.came);
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
            finding.side.in_words(),
            finding.rule
        );
        self.line(Tone::Finding(finding.severity), 2, &head);
        self.line(Tone::Plain, 4, &finding.what);
        for cause in &finding.because {
            self.line(Tone::Plain, 4, &format!("because: {cause}"));
        }
        for mend in &finding.mends {
            let line = format!("mend: {}", (self.style.mend)(mend));
            self.line(Tone::Fix, 4, &line);
        }
    }

    /// One line, folded; what does not fit goes on two columns further in.
    fn line(&mut self, tone: Tone, indent: usize, text: &str) {
        let text = sanitize_line(text);
        let mut folded: Vec<String> = Vec::new();
        let mut current = String::new();
        let mut indent = indent;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let room = self.style.width.saturating_sub(indent);
            let length = current.chars().count() + 1 + word.chars().count();
            if !current.is_empty() && length > room {
                folded.push(format!("{:indent$}{current}", ""));
                if folded.len() == 1 {
                    indent += 2;
                }
                current.clear();
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        folded.push(format!("{:indent$}{current}", ""));
        let painted = folded.iter().map(|line| (self.style.paint)(tone, line));
        self.lines.extend(painted);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style {
            width: 100,
            mend: &|mend: &Fix| mend.to_string(),
            paint: &|_, line: &str| line.to_owned(),
        };
        f.write_str(&self.in_words(&style))
    }
}

impl fmt::Display for Fix {
    /// In the words of the libraries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting {
                name,
                value: Some(value),
            } => write!(f, "set `{name}` to `{value}`"),
            Self::Setting { name, value: None } => write!(f, "set `{name}`"),
            Self::SignIn => f.write_str("sign in"),
            Self::ForgetClient => f.write_str("forget the registered client, and sign in"),
            Self::Refresh => f.write_str("ask again with leave to refresh the token"),
            Self::Url { url } => write!(f, "use the URL {url}"),
            Self::Words { text } => f.write_str(text),
        }
    }
}

impl fmt::Debug for Style<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Style")
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}
