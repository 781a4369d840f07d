//! The official MCP conformance suite, client side, authorisation: every run of it, one at a time,
//! strictly.
//!
//! The suite itself says which runs there are: each authorisation scenario at each wire that it is
//! listed for, an extension at both. A run counts when it ran, when no check of it failed or
//! warned, and when the client ended well. A scenario that was skipped, or that is not there, is a
//! failure as any other.
//!
//! The client is an example of the facade. It does not learn which scenario it is in, and how it
//! differs from the example that a host reads is printed.
//!
//! What the suite requires of a client besides authorisation, at both wires, is run and counted
//! apart: authorisation is no excuse for a transport that loses a header.
//!
//! At last the suite makes the runs that each revision requires in its own way, all at once and judged
//! by their checks alone: what it says to everybody else. It ignores how a client ended, so it stands
//! beside the strict runs and not in their place.
//!
//! Arguments name the runs to make, by a part of their names; then nothing else is judged.

mod required;
mod suite;

use std::fs;

use crate::{
    report::{Failure, Report, now},
    workspace::Workspace,
};

use suite::{Run, Suite, Verdict, WIRES};

/// The runs of the pinned version.
const RUNS: usize = 53;
/// Its required runs besides authorisation.
const BESIDES: usize = 11;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    workspace
        .cargo()
        .args(["build", "--locked", "--package", "hallpass"])
        .args(["--example", "conformance"])
        .run()?;
    let suite = Suite::install(workspace)?;
    let (all, besides) = (suite.runs()?, suite.required_besides()?);
    if (all.len(), besides.len()) != (RUNS, BESIDES) {
        let (found, besides) = (all.len(), besides.len());
        let what = format!("the suite lists {found} and {besides} runs, not {RUNS} and {BESIDES}");
        return Err(Failure::new(what).mend("look at the version in xtask/conformance"));
    }
    if !arguments.is_empty() {
        let is_wanted = |run: &&Run| {
            let name = run.name();
            arguments.iter().any(|part| name.contains(part.as_str()))
        };
        let wanted: Vec<&Run> = all.iter().chain(&besides).filter(is_wanted).collect();
        if wanted.is_empty() {
            return Err(Failure::new("no run has such a name").mend("cargo xtask conformance"));
        }
        return judge(&suite, &make(&suite, &wanted)?);
    }
    let mut missed = make(&suite, &besides.iter().collect::<Vec<_>>())?;
    missed.extend(make(&suite, &all.iter().collect::<Vec<_>>())?);
    for wire in WIRES {
        missed.extend(suite.required_at_once(wire)?);
    }
    compare(workspace)?;
    judge(&suite, &missed)
}

fn judge(suite: &Suite, missed: &[String]) -> Result<(), Failure> {
    match missed {
        [] => Ok(()),
        [first, ..] => Err(Failure::new(format!(
            "{} runs did not pass; what they said is below {}",
            missed.len(),
            suite.results().display()
        ))
        .mend(format!("cargo xtask conformance {first}"))),
    }
}

/// Makes the runs and prints the table; the names of those that did not pass.
fn make(suite: &Suite, wanted: &[&Run]) -> Result<Vec<String>, Failure> {
    let report = Report::default();
    let began = now();
    let mut missed = Vec::new();
    for run in wanted {
        let started = now();
        let verdict = suite.run(run)?;
        let seconds = started.elapsed().as_secs_f32();
        report.line(&format!("{:<56} {seconds:>5.1} s  {verdict}", run.name()));
        if !matches!(verdict, Verdict::Passed { .. }) {
            missed.push(run.name());
        }
    }
    let passed = wanted.len() - missed.len();
    let seconds = began.elapsed().as_secs_f32();
    report.line(&format!("{passed} of {} in {seconds:.0} s", wanted.len()));
    Ok(missed)
}

/// Prints in which lines the client is not the example that a host reads.
fn compare(workspace: &Workspace) -> Result<(), Failure> {
    let examples = workspace.root().join("crates/hallpass/examples");
    let read = |name: &str| fs::read_to_string(examples.join(name));
    let (host, client) = (read("host.rs")?, read("conformance/main.rs")?);
    let report = Report::default();
    report.line("the client's main.rs against examples/host.rs, from the configuration on:");
    for line in difference(&body(&host), &body(&client)) {
        report.line(&line);
    }
    for (file, what) in [
        ("context.rs", "reads the context"),
        ("browser.rs", "is the person"),
        (
            "calls.rs",
            "says what to call, and answers the server's questions",
        ),
    ] {
        let lines = read(&format!("conformance/{file}"))?.lines().count();
        report.line(&format!("  {file}, {lines} lines, {what}"));
    }
    Ok(())
}

/// The lines of `main`, as they stand.
fn body(source: &str) -> Vec<&str> {
    let lines = source
        .lines()
        .skip_while(|line| !line.starts_with("async fn main"));
    lines.take_while(|line| *line != "}").collect()
}

/// What is in one and not in the other, in the order of the other.
fn difference(host: &[&str], client: &[&str]) -> Vec<String> {
    let is_in = |lines: &[&str], line: &str| lines.iter().any(|it| it.trim() == line.trim());
    let gone = host.iter().filter(|line| !is_in(client, line));
    let new = client.iter().filter(|line| !is_in(host, line));
    let gone = gone.map(|line| format!("  - {line}"));
    gone.chain(new.map(|line| format!("  + {line}"))).collect()
}

#[cfg(test)]
mod tests;
