//! A report has an end, whatever the servers say.

use hallpass_core::Hint;

use crate::{Exchange, Fact, Finding, Step};

/// How many characters of a text are shown.
const MAX_TEXT: usize = 600;
/// How many bytes a value in a hint may have. A part of one is of no use.
const MAX_VALUE: usize = 2048;
/// How many requests of a step are shown.
const MAX_EXCHANGES: usize = 40;
/// How many facts, findings, causes and hints each.
const MAX_ITEMS: usize = 24;

/// Shortens what is too long, and says so.
pub(crate) fn apply(step: &mut Step) {
    let more = step.exchanges.len().saturating_sub(MAX_EXCHANGES);
    step.exchanges.truncate(MAX_EXCHANGES);
    note(step, "requests not shown", more);
    let more = step.findings.len().saturating_sub(MAX_ITEMS);
    if more > 0 {
        step.findings
            .sort_by_key(|it| std::cmp::Reverse(it.severity));
        step.findings.truncate(MAX_ITEMS);
    }
    note(step, "findings not shown", more);
    let more = step.facts.len().saturating_sub(MAX_ITEMS);
    step.facts.truncate(MAX_ITEMS);
    note(step, "facts not shown", more);
    for Exchange { request, outcome } in &mut step.exchanges {
        shorten(request);
        shorten(outcome);
    }
    for Fact { value, .. } in &mut step.facts {
        shorten(value);
    }
    step.skipped.iter_mut().for_each(shorten);
    step.findings.iter_mut().for_each(shorten_finding);
}

/// At the front, where it is not cut off itself.
fn note(step: &mut Step, name: &'static str, more: usize) {
    if more > 0 {
        let value = more.to_string();
        step.facts.insert(0, Fact { name, value });
    }
}

fn shorten_finding(finding: &mut Finding) {
    shorten(&mut finding.message);
    let more = finding.causes.len().saturating_sub(MAX_ITEMS);
    finding.causes.truncate(MAX_ITEMS);
    finding.causes.iter_mut().for_each(shorten);
    if more > 0 {
        finding.causes.push(format!("… and {more} causes more"));
    }
    let more = finding.hints.len().saturating_sub(MAX_ITEMS);
    finding.hints.truncate(MAX_ITEMS);
    if more > 0 {
        finding
            .hints
            .push(Hint::text(format!("… and {more} hints more")));
    }
    for hint in &mut finding.hints {
        match hint {
            Hint::Setting { value, .. } => drop_if_long(value),
            Hint::Settings { settings } => settings.values_mut().for_each(drop_if_long),
            Hint::ContactOperator { server } => shorten(server),
            Hint::Text { text } => shorten(text),
            Hint::Url { url } if url.len() > MAX_VALUE => {
                *hint =
                    Hint::text("the server's operator knows its URL, which is too long to show");
            }
            _ => {}
        }
    }
}

/// The user has to know it then.
fn drop_if_long(value: &mut Option<String>) {
    if value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
        *value = None;
    }
}

fn shorten(text: &mut String) {
    let Some((end, _)) = text.char_indices().nth(MAX_TEXT) else {
        return;
    };
    let more = text[end..].chars().count();
    text.truncate(end);
    text.extend(["… and ", &more.to_string(), " characters more"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Severity, StepName};

    #[test]
    fn facts_causes_and_hints_that_are_left_out_are_counted() {
        let mut step = Step::new(StepName::Endpoint);
        let mut found = Finding::new(Code::OddMetadata, "odd");
        for _ in 0..MAX_ITEMS + 3 {
            step.push_fact("issuer", "a");
            found = found.with_cause("because").text("do this");
        }
        step.push_finding(found);
        apply(&mut step);
        assert_eq!(step.facts.len(), MAX_ITEMS + 1);
        assert_eq!(
            (step.facts[0].name, &*step.facts[0].value),
            ("facts not shown", "3")
        );
        let found = &step.findings[0];
        let last = found.causes.last().map(String::as_str);
        assert_eq!(last, Some("… and 3 causes more"));
        let last = found.hints.last();
        assert_eq!(last, Some(&Hint::text("… and 3 hints more")));
    }

    #[test]
    fn step_is_cut_to_its_bounds_with_faults_first() {
        let mut step = Step::new(StepName::AuthorizationServer);
        let long = "ü".repeat(MAX_TEXT + 7);
        step.push_fact("issuer", long.as_str());
        step.push_fact("scopes", "a".repeat(MAX_TEXT));
        for _ in 0..1000 {
            let (request, outcome) = (long.clone(), "200".to_owned());
            step.exchanges.push(Exchange { request, outcome });
            let found = Finding::new(Code::OddMetadata, long.as_str());
            let found = found.hint_setting("resource", Some(&"x".repeat(MAX_VALUE + 1)));
            step.push_finding(found);
        }
        step.push_finding(Finding::new(Code::NoServerMetadata, "the last"));
        apply(&mut step);
        assert_eq!(step.exchanges.len(), MAX_EXCHANGES);
        assert_eq!(step.findings.len(), MAX_ITEMS);
        assert_eq!(step.findings[0].severity, Severity::Fault);
        assert_eq!(step.findings[1].hints, [Hint::setting("resource", None)]);
        let cut = format!("{}… and 7 characters more", "ü".repeat(MAX_TEXT));
        let facts: Vec<_> = step.facts.iter().map(|it| (it.name, &*it.value)).collect();
        assert_eq!(facts[0], ("findings not shown", "977"));
        assert_eq!(facts[1], ("requests not shown", "960"));
        assert_eq!(facts[2], ("issuer", &*cut));
        assert_eq!(facts[3].1.len(), MAX_TEXT);
    }
}
